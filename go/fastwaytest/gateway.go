// Package fastwaytest runs a gateway for the tests of programs that use package fastway.
//
//	func TestMyServer(t *testing.T) {
//		gateway := fastwaytest.Start(t)
//		server, err := fastway.ConnectServer(t.Context(), gateway.ServerAddr, fastway.Config{
//			ServerID: 1, AuthKey: gateway.AuthKey,
//		})
//		client, err := fastway.ConnectClient(t.Context(), gateway.ClientAddr, fastway.Config{})
//		…
//	}
//
// It runs the gateway's own program, the same that players connect to: the one that the variable FASTWAY_BIN names, or else
// fastway in PATH. Each gateway listens on free ports of 127.0.0.1 and has a directory of its own.
//
// It replaces NewGateway of github.com/funny/fastway/go, which package fastway does not have.
package fastwaytest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"fastway/internal/gatewayrun"
)

// Gateway is a gateway that runs on loopback.
type Gateway struct {
	// ClientAddr is where clients connect to, ServerAddr where servers do.
	ClientAddr, ServerAddr string
	// AuthKey is the key of servers, unless the flag --server-auth-key sets another.
	AuthKey string

	process *gatewayrun.Process
	dir     string
	close   sync.Once
}

// authKey is no secret: the gateway listens on loopback, for as long as a test runs.
const authKey = "fastwaytest"

// stopTime is how long a gateway may take to stop: its own grace and more.
const stopTime = 30 * time.Second

// Start runs a gateway until the test ends, with these flags besides its addresses and its key. It fails the test when there is
// no gateway to run. The output of a failed test ends with the gateway's log.
func Start(tb testing.TB, flags ...string) *Gateway {
	tb.Helper()
	gateway, err := Run(flags...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the gateway's log:\n%s", gateway.Log())
		}
		gateway.Close()
	})
	return gateway
}

// Run is Start for where there is no test, as in TestMain. The gateway runs until Close; on Linux it also ends with this process.
func Run(flags ...string) (*Gateway, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fastwaytest")
	if err != nil {
		return nil, fmt.Errorf("fastwaytest: %w", err)
	}
	process, err := gatewayrun.Start(binary, dir, authKey, flags...)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("fastwaytest: %s: %w", binary, err)
	}
	return &Gateway{
		ClientAddr: process.Client, ServerAddr: process.Server, AuthKey: authKey, process: process, dir: dir,
	}, nil
}

var errNoGateway = errors.New("fastwaytest: there is no gateway to run: FASTWAY_BIN is not set, and no fastway is in PATH; " +
	"`cargo install --path .` in a copy of the fastway repository puts it there")

// find looks the gateway's program up.
func find() (string, error) {
	if named := os.Getenv("FASTWAY_BIN"); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("fastwaytest: FASTWAY_BIN does not name a program: %w", err)
		}
		return path, nil
	}
	path, err := exec.LookPath("fastway")
	if err != nil {
		return "", errNoGateway
	}
	return path, nil
}

// Log returns the gateway's log.
func (g *Gateway) Log() string { return g.process.Log() }

// Stop ends the gateway as its operator does, by SIGTERM: it sends what waits, closes connections and links, and exits. Stop
// returns when the gateway has ended.
func (g *Gateway) Stop() {
	if g.process.Signal(syscall.SIGTERM) != nil {
		// It has ended, or this system has no such signal.
		g.process.Kill()
		return
	}
	select {
	case <-g.process.Exited():
	case <-time.After(stopTime):
		g.process.Kill()
	}
}

// Close ends the gateway at once and removes its directory. Start has the test call it.
func (g *Gateway) Close() {
	g.close.Do(func() {
		g.process.Kill()
		_ = os.RemoveAll(g.dir)
	})
}
