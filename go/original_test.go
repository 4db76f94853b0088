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

	"fastway/internal/chaostest"
	"fastway/internal/gatewaytest"
	"fastway/internal/wire"
	"fastway/link"
	"fastway/snet"
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

func TestCloseReturnsWhenTheCloseCallbacksOfItsSessionsHaveRun(t *testing.T) {
	client, server := originalPair(t)
	var ran atomic.Int32
	for range 10 {
		ours, _ := openSession(t, client, server)
		ours.AddCloseCallback(t, "slow", func() {
			time.Sleep(5 * time.Millisecond)
			ran.Add(1)
		})
	}
	client.Close()
	if ran := ran.Load(); ran != 10 {
		t.Errorf("%d of 10 callbacks had run when Close returned", ran)
	}
}

func TestACloseCallbackMayCloseTheEndpoint(t *testing.T) {
	client, server := originalPair(t)
	ours, _ := openSession(t, client, server)
	other, _ := openSession(t, client, server)
	closed := make(chan struct{})
	ours.AddCloseCallback(t, "closes all", func() {
		client.Close()
		close(closed)
	})
	ours.Close()
	<-closed
	if !other.IsClosed() {
		t.Error("the endpoint was closed and its session was not")
	}
}

func TestASessionSendsPayloadsUpToMaxPacketAndSurvivesALongerOne(t *testing.T) {
	ours, theirs := net.Pipe()
	theirs.SetDeadline(time.Now().Add(gatewaytest.Deadline))
	const maxPacket = 100
	client := NewClient(ours, EndPointCfg{MaxPacket: maxPacket})
	t.Cleanup(func() {
		theirs.Close()
		<-client.Done()
	})
	gateway := &fakeGateway{t, theirs}
	gateway.expectCommand(ping)
	session := client.newSession(gateway.open(client, 1))
	if err := session.Send(make([]byte, maxPacket+1)); err != ErrTooLargePacket {
		t.Errorf("a payload above MaxPacket gave %v", err)
	}
	for size := maxPacket - 4; size <= maxPacket; size++ {
		if err := session.Send(make([]byte, size)); err != nil {
			t.Fatalf("a payload of %d bytes gave %v", size, err)
		}
		if id, payload := gateway.frame(); id != 1 || len(payload) != size {
			t.Fatalf("connection %d got %d bytes, want %d", id, len(payload), size)
		}
	}
	if session.IsClosed() {
		t.Error("the session is closed")
	}
}

// callbackClient is a client whose TimeoutCallback reports each call, and returns what goOn says. Its gateway is played by
// the test.
func callbackClient(t *testing.T, goOn bool) (client *EndPoint, gateway *fakeGateway, called chan struct{}) {
	ours, theirs := net.Pipe()
	theirs.SetDeadline(time.Now().Add(gatewaytest.Deadline))
	called = make(chan struct{}, 1000)
	client = NewClient(ours, EndPointCfg{
		PingInterval: time.Millisecond, PingTimeout: 20 * time.Millisecond,
		TimeoutCallback: func() bool {
			called <- struct{}{}
			return goOn
		},
	})
	t.Cleanup(func() {
		theirs.Close()
		<-client.Done()
	})
	gateway = &fakeGateway{t, theirs}
	// What a plain link begins with.
	gateway.expectCommand(ping)
	gateway.say(ping)
	return client, gateway, called
}

var ping = wire.Command{Type: wire.Ping}

// expectAnsweredPings has the gateway answer so many pings.
func expectAnsweredPings(gateway *fakeGateway, count int) {
	for range count {
		gateway.expectCommand(ping)
		gateway.say(ping)
	}
}

func TestPingsGoOnAfterALatePongWhenTheTimeoutCallbackReturnsTrue(t *testing.T) {
	_, gateway, called := callbackClient(t, true)
	gateway.expectCommand(ping)
	<-called
	gateway.say(ping)
	expectAnsweredPings(gateway, 5)
}

func TestPingsGoOnAfterTwoBlackHolesWhenTheTimeoutCallbackReturnsTrue(t *testing.T) {
	client, gateway, called := callbackClient(t, true)
	for range 2 {
		expectAnsweredPings(gateway, 2)
		gateway.expectCommand(ping)
		<-called
		gateway.expectCommand(ping)
		<-called
	}
	expectAnsweredPings(gateway, 5)
	if err := client.Err(); err != nil {
		t.Errorf("the link has ended: %v", err)
	}
}

func TestPingsStopAndTheLinkLivesWhenTheTimeoutCallbackReturnsFalse(t *testing.T) {
	client, gateway, called := callbackClient(t, false)
	gateway.expectCommand(ping)
	<-called
	eventually(t, "the pings have stopped", func() bool {
		client.keep.mu.Lock()
		defer client.keep.mu.Unlock()
		return client.keep.stopped
	})
	// A late answer does not begin them again.
	gateway.say(ping)
	for id := range uint32(100) {
		refused := make(chan error)
		go func() {
			_, err := client.DialConn(patient(t), id)
			refused <- err
		}()
		gateway.expectCommand(wire.Command{Type: wire.Dial, RemoteID: id})
		gateway.say(wire.Command{Type: wire.Refuse, RemoteID: id})
		expectError(t, <-refused, ErrRefused)
	}
	if len(called) > 0 {
		t.Errorf("the callback was called %d more times", len(called))
	}
}

// With the PingTimeout as the time between pings, a gateway would close the link as idle.
func TestPingsComeAtTheirIntervalWhenTheTimeoutIsLonger(t *testing.T) {
	ours, theirs := net.Pipe()
	theirs.SetDeadline(time.Now().Add(gatewaytest.Deadline))
	client := NewClient(ours, EndPointCfg{
		PingInterval: time.Millisecond, PingTimeout: 24 * time.Hour, TimeoutCallback: func() bool { return true },
	})
	t.Cleanup(func() {
		theirs.Close()
		<-client.Done()
	})
	expectAnsweredPings(&fakeGateway{t, theirs}, 5)
}

func TestAKeepAliveThatReconnectsItsSnetConnectionOutlivesTwoBlackHoles(t *testing.T) {
	proxy := chaostest.Start(t, gatewaytest.Start(t, "--client-link", "legacy").Client)
	conn, err := snet.Dial(snet.Config{}, func() (net.Conn, error) { return net.Dial("tcp", proxy.Addr) })
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(conn, EndPointCfg{
		PingInterval: 10 * time.Millisecond, PingTimeout: 500 * time.Millisecond,
		TimeoutCallback: func() bool {
			conn.(*snet.Conn).TryReconn()
			return true
		},
	})
	t.Cleanup(func() { closeAtEnd(client) })
	pingsAreAnswered := func() {
		t.Helper()
		received := client.Stats().ReceivedBytes
		eventually(t, "pings are answered", func() bool { return client.Stats().ReceivedBytes > received+10*9 })
	}
	pingsAreAnswered()
	for range 2 {
		carried := proxy.Links()
		proxy.Freeze()
		eventually(t, "another connection is made", func() bool { return proxy.Links() > carried })
		pingsAreAnswered()
	}
}

func TestATimeoutCallbackWithoutAPingIntervalIsNotCalledAndWithoutATimeoutWaitsForOneInterval(t *testing.T) {
	callback := func() bool { return true }
	without := EndPointCfg{TimeoutCallback: callback, PingTimeout: time.Second}
	if cfg := without.config(); cfg.silence.goOn != nil || cfg.DeadAfter != 0 {
		t.Errorf("without an interval: %+v", cfg.silence)
	}
	untimed := EndPointCfg{TimeoutCallback: callback, PingInterval: time.Second}
	if cfg := untimed.config(); cfg.silence.after != time.Second {
		t.Errorf("without a time-out: %+v", cfg.silence)
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
