package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

const head = "# Faults\n\n| | fault | tests |\n|---|---|---|\n"

// repository has a test in every place where one may stand.
func repository(table string) fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"tests/REGRESSIONS.md":        file(table),
		"tests/blackbox/limits.rs":    file("#[test]\nfn a_limit_holds() {}\n\nfn a_helper() {}\n"),
		"src/cli/tests.rs":            file("#[test]\n#[ignore = \"slow\"]\nfn flags_are_read() {}\n"),
		"src/log/mod.rs":              file("mod tests {\n    #[tokio::test(flavor = \"x\")]\n    async fn lines_are_whole() {}\n}\n"),
		"target/debug/built.rs":       file("#[test]\nfn generated() {}\n"),
		"go/snet/snet_test.go":        file("package snet\n\nfunc TestItEnds(t *testing.T) {}\n"),
		"csharp/tests/A/LinksTest.cs": file("public class LinksTest\n{\n    [Test]\n    public void It_ends()\n    {\n    }\n    public void Helps() {}\n}\n"),
	}
}

func TestNamedTestsAreFound(t *testing.T) {
	for _, name := range []string{
		"limits::a_limit_holds", "`blackbox::limits::a_limit_holds`", "limits::*", "cli::tests::flags_are_read",
		"log::tests::lines_are_whole", "`go/snet TestItEnds`", "LinksTest.It_ends (over a plain link)", "LinksTest",
		"`limits::a_limit_holds`, LinksTest.It_ends",
	} {
		var said strings.Builder
		missing, err := check(repository(head+"| A1 | a fault \\| another | "+name+" |\n"), "tests/REGRESSIONS.md", &said)
		if missing != 0 || err != nil {
			t.Errorf("%s: %v %s", name, err, said.String())
		}
	}
}

func TestNamesThatNoTestHasAreMissed(t *testing.T) {
	for _, name := range []string{
		"limits::a_limit", "limits::a_helper", "mits::a_limit_holds", "other::*", "cli::flags_are_read", "built::generated",
		"go/snet TestIt", "go TestItEnds", "LinksTest.Helps", "LinksTest.It", "Links", "a_limit_holds",
	} {
		var said strings.Builder
		missing, err := check(repository(head+"| A1 | a fault | LinksTest, "+name+" |\n"), "tests/REGRESSIONS.md", &said)
		if missing != 1 || err != nil || !strings.Contains(said.String(), name) {
			t.Errorf("%s: %d missing, %v %s", name, missing, err, said.String())
		}
	}
}

func TestATableWithoutRowsOrWithBrokenRowsIsAnError(t *testing.T) {
	for _, table := range []string{
		"", head, head + "| A1 | a fault | |\n", head + "| A1 | a fault |\n", head + "| A1 | | LinksTest |\n",
		head + "| A1 | a | b | LinksTest |\n",
	} {
		if _, err := check(repository(table), "tests/REGRESSIONS.md", new(strings.Builder)); err == nil {
			t.Errorf("%q is taken", table)
		}
	}
}
