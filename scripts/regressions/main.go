// Regressions checks that every test named in tests/REGRESSIONS.md exists: go -C scripts run ./regressions
//
// Each row of the table is a fault: | subject | the fault in a sentence | the tests that guard it, separated by commas |.
// A test is named as
//
//	module::test, module::tests::test   in Rust, with as many modules as tell it apart; module::* for all of a module
//	go/folder TestName                  in Go
//	Fixture.Method, Fixture             in C#
//
// Nothing is compiled: the sources are searched. Exit code 1 when a test is missing, or the table is empty.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	missing, err := check(os.DirFS(".."), "tests/REGRESSIONS.md", os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "regressions:", err)
		os.Exit(1)
	}
	if missing > 0 {
		os.Exit(1)
	}
}

// row is one fault.
type row struct {
	line  int
	fault string
	tests []string
}

// check counts the named tests that do not exist, and says which.
func check(repository fs.FS, table string, w io.Writer) (int, error) {
	text, err := fs.ReadFile(repository, table)
	if err != nil {
		return 0, err
	}
	rows, err := parse(string(text))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", table, err)
	}
	sources, err := read(repository)
	if err != nil {
		return 0, err
	}
	count, missing := 0, 0
	for _, row := range rows {
		for _, test := range row.tests {
			count++
			if !sources.have(test) {
				fmt.Fprintf(w, "%s:%d: there is no test %q; fault: %s\n", table, row.line, test, row.fault)
				missing++
			}
		}
	}
	fmt.Fprintf(w, "%d faults, %d tests named, %d missing\n", len(rows), count, missing)
	return missing, nil
}

var (
	tableLine = regexp.MustCompile(`^\|[-: |]+\|$`)
	note      = regexp.MustCompile(` \([^()]*\)$`)
)

// parse reads the rows below the head of the table. A pipe within a cell is written \|.
func parse(text string) ([]row, error) {
	var rows []row
	inTable := false
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if !inTable || !strings.HasPrefix(line, "|") {
			inTable = tableLine.MatchString(line)
			continue
		}
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
		if len(cells) != 3 {
			return nil, fmt.Errorf("line %d: a row has three cells, not %d", number+1, len(cells))
		}
		row := row{line: number + 1, fault: strings.TrimSpace(cells[1])}
		for _, name := range strings.Split(cells[2], ",") {
			name = note.ReplaceAllString(strings.TrimSpace(name), "")
			name = strings.TrimSpace(strings.ReplaceAll(name, "`", ""))
			if name != "" {
				row.tests = append(row.tests, name)
			}
		}
		if row.fault == "" || len(row.tests) == 0 {
			return nil, fmt.Errorf("line %d: a row has a fault, and at least one test", number+1)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("there is no row in the table")
	}
	return rows, nil
}

// sources are the texts of a language's files by their paths.
type sources struct {
	rust, golang, csharp map[string]string
}

// read leaves out what is built or generated.
func read(repository fs.FS) (*sources, error) {
	found := &sources{map[string]string{}, map[string]string{}, map[string]string{}}
	err := fs.WalkDir(repository, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == "target" || name == "testdata" || path != "." && strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		}
		var files map[string]string
		switch {
		case strings.HasSuffix(name, ".rs"):
			files = found.rust
		case strings.HasSuffix(name, "_test.go"):
			files = found.golang
		case strings.HasSuffix(name, ".cs") && strings.HasPrefix(path, "csharp/"):
			files = found.csharp
		default:
			return nil
		}
		text, err := fs.ReadFile(repository, path)
		files[path] = string(text)
		return err
	})
	return found, err
}

func (s *sources) have(test string) bool {
	if folder, name, found := strings.Cut(test, " "); found {
		return s.haveGo(folder, name)
	}
	if modules := strings.Split(test, "::"); len(modules) > 1 {
		return s.haveRust(modules[:len(modules)-1], modules[len(modules)-1])
	}
	fixture, method, _ := strings.Cut(test, ".")
	return s.haveCSharp(fixture, method)
}

func (s *sources) haveGo(folder, name string) bool {
	declared := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(name) + `\(`)
	for path, text := range s.golang {
		if filepath.Dir(path) == filepath.Clean(folder) && strings.HasPrefix(name, "Test") && declared.MatchString(text) {
			return true
		}
	}
	return false
}

// haveRust looks into files whose modules end as these do. A module `tests` may stand in the file of what it tests.
func (s *sources) haveRust(modules []string, name string) bool {
	pattern := `\w+`
	if name != "*" {
		pattern = regexp.QuoteMeta(name)
	}
	// Between the attribute that makes a function a test and the function there may be others, and comments.
	declared := regexp.MustCompile(`#\[(?:\w+::)*test(?:\([^\]]*\))?\]\s*(?:(?:#\[[^\]]*\]|//[^\n]*)\s*)*(?:async )?fn ` + pattern + `\b`)
	last := len(modules) - 1
	for path, text := range s.rust {
		of := modulesOf(path)
		inline := last > 0 && modules[last] == "tests" && endsWith(of, modules[:last]) && strings.Contains(text, "mod tests {")
		if (inline || endsWith(of, modules)) && declared.MatchString(text) {
			return true
		}
	}
	return false
}

// modulesOf has more than a file's modules: the folders above its crate, too.
func modulesOf(path string) []string {
	modules := strings.Split(strings.TrimSuffix(path, ".rs"), "/")
	if modules[len(modules)-1] == "mod" {
		modules = modules[:len(modules)-1]
	}
	return slices.DeleteFunc(modules, func(module string) bool { return module == "src" })
}

func endsWith(all, end []string) bool {
	return len(all) >= len(end) && slices.Equal(all[len(all)-len(end):], end)
}

func (s *sources) haveCSharp(fixture, method string) bool {
	class := regexp.MustCompile(`\bclass ` + regexp.QuoteMeta(fixture) + `\b`)
	declared := regexp.MustCompile(`\[Test(?:Case)?\b[^\n]*\]\s*(?:\[[^\n]*\]\s*|//[^\n]*\s*)*public (?:async )?\w+ ` + regexp.QuoteMeta(method) + `\(`)
	for _, text := range s.csharp {
		if class.MatchString(text) && strings.Contains(text, "[Test") && (method == "" || declared.MatchString(text)) {
			return true
		}
	}
	return false
}
