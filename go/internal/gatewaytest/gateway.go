// Package gatewaytest runs the gateway for the tests of this module.
package gatewaytest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Key is what the servers of the tests prove to know.
const Key = "the tests' own key"

// Deadline is what a test waits at most for what must come, also on a busy machine.
const Deadline = 60 * time.Second

// Gateway is a running gateway on loopback; it is ended with its test.
type Gateway struct {
	// Client and Server are the addresses of its two ports.
	Client, Server string
	cmd            *exec.Cmd
	exited         chan struct{}
	log            string
}

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
	gateway, err := run(binary, tb.TempDir(), flags)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		gateway.Kill()
		if tb.Failed() {
			log, _ := os.ReadFile(gateway.log)
			tb.Logf("the gateway's log:\n%s", log)
		}
	})
	return gateway
}

func run(binary, dir string, flags []string) (*Gateway, error) {
	ours := []string{"--client-addr", "127.0.0.1:0", "--server-addr", "127.0.0.1:0", "--server-auth-key", Key}
	cmd := exec.Command(binary, append(ours, flags...)...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// The kernel ends the gateway with the thread that started it.
	started := make(chan error)
	gateway := &Gateway{cmd: cmd, exited: make(chan struct{}), log: log.Name()}
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			<-gateway.exited
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go gateway.wait()
	if _, scanErr := fmt.Sscanf(line, "listening client=%s server=%s", &gateway.Client, &gateway.Server); scanErr != nil {
		gateway.Kill()
		return nil, fmt.Errorf("the gateway said %q (%v): %s", strings.TrimSpace(line), err, gateway.Log())
	}
	return gateway, nil
}

func (g *Gateway) wait() {
	_ = g.cmd.Wait()
	close(g.exited)
}

// Log is what the gateway has logged.
func (g *Gateway) Log() string {
	log, err := os.ReadFile(g.log)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// Pid is the gateway's process.
func (g *Gateway) Pid() int { return g.cmd.Process.Pid }

// Signal sends the gateway a signal.
func (g *Gateway) Signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := g.cmd.Process.Signal(signal); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends the gateway at once, and waits for it.
func (g *Gateway) Kill() {
	_ = g.cmd.Process.Kill()
	<-g.exited
}

// Stop ends the gateway in order, and waits for it.
func (g *Gateway) Stop(tb testing.TB) {
	tb.Helper()
	g.Signal(tb, syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(Deadline):
		tb.Fatal("the gateway does not stop")
	}
}
