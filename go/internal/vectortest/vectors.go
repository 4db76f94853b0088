// Package vectortest reads tests/vectors, which the suites of every language share.
package vectortest

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Bytes are the bytes of a vector.
type Bytes []byte

// UnmarshalText reads hexadecimal digits.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// Read reads a file of vectors.
func Read[V any](t testing.TB, file string) []V {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "..", "tests", "vectors", file))
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Vectors []V }
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Vectors) == 0 {
		t.Fatalf("%s holds no vectors", file)
	}
	return vectors.Vectors
}
