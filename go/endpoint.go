package fastway

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"fastway/internal/wire"
)

// EndPoint is one end of a link to a gateway, a client's or a server's, with the virtual connections on it. Its methods
// may be called from several goroutines at a time.
//
// Accept, Dial, GetSession and Close are those of the original and deal in sessions. AcceptConn, DialConn, Listener and
// Shutdown deal in connections, contexts and typed errors. Both work on the same link.
type EndPoint struct {
	role role
	cfg  Config
	conn net.Conn
	// session is conn, where that outlives what is below.
	session resumable
	mem     chunks
	bounds  bounds

	out      outgoing
	conns    connTable
	accepts  queue[*Conn]
	unread   budget
	keep     keepalive
	counters counters
	sessions sessions

	// leftover are connections that have ended and were not received to their end; the reader's own.
	leftover []*Conn
	// answeredPings counts; the reader's own.
	answeredPings uint64
	// answered is closed at the gateway's first word.
	answered     chan struct{}
	answeredOnce sync.Once

	done chan struct{}
	end  atomic.Pointer[LinkError]
}

// ConnectClient connects to the client port of the gateway at address, "host:port". It is done when the gateway has
// answered a ping.
func ConnectClient(ctx context.Context, address string, cfg Config) (*EndPoint, error) {
	return connect(ctx, clientRole, address, cfg)
}

// ConnectServer connects to the server port of the gateway at address, "host:port", and registers as cfg.ServerID with
// cfg.AuthKey. It is done when the gateway has let the server in.
func ConnectServer(ctx context.Context, address string, cfg Config) (*EndPoint, error) {
	return connect(ctx, serverRole, address, cfg)
}

// OpenClient is ConnectClient over a physical connection that is there already: any net.Conn. It owns conn from then on.
// A session is resumed by what Config.Dial makes to the address of conn's other end.
func OpenClient(ctx context.Context, conn net.Conn, cfg Config) (*EndPoint, error) {
	return open(ctx, clientRole, conn, addressOf(conn), cfg, nil)
}

// OpenServer is ConnectServer over a physical connection that is there already: any net.Conn. It owns conn from then on.
func OpenServer(ctx context.Context, conn net.Conn, cfg Config) (*EndPoint, error) {
	return open(ctx, serverRole, conn, addressOf(conn), cfg, nil)
}

// addressOf is where the next physical connection goes, if one is wanted.
func addressOf(conn net.Conn) string {
	if address := conn.RemoteAddr(); address != nil {
		return address.String()
	}
	return ""
}

// start makes an endpoint and its two goroutines. The config is complete.
func start(role role, conn net.Conn, cfg Config) *EndPoint {
	ep := &EndPoint{
		role:     role,
		cfg:      cfg,
		conn:     conn,
		mem:      &shared,
		bounds:   bounds{cfg.ReceiveMessages, cfg.ReceiveBytes, cfg.WhenFull},
		answered: make(chan struct{}),
		done:     make(chan struct{}),
	}
	ep.session, _ = conn.(resumable)
	if cfg.MemPool != nil {
		ep.mem = &pooledChunks{pool: cfg.MemPool}
	}
	ep.out.init(&cfg)
	ep.accepts.bound = cfg.PendingAccepts
	ep.unread.init(cfg.ReceiveTotalBytes)
	ep.keep.start(ep)
	go ep.readLoop()
	go ep.writeLoop()
	return ep
}

// DialConn opens a connection: a client dials a server by its ServerID, a server dials a client by the ID that came with
// a connection of it. Its error is a *DialError. A dial that is given up leaves nothing behind.
func (ep *EndPoint) DialConn(ctx context.Context, remoteID uint32) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ep.cfg.DialTimeout)
	defer cancel()
	conn, err := ep.dial(ctx, remoteID)
	if err != nil {
		return nil, &DialError{RemoteID: remoteID, Err: err}
	}
	conn.in.handOut()
	return conn, nil
}

func (ep *EndPoint) dial(ctx context.Context, remoteID uint32) (*Conn, error) {
	dial, err := ep.queueDial(ctx, remoteID)
	if err != nil {
		return nil, err
	}
	if err := await(ctx, dial.answered); err != nil {
		if late := ep.out.abandon(dial); late != nil {
			late.Close()
		}
		return nil, err
	}
	return dial.conn, dial.err
}

func (ep *EndPoint) queueDial(ctx context.Context, remoteID uint32) (*pendingDial, error) {
	for waited := false; ; waited = true {
		dial, token, err := ep.out.dial(remoteID, waited)
		if token == nil {
			return dial, err
		}
		if err := await(ctx, token); err != nil {
			ep.out.giveUpDialing()
			return nil, err
		}
	}
}

// AcceptConn waits for a connection that the other side opens. After the loss of the link it first gives those that
// still waited, with their messages; its error is a *LinkError or the context's then.
func (ep *EndPoint) AcceptConn(ctx context.Context) (*Conn, error) {
	conn, err := ep.accepts.pop(ctx)
	if err == nil {
		conn.in.handOut()
	}
	return conn, err
}

// Done is closed when the link has ended; Err says why then.
func (ep *EndPoint) Done() <-chan struct{} { return ep.done }

// Err says why the link has ended: a *LinkError, or nil while it lives.
func (ep *EndPoint) Err() error {
	if end := ep.end.Load(); end != nil {
		return end
	}
	return nil
}

// Shutdown ends the link in order: nothing new is taken, connections end, what was sent is written, and the gateway is
// waited for, until ctx ends and for Config.CloseGrace at most. Without an error the gateway has everything: it has
// answered a ping that came behind it. What it has to deliver may still wait for a slow player. Only then the link is closed
// by halves: a gateway that ends a link at that, as the original does, counts like one that closes it in order.
//
// The error is a *LinkError that says how the link ended otherwise; the last messages may be lost then.
func (ep *EndPoint) Shutdown(ctx context.Context) error {
	if ep.startClosing() {
		ep.endWithin(ctx)
	}
	select {
	case <-ep.done:
	case <-ctx.Done():
		if end := ep.endOfGrace(context.Cause(ctx)); end.End != LinkClosed {
			return end
		}
		return nil
	}
	if end := ep.end.Load(); end.End != LinkClosed {
		return end
	}
	return nil
}

// Close ends the link and does not wait for the gateway: connections end at once, and what was sent is written in the
// background, for Config.CloseGrace at most. Use Shutdown where the last message matters. The close callbacks of the sessions
// that Close ends have run when it returns.
func (ep *EndPoint) Close() {
	open := ep.sessions.open()
	if !ep.startClosing() {
		return
	}
	go ep.endWithin(context.Background())
	for _, session := range open {
		<-session.callbacksRan
	}
}

// endWithin gives the gateway time to agree, and ends the link then.
func (ep *EndPoint) endWithin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ep.cfg.CloseGrace)
	defer cancel()
	select {
	case <-ep.done:
	case <-ctx.Done():
		ep.finish(ep.endOfGrace(context.Cause(ctx)))
	}
}

// endOfGrace is how a link ends whose gateway has not closed it in time.
func (ep *EndPoint) endOfGrace(why error) *LinkError {
	if ep.out.isConfirmed() {
		return closedLink
	}
	return &LinkError{End: LinkUnconfirmed, Err: why}
}

// startClosing is true for who asked first.
func (ep *EndPoint) startClosing() bool {
	if !ep.out.close() {
		return false
	}
	ep.keep.stop()
	ep.unread.setFree()
	for _, conn := range ep.endConns(closedLink) {
		ep.tellClosed(conn)
	}
	ep.stopAccepting(closedLink)
	ep.out.sayLast()
	return true
}

// tellClosed closes a connection of a link that closes, where the gateway does not learn of the link's end: that of a legacy
// session is known when its wait time is over.
func (ep *EndPoint) tellClosed(conn *Conn) {
	if _, halves := ep.conn.(halfCloser); ep.session != nil && !halves {
		ep.out.command(commandOf(wire.Close, conn.id))
	}
}

// finish ends the link: for everybody who waits for something of it. The first reason counts.
func (ep *EndPoint) finish(end *LinkError) {
	if !ep.end.CompareAndSwap(nil, end) {
		return
	}
	ep.keep.stop()
	_ = ep.conn.Close()
	ep.out.finish(end)
	ep.endConns(end)
	ep.accepts.finish(end, false)
	ep.cfg.Logger.Info("the link to the gateway has ended", "role", ep.role.String(), "why", end)
	close(ep.done)
	if ep.cfg.Hooks.LinkDown != nil {
		ep.cfg.Hooks.LinkDown(end)
	}
}

// stopAccepting closes what nobody has accepted yet, and what comes from now on.
func (ep *EndPoint) stopAccepting(why error) {
	for _, conn := range ep.accepts.finish(why, true) {
		conn.Close()
	}
}

// endConns ends the connections with their link, and gives those that lived.
func (ep *EndPoint) endConns(end *LinkError) map[uint32]*Conn {
	why := &CloseError{Reason: ClosedWithLink, Link: end}
	conns := ep.conns.takeAll()
	for _, conn := range conns {
		conn.finish(why)
	}
	return conns
}

// Reconnect gives up the physical connection under a session and has the next one tried at once: call it when the network
// has changed. Nothing is lost by it. Its error is ErrNoSession, or why the session is over.
func (ep *EndPoint) Reconnect() error {
	if ep.session == nil {
		return ErrNoSession
	}
	return sessionError(ep.session.Reconnect())
}

// release takes note of what a receiver has freed.
func (ep *EndPoint) release(back freed) {
	ep.unread.sub(back.bytes)
	if back.released {
		ep.unread.unhold()
	}
}

// connTable holds the connections that live.
type connTable struct {
	mu    sync.Mutex
	byID  map[uint32]*Conn
	ended bool
}

func (t *connTable) get(id uint32) *Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// add is false when the ID is taken; a connection of an ended link ends with it.
func (t *connTable) add(conn *Conn) (free, alive bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[conn.id] != nil {
		return false, !t.ended
	}
	if t.ended {
		return true, false
	}
	if t.byID == nil {
		t.byID = make(map[uint32]*Conn)
	}
	t.byID[conn.id] = conn
	return true, true
}

func (t *connTable) remove(conn *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[conn.id] == conn {
		delete(t.byID, conn.id)
	}
}

func (t *connTable) takeAll() map[uint32]*Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.byID
	t.byID, t.ended = nil, true
	return all
}

func (t *connTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

func (t *connTable) list() []*Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*Conn, 0, len(t.byID))
	for _, conn := range t.byID {
		all = append(all, conn)
	}
	return all
}

// commandOf is a command about one connection.
func commandOf(t wire.Type, connID uint32) wire.Command { return wire.Command{Type: t, ConnID: connID} }
