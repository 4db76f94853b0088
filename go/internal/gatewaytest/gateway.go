// Package gatewaytest runs the gateway for the tests of this module.
package gatewaytest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"fastway/internal/gatewayrun"
)

// Key is what the servers of the tests prove to know.
const Key = "the tests' own key"

// Deadline is what a test waits at most for what must come, also on a busy machine.
const Deadline = 60 * time.Second

// Gateway is a running gateway on loopback; it is ended with its test.
type Gateway struct{ *gatewayrun.Process }

// Binary is the gateway's program: what FASTWAY_BIN names, or the debug build of this repository.
func Binary() (string, error) {
	path := os.Getenv("FASTWAY_BIN")
	if path == "" {
		_, here, _, _ := runtime.Caller(0)
		path = filepath.Join(filepath.Dir(here), "..", "..", "..", "target", "debug", "fastway")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("there is no gateway at %s: build it with `cargo build`, or name it in FASTWAY_BIN", path)
	}
	return path, nil
}

// Start runs a gateway on free ports; flags come last, so they win.
func Start(tb testing.TB, flags ...string) *Gateway {
	tb.Helper()
	binary, err := Binary()
	if err != nil {
		tb.Fatal(err)
	}
	process, err := gatewayrun.Start(binary, tb.TempDir(), Key, flags...)
	if err != nil {
		tb.Fatal(err)
	}
	gateway := &Gateway{process}
	tb.Cleanup(func() {
		gateway.Kill()
		if tb.Failed() {
			tb.Logf("the gateway's log:\n%s", gateway.Log())
		}
	})
	return gateway
}

// Signal sends the gateway a signal.
func (g *Gateway) Signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := g.Process.Signal(signal); err != nil {
		tb.Fatal(err)
	}
}

// Stop ends the gateway in order, and waits for it.
func (g *Gateway) Stop(tb testing.TB) {
	tb.Helper()
	g.Signal(tb, syscall.SIGTERM)
	select {
	case <-g.Exited():
	case <-time.After(Deadline):
		tb.Fatal("the gateway does not stop")
	}
}
