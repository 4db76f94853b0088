package fastway

import (
	"context"
	"errors"
	"sync"
	"time"

	"fastway/internal/session"
)

// GatewayState is where the link to a gateway is.
type GatewayState string

// The states.
const (
	// GatewayConnecting: an attempt is under way.
	GatewayConnecting GatewayState = "connecting"
	// GatewayUp: it is there.
	GatewayUp GatewayState = "up"
	// GatewayWaiting: the next attempt comes after RetryIn.
	GatewayWaiting GatewayState = "waiting"
	// GatewayLeft: the group is closed, or the resolver no longer names the gateway.
	GatewayLeft GatewayState = "left"
)

// GatewayHealth tells how one gateway of a group is doing.
type GatewayHealth struct {
	// Gateway is its address.
	Gateway string
	// State is where its link is.
	State GatewayState
	// RetryIn is the delay before the next attempt, for GatewayWaiting.
	RetryIn time.Duration
	// Connects counts how often the link came up, Failures how often an attempt failed. Drains counts how often the gateway has
	// ended the link, or refused an attempt, because it drained; that is no failure.
	Connects, Failures, Drains uint64
	// AcceptsOverflowed counts connections closed because too many waited for the group's Accept; Stats counts those that
	// came faster than the group took them over.
	AcceptsOverflowed uint64
	// LastErr is why the link, or the last attempt, ended; nil if none has.
	LastErr error
	// Stats are the present link's, for GatewayUp.
	Stats Stats
}

// GroupEvent is something that happened to the link of a gateway: its State is new.
type GroupEvent struct {
	// Gateway is its address.
	Gateway string
	// State is GatewayUp, GatewayWaiting after the loss of a link or a failed attempt, or GatewayLeft.
	State GatewayState
	// Err is why the link or the attempt ended; errors.Is finds ErrDraining in it where the gateway drains.
	Err error
	// Lived is how long the link was there. When gateways end link after link within moments, another program has
	// registered the same ServerID, or the same gateway is in the group under two addresses.
	Lived time.Duration
	// RetryIn is the delay before the next attempt.
	RetryIn time.Duration
}

// member is a gateway of a group, and the goroutine that keeps its link.
type member struct {
	group   *ServerGroup
	address string
	stop    context.Context
	stopNow context.CancelFunc
	ended   chan struct{}
	backoff Backoff
	// absence is for attempts that find nobody who listens; absent: one has, since the link before.
	absence Backoff
	absent  bool

	mu     sync.Mutex
	health GatewayHealth
	link   *EndPoint
}

// join starts a gateway. The group's lock is held.
func (g *ServerGroup) join(address string) *member {
	m := &member{group: g, address: address, ended: make(chan struct{}), backoff: g.cfg.Backoff, absence: g.cfg.Backoff.whileAbsent()}
	m.health = GatewayHealth{Gateway: address, State: GatewayConnecting}
	m.stop, m.stopNow = context.WithCancel(g.stop)
	g.running.Add(1)
	go m.run()
	return m
}

// leave ends the link in the background.
func (m *member) leave() {
	m.stopNow()
	if server := m.server(); server != nil {
		server.Close()
	}
}

// shutdown ends the link in order, and waits for its goroutine.
func (m *member) shutdown(ctx context.Context) (err error) {
	m.stopNow()
	if server := m.server(); server != nil {
		err = server.Shutdown(ctx)
	}
	<-m.ended
	return err
}

func (m *member) server() *EndPoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.link
}

func (m *member) healthNow() GatewayHealth {
	m.mu.Lock()
	defer m.mu.Unlock()
	health := m.health
	if m.link != nil {
		health.Stats = m.link.Stats()
	}
	return health
}

func (m *member) run() {
	defer m.group.running.Done()
	defer close(m.ended)
	for m.attempt() {
		if !pause(m.stop, m.healthNow().RetryIn) {
			break
		}
		m.set(func(h *GatewayHealth) { h.State, h.RetryIn = GatewayConnecting, 0 })
	}
	m.set(func(h *GatewayHealth) { h.State, h.RetryIn = GatewayLeft, 0 })
	m.emit(GroupEvent{State: GatewayLeft})
}

// attempt lasts from an attempt to its failure or the end of its link; false when the gateway was left meanwhile.
func (m *member) attempt() bool {
	server, err := ConnectServer(m.stop, m.address, m.group.cfg.Server)
	if err != nil {
		return m.failed(err)
	}
	began := time.Now()
	if m.absent {
		// It was restarted: what the one before did says nothing of this one.
		m.absent = false
		m.absence.Reset()
		m.backoff.Reset()
	}
	m.up(server)
	m.acceptAll(server)
	return m.down(server.Err(), time.Since(began))
}

func (m *member) up(server *EndPoint) {
	m.mu.Lock()
	m.link = server
	m.health.State = GatewayUp
	m.health.Connects++
	m.mu.Unlock()
	if m.stop.Err() != nil {
		// Left in the moment that it came up.
		server.Close()
	}
	m.emit(GroupEvent{State: GatewayUp})
}

// acceptAll hands on what the link brings, until it ends.
func (m *member) acceptAll(server *EndPoint) {
	for {
		conn, err := server.accepts.pop(context.Background())
		if err != nil {
			break
		}
		if !m.group.accepts.push(Accepted{Conn: conn, Gateway: m.address}) {
			conn.Close()
			m.set(func(h *GatewayHealth) { h.AcceptsOverflowed++ })
		}
	}
	<-server.Done()
}

func (m *member) down(why error, lived time.Duration) bool {
	m.mu.Lock()
	m.link = nil
	m.mu.Unlock()
	if m.stop.Err() != nil {
		return false
	}
	m.backoff.AfterLink(lived)
	if errors.Is(why, ErrDraining) {
		// What failed before says nothing of the process that comes after it.
		m.backoff.Reset()
		m.drained(why, lived)
		return true
	}
	m.retryIn(m.backoff.Next(), why, lived)
	return true
}

// drained has the gateway tried again later: another process will take its place. All servers were told at the same moment.
func (m *member) drained(why error, lived time.Duration) {
	m.set(func(h *GatewayHealth) { h.Drains++ })
	m.retryIn(drainDelay(m.group.cfg.DrainJitter)+m.backoff.Next(), why, lived)
}

func (m *member) failed(why error) bool {
	if m.stop.Err() != nil {
		return false
	}
	if errors.Is(why, ErrDraining) {
		m.drained(why, 0)
		return true
	}
	m.set(func(h *GatewayHealth) { h.Failures++ })
	var refused *SessionError
	switch {
	case session.NobodyListens(why):
		m.absent = true
		m.retryIn(m.absence.Next(), why, 0)
	case errors.As(why, &refused) && refused.RetryAfter > 0:
		m.retryIn(session.AfterOverload(refused.RetryAfter, m.backoff.longest()), why, 0)
	default:
		m.retryIn(m.backoff.Next(), why, 0)
	}
	return true
}

func (m *member) retryIn(retryIn time.Duration, why error, lived time.Duration) {
	m.set(func(h *GatewayHealth) { h.State, h.RetryIn, h.LastErr = GatewayWaiting, retryIn, why })
	m.emit(GroupEvent{State: GatewayWaiting, Err: why, Lived: lived, RetryIn: retryIn})
}

func (m *member) set(change func(*GatewayHealth)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.health)
}

// emit is called without a lock held.
func (m *member) emit(event GroupEvent) {
	event.Gateway = m.address
	m.group.cfg.Server.Logger.Info("a gateway of the group", "gateway", event.Gateway, "state", string(event.State),
		"why", event.Err, "lived", event.Lived, "retry_in", event.RetryIn)
	if m.group.cfg.OnEvent != nil {
		m.group.cfg.OnEvent(event)
	}
}
