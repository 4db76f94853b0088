package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fake is a test program with four tests: one passes, one fails the first time, one fails each time if FAKE_FAILS is set,
// and one ends the process if FAKE_CRASHES is set.
type fake struct {
	kind, folder string
	command      []string
	// tests are its tests' names, in that order.
	tests [4]string
	// broken is a source file; with syntax behind it, it does not compile.
	broken, syntax string
}

var fakes = []fake{
	{
		kind: "rust", folder: "rust", broken: "src/lib.rs", syntax: "fn",
		command: []string{"cargo", "test", "--offline", "--tests", "--no-fail-fast", "--manifest-path", "FOLDER/Cargo.toml"},
		tests: [4]string{
			"fake tests::passes", "fake tests::fails_once", "fake tests::fails_each_time", "fake tests::ends_the_process",
		},
	},
	{
		kind: "go", folder: "go", broken: "fake_test.go", syntax: "func",
		command: []string{"go", "-C", "FOLDER", "test", "-count=1", "./..."},
		tests:   [4]string{"fake TestPasses", "fake TestFailsOnce", "fake TestFailsEachTime", "fake TestEndsTheProcess"},
	},
	{
		kind: "nunit", folder: "csharp", broken: "FakeTests.cs", syntax: "class",
		command: []string{"FOLDER/test.sh"},
		tests: [4]string{
			"Fake.FakeTests.Passes", "Fake.FakeTests.FailsOnce", "Fake.FakeTests.FailsEachTime",
			"Fake.FakeTests.EndsTheProcess",
		},
	},
}

// stage is a copy of a fake, and the directory of records.
type stage struct {
	fake
	t           *testing.T
	dir, folder string
}

func onEveryFake(t *testing.T, check func(*stage)) {
	for _, fake := range fakes {
		t.Run(fake.kind, func(t *testing.T) {
			s := &stage{fake, t, t.TempDir(), t.TempDir()}
			if err := os.CopyFS(s.folder, os.DirFS(filepath.Join("testdata", fake.folder))); err != nil {
				t.Fatal(err)
			}
			repository, err := filepath.Abs("../..")
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{
				"TESTRUN_DIR": s.dir, "TESTRUN_NUNIT": s.folder, "FAKE_DIR": s.dir, "FAKE_REPOSITORY": repository,
				"CARGO_TARGET_DIR": filepath.Join(s.folder, "target"),
			} {
				t.Setenv(name, value)
			}
			check(s)
		})
	}
}

// testrun runs the program with these arguments and returns its exit code and what it wrote.
func (s *stage) testrun(args ...string) (int, string) {
	s.t.Helper()
	var shown bytes.Buffer
	code, err := dispatch(args, &shown)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, shown.String())
	}
	return code, shown.String()
}

func (s *stage) run() (int, string) {
	s.t.Helper()
	words := []string{"run", s.kind, "step"}
	for _, word := range s.command {
		words = append(words, strings.Replace(word, "FOLDER", s.folder, 1))
	}
	return s.testrun(words...)
}

// letPass has the test that fails the first time pass.
func (s *stage) letPass() {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "seen"), nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// expect compares an exit code and the lines that are marked.
func (s *stage) expect(code int, shown string, want int, lines ...string) {
	s.t.Helper()
	var marked []string
	for line := range strings.Lines(shown) {
		if strings.HasPrefix(line, "! ") {
			marked = append(marked, strings.TrimSpace(line))
		}
	}
	if code != want || !slices.Equal(marked, lines) {
		s.t.Errorf("exit code %d, want %d; %q, want %q; all of it:\n%s", code, want, marked, lines, shown)
	}
}

func TestATestThatPassesTheSecondTimeIsFlakyAndDoesNotFailTheRun(t *testing.T) {
	onEveryFake(t, func(s *stage) {
		code, shown := s.run()
		s.expect(code, shown, exitFailedTests, "! failed: "+s.tests[1])
		if !strings.Contains(shown, "the first time") {
			t.Errorf("it does not say why:\n%s", shown)
		}
		code, shown = s.testrun("again")
		s.expect(code, shown, 0, "! flaky: step: "+s.tests[1])
		flaky, err := os.ReadFile(filepath.Join(s.dir, "flaky"))
		if err != nil || string(flaky) != "step: "+s.tests[1]+"\n" {
			t.Errorf("the file has %q, %v", flaky, err)
		}
		_, slowest := s.testrun("slowest", "9")
		if strings.Count(slowest, "\n") != 4 {
			t.Errorf("there are four tests:\n%s", slowest)
		}
	})
}

func TestATestThatFailsTwiceFailsTheRunWithItsOutput(t *testing.T) {
	onEveryFake(t, func(s *stage) {
		t.Setenv("FAKE_FAILS", "1")
		s.letPass()
		code, shown := s.run()
		s.expect(code, shown, exitFailedTests, "! failed: "+s.tests[2])
		code, shown = s.testrun("again")
		s.expect(code, shown, 1, "! failed again: step: "+s.tests[2])
		if !strings.Contains(shown, "as it did before") {
			t.Errorf("it does not say why:\n%s", shown)
		}
	})
}

func TestOfTwoTestsThatFailedEachIsJudgedByItself(t *testing.T) {
	onEveryFake(t, func(s *stage) {
		t.Setenv("FAKE_FAILS", "1")
		code, shown := s.run()
		if code != exitFailedTests {
			t.Errorf("exit code %d:\n%s", code, shown)
		}
		code, shown = s.testrun("again")
		s.expect(code, shown, 1, "! failed again: step: "+s.tests[2], "! flaky: step: "+s.tests[1])
	})
}

func TestWhenAllPassThereIsNothingToRunAgain(t *testing.T) {
	onEveryFake(t, func(s *stage) {
		s.letPass()
		code, shown := s.run()
		s.expect(code, shown, 0)
		code, shown = s.testrun("again")
		s.expect(code, shown, 0)
	})
}

func TestACrashGetsNoSecondChance(t *testing.T) {
	onEveryFake(t, func(s *stage) {
		t.Setenv("FAKE_CRASHES", "1")
		if code, shown := s.run(); code != 1 || !strings.Contains(shown, "\n! step: ") {
			t.Errorf("exit code %d:\n%s", code, shown)
		}
	})
}

func TestWhatDoesNotCompileTheSecondTimeFailsTheRun(t *testing.T) {
	onEveryFake(t, func(s *stage) {
		t.Setenv("FAKE_FAILS", "1")
		if code, shown := s.run(); code != exitFailedTests {
			t.Fatalf("exit code %d:\n%s", code, shown)
		}
		s.breakSource()
		if code, shown := s.testrun("again"); code != 1 || strings.Contains(shown, "! flaky") {
			t.Errorf("exit code %d:\n%s", code, shown)
		}
	})
}

func TestWhatDoesNotCompileGetsNoSecondChance(t *testing.T) {
	onEveryFake(t, func(s *stage) {
		s.breakSource()
		if code, shown := s.run(); code != 1 || !strings.Contains(shown, "! step: ") {
			t.Errorf("exit code %d:\n%s", code, shown)
		}
	})
}

// breakSource has the fake not compile any more.
func (s *stage) breakSource() {
	s.t.Helper()
	file := filepath.Join(s.folder, s.broken)
	os.Remove(filepath.Join(s.folder, "Fake.dll"))
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, s.syntax...), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func TestADataRaceGetsNoSecondChance(t *testing.T) {
	dir, folder := t.TempDir(), t.TempDir()
	t.Setenv("TESTRUN_DIR", dir)
	for name, text := range map[string]string{
		"go.mod": "module fake\n\ngo 1.26\n",
		"race_test.go": `package fake

import "testing"

func TestRaces(t *testing.T) {
	count, done := 0, make(chan struct{})
	go func() { count++; close(done) }()
	count++
	<-done
}
`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &stage{t: t}
	code, shown := s.testrun("run", "go", "step", "go", "-C", folder, "test", "-race", "-count=1", "./...")
	s.expect(code, shown, 1, "! failed: fake TestRaces", "! step: a data race in fake")
}

func TestRustTestsTakeFromTheEndOfAnotherToTheirOwn(t *testing.T) {
	t.Setenv("RUST_TEST_THREADS", "2")
	at := func(name string, seconds int) ended { return ended{name, time.Duration(seconds) * time.Second} }
	p := program{passed: []ended{at("b", 1), at("a", 5)}, failed: []ended{at("c", 8)}}
	seconds := p.seconds()
	if seconds["a"] != 5 || seconds["b"] != 1 || seconds["c"] != 7 {
		t.Errorf("%v", seconds)
	}
}
