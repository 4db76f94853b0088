package fastway

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fastway/internal/chaostest"
	"fastway/internal/gatewaytest"
)

// changingList is a resolver whose gateways a test changes.
type changingList struct {
	mu        sync.Mutex
	addresses []string
	err       error
	asked     int
}

func (l *changingList) set(err error, addresses ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addresses, l.err = addresses, err
}

func (l *changingList) Resolve(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	return slices.Clone(l.addresses), l.err
}

func (l *changingList) timesAsked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func groupConfig() GroupConfig {
	server := patientConfig()
	server.ServerID, server.AuthKey = 7, gatewaytest.Key
	backoff := Backoff{First: time.Millisecond, Longest: 20 * time.Millisecond}
	return GroupConfig{Server: server, Backoff: backoff, ResolveEvery: time.Millisecond}
}

func newGroup(t *testing.T, resolver Resolver, cfg GroupConfig) *ServerGroup {
	t.Helper()
	group, err := NewServerGroup(resolver, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = group.Shutdown(patient(t)) })
	return group
}

func (g *ServerGroup) health(gateway string) GatewayHealth {
	for _, health := range g.Health() {
		if health.Gateway == gateway {
			return health
		}
	}
	return GatewayHealth{State: GatewayLeft}
}

func (g *ServerGroup) state(gateway string) GatewayState { return g.health(gateway).State }

func expectUp(t *testing.T, group *ServerGroup, gateways ...string) {
	t.Helper()
	for _, gateway := range gateways {
		eventually(t, "the gateway is up", func() bool { return group.state(gateway) == GatewayUp })
	}
}

func TestAGroupAcceptsFromAllItsGatewaysAndDialsTheirClients(t *testing.T) {
	first, second := gatewaytest.Start(t), gatewaytest.Start(t)
	group := newGroup(t, StaticList(first.Server, second.Server), groupConfig())
	expectUp(t, group, first.Server, second.Server)
	for _, gateway := range []*gatewaytest.Gateway{first, second, first} {
		client := connectClient(t, gateway)
		ours, err := client.DialConn(patient(t), 7)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := group.Accept(patient(t))
		if err != nil || theirs.Gateway != gateway.Server {
			t.Fatalf("%+v, %v", theirs, err)
		}
		send(t, ours, "hello")
		expect(t, theirs.Conn, "hello")

		dialed, err := group.Dial(patient(t), gateway.Server, theirs.RemoteID())
		if err != nil {
			t.Fatal(err)
		}
		here, err := client.AcceptConn(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		send(t, dialed, "you are dialed")
		expect(t, here, "you are dialed")
	}
	_, err := group.Dial(patient(t), "127.0.0.1:1", 1)
	expectError(t, err, ErrUnknownGateway)
}

func TestAGroupFollowsItsResolver(t *testing.T) {
	first, second := gatewaytest.Start(t), gatewaytest.Start(t)
	var list changingList
	list.set(nil, first.Server)
	group := newGroup(t, &list, groupConfig())
	expectUp(t, group, first.Server)
	list.set(nil, second.Server)
	expectUp(t, group, second.Server)
	eventually(t, "the first is left", func() bool { return group.state(first.Server) == GatewayLeft })
	conn, err := connectClient(t, first).DialConn(patient(t), 7)
	for err == nil {
		conn.Close()
		conn, err = connectClient(t, first).DialConn(patient(t), 7)
	}
	expectError(t, err, ErrRefused)

	list.set(errors.New("the look-up fails"))
	asked := list.timesAsked()
	eventually(t, "it was looked up again", func() bool { return list.timesAsked() > asked+1 })
	if state := group.state(second.Server); state != GatewayUp {
		t.Errorf("after a look-up that failed the second is %s", state)
	}
}

func TestAGroupComesBackToAGatewayThatWasGone(t *testing.T) {
	events := make(chan GroupEvent, 1000)
	cfg := groupConfig()
	cfg.OnEvent = func(event GroupEvent) { events <- event }
	gateway := gatewaytest.Start(t)
	// A port that is free again may be anybody's: the proxy keeps the address.
	network := chaostest.Start(t, gateway.Server)
	group := newGroup(t, StaticList(network.Addr), cfg)
	if event := <-events; event.State != GatewayUp || event.Gateway != network.Addr {
		t.Fatalf("%+v", event)
	}
	network.Retarget("127.0.0.1:1")
	gateway.Kill()
	for range 3 {
		if event := <-events; event.State != GatewayWaiting || event.Err == nil || event.RetryIn <= 0 {
			t.Fatalf("%+v", event)
		}
	}
	_, err := group.Dial(patient(t), network.Addr, 1)
	expectError(t, err, ErrNotConnected)

	again := gatewaytest.Start(t)
	network.Retarget(again.Server)
	expectUp(t, group, network.Addr)
	if health := group.Health()[0]; health.Connects != 2 || health.Failures < 2 || health.LastErr == nil {
		t.Errorf("%+v", health)
	}
	if _, err := connectClient(t, again).DialConn(patient(t), 7); err != nil {
		t.Fatal(err)
	}
}

func TestAGatewayThatIsRestartedAgainAndAgainIsNotWaitedForLonger(t *testing.T) {
	network := chaostest.Start(t, gatewaytest.Start(t).Server)
	// absences is how many more attempts find nobody.
	var absences atomic.Int32
	events := make(chan GroupEvent, 1000)
	cfg := groupConfig()
	cfg.Backoff = Backoff{First: 10 * time.Millisecond, Longest: time.Hour}
	cfg.OnEvent = func(event GroupEvent) { events <- event }
	cfg.Server.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		if absences.Add(-1) >= 0 {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return dialTCP(ctx, address)
	}
	newGroup(t, StaticList(network.Addr), cfg)
	for range 3 {
		if event := <-events; event.State != GatewayUp {
			t.Fatalf("%+v", event)
		}
		absences.Store(8)
		network.Cut()
		lost := <-events
		if lost.State != GatewayWaiting || lost.RetryIn > 20*time.Millisecond {
			t.Fatalf("the loss of the link: %+v", lost)
		}
		for range 8 {
			if absent := <-events; absent.State != GatewayWaiting || absent.RetryIn > 400*time.Millisecond {
				t.Fatalf("nobody listens: %+v", absent)
			}
		}
	}
	<-events
}

func TestAGroupOverSessionsOutlivesACutAndComesBackAfterTheLossOfASession(t *testing.T) {
	way := sessionWays(t)[1]
	flags := append(way.flags, "--client-link", "plain")
	first, second, again := gatewaytest.Start(t, flags...), gatewaytest.Start(t, flags...), gatewaytest.Start(t, flags...)
	network := chaostest.Start(t, first.Server)
	cfg := groupConfig()
	cfg.Server.Session = way.cfg
	cfg.Server.Session.HandshakeTimeout, cfg.Server.Session.Backoff = gatewaytest.Deadline, cfg.Backoff
	group := newGroup(t, StaticList(network.Addr, second.Server), cfg)
	expectUp(t, group, network.Addr, second.Server)
	player, server := meetGroup(t, group, first)
	otherPlayer, other := meetGroup(t, group, second)

	network.Cut()
	send(t, server.Conn, "after the cut")
	expect(t, player, "after the cut")
	send(t, player, "both ways")
	expect(t, server.Conn, "both ways")
	eventually(t, "the session is resumed", func() bool { return group.health(network.Addr).Stats.Resumes > 0 })
	if health := group.health(network.Addr); health.Connects != 1 || health.State != GatewayUp {
		t.Errorf("%+v", health)
	}

	network.Retarget(again.Server)
	first.Kill()
	var lost *SessionError
	if _, err := server.Receive(patient(t)); !errors.As(err, &lost) || lost.End != SessionRefused {
		t.Fatalf("the connection ended with %v", err)
	}
	eventually(t, "there is a new session", func() bool {
		health := group.health(network.Addr)
		return health.Connects == 2 && health.State == GatewayUp
	})
	player, server = meetGroup(t, group, again)
	for ours, theirs := range map[*Conn]*Conn{player: server.Conn, otherPlayer: other.Conn} {
		send(t, ours, "hello")
		expect(t, theirs, "hello")
	}
}

// meetGroup has a new player of a gateway dial the group.
func meetGroup(t *testing.T, group *ServerGroup, gateway *gatewaytest.Gateway) (player *Conn, server Accepted) {
	t.Helper()
	player, err := connectClient(t, gateway).DialConn(patient(t), 7)
	if err != nil {
		t.Fatal(err)
	}
	if server, err = group.Accept(patient(t)); err != nil {
		t.Fatal(err)
	}
	return player, server
}

func TestAGroupThatIsShutDownEndsItsAccepts(t *testing.T) {
	gateway := gatewaytest.Start(t)
	group := newGroup(t, StaticList(gateway.Server, "127.0.0.1:1"), groupConfig())
	expectUp(t, group, gateway.Server)
	failed := make(chan error)
	for range 2 {
		go func() {
			_, err := group.Accept(patient(t))
			failed <- err
		}()
	}
	if err := group.Shutdown(patient(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		expectError(t, <-failed, net.ErrClosed)
	}
	for _, health := range group.Health() {
		if health.State != GatewayLeft {
			t.Errorf("%+v", health)
		}
	}
}

func TestWhatWaitsForTheAcceptOfAGroupIsBounded(t *testing.T) {
	cfg := groupConfig()
	cfg.Server.PendingAccepts = 3
	gateway := gatewaytest.Start(t)
	group := newGroup(t, StaticList(gateway.Server), cfg)
	expectUp(t, group, gateway.Server)
	client := connectClient(t, gateway)
	for range 5 {
		if _, err := client.DialConn(patient(t), 7); err != nil {
			t.Fatal(err)
		}
	}
	// Those that come faster than the group takes them over are closed by the link, which has the same bound.
	eventually(t, "two are closed", func() bool {
		health := group.Health()[0]
		return health.AcceptsOverflowed+health.Stats.AcceptsOverflowed == 2
	})
	for range 3 {
		if _, err := group.Accept(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDelaysDoubleUpToTheLongestAndStayInTheUpperHalf(t *testing.T) {
	backoff := Backoff{First: 100 * time.Millisecond, Longest: time.Second}
	for _, ceiling := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		ceiling *= time.Millisecond
		if delay := backoff.Next(); delay < ceiling/2 || delay > ceiling {
			t.Errorf("%v below %v", delay, ceiling)
		}
	}
	backoff.AfterLink(time.Second)
	if delay := backoff.Next(); delay < 500*time.Millisecond {
		t.Errorf("after a link that did not outlive the longest delay: %v", delay)
	}
	backoff.AfterLink(time.Second + 1)
	if delay := backoff.Next(); delay > 100*time.Millisecond {
		t.Errorf("after a link that did: %v", delay)
	}
	if delay := new(Backoff).Next(); delay < 50*time.Millisecond || delay > 100*time.Millisecond {
		t.Errorf("by default: %v", delay)
	}
	if delay := (&Backoff{First: -1, Longest: 1}).Next(); delay < shortestDelay/2 {
		t.Errorf("a busy loop: %v", delay)
	}
}

func TestANameStandsForAllItsAddresses(t *testing.T) {
	addresses, err := DNS("localhost", "10020").Resolve(patient(t))
	if err != nil || !slices.Contains(addresses, "127.0.0.1:10020") && !slices.Contains(addresses, "[::1]:10020") {
		t.Fatalf("%q, %v", addresses, err)
	}
}
