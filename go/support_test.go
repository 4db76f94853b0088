package fastway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
)

// TestMain fails the package when its tests leave goroutines behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leftGoroutines(); code == 0 && left != "" {
		fmt.Println("goroutines are left behind:\n" + left)
		code = 1
	}
	os.Exit(code)
}

// leftGoroutines waits until no goroutine of this package is left, and gives their stacks otherwise.
func leftGoroutines() string {
	var ours []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		ours = nil
		for _, stack := range strings.Split(string(stacks), "\n\n")[1:] {
			if strings.Contains(stack, "fastway.") {
				ours = append(ours, stack)
			}
		}
		if len(ours) == 0 {
			return ""
		}
	}
	return strings.Join(ours, "\n\n")
}

// patient is the context of what must come.
func patient(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), gatewaytest.Deadline)
	tb.Cleanup(cancel)
	return ctx
}

// patientConfig has no time-outs that a busy machine could reach.
func patientConfig() Config {
	return Config{
		ConnectTimeout: gatewaytest.Deadline, DialTimeout: gatewaytest.Deadline, CloseGrace: gatewaytest.Deadline,
	}
}

func connectClient(tb testing.TB, gateway *gatewaytest.Gateway, change ...func(*Config)) *EndPoint {
	tb.Helper()
	cfg := patientConfig()
	for _, change := range change {
		change(&cfg)
	}
	client, err := ConnectClient(patient(tb), gateway.Client, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeAtEnd(client) })
	return client
}

func connectServer(tb testing.TB, gateway *gatewaytest.Gateway, id uint32, change ...func(*Config)) *EndPoint {
	tb.Helper()
	cfg := patientConfig()
	cfg.ServerID, cfg.AuthKey = id, gatewaytest.Key
	for _, change := range change {
		change(&cfg)
	}
	server, err := ConnectServer(patient(tb), gateway.Server, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeAtEnd(server) })
	return server
}

// closeAtEnd closes a link with its test. A session does not wait for a gateway that is gone as well.
func closeAtEnd(ep *EndPoint) {
	ep.Close()
	if ep.session != nil {
		ep.finish(&LinkError{End: LinkUnconfirmed, Err: errors.New("the test is over")})
	}
}

// openConn has from dial to, whose RemoteID it is given.
func openConn(tb testing.TB, from, to *EndPoint, remoteID uint32) (dialed, accepted *Conn) {
	tb.Helper()
	dialed, err := from.DialConn(patient(tb), remoteID)
	if err != nil {
		tb.Fatal(err)
	}
	accepted, err = to.AcceptConn(patient(tb))
	if err != nil {
		tb.Fatal(err)
	}
	if dialed.ID() != accepted.ID() {
		tb.Fatalf("dialed connection %d, accepted %d", dialed.ID(), accepted.ID())
	}
	return dialed, accepted
}

// pair is a client's and a server's end of a connection through a gateway.
func pair(tb testing.TB, change ...func(*Config)) (client, server *Conn) {
	tb.Helper()
	gateway := gatewaytest.Start(tb)
	to := connectServer(tb, gateway, 7, change...)
	return openConn(tb, connectClient(tb, gateway, change...), to, 7)
}

func send(tb testing.TB, conn *Conn, messages ...string) {
	tb.Helper()
	for _, message := range messages {
		if err := conn.Send(patient(tb), []byte(message)); err != nil {
			tb.Fatal(err)
		}
	}
}

func expect(tb testing.TB, conn *Conn, messages ...string) {
	tb.Helper()
	for _, want := range messages {
		got, err := conn.Receive(patient(tb))
		if err != nil {
			tb.Fatalf("no message: %v", err)
		}
		if string(got) != want {
			tb.Fatalf("received %q, want %q", got, want)
		}
	}
}

// expectEnd receives nothing more, and the reason why.
func expectEnd(tb testing.TB, conn *Conn, target error) {
	tb.Helper()
	message, err := conn.Receive(patient(tb))
	if err == nil {
		tb.Fatalf("received %q, want %v", message, target)
	}
	expectError(tb, err, target)
}

func expectError(tb testing.TB, err, target error) {
	tb.Helper()
	if !errors.Is(err, target) {
		tb.Fatalf("the error is %v, want %v", err, target)
	}
}

// eventually waits until something is so.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(gatewaytest.Deadline); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", gatewaytest.Deadline, what)
		}
	}
}
