package fastway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
	"fastway/internal/wire"
)

func TestConnectErrorsSayWhatToMend(t *testing.T) {
	gateway := gatewaytest.Start(t, "--client-idle-timeout", "0", "--server-idle-timeout", "0")
	full := gatewaytest.Start(t, "--max-links", "1")
	connectClient(t, full)
	ctx := patient(t)
	for _, c := range []struct {
		name    string
		connect func() (*EndPoint, error)
		// Eight random bytes of a challenge may, once in thousands of times, begin a frame.
		target, or error
		step       ConnectStep
	}{
		{"a wrong key", func() (*EndPoint, error) {
			cfg := patientConfig()
			cfg.AuthKey = "wrong"
			return ConnectServer(ctx, gateway.Server, cfg)
		}, ErrWrongKey, nil, StepPing},
		{"a client at the server port", func() (*EndPoint, error) {
			return ConnectClient(ctx, gateway.Server, patientConfig())
		}, ErrNotAGateway, ErrTurnedAway, StepPing},
		{"a server at the client port", func() (*EndPoint, error) {
			return ConnectServer(ctx, gateway.Client, patientConfig())
		}, ErrNotAGateway, nil, StepChallenge},
		{"a server at the client port over a connection that it was given", func() (*EndPoint, error) {
			conn, err := net.Dial("tcp", gateway.Client)
			if err != nil {
				return nil, err
			}
			return OpenServer(ctx, conn, Config{ConnectTimeout: time.Millisecond})
		}, context.DeadlineExceeded, nil, StepChallenge},
		{"a gateway at its limit", func() (*EndPoint, error) {
			return ConnectClient(ctx, full.Client, patientConfig())
		}, ErrTurnedAway, nil, StepPing},
		{"nobody there", func() (*EndPoint, error) {
			return ConnectClient(ctx, "127.0.0.1:1", patientConfig())
		}, syscall.ECONNREFUSED, nil, StepDial},
	} {
		t.Run(c.name, func(t *testing.T) {
			ep, err := c.connect()
			var failed *ConnectError
			if ep != nil || !errors.As(err, &failed) || failed.Step != c.step {
				t.Fatalf("%v, %v", ep, err)
			}
			if c.or == nil || !errors.Is(err, c.or) {
				expectError(t, err, c.target)
			}
		})
	}
}

func TestASettingThatCannotWorkIsNamed(t *testing.T) {
	_, err := ConnectClient(patient(t), "127.0.0.1:1", Config{MaxPacket: 12})
	var wrong *ConfigError
	if !errors.As(err, &wrong) || wrong.Field != "MaxPacket" || wrong.Least != 13 {
		t.Fatalf("the error is %v", err)
	}
	ours, theirs := net.Pipe()
	defer theirs.Close()
	client := NewClient(ours, EndPointCfg{MaxPacket: 12})
	<-client.Done()
	if !errors.As(client.Err(), &wrong) {
		t.Fatalf("the link ended with %v", client.Err())
	}
}

func TestConnectingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	failed := make(chan error)
	go func() {
		_, err := OpenServer(ctx, ours, Config{})
		failed <- err
	}()
	cancel()
	expectError(t, <-failed, context.Canceled)
	if _, err := theirs.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is left open")
	}
}

func TestAnEndpointRunsOverAnyConnection(t *testing.T) {
	gateway := gatewaytest.Start(t)
	server := connectServer(t, gateway, 7, func(cfg *Config) {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dialTCP(ctx, address)
			return onlyConn{conn}, err
		}
	})
	client := connectClient(t, gateway)
	ours, theirs := openConn(t, client, server, 7)
	send(t, theirs, "over a connection that cannot be closed by halves")
	if err := server.Shutdown(patient(t)); err != nil {
		t.Fatal(err)
	}
	expect(t, ours, "over a connection that cannot be closed by halves")
}

// onlyConn hides what else a connection can do.
type onlyConn struct{ net.Conn }

func TestShutdownDeliversWhatWasSentAndTellsTheOtherEnd(t *testing.T) {
	client, server := pair(t)
	const count = 2000
	for i := range count {
		send(t, client, fmt.Sprint(i))
	}
	if err := client.EndPoint().Shutdown(patient(t)); err != nil {
		t.Fatal(err)
	}
	for i := range count {
		expect(t, server, fmt.Sprint(i))
	}
	expectEnd(t, server, io.EOF)
	expectEnd(t, client, net.ErrClosed)
	if err := client.EndPoint().Err(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the link ended with %v", err)
	}
	if err := client.EndPoint().Shutdown(patient(t)); err != nil {
		t.Errorf("a second shutdown: %v", err)
	}
}

func TestShutdownSaysWhenTheGatewayDoesNotAgree(t *testing.T) {
	client, _ := fakeClient(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var unconfirmed *LinkError
	if err := client.Shutdown(ctx); !errors.As(err, &unconfirmed) || unconfirmed.End != LinkUnconfirmed {
		t.Fatalf("the error is %v", err)
	}
	<-client.Done()
}

func TestShutdownSaysWhenTheGatewayEndsWithoutHavingReadAll(t *testing.T) {
	client, gateway := fakeClient(t)
	ended := make(chan error)
	go func() { ended <- client.Shutdown(patient(t)) }()
	gateway.expectCommand(wire.Command{Type: wire.Ping})
	gateway.conn.Close()
	expectError(t, <-ended, io.EOF)
}

// The original's gateway closes a link at its half-close, and does not send the answers that still wait.
func TestShutdownAgreesWithAGatewayThatEndsTheLinkAtItsHalfClose(t *testing.T) {
	client, gateway := fakeClient(t)
	ended := make(chan error)
	go func() { ended <- client.Shutdown(patient(t)) }()
	gateway.expectCommand(ping)
	_ = gateway.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := gateway.conn.Read(make([]byte, 1)); err == io.EOF {
		t.Error("it was closed by halves before the ping was answered")
	} else {
		_ = gateway.conn.SetReadDeadline(time.Now().Add(gatewaytest.Deadline))
		gateway.say(ping)
		if _, err := gateway.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the answer: %v", err)
		}
	}
	gateway.conn.Close()
	if err := <-ended; err != nil {
		t.Errorf("the shutdown gave %v", err)
	}
}

func TestShutdownAgreesWithAGatewayThatHasEverythingAndDoesNotCloseTheLink(t *testing.T) {
	client, gateway := fakeClient(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- client.Shutdown(ctx) }()
	gateway.expectCommand(ping)
	gateway.say(ping)
	if _, err := gateway.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the answer: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the shutdown gave %v", err)
	}
}

func TestCloseSendsWhatWaitsAndDoesNotWait(t *testing.T) {
	client, server := pair(t)
	send(t, client, "the last words")
	client.EndPoint().Close()
	expect(t, server, "the last words")
	expectEnd(t, server, io.EOF)
	<-client.EndPoint().Done()
	if _, err := client.EndPoint().DialConn(patient(t), 7); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a dial after the close: %v", err)
	}
}

func TestTheLossOfTheGatewayReachesEverybodyWhoWaits(t *testing.T) {
	gateway := gatewaytest.Start(t)
	server, client := connectServer(t, gateway, 7), connectClient(t, gateway)
	conn, _ := openConn(t, client, server, 7)
	failed := make(chan error)
	go func() {
		_, err := conn.Receive(patient(t))
		failed <- err
	}()
	go func() {
		_, err := client.AcceptConn(patient(t))
		failed <- err
	}()
	go func() {
		_, err := server.AcceptConn(patient(t))
		failed <- err
	}()
	gateway.Kill()
	for range 3 {
		var ended *LinkError
		if err := <-failed; !errors.As(err, &ended) || ended.End != LinkGateway && ended.End != LinkLost {
			t.Errorf("the error is %v", err)
		}
	}
	<-client.Done()
	<-server.Done()
}

func TestAGatewayThatStopsEndsConnectionsAndLink(t *testing.T) {
	gateway := gatewaytest.Start(t)
	server, client := connectServer(t, gateway, 7), connectClient(t, gateway)
	conn, _ := openConn(t, client, server, 7)
	gateway.Stop(t)
	expectEnd(t, conn, io.EOF)
	<-client.Done()
	expectError(t, client.Err(), io.EOF)
}

func TestWhatStillWaitsToBeAcceptedIsGivenOutAfterTheLossOfTheLink(t *testing.T) {
	client, gateway := fakeClient(t)
	gateway.say(wire.Command{Type: wire.Connect, ConnID: 5, RemoteID: 1})
	gateway.write(wire.AppendData(nil, 5, []byte("before the end")))
	gateway.conn.Close()
	<-client.Done()
	conn, err := client.AcceptConn(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, conn, "before the end")
	expectEnd(t, conn, io.EOF)
	_, err = client.AcceptConn(patient(t))
	expectError(t, err, io.EOF)
}

func TestWhatNoGatewaySendsEndsTheLink(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"a length that is too short": {3, 0, 0, 0},
		"a length that is too long":  {255, 255, 255, 255},
		"an unknown command":         {5, 0, 0, 0, 0, 0, 0, 0, 9},
		"a dial":                     wire.AppendCommand(nil, wire.Command{Type: wire.Dial, RemoteID: 1}),
		"an answer to no dial":       wire.AppendCommand(nil, wire.Command{Type: wire.Accept, ConnID: 1, RemoteID: 1}),
		"a refusal of no dial":       wire.AppendCommand(nil, wire.Command{Type: wire.Refuse, RemoteID: 1}),
		"a connection without an ID": wire.AppendCommand(nil, wire.Command{Type: wire.Connect, RemoteID: 1}),
		"a connection that is there": wire.AppendCommand(
			wire.AppendCommand(nil, wire.Command{Type: wire.Connect, ConnID: 1}), wire.Command{Type: wire.Connect, ConnID: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			client, gateway := fakeClient(t)
			gateway.write(bytes)
			<-client.Done()
			var ended *LinkError
			if !errors.As(client.Err(), &ended) || ended.End != LinkProtocol {
				t.Fatalf("the link ended with %v", client.Err())
			}
		})
	}
}

func TestAnAnswerToADialThatWasGivenUpIsClosed(t *testing.T) {
	client, gateway := fakeClient(t)
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error)
	go func() {
		_, err := client.DialConn(ctx, 9)
		failed <- err
	}()
	gateway.expectCommand(wire.Command{Type: wire.Dial, RemoteID: 9})
	cancel()
	expectError(t, <-failed, context.Canceled)
	gateway.say(wire.Command{Type: wire.Accept, ConnID: 3, RemoteID: 9})
	gateway.expectCommand(wire.Command{Type: wire.Close, ConnID: 3})
	if stats := client.Stats(); stats.LateAccepts != 1 || stats.Conns != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestADialGivesUpAfterItsTime(t *testing.T) {
	client, _ := fakeClient(t, func(cfg *Config) { cfg.DialTimeout = time.Millisecond })
	_, err := client.DialConn(context.Background(), 9)
	expectError(t, err, context.DeadlineExceeded)
	var timeout net.Error
	if _, err = client.DialConn(context.Background(), 9); errors.As(err, &timeout) && !timeout.Timeout() {
		t.Errorf("%v is no time-out", err)
	}
}

func TestASilentGatewayIsGivenUpAfterItWasPinged(t *testing.T) {
	client, _ := fakeClient(t, func(cfg *Config) { cfg.PingInterval, cfg.DeadAfter = 5*time.Millisecond, 2 })
	<-client.Done()
	expectError(t, client.Err(), ErrSilent)
	// Whether they were written in those few milliseconds is the machine's.
	if client.out.pings == 0 {
		t.Error("it was not pinged")
	}
}

func TestPingsKeepAnIdleLinkAlive(t *testing.T) {
	gateway := gatewaytest.Start(t, "--client-idle-timeout", "2s", "--server-idle-timeout", "2s")
	often := func(cfg *Config) { cfg.PingInterval, cfg.DeadAfter = 25*time.Millisecond, -1 }
	ours, theirs := openConn(t, connectClient(t, gateway, often), connectServer(t, gateway, 7, often), 7)
	received := ours.EndPoint().Stats().ReceivedBytes
	eventually(t, "two and a half seconds of pings were answered", func() bool {
		return ours.EndPoint().Stats().ReceivedBytes >= received+100*9
	})
	send(t, ours, "still here")
	expect(t, theirs, "still here")
}

func TestFloodsOfConnectsCostNoMoreThanTheBound(t *testing.T) {
	client, gateway := fakeClient(t, func(cfg *Config) { cfg.PendingAccepts = 10 })
	var flood []byte
	const count = 5000
	for id := range uint32(count) {
		flood = wire.AppendCommand(flood, wire.Command{Type: wire.Connect, ConnID: id + 1, RemoteID: 1})
	}
	gateway.writeLater(flood)
	for id := uint32(11); id <= count; id++ {
		gateway.expectCommand(wire.Command{Type: wire.Close, ConnID: id})
	}
	if stats := client.Stats(); stats.Conns != 10 || stats.AcceptsOverflowed != count-10 {
		t.Errorf("%+v", stats)
	}
	for range 10 {
		if _, err := client.AcceptConn(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIdleConnectionsHaveNoGoroutineAndNoMemoryForMessages(t *testing.T) {
	client, gateway := fakeClient(t, func(cfg *Config) { cfg.PendingAccepts = 1000 })
	before := runtime.NumGoroutine()
	for id := uint32(1); id <= 1000; id++ {
		gateway.say(wire.Command{Type: wire.Connect, ConnID: id, RemoteID: 1})
		gateway.write(messages(id, 1, 100))
	}
	for range 1000 {
		conn, err := client.AcceptConn(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Receive(patient(t)); err != nil {
			t.Fatal(err)
		}
		if conn.in.head != nil {
			t.Fatal("an idle connection keeps memory")
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines for 1,000 connections", after-before)
	}
}

func TestTheLogSaysWhyALinkEnded(t *testing.T) {
	var log strings.Builder
	client, gateway := fakeClient(t, func(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	gateway.conn.Close()
	<-client.Done()
	if !strings.Contains(log.String(), "the gateway closed the link") {
		t.Errorf("the log is %q", log.String())
	}
}

func TestHooksAreToldWhatHappens(t *testing.T) {
	happened := make(chan string, 10)
	hooks := func(cfg *Config) {
		cfg.Hooks = Hooks{
			LinkUp:     func() { happened <- "up" },
			LinkDown:   func(*LinkError) { happened <- "down" },
			ConnOpened: func(_ *Conn, dialed bool) { happened <- fmt.Sprint("opened ", dialed) },
			ConnClosed: func(_ *Conn, why *CloseError) { happened <- fmt.Sprint("closed ", why.Reason) },
		}
	}
	gateway := gatewaytest.Start(t)
	server := connectServer(t, gateway, 7)
	client := connectClient(t, gateway, hooks)
	_, theirs := openConn(t, client, server, 7)
	theirs.Close()
	for _, want := range []string{"up", "opened true", "closed 2"} {
		if got := <-happened; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	client.Shutdown(patient(t))
	if got := <-happened; got != "down" {
		t.Errorf("%s, want down", got)
	}
}
