// Testrun runs a test program of any of the repository's languages, and runs the tests that failed once more.
//
//	testrun run KIND NAME COMMAND…   runs a step's tests; KIND is rust (cargo test), go (go test) or nunit (csharp/test.sh)
//	testrun again                    runs the tests that failed in any step once more, by themselves
//	testrun waiting                  lists the tests that failed and were not run again
//	testrun slowest N                lists the N tests that took longest
//
// Steps are recorded in the directory TESTRUN_DIR, which the caller empties before the first one: NAME.json says what
// failed, and NAME.log and NAME.again*.log are the output. Of all steps, `again` writes two files: flaky lists the tests that
// failed and then passed, not-run those that were ignored.
//
// Only a failed test gets a second chance. A compile error, a crash, a time-out, a data race, or an output that does not
// account for the exit code is a fault at once.
//
// Exit codes of run: 0 all tests passed, 3 tests failed and can be run again, 1 anything else.
// Exit codes of again: 0 all passed, or nothing had failed; 1 a test failed again.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// timeLimit is what one step may take. A test program that hangs is ended then.
const timeLimit = 90 * time.Minute

// exitFailedTests tells the caller that tests failed that can be run again.
const exitFailedTests = 3

// outcome is what a test program said of its tests.
type outcome struct {
	failed []test
	passed []test
	// ignored did not run. A test that another one runs does not belong here.
	ignored []test
	// fault says why a second run would not do, if so.
	fault string
}

// language knows one kind of test program.
type language interface {
	// parse reads the output of a run that ended with an exit code; w gets what a reader wants to see of it.
	parse(output *output, code int, w io.Writer) (outcome, error)
	// command is how the program is started; it may add an option for a readable output.
	command(words []string) []string
	// again is how these tests are run by themselves.
	again(words []string, tests []test) ([][]string, error)
}

func languageOf(kind string) (language, error) {
	switch kind {
	case "rust":
		return rust{}, nil
	case "go":
		return golang{}, nil
	case "nunit":
		return nunit{}, nil
	}
	return nil, fmt.Errorf("no kind of test program is named %q: rust, go or nunit", kind)
}

func main() {
	code, err := dispatch(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		code = 1
	}
	os.Exit(code)
}

func dispatch(args []string, w io.Writer) (int, error) {
	dir := os.Getenv("TESTRUN_DIR")
	switch {
	case dir == "":
		return 1, errors.New("TESTRUN_DIR is not set")
	case len(args) >= 4 && args[0] == "run":
		return run(dir, &record{Kind: args[1], Name: args[2], Command: args[3:]}, w)
	case len(args) == 1 && args[0] == "again":
		return again(dir, w)
	case len(args) == 1 && args[0] == "waiting":
		return 0, waiting(dir, w)
	case len(args) == 2 && args[0] == "slowest":
		count, err := strconv.Atoi(args[1])
		if err != nil {
			return 1, err
		}
		return 0, slowest(dir, count, w)
	}
	return 1, errors.New("usage: testrun run KIND NAME COMMAND… | again | waiting | slowest N")
}

// run is the first run of a step.
func run(dir string, step *record, w io.Writer) (int, error) {
	outcome, err := execute(step, step.Command, filepath.Join(dir, step.Name+".log"), w)
	if err != nil {
		return 1, err
	}
	step.Failed, step.Passed, step.Ignored, step.Fault = outcome.failed, outcome.passed, outcome.ignored, outcome.fault
	if err := step.write(dir); err != nil {
		return 1, err
	}
	for _, test := range step.Failed {
		fmt.Fprintf(w, "! failed: %s\n", test)
	}
	switch {
	case step.Fault != "":
		fmt.Fprintf(w, "! %s: %s\n", step.Name, step.Fault)
		return 1, nil
	case len(step.Failed) > 0:
		return exitFailedTests, nil
	}
	return 0, nil
}

// again gives the tests that failed their second and last chance.
func again(dir string, w io.Writer) (int, error) {
	steps, err := records(dir)
	if err != nil {
		return 1, err
	}
	var flaky, ignored []string
	code := 0
	for _, step := range steps {
		for _, test := range step.Ignored {
			ignored = append(ignored, fmt.Sprintf("%s: %s", step.Name, test))
		}
		if len(step.Failed) == 0 {
			continue
		}
		passed, err := secondChance(dir, step, w)
		if err != nil {
			return 1, err
		}
		for _, test := range step.Failed {
			if slices.ContainsFunc(passed, test.is) {
				flaky = append(flaky, fmt.Sprintf("%s: %s", step.Name, test))
			} else {
				fmt.Fprintf(w, "! failed again: %s: %s\n", step.Name, test)
				code = 1
			}
		}
	}
	for _, name := range flaky {
		fmt.Fprintf(w, "! flaky: %s\n", name)
	}
	return code, errors.Join(
		writeLines(filepath.Join(dir, "flaky"), flaky),
		writeLines(filepath.Join(dir, "not-run"), ignored),
	)
}

// waiting lists what failed before anything was run again.
func waiting(dir string, w io.Writer) error {
	steps, err := records(dir)
	if err != nil {
		return err
	}
	for _, step := range steps {
		for _, test := range step.Failed {
			fmt.Fprintf(w, "! failed, see %s: %s\n", filepath.Join(dir, step.Name+".log"), test)
		}
	}
	return nil
}

// secondChance runs a step's failed tests by themselves and returns those that pass. The output is shown unless all do.
func secondChance(dir string, step *record, w io.Writer) ([]test, error) {
	lang, err := languageOf(step.Kind)
	if err != nil {
		return nil, err
	}
	commands, err := lang.again(step.Command, step.Failed)
	if err != nil {
		return nil, err
	}
	var passed []test
	for number, command := range commands {
		var shown strings.Builder
		log := filepath.Join(dir, fmt.Sprintf("%s.again%d.log", step.Name, number))
		outcome, err := execute(step, command, log, &shown)
		if err != nil {
			return nil, err
		}
		if outcome.fault != "" || len(outcome.failed) > 0 {
			fmt.Fprintln(w, shown.String())
		}
		if outcome.fault != "" {
			// Nothing that such a run says of a test is worth anything.
			fmt.Fprintf(w, "! %s: %s\n", step.Name, outcome.fault)
			continue
		}
		passed = append(passed, outcome.passed...)
	}
	return passed, nil
}

// execute runs a test program with its output in a log and returns what it says of its tests.
func execute(step *record, words []string, log string, w io.Writer) (outcome, error) {
	lang, err := languageOf(step.Kind)
	if err != nil {
		return outcome{}, err
	}
	words = lang.command(words)
	output, code, err := capture(words, log)
	if err != nil {
		return outcome{}, err
	}
	result, err := lang.parse(output, code, w)
	if err != nil {
		return outcome{}, err
	}
	if code < 0 && result.fault == "" {
		result.fault = fmt.Sprintf("it was ended by a signal, or after %v", timeLimit)
	}
	if code != 0 && result.fault == "" && len(result.failed) == 0 {
		result.fault = fmt.Sprintf("no test failed, and yet the exit code is %d", code)
	}
	if code == 0 && len(result.failed) > 0 {
		result.fault = "tests failed, and yet the exit code is 0"
	}
	return result, nil
}

// capture runs a command and returns its output, both streams in the order in which they were written. The exit code
// is negative when a signal ended it. What it started ends with it when this program is told to end.
func capture(words []string, log string) (*output, int, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()

	output := &output{started: time.Now(), log: file}
	command := exec.Command(words[0], words[1:]...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// What outlives the program may hold the pipe open: that is an error then.
	command.WaitDelay = time.Minute
	if err := command.Start(); err != nil {
		return nil, 0, err
	}

	group := -command.Process.Pid
	limit := time.AfterFunc(timeLimit, func() { syscall.Kill(group, syscall.SIGKILL) })
	defer limit.Stop()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-signals:
			syscall.Kill(group, syscall.SIGTERM)
		case <-ended:
		}
	}()

	err = command.Wait()
	output.flush()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, 0, err
	}
	return output, command.ProcessState.ExitCode(), nil
}

// slowest lists the tests that took longest in all steps.
func slowest(dir string, count int, w io.Writer) error {
	steps, err := records(dir)
	if err != nil {
		return err
	}
	type timed struct {
		name    string
		seconds float64
	}
	var tests []timed
	for _, step := range steps {
		for _, test := range append(step.Passed, step.Failed...) {
			tests = append(tests, timed{fmt.Sprintf("%s: %s", step.Name, test), test.Seconds})
		}
	}
	slices.SortStableFunc(tests, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, test := range tests[:min(count, len(tests))] {
		fmt.Fprintf(w, "%6.1f s  %s\n", test.seconds, test.name)
	}
	return nil
}
