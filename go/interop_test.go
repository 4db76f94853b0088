package fastway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
)

// The suite drives one end of connections with this SDK, in both roles. At the other end is a peer that obeys
// (tests/interop/README.md): of this SDK, of the Rust SDK, or of bare frames. The original Go SDK cannot be had as a module,
// so the bare frames stand in for it.

// peers start a peer at the gateway, over a link of that kind; as a server it is registered then, as a client it has dialed
// server 1, or will. Bare frames know plain links only.
var peers = map[string]func(t *testing.T, role role, gateway *gatewaytest.Gateway, link sessionWay){
	"go":     startGoPeer,
	"rust":   startRustPeer,
	"frames": startFramePeer,
}

// scenarios are what is tried with each peer and in each role: conn leads to the peer.
var scenarios = map[string]func(t *testing.T, conn *Conn){
	"echoes messages of any size":         echoes,
	"sends 10,000 messages in order":      countsTo10000,
	"gets 10,000 messages in order":       getsCountTo10000,
	"is dialed":                           isDialed,
	"dials":                               dials,
	"is refused":                          isRefused,
	"closes":                              closes,
	"is closed, and goes on":              isClosed,
	outlivesIdling:                        pings,
	"goes without a word":                 aborts,
	"outlives the loss of the other link": outlivesLoss,
}

// outlivesIdling has a short idle timeout, and nothing else has: a busy machine must not look like a lost link.
const outlivesIdling = "pings, and so outlives the idle timeout"

func TestInterop(t *testing.T) {
	for name := range peers {
		for _, role := range []role{clientRole, serverRole} {
			for scenario := range scenarios {
				t.Run(fmt.Sprintf("a %s of %s %s", role, name, scenario), func(t *testing.T) {
					if scenario == outlivesIdling {
						t.Parallel()
					}
					encounter{peer: name, role: role}.try(t, scenario)
				})
			}
		}
	}
}

// Each kind of link meets each: our end's and the peer's need not be alike.
func TestInteropOverSessions(t *testing.T) {
	ways := sessionWays(t)
	plain, pinned, legacy, encrypted := sessionWay{name: "plain"}, ways[1], ways[2], ways[3]
	for _, met := range []encounter{
		{"go", clientRole, pinned, pinned}, {"go", serverRole, pinned, pinned},
		{"go", clientRole, legacy, pinned}, {"go", serverRole, pinned, encrypted},
		{"rust", clientRole, pinned, plain}, {"rust", serverRole, pinned, plain},
		{"rust", clientRole, plain, pinned}, {"rust", serverRole, plain, pinned},
		{"rust", clientRole, pinned, legacy}, {"rust", serverRole, encrypted, encrypted},
		{"frames", clientRole, pinned, plain}, {"frames", serverRole, encrypted, plain},
	} {
		for scenario := range scenarios {
			if scenario == outlivesIdling {
				continue // Pings are the link's own, and take long.
			}
			t.Run(fmt.Sprintf("a %s of %s over %s, met over %s, %s", met.role, met.peer, met.theirs.name, met.ours.name, scenario),
				func(t *testing.T) {
					t.Parallel()
					met.try(t, scenario)
				})
		}
	}
}

// encounter is a peer in its role, and the links of both ends.
type encounter struct {
	peer         string
	role         role
	ours, theirs sessionWay
}

func (e encounter) try(t *testing.T, scenario string) {
	// A peer over a session that goes without a word is waited for.
	flags := append(e.flags(), "--client-snet-wait-timeout", "1s", "--server-snet-wait-timeout", "1s")
	if scenario == outlivesIdling {
		flags = append(flags, "--client-idle-timeout", "2s", "--server-idle-timeout", "2s")
	}
	scenarios[scenario](t, e.meet(t, gatewaytest.Start(t, flags...)))
}

// flags admit what both ends use. A server port is plain, or for sessions.
func (e encounter) flags() []string {
	client, server := e.ours, e.theirs
	if e.role == clientRole {
		client, server = server, client
	}
	flags := []string{"--client-link", client.kind(), "--server-link", server.kind()}
	for _, way := range []sessionWay{client, server} {
		if way.cfg.GatewayKey.isSet() {
			flags = append(flags, way.flags[len(way.flags)-2:]...)
			break
		}
	}
	if client.cfg.Encrypt {
		flags = append(flags, "--client-snet-encrypt")
	}
	if server.cfg.Encrypt {
		flags = append(flags, "--server-snet-encrypt")
	}
	return flags
}

// kind is how the gateway calls a link.
func (w sessionWay) kind() string { return strings.Split(strings.Split(w.argument(), ":")[0], "-")[0] }

// argument is how the Rust peer is told of a link.
func (w sessionWay) argument() string {
	cfg, _ := clientRole.with(Config{Session: w.cfg})
	switch {
	case cfg.Session.Protocol == NoSession:
		return "plain"
	case cfg.Session.Protocol == LegacySession && cfg.Session.Encrypt:
		return "legacy-encrypted"
	case cfg.Session.Protocol == LegacySession:
		return "legacy"
	case cfg.Session.GatewayKey.isSet():
		return "secure:" + cfg.Session.GatewayKey.String()
	default:
		return "secure"
	}
}

func over(link sessionWay) func(*Config) { return func(cfg *Config) { cfg.Session = link.cfg } }

// loseNothing has a server keep up with a peer that sends faster: by default it would close the connection.
func loseNothing(cfg *Config) { cfg.WhenFull = Hold }

func pingOften(cfg *Config) { cfg.PingInterval, cfg.DeadAfter = 100*time.Millisecond, -1 }

// meet gives a connection to the peer.
func (e encounter) meet(t *testing.T, gateway *gatewaytest.Gateway) *Conn {
	t.Helper()
	start := peers[e.peer]
	if e.role == serverRole {
		start(t, e.role, gateway, e.theirs)
		conn, err := connectClient(t, gateway, pingOften, over(e.ours)).DialConn(patient(t), 1)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	server := connectServer(t, gateway, 1, pingOften, loseNothing, over(e.ours))
	start(t, e.role, gateway, e.theirs)
	return accept(t, server)
}

func accept(t *testing.T, ep *EndPoint) *Conn {
	t.Helper()
	conn, err := ep.AcceptConn(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func echoes(t *testing.T, conn *Conn) {
	for _, size := range []int{0, 1, 64, 4096, 70_000, 512<<10 - 4} {
		message := strings.Repeat("x", size)
		send(t, conn, message)
		expect(t, conn, message)
	}
}

func countsTo10000(t *testing.T, conn *Conn) {
	send(t, conn, "!count 10000")
	for i := range 10_000 {
		expect(t, conn, fmt.Sprint(i))
	}
}

func getsCountTo10000(t *testing.T, conn *Conn) {
	const count, window = 10_000, 200
	for i := range count {
		send(t, conn, fmt.Sprint(i))
		if i >= window {
			expect(t, conn, fmt.Sprint(i-window))
		}
	}
	for i := count - window; i < count; i++ {
		expect(t, conn, fmt.Sprint(i))
	}
}

func dials(t *testing.T, conn *Conn) {
	send(t, conn, "!dial")
	dialed := accept(t, conn.EndPoint())
	expect(t, conn, "dialed")
	send(t, dialed, "by the second", "once more")
	expect(t, dialed, "by the second", "once more")
	send(t, conn, "by the first")
	expect(t, conn, "by the first")
}

func isDialed(t *testing.T, conn *Conn) {
	dialed, err := conn.EndPoint().DialConn(patient(t), conn.RemoteID())
	if err != nil {
		t.Fatal(err)
	}
	send(t, dialed, "by the second")
	expect(t, dialed, "by the second")
	send(t, conn, "by the first")
	expect(t, conn, "by the first")
}

func isRefused(t *testing.T, conn *Conn) {
	send(t, conn, "!dial 4711")
	expect(t, conn, "refused")
	_, err := conn.EndPoint().DialConn(patient(t), 4711)
	expectError(t, err, ErrRefused)
	send(t, conn, "and on")
	expect(t, conn, "and on")
}

func closes(t *testing.T, conn *Conn) {
	send(t, conn, "hello", "!close")
	expect(t, conn, "hello", "bye")
	expectEnd(t, conn, io.EOF)
	isDialed(t, redial(t, conn))
}

func isClosed(t *testing.T, conn *Conn) {
	send(t, conn, "hello")
	conn.Close()
	isDialed(t, redial(t, conn))
}

// redial opens another connection to the peer.
func redial(t *testing.T, conn *Conn) *Conn {
	t.Helper()
	again, err := conn.EndPoint().DialConn(patient(t), conn.RemoteID())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// pings lasts longer than the gateway's idle timeout: as long as 25 of our own pings take.
func pings(t *testing.T, conn *Conn) {
	before := conn.EndPoint().Stats().ReceivedBytes
	eventually(t, "25 pings are answered", func() bool {
		return conn.EndPoint().Stats().ReceivedBytes >= before+25*9
	})
	send(t, conn, "still here")
	expect(t, conn, "still here")
}

func aborts(t *testing.T, conn *Conn) {
	send(t, conn, "!abort")
	expectEnd(t, conn, io.EOF)
	if err := conn.EndPoint().Err(); err != nil {
		t.Errorf("this side's link has ended, too: %v", err)
	}
}

// outlivesLoss loses this side's link without a word, and comes back with another one.
func outlivesLoss(t *testing.T, conn *Conn) {
	ep := conn.EndPoint()
	send(t, conn, "hello")
	expect(t, conn, "hello")
	ep.finish(&LinkError{End: LinkLost, Err: errors.New("cut by the test")})
	again, err := connect(patient(t), ep.role, ep.conn.RemoteAddr().String(), ep.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAtEnd(again) })
	second, err := again.DialConn(patient(t), conn.RemoteID())
	if err != nil {
		t.Fatal(err)
	}
	send(t, second, "hello again")
	expect(t, second, "hello again")
}

// startGoPeer runs a peer of this SDK.
func startGoPeer(t *testing.T, role role, gateway *gatewaytest.Gateway, link sessionWay) {
	if role == serverRole {
		go obeyAll(connectServer(t, gateway, 1, pingOften, over(link)))
		return
	}
	client := connectClient(t, gateway, pingOften, over(link))
	conn, err := client.DialConn(patient(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	go obey(conn)
	go obeyAll(client)
}

func obeyAll(ep *EndPoint) {
	for {
		conn, err := ep.AcceptConn(context.Background())
		if err != nil {
			return
		}
		go obey(conn)
	}
}

func obey(conn *Conn) {
	defer conn.Close()
	for {
		message, err := conn.Receive(context.Background())
		if err != nil {
			return
		}
		if obeyOne(conn, string(message)) != nil {
			return
		}
	}
}

func obeyOne(conn *Conn, message string) error {
	say := func(message string) error { return conn.Send(context.Background(), []byte(message)) }
	count, remoteID := 0, conn.RemoteID()
	if n, _ := fmt.Sscanf(message, "!count %d", &count); n == 1 {
		for i := range count {
			if err := say(fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if n, _ := fmt.Sscanf(message, "!dial %d", &remoteID); n == 1 || message == "!dial" {
		return say(dialFor(conn, remoteID))
	}
	switch message {
	case "!close":
		return errors.Join(say("bye"), io.EOF)
	case "!abort":
		conn.EndPoint().finish(&LinkError{End: LinkLost, Err: errors.New("told to abort")})
		return io.EOF
	default:
		return say(message)
	}
}

func dialFor(conn *Conn, remoteID uint32) string {
	dialed, err := conn.EndPoint().DialConn(context.Background(), remoteID)
	switch {
	case errors.Is(err, ErrRefused):
		return "refused"
	case err != nil:
		return err.Error()
	}
	go obey(dialed)
	return "dialed"
}
