package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// nunit is csharp/test.sh, which leaves NUnit's results in the files tests-*.xml of the directory TESTRUN_NUNIT.
type nunit struct{}

// nunitFailedTests is the exit code of csharp/test.sh when tests failed and nothing else did.
const nunitFailedTests = 1

// command removes the results of an earlier run, which would be taken for this one's.
func (nunit) command(words []string) []string {
	for _, file := range nunitResults() {
		os.Remove(file)
	}
	return words
}

func nunitResults() []string {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("TESTRUN_NUNIT"), "tests-*.xml"))
	return files
}

func (nunit) again(words []string, tests []test) ([][]string, error) {
	var names []string
	for _, test := range tests {
		names = append(names, test.Name)
	}
	list := filepath.Join(os.Getenv("TESTRUN_DIR"), "nunit.runlist")
	return [][]string{append(words[:len(words):len(words)], "-runlist:"+list)}, writeLines(list, names)
}

func (nunit) parse(output *output, code int, w io.Writer) (outcome, error) {
	io.WriteString(w, output.text())
	var result outcome
	if code != 0 && code != nunitFailedTests {
		result.fault = fmt.Sprintf("it ended with exit code %d", code)
		return result, nil
	}
	files := nunitResults()
	if len(files) == 0 {
		result.fault = "there are no results"
	}
	for _, file := range files {
		if err := readNUnit(file, &result); err != nil {
			result.fault = fmt.Sprintf("%s: %v", file, err)
		}
	}
	return result, nil
}

// readNUnit adds the tests of one file.
func readNUnit(file string, result *outcome) error {
	reader, err := os.Open(file)
	if err != nil {
		return err
	}
	defer reader.Close()
	decoder := xml.NewDecoder(reader)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		element, ok := token.(xml.StartElement)
		if !ok || element.Name.Local != "test-case" {
			continue
		}
		var found struct {
			Name    string  `xml:"name,attr"`
			Result  string  `xml:"result,attr"`
			Seconds float64 `xml:"time,attr"`
		}
		if err := decoder.DecodeElement(&found, &element); err != nil {
			return err
		}
		test := test{Name: strings.TrimSpace(found.Name), Seconds: found.Seconds}
		switch found.Result {
		case "Success":
			result.passed = append(result.passed, test)
		case "Ignored", "Skipped", "Inconclusive", "NotRunnable":
			result.ignored = append(result.ignored, test)
		case "Failure", "Error":
			result.failed = append(result.failed, test)
		}
	}
}
