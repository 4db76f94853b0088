package fastway

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
	"fastway/link"
)

// importPaths is all that a program written for the original has to change.
var importPaths = strings.NewReplacer(
	`"github.com/funny/fastway/go"`, `"fastway"`,
	`"github.com/funny/link"`, `"fastway/link"`,
	`"github.com/funny/link/codec"`, `"fastway/link/codec"`,
	`"github.com/funny/slab"`, `"fastway/slab"`,
	`"github.com/funny/snet/go"`, `"fastway/snet"`,
)

func TestAProgramWrittenForTheOriginalRunsWithOtherImportPathsOnly(t *testing.T) {
	output := runOriginal(t, "original", gatewaytest.Start(t))
	if strings.Count(output, "goodbye") != 3 {
		t.Errorf("the program said:\n%s", output)
	}
}

func TestAProgramWrittenForTheOriginalsSnetRunsWithOtherImportPathsOnly(t *testing.T) {
	runOriginal(t, "original_snet", gatewaytest.Start(t, "--client-link", "legacy", "--server-link", "legacy",
		"--client-snet-encrypt", "--client-snet-buffer", "1M"))
}

// runOriginal runs a program of tests/interop with our import paths, until it says that all is well.
func runOriginal(t *testing.T, name string, gateway *gatewaytest.Gateway) (output string) {
	t.Helper()
	dir := t.TempDir()
	program, err := os.ReadFile(filepath.Join("..", "tests", "interop", name, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "main.go"), importPaths.Replace(string(program)))
	write(t, filepath.Join(dir, "go.mod"), "module original\n\ngo 1.25\n\nrequire fastway v0.0.0\n\nreplace fastway => "+here+"\n")
	write(t, filepath.Join(dir, "go.sum"), string(sums))

	run := exec.Command("go", "run", ".")
	run.Dir = dir
	run.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "KEY="+gatewaytest.Key,
		"CLIENT_ADDR="+gateway.Client, "SERVER_ADDR="+gateway.Server)
	said, err := run.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(said), "all is well\n") {
		t.Fatalf("%v:\n%s", err, said)
	}
	return string(said)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func originalCfg() EndPointCfg {
	return EndPointCfg{ServerID: 7, AuthKey: gatewaytest.Key, MaxPacket: 512 << 10, RecvChanSize: 1000, SendChanSize: 1000}
}

func originalPair(t *testing.T) (client, server *EndPoint) {
	gateway := gatewaytest.Start(t)
	server, err := DialServer("tcp", gateway.Server, originalCfg())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if client, err = DialClient("tcp", gateway.Client, originalCfg()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, server
}

func openSession(t *testing.T, client, server *EndPoint) (ours, theirs *link.Session) {
	ours, err := client.Dial(7)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = server.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// In the original, the close of one end drops what the other has not received yet.
func TestASessionGivesWhatCameBeforeTheOtherEndClosed(t *testing.T) {
	client, server := originalPair(t)
	ours, theirs := openSession(t, client, server)
	if err := ours.Send([]byte("the last words")); err != nil {
		t.Fatal(err)
	}
	ours.Close()
	eventually(t, "the session knows of the close", theirs.IsClosed)
	message, err := theirs.Receive()
	if err != nil || string(message.([]byte)) != "the last words" {
		t.Fatalf("%v, %v", message, err)
	}
	if _, err := theirs.Receive(); err != io.EOF {
		t.Fatalf("then %v", err)
	}
}

func TestAClosedSessionKeepsNoMemory(t *testing.T) {
	client, server := originalPair(t)
	ours, theirs := openSession(t, client, server)
	if err := ours.Send([]byte("nobody receives it")); err != nil {
		t.Fatal(err)
	}
	ours.Close()
	eventually(t, "the session knows of the close", theirs.IsClosed)
	if err := theirs.Close(); err != link.SessionClosedError {
		t.Errorf("the close of a closed session gave %v", err)
	}
	if unread := server.Stats().UnreadBytes; unread != 0 {
		t.Errorf("%d bytes are kept", unread)
	}
}

// In the original, the send that finds the queue full closes the link, with all sessions on it.
func TestASendThatFindsTheQueueFullWaits(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	client := NewClient(ours, EndPointCfg{SendChanSize: 2})
	defer client.Close()
	conn := fakeConn(t, client, theirs)
	session := client.newSession(conn)
	sent := make(chan error)
	go func() {
		for range 10 {
			sent <- session.Send([]byte("hello"))
		}
	}()
	for range 2 {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a send waits", func() bool { return client.Stats().SendsHeldUp > 0 })
	go io.Copy(io.Discard, theirs)
	for range 8 {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseCallbacksAreCalledOnceAndNotWhenRemoved(t *testing.T) {
	client, server := originalPair(t)
	ours, theirs := openSession(t, client, server)
	called := make(chan string, 10)
	for _, session := range []*link.Session{ours, theirs} {
		session.AddCloseCallback(t, "first", func() { called <- "first" })
		session.AddCloseCallback(t, "removed", func() { called <- "removed" })
		session.AddCloseCallback(t, "second", func() {
			// A callback may use what it was called for.
			session.Close()
			server.GetSession(session.ID())
			called <- "second"
		})
		session.RemoveCloseCallback(t, "removed")
	}
	theirs.Close()
	names := map[string]int{}
	for range 4 {
		names[<-called]++
	}
	if names["first"] != 2 || names["second"] != 2 {
		t.Fatalf("called: %v", names)
	}
	eventually(t, "sessions that have ended are forgotten", func() bool {
		return client.GetSession(ours.ID()) == nil && server.GetSession(theirs.ID()) == nil
	})
}

func TestASilentGatewayIsToldToTheTimeoutCallback(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go io.Copy(io.Discard, theirs)
	var called atomic.Int32
	client := NewClient(ours, EndPointCfg{
		PingInterval: time.Millisecond, PingTimeout: time.Millisecond,
		TimeoutCallback: func() bool { return called.Add(1) == 5 },
	})
	eventually(t, "the callback is called", func() bool { return called.Load() == 5 })
	if err := client.Err(); err != nil {
		t.Errorf("the link has ended: %v", err)
	}
	theirs.Close()
	<-client.Done()
	if called := called.Load(); called != 5 {
		t.Errorf("called %d times, though it wanted to hear no more", called)
	}
}

func TestTheConnectionUnderASessionIsFound(t *testing.T) {
	client, server := originalPair(t)
	ours, theirs := openSession(t, client, server)
	conn, ok := ConnOf(ours)
	if !ok || conn.RemoteID() != ours.State.(*ConnInfo).RemoteID() {
		t.Fatalf("%v, %v", conn, ok)
	}
	send(t, conn, "by the connection")
	if message, err := theirs.Receive(); err != nil || string(message.([]byte)) != "by the connection" {
		t.Fatalf("%v, %v", message, err)
	}
	if _, ok := ConnOf(link.NewSession(nil, 0)); ok {
		t.Error("a session of something else has a connection")
	}
}
