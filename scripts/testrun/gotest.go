package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// golang is `go test`, whose events are read. A subtest counts as its top-level test.
type golang struct{}

// event is one line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

// The go tool writes it below the output of a test program that failed; 1 is the code of failed tests.
var goExit = regexp.MustCompile(`^exit status (\d+)\n$`)

func (golang) command(words []string) []string {
	at := slices.Index(words, "test")
	return slices.Insert(slices.Clone(words), at+1, "-json")
}

// again runs the failed tests of one package after the other; of two options `-run` the last counts.
func (golang) again(words []string, tests []test) ([][]string, error) {
	options := slices.DeleteFunc(slices.Clone(words), func(word string) bool { return strings.HasPrefix(word, "./") })
	if len(options) == len(words) {
		return nil, errors.New("packages have to be named as ./…")
	}
	var packages []string
	names := make(map[string][]string)
	for _, test := range tests {
		if len(names[test.Group]) == 0 {
			packages = append(packages, test.Group)
		}
		names[test.Group] = append(names[test.Group], regexp.QuoteMeta(test.Name))
	}
	var commands [][]string
	for _, name := range packages {
		chosen := "^(" + strings.Join(names[name], "|") + ")$"
		commands = append(commands, append(slices.Clone(options), "-run", chosen, name))
	}
	return commands, nil
}

// parse shows what `go test` shows without -json: a line for each package, and everything of tests that failed.
func (golang) parse(output *output, code int, w io.Writer) (outcome, error) {
	var result outcome
	said := make(map[test]*strings.Builder)
	for _, line := range output.lines {
		var event event
		if err := json.Unmarshal([]byte(line.text), &event); err != nil {
			// The go tool's own words.
			fmt.Fprintln(w, line.text)
			continue
		}
		name, _, _ := strings.Cut(event.Test, "/")
		test := test{Group: event.Package, Name: name}
		switch event.Action {
		case "output", "build-output":
			if fault := goFault(event); fault != "" {
				result.fault = fault
			}
			if name == "" {
				io.WriteString(w, event.Output)
				continue
			}
			if said[test] == nil {
				said[test] = new(strings.Builder)
			}
			said[test].WriteString(event.Output)
		case "skip":
			if name != "" {
				test.Name = event.Test
				result.ignored = append(result.ignored, test)
			}
		case "pass", "fail":
			if name == "" || event.Test != name {
				continue
			}
			test.Seconds = event.Elapsed
			if event.Action == "pass" {
				result.passed = append(result.passed, test)
				continue
			}
			result.failed = append(result.failed, test)
		case "build-fail":
			result.fault = "it does not compile"
		}
	}
	for _, failed := range result.failed {
		if text := said[test{Group: failed.Group, Name: failed.Name}]; text != nil {
			io.WriteString(w, text.String())
		}
	}
	return result, nil
}

// goFault is what a line of output says against a second chance.
func goFault(event event) string {
	if found := goExit.FindStringSubmatch(event.Output); found != nil && found[1] != "1" {
		return fmt.Sprintf("the tests of %s did not end by themselves: exit status %s", event.Package, found[1])
	}
	if strings.Contains(event.Output, "WARNING: DATA RACE") {
		return fmt.Sprintf("a data race in %s", event.Package)
	}
	if strings.HasPrefix(event.Output, "signal: ") || strings.HasPrefix(event.Output, "panic: ") {
		return fmt.Sprintf("the tests of %s crashed: %s", event.Package, strings.TrimSpace(event.Output))
	}
	return ""
}
