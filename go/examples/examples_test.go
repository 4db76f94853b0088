// Package examples runs the example programs against a gateway.
package examples

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fastway/internal/chaostest"
	"fastway/internal/gatewaytest"
)

// built is where TestMain has put the programs.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fastway-examples")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	built = dir
	build := exec.Command("go", "build", "-o", dir, "./...")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 1
	}
	return m.Run()
}

// program is a running example; it is ended with its test.
type program struct {
	tb    testing.TB
	name  string
	stdin io.WriteCloser
	lines chan string
}

func start(tb testing.TB, name string, args ...string) *program {
	tb.Helper()
	cmd := exec.Command(filepath.Join(built, name), args...)
	cmd.Env = append(os.Environ(), "FASTWAY_SERVER_AUTH_KEY="+gatewaytest.Key)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, input := io.Pipe()
	cmd.Stdout, cmd.Stderr = input, input
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p := &program{tb, name + " " + args[0], stdin, make(chan string, 100)}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		input.Close()
		close(exited)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	return p
}

func (p *program) say(line string) {
	p.tb.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.tb.Fatal(err)
	}
}

// expect waits for a line that begins so.
func (p *program) expect(line string) {
	p.tb.Helper()
	select {
	case got, ok := <-p.lines:
		if !ok {
			p.tb.Fatalf("%s has ended instead of saying %q", p.name, line)
		}
		if !strings.HasPrefix(got, line) {
			p.tb.Fatalf("%s said %q, want %q", p.name, got, line)
		}
	case <-time.After(gatewaytest.Deadline):
		p.tb.Fatalf("%s does not say %q", p.name, line)
	}
}

func (p *program) expectEnd() {
	p.tb.Helper()
	select {
	case line, ok := <-p.lines:
		if ok {
			p.tb.Fatalf("%s said %q instead of ending", p.name, line)
		}
	case <-time.After(gatewaytest.Deadline):
		p.tb.Fatalf("%s does not end", p.name)
	}
}

func TestEcho(t *testing.T) {
	gateway := gatewaytest.Start(t)
	start(t, "echo", "server", gateway.Server).expect("ready as server 1")
	client := start(t, "echo", "client", gateway.Client)
	client.expect("connected: type a line")
	for _, words := range []string{"hello", "is anybody there?", "goodbye"} {
		client.say(words)
		client.expect(words)
	}
	client.stdin.Close()
	client.expectEnd()
}

func TestChat(t *testing.T) {
	gateway := gatewaytest.Start(t)
	start(t, "chat", "server", gateway.Server).expect("the room is open")
	ann := start(t, "chat", "join", gateway.Client, "ann")
	bob := start(t, "chat", "join", gateway.Client, "bob")
	ann.expect("you are in the room: type a line")
	bob.expect("you are in the room: type a line")
	// Who came second is told to the first.
	first, second, name := ann, bob, "bob"
	select {
	case line := <-ann.lines:
		if line != "bob is here" {
			t.Fatalf("ann heard %q", line)
		}
	case line := <-bob.lines:
		if line != "ann is here" {
			t.Fatalf("bob heard %q", line)
		}
		first, second, name = bob, ann, "ann"
	case <-time.After(gatewaytest.Deadline):
		t.Fatal("nobody heard of the other")
	}
	second.say("hello")
	first.expect(name + ": hello")
	second.stdin.Close()
	first.expect(name + " is gone")
	second.expectEnd()
}

func TestHTTP(t *testing.T) {
	gateway := gatewaytest.Start(t)
	start(t, "http", "server", gateway.Server).expect("ready as server 3")
	get := start(t, "http", "get", gateway.Client, "/hello")
	get.expect("you asked for /hello, and are client-")
	get.expectEnd()
}

func TestMatchmaker(t *testing.T) {
	here, there := gatewaytest.Start(t), gatewaytest.Start(t)
	server := start(t, "matchmaker", "server", here.Server, there.Server)
	for range 2 {
		server.expect("127.0.0.1:")
	}
	ann := start(t, "matchmaker", "play", here.Client, "ann")
	bob := start(t, "matchmaker", "play", there.Client, "bob")
	ann.expect("bob says: good game, ann")
	bob.expect("ann says: good game, bob")
	ann.expectEnd()
	bob.expectEnd()
}

func TestRoaming(t *testing.T) {
	file := filepath.Join(t.TempDir(), "session.key")
	binary, err := gatewaytest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	key, err := exec.Command(binary, "keygen", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{"--client-link", "secure", "--session-key", file}
	gateway := gatewaytest.Start(t, flags...)
	start(t, "echo", "server", gateway.Server).expect("ready as server 1")
	network := chaostest.Start(t, gateway.Client)
	player := start(t, "roaming", network.Addr, strings.TrimSpace(string(key)))
	player.expect("type a line")
	heard := func(words string) {
		player.say(words)
		player.expect(words)
	}
	heard("hello")
	network.Cut()
	player.expect("interrupted:")
	player.expect("resumed")
	heard("after a cut")
	network.Freeze()
	player.say("!reconnect")
	player.expect("interrupted: this side asked for another")
	player.expect("resumed")
	heard("by another network")

	again := gatewaytest.Start(t, flags...)
	start(t, "echo", "server", again.Server).expect("ready as server 1")
	network.Retarget(again.Client)
	network.Cut()
	player.expect("interrupted:")
	player.expect("a new session is needed: the link was lost: session: refused")
	heard("in a new session")
	player.stdin.Close()
	player.expectEnd()
}
