package fastway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// Errors of a ServerGroup's Dial.
var (
	// ErrUnknownGateway says that the gateway is not in the group.
	ErrUnknownGateway = errors.New("fastway: the gateway is not in this group")
	// ErrNotConnected says that there is no link to the gateway at the moment.
	ErrNotConnected = errors.New("fastway: the gateway is not connected at the moment")
)

// ServerGroup is a game server that stays connected to a changing list of gateways: each is reconnected with a jittered
// back-off, and what clients of all of them open comes from one Accept.
//
// A client's ID belongs to its gateway: the same number means another client elsewhere. Do not give one gateway under two
// addresses, and do not run two servers with one ServerID: a gateway lets the newer link replace the older one, so they
// end each other for as long as both come back. It shows in Health as links that come up again and again.
type ServerGroup struct {
	cfg      GroupConfig
	resolver Resolver
	accepts  queue[Accepted]
	stop     context.Context
	stopNow  context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	members map[string]*member
	closed  bool
}

// Accepted is a connection that a client opened.
type Accepted struct {
	*Conn
	// Gateway is the address of the gateway that it came by.
	Gateway string
}

// NewServerGroup starts a group with the gateways of resolver. Only a setting that cannot work is an error: that gateways
// are not there shows in events and in Health.
func NewServerGroup(resolver Resolver, cfg GroupConfig) (*ServerGroup, error) {
	server, err := serverRole.with(cfg.Server)
	if err != nil {
		return nil, err
	}
	cfg.Server = server
	orElse(&cfg.ResolveEvery, 30*time.Second)
	g := &ServerGroup{cfg: cfg, resolver: resolver, members: make(map[string]*member)}
	g.accepts.bound = server.PendingAccepts
	g.stop, g.stopNow = context.WithCancel(context.Background())
	g.running.Add(1)
	go g.follow()
	return g, nil
}

// follow keeps to the resolver.
func (g *ServerGroup) follow() {
	defer g.running.Done()
	backoff := g.cfg.Backoff
	for {
		addresses, err := g.resolver.Resolve(g.stop)
		wait := g.cfg.ResolveEvery
		switch {
		case err != nil:
			wait = backoff.Next()
			g.cfg.Server.Logger.Warn("the gateways cannot be resolved", "why", err, "retry_in", wait)
		default:
			backoff.Reset()
			g.keepTo(addresses)
		}
		if wait < 0 || !pause(g.stop, wait) {
			return
		}
	}
}

// pause is false when ctx has ended first.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// keepTo adds the gateways that are new, and leaves those that are gone.
func (g *ServerGroup) keepTo(addresses []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	for address, member := range g.members {
		if !slices.Contains(addresses, address) {
			delete(g.members, address)
			member.leave()
		}
	}
	for _, address := range addresses {
		if g.members[address] == nil {
			g.members[address] = g.join(address)
		}
	}
}

// Accept waits for a connection that a client of any gateway opens. Its error is net.ErrClosed after Shutdown, when all
// that came before was taken, or the context's.
func (g *ServerGroup) Accept(ctx context.Context) (Accepted, error) {
	accepted, err := g.accepts.pop(ctx)
	if err == nil {
		accepted.in.handOut()
	}
	return accepted, err
}

// Dial opens a connection to a client of one of the gateways.
func (g *ServerGroup) Dial(ctx context.Context, gateway string, clientID uint32) (*Conn, error) {
	g.mu.Lock()
	member := g.members[gateway]
	g.mu.Unlock()
	if member == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknownGateway, gateway)
	}
	server := member.server()
	if server == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotConnected, gateway)
	}
	return server.DialConn(ctx, clientID)
}

// Health tells how each gateway is doing, in the order of their addresses.
func (g *ServerGroup) Health() []GatewayHealth {
	g.mu.Lock()
	defer g.mu.Unlock()
	health := make([]GatewayHealth, 0, len(g.members))
	for _, address := range slices.Sorted(maps.Keys(g.members)) {
		health = append(health, g.members[address].healthNow())
	}
	return health
}

// Shutdown closes all links at the same time, as EndPoint.Shutdown does, and ends Accept. Its error joins those of the
// links.
func (g *ServerGroup) Shutdown(ctx context.Context) error {
	g.accepts.finish(net.ErrClosed, false)
	ended := make(chan error)
	members := g.close()
	for _, member := range members {
		go func() { ended <- member.shutdown(ctx) }()
	}
	var errs []error
	for range members {
		errs = append(errs, <-ended)
	}
	g.stopNow()
	g.running.Wait()
	return errors.Join(errs...)
}

// close gives the gateways that are to be left. None comes any more.
func (g *ServerGroup) close() map[string]*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	return maps.Clone(g.members)
}
