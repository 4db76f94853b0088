package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rust is `cargo test --tests --no-fail-fast`, which runs one test program after the other. Doc tests are not meant:
// they are chosen by their lines.
type rust struct{}

var (
	// Running unittests src/lib.rs (target/debug/deps/fastway-0123456789abcdef)
	rustProgram = regexp.MustCompile(`^ +Running (?:unittests )?\S+ \(.*/([^/]+)-[0-9a-f]{16}\)$`)
	// test limits::a_limit_holds - should panic ... ok
	rustTest = regexp.MustCompile(`^test (\S+)(?: - .*)? \.\.\. (ok|FAILED)$`)
	// test limits::a_child ... ignored, a_test runs it
	rustIgnored = regexp.MustCompile(`^test (\S+) \.\.\. ignored(?:, (.*))?$`)
	// test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
	rustResult = regexp.MustCompile(`^test result: (ok|FAILED)\. \d+ passed; (\d+) failed;`)
	// error: 2 targets failed:
	rustTargets = regexp.MustCompile(`^error: (\d+) targets? failed:$`)
)

// program is one test program in cargo's output.
type program struct {
	name    string
	started time.Duration
	passed  []ended
	failed  []ended
	ignored []string
	// listed are the names below the last `failures:`, which stay whole when a test writes between the parts of a line.
	listed []string
	// finished is whether it came to its result; count is how many tests failed by that.
	finished bool
	count    int
}

// ended is a test that came to an end at some time.
type ended struct {
	name string
	at   time.Duration
}

func (rust) command(words []string) []string {
	return words
}

// again runs all of the tests with their exact names in every program. A name that two programs have runs in both.
func (rust) again(words []string, tests []test) ([][]string, error) {
	if end := slices.Index(words, "--"); end >= 0 {
		words = words[:end]
	}
	words = append(slices.Clone(words), "--", "--exact", "--test-threads=1")
	for _, test := range tests {
		words = append(words, test.Name)
	}
	return [][]string{words}, nil
}

func (rust) parse(output *output, code int, w io.Writer) (outcome, error) {
	io.WriteString(w, output.text())
	programs, targets, err := rustPrograms(output.lines)
	if err != nil {
		return outcome{}, err
	}
	var result outcome
	failedPrograms := 0
	for _, program := range programs {
		switch {
		case !program.finished:
			result.fault = fmt.Sprintf("%s ended before its tests did", program.name)
		case program.count != len(program.listed):
			result.fault = fmt.Sprintf("%s: %d tests failed, %d are named", program.name, program.count, len(program.listed))
		case program.count > 0:
			failedPrograms++
		}
		seconds := program.seconds()
		for _, name := range program.listed {
			result.failed = append(result.failed, test{program.name, name, seconds[name]})
		}
		for _, ended := range program.passed {
			result.passed = append(result.passed, test{program.name, ended.name, seconds[ended.name]})
		}
		for _, name := range program.ignored {
			result.ignored = append(result.ignored, test{Group: program.name, Name: name})
		}
	}
	if code != 0 && result.fault == "" && targets != failedPrograms {
		result.fault = fmt.Sprintf("cargo counts %d failed test programs; tests failed in %d", targets, failedPrograms)
	}
	return result, nil
}

// rustPrograms tells the programs in cargo's output apart; with them comes how many of them failed by cargo's count.
func rustPrograms(lines []line) ([]*program, int, error) {
	var programs []*program
	targets := 0
	listing := false
	for _, line := range lines {
		if found := rustProgram.FindStringSubmatch(line.text); found != nil {
			programs = append(programs, &program{name: found[1], started: line.at})
			continue
		}
		if found := rustTargets.FindStringSubmatch(line.text); found != nil {
			count, err := strconv.Atoi(found[1])
			if err != nil {
				return nil, 0, err
			}
			targets = count
		}
		if len(programs) == 0 {
			continue
		}
		current := programs[len(programs)-1]
		if name, indented := strings.CutPrefix(line.text, "    "); listing && indented {
			current.listed = append(current.listed, name)
			continue
		}
		if line.text == "failures:" {
			current.listed, listing = nil, true
		} else if line.text != "" {
			listing = false
		}
		if found := rustTest.FindStringSubmatch(line.text); found != nil {
			test := ended{found[1], line.at}
			if found[2] == "ok" {
				current.passed = append(current.passed, test)
			} else {
				current.failed = append(current.failed, test)
			}
		}
		if found := rustIgnored.FindStringSubmatch(line.text); found != nil && !strings.HasSuffix(found[2], " runs it") {
			current.ignored = append(current.ignored, found[1])
		}
		if found := rustResult.FindStringSubmatch(line.text); found != nil {
			count, err := strconv.Atoi(found[2])
			if err != nil {
				return nil, 0, err
			}
			current.finished, current.count = true, count
		}
	}
	return programs, targets, nil
}

// seconds says how long the tests took. The stable libtest does not, but it starts tests in the order of their names, as
// many at a time as there are threads: the next one starts when any ends.
func (p *program) seconds() map[string]float64 {
	byEnd := append(slices.Clone(p.passed), p.failed...)
	slices.SortStableFunc(byEnd, func(a, b ended) int { return int(a.at - b.at) })
	byName := slices.Clone(byEnd)
	slices.SortFunc(byName, func(a, b ended) int { return strings.Compare(a.name, b.name) })
	seconds := make(map[string]float64)
	for index, test := range byName {
		started := p.started
		if index >= testThreads() {
			started = byEnd[index-testThreads()].at
		}
		seconds[test.name] = max(0, (test.at - started).Seconds())
	}
	return seconds
}

func testThreads() int {
	if count, err := strconv.Atoi(os.Getenv("RUST_TEST_THREADS")); err == nil && count > 0 {
		return count
	}
	return runtime.NumCPU()
}
