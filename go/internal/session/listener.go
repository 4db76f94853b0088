package session

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// ListenOptions are those of a Listener.
type ListenOptions struct {
	// Options are those of each stream, but for Dial, Pause and OnEvent.
	Options
	// Admits is the kind of sessions that are opened here.
	Admits Kind
	// Keys are what a secure session's initiator may have pinned.
	Keys *KeyPair
	// Encrypt says how legacy sessions are spoken.
	Encrypt bool
	// MaxWaiting bounds the sessions without a transport; above it the one ends that has waited longest at the address that
	// has most. Default 1,024.
	MaxWaiting int
	// maxHandshakes bounds handshakes in progress; above it the oldest of the address that has most ends. Default 1,024.
	maxHandshakes int
}

const (
	// toBeAccepted bounds sessions that wait for Accept; a further one waits for its handshake's time.
	toBeAccepted = 128
	// acceptAgain is the pause after an error of the listener below.
	acceptAgain = 50 * time.Millisecond
)

// Listener is the acceptor of sessions: it opens them, and hands to each what resumes it.
type Listener struct {
	base     net.Listener
	opts     ListenOptions
	accepted chan *Stream
	running  sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
	waiting  waitList

	mu     sync.Mutex
	byName map[string]*Stream
	names  map[*Stream][]string
	// handshakes are those in progress.
	handshakes places[*handshaking]
	// ended: nothing is accepted any more.
	ended bool
}

// Listen accepts sessions by what base accepts, which it owns.
func Listen(base net.Listener, opts ListenOptions) *Listener {
	opts.Options = opts.withDefaults()
	orElse(&opts.MaxWaiting, 1024)
	orElse(&opts.maxHandshakes, 1024)
	l := &Listener{
		base: base, opts: opts,
		accepted: make(chan *Stream, toBeAccepted),
		byName:   make(map[string]*Stream), names: make(map[*Stream][]string),
		handshakes: places[*handshaking]{bound: opts.maxHandshakes},
		waiting:    waitList{places: places[*Stream]{bound: opts.MaxWaiting}},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.running.Add(1)
	go l.run()
	return l
}

// Accept waits for a session.
func (l *Listener) Accept() (*Stream, error) {
	select {
	case s := <-l.accepted:
		return s, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.base.Addr() }

// Close stops listening. Nothing resumes a session any more: one without a transport ends now, one with a transport ends
// with it.
func (l *Listener) Close() error {
	l.cancel()
	err := l.base.Close()
	l.running.Wait()
	for {
		select {
		case s := <-l.accepted:
			_ = s.Close()
		default:
			return err
		}
	}
}

func (l *Listener) run() {
	defer l.running.Done()
	defer l.stopResuming()
	for l.ctx.Err() == nil {
		conn, err := l.base.Accept()
		if err != nil {
			l.rest(err)
			continue
		}
		l.running.Add(1)
		go l.handle(l.begin(conn))
	}
}

// handshaking is a handshake in progress, which ends with ctx.
type handshaking struct {
	conn   net.Conn
	ctx    context.Context
	cancel context.CancelFunc
}

// begin has a place for a handshake; one that gives way for it ends.
func (l *Listener) begin(conn net.Conn) *handshaking {
	h := &handshaking{conn: conn}
	h.ctx, h.cancel = context.WithTimeout(l.ctx, l.opts.HandshakeTime)
	l.mu.Lock()
	defer l.mu.Unlock()
	if yielded, full := l.handshakes.take(h, conn.RemoteAddr()); full {
		yielded.cancel()
	}
	return h
}

func (l *Listener) leave(h *handshaking) {
	h.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handshakes.leave(h)
}

func (l *Listener) rest(err error) {
	if errors.Is(err, net.ErrClosed) {
		l.cancel()
		return
	}
	select {
	case <-time.After(acceptAgain):
	case <-l.ctx.Done():
	}
}

// stopResuming tells the sessions that there are; rename tells those that handshakes still open.
func (l *Listener) stopResuming() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for s := range l.names {
		s.stopResuming()
	}
}

func (l *Listener) handle(h *handshaking) {
	defer l.running.Done()
	defer l.leave(h)
	stop := context.AfterFunc(h.ctx, func() { _ = h.conn.SetDeadline(time.Unix(1, 0)) })
	if err := l.answer(h.ctx, h.conn, stop); err != nil {
		_ = h.conn.Close()
	}
}

func (l *Listener) answer(ctx context.Context, conn net.Conn, stop func() bool) error {
	h, err := readHello(conn)
	switch {
	case err != nil:
		return err
	case h.kind != l.opts.Admits:
		return refuse(conn, h, &RefusedError{Status: StatusNotAdmitted})
	case h.resumes:
		return l.resume(conn, h, stop)
	default:
		return l.open(ctx, conn, h, stop)
	}
}

// readHello reads the first message. A session's initiator sends nothing behind it.
func readHello(conn net.Conn) (*hello, error) {
	buf := make([]byte, resumeHeadBytes+maxMessage+1)
	for read := 0; ; {
		n, err := conn.Read(buf[read:])
		read += n
		if h, fault := parseHello(buf[:read]); h != nil || fault != nil {
			return h, fault
		}
		if err != nil {
			return nil, err
		}
	}
}

// refuse says why, as far as the protocol has words for it.
func refuse(conn net.Conn, h *hello, why error) error {
	var refused *RefusedError
	if errors.As(why, &refused) {
		said := refusal(refused)
		if h.kind == LegacyKind {
			said = make([]byte, legacyReplyBytes)
		}
		_, _ = conn.Write(said)
	}
	return why
}

func (l *Listener) open(ctx context.Context, conn net.Conn, h *hello, stop func() bool) error {
	proto, reply, t, err := l.accept(h)
	if err != nil {
		return refuse(conn, h, err)
	}
	s := newStream(proto, l.opts.Options)
	s.opts.onWait, s.opts.onEnd = func() { l.waiting.review(s) }, func() { l.forget(s) }
	if err := s.carryWhenProven(conn, reply, t, stop); err != nil {
		s.cancel()
		return err
	}
	l.rename(s)
	select {
	case l.accepted <- s:
	case <-ctx.Done():
		_ = s.Close()
	}
	return nil
}

func (l *Listener) accept(h *hello) (protocol, []byte, *transport, error) {
	if h.kind == LegacyKind {
		return asProtocol(acceptLegacy(h, l.opts.Encrypt, l.opts.ReplayBytes, rand.Reader))
	}
	return asProtocol(acceptSecure(h, l.opts.Keys, l.opts.Wait, l.opts.ReplayBytes, rand.Reader))
}

func asProtocol[P protocol](proto P, reply []byte, t *transport, err error) (protocol, []byte, *transport, error) {
	return proto, reply, t, err
}

func (l *Listener) resume(conn net.Conn, h *hello, stop func() bool) error {
	l.mu.Lock()
	s := l.byName[h.id]
	l.mu.Unlock()
	if s == nil {
		return refuse(conn, h, &RefusedError{Status: StatusUnknown})
	}
	s.mu.Lock()
	reply, t, err := s.proto.resume(h, rand.Reader)
	s.mu.Unlock()
	if err != nil {
		return refuse(conn, h, err)
	}
	l.rename(s)
	defer l.rename(s)
	defer l.waiting.review(s)
	return s.carryWhenProven(conn, reply, t, stop)
}

// rename takes note of the names by which a session can be resumed. The listener's lock comes first: handlers of several
// transports come here, and nobody may overwrite what he has not seen.
func (l *Listener) rename(s *Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.mu.Lock()
	names, isOver := s.proto.names(), s.end != nil
	s.mu.Unlock()
	for _, name := range l.names[s] {
		delete(l.byName, name)
	}
	delete(l.names, s)
	if isOver {
		return
	}
	for _, name := range names {
		l.byName[name] = s
	}
	l.names[s] = names
	if l.ended {
		s.stopResuming()
	}
}

func (l *Listener) forget(s *Stream) {
	l.rename(s)
	l.waiting.review(s)
}

// carryWhenProven replies on a transport, and has the session go on by it when the initiator has shown that it lives.
func (s *Stream) carryWhenProven(conn net.Conn, reply []byte, t *transport, stop func() bool) error {
	if _, err := conn.Write(reply); err != nil {
		return err
	}
	proof, err := s.readProof(conn)
	if err != nil {
		return err
	}
	if !stop() {
		return context.DeadlineExceeded
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return s.end
	}
	plain, err := s.proto.prove(t, proof, time.Now())
	if why := endOf(err); why != nil {
		s.finish(why, partingAfter(why))
	}
	if err != nil {
		return err
	}
	c := &carrier{conn: conn, t: t}
	s.plain = append(s.plain[:len(s.plain):len(s.plain)], plain...)
	s.carryBy(c)
	s.arm(0)
	return nil
}

// readProof reads what the initiator sends first, and nothing behind it.
func (s *Stream) readProof(conn net.Conn) (proof []byte, err error) {
	for {
		needed, err := s.proto.proofBytes(proof)
		if err != nil || needed == len(proof) {
			return proof, err
		}
		read := len(proof)
		proof = append(proof, make([]byte, needed-read)...)
		if _, err := io.ReadFull(conn, proof[read:]); err != nil {
			return nil, err
		}
	}
}
