package fastway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fastway/internal/chaostest"
	"fastway/internal/gatewaytest"
	"fastway/internal/session"
)

// sessionKey makes a gateway's key pair: the file for the gateway, the public key for its clients.
func sessionKey(tb testing.TB) (file string, public GatewayKey) {
	tb.Helper()
	binary, err := gatewaytest.Binary()
	if err != nil {
		tb.Fatal(err)
	}
	file = filepath.Join(tb.TempDir(), "session.key")
	output, err := exec.Command(binary, "keygen", file).Output()
	if err != nil {
		tb.Fatal(err)
	}
	if public, err = ParseGatewayKey(strings.TrimSpace(string(output))); err != nil {
		tb.Fatalf("%v: keygen printed %q", err, output)
	}
	return file, public
}

// sessionWay is a kind of session, and what a gateway needs to admit it.
type sessionWay struct {
	name  string
	flags []string
	cfg   SessionConfig
}

// bigReplay is more than what sockets take: nobody acknowledges in a legacy session.
const bigReplay = 16 * mib

func sessionWays(tb testing.TB) []sessionWay {
	file, key := sessionKey(tb)
	secure := []string{"--client-link", "secure", "--server-link", "secure", "--session-key", file}
	legacy := []string{
		"--client-link", "legacy", "--server-link", "legacy", "--client-snet-buffer", "16M", "--server-snet-buffer", "16M",
	}
	encrypted := append(legacy[:len(legacy):len(legacy)], "--client-snet-encrypt", "--server-snet-encrypt")
	return []sessionWay{
		{"secure", secure, SessionConfig{Protocol: SecureSession}},
		{"secure and pinned", secure, SessionConfig{GatewayKey: key}},
		{"legacy", legacy, SessionConfig{Protocol: LegacySession, ReplayBytes: bigReplay}},
		{"legacy and encrypted", encrypted, SessionConfig{Protocol: LegacySession, Encrypt: true, ReplayBytes: bigReplay}},
	}
}

// sessionPair is both ends of a connection through a gateway, each over a session that a proxy carries.
type sessionPair struct {
	gateway          *gatewaytest.Gateway
	clients, servers *chaostest.Proxy
	client, server   *Conn
	// events are those of the client's session.
	events chan SessionEvent
}

func meetOverSessions(tb testing.TB, way sessionWay, change ...func(*Config)) *sessionPair {
	tb.Helper()
	p := &sessionPair{gateway: gatewaytest.Start(tb, way.flags...), events: make(chan SessionEvent, 10_000)}
	p.clients, p.servers = chaostest.Start(tb, p.gateway.Client), chaostest.Start(tb, p.gateway.Server)
	cfg := patientConfig()
	cfg.Session, cfg.WhenFull = way.cfg, Hold
	cfg.Session.HandshakeTimeout = gatewaytest.Deadline
	cfg.Session.Backoff = Backoff{First: time.Millisecond, Longest: 20 * time.Millisecond}
	for _, change := range change {
		change(&cfg)
	}
	cfg.ServerID, cfg.AuthKey = 7, gatewaytest.Key
	server, err := ConnectServer(patient(tb), p.servers.Addr, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeAtEnd(server) })
	cfg.Session.OnEvent = func(event SessionEvent) { p.events <- event }
	client, err := ConnectClient(patient(tb), p.clients.Addr, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeAtEnd(client) })
	p.client, p.server = openConn(tb, client, server, 7)
	return p
}

func (p *sessionPair) expectEvent(tb testing.TB, want SessionState) SessionEvent {
	tb.Helper()
	select {
	case event := <-p.events:
		if event.State != want {
			tb.Fatalf("the session was %v: %v; want %v", event.State, event.Err, want)
		}
		return event
	case <-time.After(gatewaytest.Deadline):
		tb.Fatalf("no event; want %v", want)
		panic("unreachable")
	}
}

func TestLinksOverSessionsOfAllKindsOutliveTheirPhysicalConnections(t *testing.T) {
	for _, way := range sessionWays(t) {
		t.Run(way.name, func(t *testing.T) {
			// Without pings no physical connection is replaced by itself, however slow the machine is.
			p := meetOverSessions(t, way, func(cfg *Config) { cfg.PingInterval = -1 })
			send(t, p.client, "hello")
			expect(t, p.server, "hello")
			p.clients.Cut()
			p.expectEvent(t, SessionInterrupted)
			p.expectEvent(t, SessionResumed)
			p.servers.Cut()
			send(t, p.server, "after the cuts")
			expect(t, p.client, "after the cuts")
			send(t, p.client, "both ways")
			expect(t, p.server, "both ways")
			if err := p.client.EndPoint().Reconnect(); err != nil {
				t.Fatal(err)
			}
			p.expectEvent(t, SessionInterrupted)
			p.expectEvent(t, SessionResumed)
			send(t, p.client, "by a third")
			expect(t, p.server, "by a third")
			if stats := p.client.EndPoint().Stats(); stats.Interruptions != 2 || stats.Resumes != 2 {
				t.Errorf("%+v", stats)
			}
			for _, ep := range []*EndPoint{p.client.EndPoint(), p.server.EndPoint()} {
				if err := ep.Shutdown(patient(t)); err != nil {
					t.Errorf("the shutdown gave %v", err)
				}
			}
		})
	}
}

func TestASilentGatewayCostsTheConnectionBelowAndNotTheLink(t *testing.T) {
	p := meetOverSessions(t, sessionWays(t)[1], func(cfg *Config) {
		cfg.PingInterval, cfg.DeadAfter = 500*time.Millisecond, 6
	})
	p.clients.Freeze()
	send(t, p.client, "into the hole")
	send(t, p.server, "out of it")
	expect(t, p.server, "into the hole")
	expect(t, p.client, "out of it")
	if event := p.expectEvent(t, SessionInterrupted); !errors.Is(event.Err, ErrSilent) {
		t.Errorf("%+v", event)
	}
	p.expectEvent(t, SessionResumed)
}

// firstWriteOnly is a connection of which only the first bytes that are written arrive.
type firstWriteOnly struct {
	net.Conn
	writes atomic.Int32
}

func (c *firstWriteOnly) Write(p []byte) (int, error) {
	if c.writes.Add(1) > 1 {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func TestAConnectionThatFallsSilentBehindTheReplyIsReplacedLongBeforeItCountsAsSilent(t *testing.T) {
	for _, way := range sessionWays(t) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			var fallsSilent atomic.Bool
			p := meetOverSessions(t, way, func(cfg *Config) {
				cfg.PingInterval = time.Hour
				cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
					conn, err := dialTCP(ctx, address)
					if err == nil && fallsSilent.Swap(false) {
						return &firstWriteOnly{Conn: conn}, nil
					}
					return conn, err
				}
			})
			fallsSilent.Store(true)
			p.clients.Cut()
			send(t, p.server, "out of it")
			expect(t, p.client, "out of it")
			send(t, p.client, "into it")
			expect(t, p.server, "into it")
			p.expectEvent(t, SessionInterrupted)
			p.expectEvent(t, SessionResumed)
			if event := p.expectEvent(t, SessionInterrupted); !errors.Is(event.Err, session.ErrUnconfirmed) {
				t.Errorf("%+v", event)
			}
			p.expectEvent(t, SessionResumed)
		})
	}
}

func TestALinkIsPingedByEachNewConnectionWhereItIsPingedAtAll(t *testing.T) {
	for interval, isPinged := range map[time.Duration]bool{time.Hour: true, -1: false} {
		ep, _ := fakeClient(t, func(cfg *Config) { cfg.PingInterval = interval })
		pings := func() uint64 {
			ep.out.mu.Lock()
			defer ep.out.mu.Unlock()
			return uint64(ep.out.pings)
		}
		before := pings()
		(&sessionEvents{ep: ep}).pingByNewTransport()
		if now := pings(); (now > before) != isPinged {
			t.Errorf("%d pings with an interval of %v, %d before", now, interval, before)
		}
	}
}

// silentBelow is a session whose gateway says nothing.
type silentBelow struct {
	net.Conn
	interrupted chan error
}

func (s silentBelow) Interrupt(why error) { s.interrupted <- why }

func (s silentBelow) Reconnect() error { return nil }

func TestASilentGatewayBelowASessionIsNoticedWithinOneAndAHalfTimesTheTimeForSilence(t *testing.T) {
	for _, deadAfter := range []int{1, 2, 3} {
		ours, theirs := tcpPair(t)
		below := silentBelow{ours, make(chan error, 1)}
		ep, _ := fakeClientOver(t, below, theirs, func(cfg *Config) {
			cfg.PingInterval, cfg.DeadAfter = time.Hour, deadAfter
			cfg.Session.Protocol = SecureSession
		})
		var elapsed time.Duration
		tick := func() {
			elapsed += ep.keep.tickInterval
			ep.tick()
		}
		ep.keep.heard.Store(true)
		tick()
		// Something came right behind that.
		ep.keep.heard.Store(true)
		elapsed = 0
		for len(below.interrupted) == 0 && elapsed < 100*time.Hour {
			tick()
		}
		if silence := ep.cfg.silenceTime(); elapsed < silence || elapsed > silence*3/2 {
			t.Errorf("it was noticed after %v; the time for silence is %v", elapsed, silence)
		}
		if ep.out.pings == 0 {
			t.Error("it was not pinged")
		}
	}
}

func TestTheRestartOfAGatewayEndsSessionsWithAReason(t *testing.T) {
	way := sessionWays(t)[1]
	p := meetOverSessions(t, way)
	again := gatewaytest.Start(t, way.flags...)
	p.clients.Retarget(again.Client)
	p.gateway.Kill()
	<-p.client.EndPoint().Done()
	p.expectEvent(t, SessionInterrupted)
	var over *SessionError
	if event := p.expectEvent(t, SessionLost); !errors.As(event.Err, &over) || over.End != SessionRefused || over.Status != 1 {
		t.Errorf("%+v", event)
	}
}

// A legacy session has no word for its end: the gateway keeps it for the wait time.
func TestClosingALinkEndsItsConnectionsAtOnceOverSessionsOfAllKinds(t *testing.T) {
	for _, way := range sessionWays(t) {
		way.flags = append(way.flags, "--client-snet-wait-timeout", "1h", "--server-snet-wait-timeout", "1h")
		t.Run(way.name, func(t *testing.T) {
			p := meetOverSessions(t, way)
			client, server := p.client.EndPoint(), p.server.EndPoint()
			dialed, accepted := openConn(t, server, client, p.server.RemoteID())
			send(t, p.client, "the last words")
			client.Close()
			expect(t, p.server, "the last words")
			expectEnd(t, p.server, io.EOF)
			expectEnd(t, dialed, io.EOF)
			expectEnd(t, accepted, net.ErrClosed)
			<-client.Done()
			expectError(t, client.Err(), net.ErrClosed)

			p = meetOverSessions(t, way)
			if err := p.server.EndPoint().Shutdown(patient(t)); err != nil {
				t.Errorf("the shutdown gave %v", err)
			}
			expectEnd(t, p.client, io.EOF)
		})
	}
}

func TestAGatewayThatStopsEndsSessions(t *testing.T) {
	p := meetOverSessions(t, sessionWays(t)[1])
	p.gateway.Stop(t)
	<-p.client.EndPoint().Done()
	var ended *LinkError
	if err := p.client.EndPoint().Err(); !errors.As(err, &ended) || ended.End != LinkGateway && ended.End != LinkLost {
		t.Errorf("the link ended with %v", err)
	}
}

func TestALinkThatIsNotAdmittedSaysWhatThePortAdmitsAndWhatCame(t *testing.T) {
	ways := sessionWays(t)
	secure := gatewaytest.Start(t, ways[1].flags...)
	legacy := gatewaytest.Start(t, ways[2].flags...)
	plain := gatewaytest.Start(t)
	keyless := gatewaytest.Start(t, "--client-link", "secure")
	var another GatewayKey
	_, _ = rand.Read(another[:])
	noSession, anySecure, anyLegacy := SessionConfig{}, SessionConfig{Protocol: SecureSession}, SessionConfig{Protocol: LegacySession}
	for _, c := range []struct {
		name   string
		role   role
		to     *gatewaytest.Gateway
		cfg    SessionConfig
		target error
		status uint8
		says   []string
	}{
		{"another gateway's key", clientRole, secure, SessionConfig{GatewayKey: another}, ErrWrongGateway, 3, nil},
		{"a key that the gateway does not have", clientRole, keyless, SessionConfig{GatewayKey: another}, ErrNotAdmitted, 8,
			[]string{"--session-key", "a secure session"}},
		{"a secure client at a port for legacy sessions", clientRole, legacy, anySecure, ErrNotAdmitted, 8, []string{"--client-link", "a secure session"}},
		{"a secure server at a port for legacy sessions", serverRole, legacy, anySecure, ErrNotAdmitted, 8, []string{"--server-link", "a secure session"}},
		{"a legacy client at a port for secure sessions", clientRole, secure, anyLegacy, ErrTurnedAway, 0,
			[]string{"secure sessions only", "--client-link", "a legacy session"}},
		{"a legacy server at a port for secure sessions", serverRole, secure, anyLegacy, ErrTurnedAway, 0,
			[]string{"secure sessions only", "--server-link", "a legacy session"}},
		{"a secure client at a plain port", clientRole, plain, anySecure, ErrNotAdmitted, 8, []string{"--client-link", "a secure session"}},
		{"a legacy client at a plain port", clientRole, plain, anyLegacy, ErrTurnedAway, 0, []string{"plain links", "--client-link", "a legacy session"}},
		{"a secure server at a plain port", serverRole, plain, anySecure, nil, 0, []string{"plain links only", "--server-link", "a secure session"}},
		{"a legacy server at a plain port", serverRole, plain, anyLegacy, ErrNotAdmitted, 0,
			[]string{"plain links only", "--server-link", "a legacy session"}},
		{"a plain client at a port for sessions", clientRole, secure, noSession, ErrTurnedAway, 0,
			[]string{"sessions only", "--client-link", "a plain link"}},
		{"a plain server at a port for sessions", serverRole, secure, noSession, ErrNotAdmitted, 0,
			[]string{"sessions only", "--server-link", "a plain link"}},
		{"a legacy session and a key", clientRole, legacy, SessionConfig{Protocol: LegacySession, GatewayKey: another}, errKeyOfLegacy, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := patientConfig()
			cfg.Session, cfg.ServerID, cfg.AuthKey = c.cfg, 9, gatewaytest.Key
			// So that no time-out of ours can be what ends it.
			cfg.Session.HandshakeTimeout = gatewaytest.Deadline
			address := map[role]string{clientRole: c.to.Client, serverRole: c.to.Server}[c.role]
			_, err := connect(patient(t), c.role, address, cfg)
			var over *SessionError
			if c.target != nil && !errors.Is(err, c.target) {
				t.Errorf("the error is %v, want %v", err, c.target)
			}
			if c.status != 0 && (!errors.As(err, &over) || over.Status != c.status) {
				t.Errorf("the error is %v, want status %d", err, c.status)
			}
			for _, said := range c.says {
				if err == nil || !strings.Contains(err.Error(), said) {
					t.Errorf("the error is %v, and does not say %q", err, said)
				}
			}
		})
	}
}

func TestAnOverloadedGatewayIsAnErrorThatSaysWhenToComeAgain(t *testing.T) {
	for _, c := range []struct {
		name       string
		refusal    []byte
		retryAfter time.Duration
	}{
		{"with a time", []byte{byte(session.StatusOverloaded), 0xd2, 4}, 1234 * time.Millisecond},
		{"of an older version", []byte{byte(session.StatusOverloaded)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 1024)); err == nil {
					_, _ = conn.Write(c.refusal)
				}
			}()
			cfg := patientConfig()
			cfg.Session.Protocol = SecureSession
			_, err = ConnectClient(patient(t), listener.Addr().String(), cfg)
			var refused *SessionError
			if !errors.As(err, &refused) || refused.Status != uint8(session.StatusOverloaded) || refused.RetryAfter != c.retryAfter {
				t.Fatalf("the error is %v", err)
			}
			if !strings.Contains(err.Error(), "the gateway is overloaded") {
				t.Error(err)
			}
		})
	}
}

func TestALinkWhoseSessionWasAbortedSaysWhy(t *testing.T) {
	end := lostLink(&session.AbortedError{Reason: session.AbortOverflow})
	var over *SessionError
	if !errors.As(end, &over) || over.End != SessionAborted || over.Reason != 3 {
		t.Errorf("%+v", end)
	}
	if want := "the gateway closed the link"; !strings.HasPrefix(end.Error(), want) || !strings.Contains(end.Error(), "too much waited") {
		t.Errorf("it says %q", end)
	}
}

func TestAGatewayKeyIsReadAndMeansASecureSession(t *testing.T) {
	_, key := sessionKey(t)
	if again, err := ParseGatewayKey(key.String()); err != nil || again != key {
		t.Errorf("%v, %v", again, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("zz", 32), hex.EncodeToString(make([]byte, 33))} {
		if _, err := ParseGatewayKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
	if cfg, _ := clientRole.with(Config{Session: SessionConfig{GatewayKey: key}}); cfg.Session.Protocol != SecureSession {
		t.Error("a key alone does not make a secure session")
	}
}

func TestAPlainLinkHasNoSessionToReconnect(t *testing.T) {
	client, _ := fakeClient(t)
	expectError(t, client.Reconnect(), ErrNoSession)
}

func TestASendAndAReceiveOverASessionAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Log("not measured: the race detector allocates")
		return
	}
	for _, way := range sessionWays(t) {
		p := meetOverSessions(t, way)
		message, buf, ctx := make([]byte, 64), make([]byte, 0, 64), context.Background()
		var err error
		work := func() {
			if err == nil {
				err = p.client.Send(ctx, message)
			}
			if err == nil {
				buf, err = p.server.ReceiveAppend(ctx, buf[:0])
			}
		}
		for range 1000 {
			work()
		}
		if allocs := testing.AllocsPerRun(5000, work); err != nil || allocs != 0 {
			t.Errorf("%s: %v allocations for a message sent and received; %v", way.name, allocs, err)
		}
	}
}
