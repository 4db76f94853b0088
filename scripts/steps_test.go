// Package scripts tests the parts of test.sh.
package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bash runs a script after the parts of test.sh, in an empty directory that $dir names, and returns what it writes.
func bash(t *testing.T, script string) (string, error) {
	t.Helper()
	parts, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	prelude := `set -euo pipefail
log=$dir/log TESTRUN_DIR=$dir target=$dir testrun=$dir/testrun
clean_up() { :; }
source "$parts/steps.sh"
source "$parts/toolchain.sh"
`
	command := exec.Command("bash", "-c", prelude+script)
	command.Env = append(os.Environ(), "dir="+t.TempDir(), "parts="+parts)
	output, err := command.CombinedOutput()
	return string(output), err
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// A program in place of testrun: $1 is the exit code of `run`, $2 of `again`, which finds what the files say.
const fakeTestrun = `
fake_testrun() {
    printf '#!/bin/sh\ncase $1 in run) echo "! failed: a_test"; exit %s;; again) exit %s;; esac\n' "$1" "$2" >"$testrun"
    chmod +x "$testrun"
    touch "$dir/flaky" "$dir/not-run"
}
`

func TestTheLastLineNamesWhatWasNotChecked(t *testing.T) {
	said, err := bash(t, fakeTestrun+`
fake_testrun 0 0
echo "rust: a_test" >"$dir/flaky"
echo "go: TestB" >"$dir/not-run"
check() { not_checked+=("advisories (out of reach)"); }
step "a step" check
report
`)
	line := lastLine(said)
	want := " s; flaky, passed the second time: 1; not checked: advisories (out of reach), go: TestB"
	if err != nil || !strings.HasPrefix(line, "all passed in ") || !strings.HasSuffix(line, want) {
		t.Errorf("%v, last line %q of:\n%s", err, line, said)
	}
	if !strings.Contains(said, "\n! flaky: rust: a_test\nall passed") {
		t.Errorf("the flaky test is not in the last lines:\n%s", said)
	}
}

func TestTheLastLineOfACompleteRunNamesNothing(t *testing.T) {
	said, err := bash(t, fakeTestrun+`
fake_testrun 0 0
step "a step" true
report
`)
	if line := lastLine(said); err != nil || !strings.HasPrefix(line, "all passed in ") || strings.Contains(line, ";") {
		t.Errorf("%v, last line %q of:\n%s", err, line, said)
	}
}

func TestStepsAfterFailedTestsStillRun(t *testing.T) {
	said, err := bash(t, fakeTestrun+`
fake_testrun 3 1
step "tests" run_tests rust name command
step "another step" echo "ok  it ran"
step "again" run_failed_again
`)
	ran, failed := strings.Contains(said, "ok  it ran"), strings.Contains(lastLine(said), "FAILED after ")
	if err == nil || !ran || !failed || !strings.Contains(said, "tests failed, which are run once more at the end") {
		t.Errorf("%v:\n%s", err, said)
	}
}

func TestAFaultStopsTheRunWithItsOutput(t *testing.T) {
	said, err := bash(t, fakeTestrun+`
fake_testrun 1 0
step "tests" run_tests rust name command
step "another step" echo "ok  it ran"
`)
	if err == nil || strings.Contains(said, "ok  it ran") || !strings.Contains(said, "! failed: a_test") {
		t.Errorf("%v:\n%s", err, said)
	}
}

func TestFlakyTestsFailARunThatAllowsNone(t *testing.T) {
	said, err := bash(t, fakeTestrun+`
fake_testrun 0 0
echo "rust: a_test" >"$dir/flaky"
FLAKY=fail
step "again" run_failed_again
`)
	if err == nil || !strings.Contains(said, "flaky tests are not allowed here") {
		t.Errorf("%v:\n%s", err, said)
	}
}

func TestPackagesAreNamedBeforeTheyAreInstalled(t *testing.T) {
	said, err := bash(t, `
may_install() { return 0; }
apt-get() {
    case "$*" in
    *--simulate*) printf 'Inst libone (1)\nInst two (2)\nConf libone (1)\n' ;;
    *) echo "installed" >&"$terminal" ;;
    esac
}
step "toolchain" install two
`)
	named := strings.Index(said, "installing Debian's packages: libone two")
	if installed := strings.Index(said, "installed"); err != nil || named < 0 || installed < named {
		t.Errorf("%v:\n%s", err, said)
	}
}
