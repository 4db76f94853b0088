package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// test is one test of a program: what a second run can choose.
type test struct {
	// Group is the package (Go) or the test program (Rust); empty where names are unique without it.
	Group   string
	Name    string
	Seconds float64
}

func (t test) is(other test) bool {
	return t.Group == other.Group && t.Name == other.Name
}

func (t test) String() string {
	if t.Group == "" {
		return t.Name
	}
	return t.Group + " " + t.Name
}

// record is what is kept of a step's first run.
type record struct {
	Kind, Name              string
	Command                 []string
	Failed, Passed, Ignored []test
	Fault                   string
}

func (r *record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Name+".json"), text, 0o644)
}

// records returns what is kept of the steps so far, in the order of their names.
func records(dir string) ([]*record, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var steps []*record
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		step := new(record)
		if err := json.Unmarshal(text, step); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func writeLines(file string, lines []string) error {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	return os.WriteFile(file, []byte(text.String()), 0o644)
}

// output collects the lines that a program writes, each with the time at which it came. One process writes at a time.
type output struct {
	started time.Time
	lines   []line
	part    []byte
	log     io.Writer
}

type line struct {
	text string
	at   time.Duration
}

func (o *output) Write(data []byte) (int, error) {
	if _, err := o.log.Write(data); err != nil {
		return 0, err
	}
	o.part = append(o.part, data...)
	for {
		text, rest, found := bytes.Cut(o.part, []byte("\n"))
		if !found {
			return len(data), nil
		}
		o.lines = append(o.lines, line{string(text), time.Since(o.started)})
		o.part = rest
	}
}

// flush ends a last line that has no end.
func (o *output) flush() {
	if len(o.part) > 0 {
		o.lines = append(o.lines, line{string(o.part), time.Since(o.started)})
		o.part = nil
	}
}

func (o *output) text() string {
	var text strings.Builder
	for _, line := range o.lines {
		text.WriteString(line.text + "\n")
	}
	return text.String()
}
