package fake

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPasses(t *testing.T) {}

func TestFailsOnce(t *testing.T) {
	t.Run("in a subtest", func(t *testing.T) {
		seen := filepath.Join(os.Getenv("FAKE_DIR"), "seen")
		if _, err := os.Stat(seen); err != nil {
			os.WriteFile(seen, nil, 0o644)
			t.Fatal("the first time")
		}
	})
}

func TestFailsEachTime(t *testing.T) {
	if os.Getenv("FAKE_FAILS") != "" {
		t.Error("as it did before")
	}
}

func TestEndsTheProcess(t *testing.T) {
	if os.Getenv("FAKE_CRASHES") != "" {
		panic("in a test")
	}
}
