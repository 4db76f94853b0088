// Package gatewayrun runs the gateway's program on loopback.
package gatewayrun

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Process is a running gateway. On Linux it ends with the process that started it, even when that is killed.
type Process struct {
	// Client and Server are the addresses of its two ports.
	Client, Server string

	cmd    *exec.Cmd
	exited chan struct{}
	log    string
}

// Start runs a gateway on free ports, in a directory that must exist, and returns when it listens. flags come last, so they
// win.
func Start(binary, dir, authKey string, flags ...string) (*Process, error) {
	ours := []string{"--client-addr", "127.0.0.1:0", "--server-addr", "127.0.0.1:0", "--server-auth-key", authKey}
	cmd := exec.Command(binary, append(ours, flags...)...)
	cmd.Dir = dir
	endWithThread(cmd)
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
	p := &Process{cmd: cmd, exited: make(chan struct{}), log: log.Name()}
	if err := p.start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go p.wait()
	if _, scanErr := fmt.Sscanf(line, "listening client=%s server=%s", &p.Client, &p.Server); scanErr != nil {
		p.Kill()
		return nil, fmt.Errorf("the gateway did not start (%v): %s%s", err, line, strings.TrimSpace(p.Log()))
	}
	return p, nil
}

// start has a goroutine keep the thread that starts the gateway for as long as that runs, since it ends with the thread.
func (p *Process) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			<-p.exited
		}
	}()
	return <-started
}

func (p *Process) wait() {
	_ = p.cmd.Wait()
	close(p.exited)
}

// Exited is closed when the gateway has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Log returns the gateway's log.
func (p *Process) Log() string {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// Pid is the number of the gateway's process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends the gateway a signal.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Kill ends the gateway at once, and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}
