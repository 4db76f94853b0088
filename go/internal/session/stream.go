package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options are those of a stream. All but the functions have defaults.
type Options struct {
	// ReplayBytes bounds what is kept until the other end has it; at the bound Write waits. Default 256 KiB.
	ReplayBytes int
	// ReadAheadBytes bounds what is read ahead, and acknowledged, while a Write waits and nobody reads. A secure session reads
	// three times as much beyond that, and acknowledges it later; this has to be more than the other end keeps. Default 1 MiB.
	ReadAheadBytes int
	// HandshakeTime bounds an attempt to get a transport. Default 10 s.
	HandshakeTime time.Duration
	// Wait is for how long the session lives without a transport, where the other end does not say so. Default 60 s.
	Wait time.Duration
	// Dial makes the next transport. Without it the stream waits for one: an acceptor's.
	Dial func(ctx context.Context) (net.Conn, error)
	// DialPeer makes one to the peer that has the session, for where Dial may lead to somebody else. Without it Dial does.
	DialPeer func(ctx context.Context, peer net.Addr) (net.Conn, error)
	// Pause is what to wait before the n-th attempt in a row, from 1 on. Without it there is none. While nobody listens, and
	// after a refusal, a shorter pause may be enough.
	Pause func(n int) time.Duration
	// LongestPause bounds what an overloaded acceptor may ask for. Default 5 s.
	LongestPause time.Duration
	// ConfirmTime is how long a transport by which the session goes on may take at most to be confirmed by the other end; one that
	// is not is replaced. It begins with the time for which an attempt with a connection is alone, and doubles with each in a row.
	// Without it none is replaced, as where nothing is sent that the other end would acknowledge.
	ConfirmTime time.Duration
	// OnTransport is told of a transport by which the session goes on, without a lock held: what is written then has the other end
	// confirm it.
	OnTransport func()
	// OnEvent is told what happens, in order, without a lock held.
	OnEvent func(Event)
	// onWait and onEnd are the listener's.
	onWait, onEnd func()
}

// State is what has become of a session.
type State uint8

// The states.
const (
	Interrupted State = iota + 1
	Resumed
	Lost
)

// Event is something that happened to a session.
type Event struct {
	State State
	// Err is why the transport is gone, for Interrupted, or the session, for Lost.
	Err error
	// Attempts is how many transports were tried, and After how long there was none, for Resumed.
	Attempts int
	After    time.Duration
}

// Reasons for which this side gives a transport up.
var (
	ErrReconnect   = errors.New("this side asked for another transport")
	ErrUnconfirmed = errors.New("the other end did not go on by the transport")
)

// Stream is one end of a session, as a net.Conn over transport after transport.
type Stream struct {
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc

	// reading and writing are held by who reads and writes; readers counts the calls of Read.
	reading, writing sync.Mutex
	readers          atomic.Int32

	mu    sync.Mutex
	cond  *sync.Cond
	proto protocol
	// live carries the session; nothing while it is interrupted.
	live *carrier
	// plain was received and not read; it lies in overflow. The last bytes of it may be withheld: read far ahead.
	plain, overflow []byte
	withheld        int
	// notResumable: its listener is closed, so that it ends with its transport.
	notResumable bool
	// end is why the session is over.
	end             error
	readBy, writeBy deadline
	// writersWait: somebody waits for room.
	writersWait int
	// ahead: a goroutine reads ahead, or is about to; readingAhead: it does so now.
	ahead, readingAhead bool
	// userReads goes off when a user who has read should have read again.
	userReads *time.Timer
	// acks goes off when something may be to be sent by itself; it is armed then.
	acks   *time.Timer
	armed  bool
	expiry *time.Timer
	pauses pauses
	// refused is the last refusal since a transport carried the session, if there was one.
	refused *RefusedError
	// redialing: a goroutine sees to the next transport, and to the events. interruption is why the last transport was lost, until
	// it is told; changed has the goroutine look again.
	redialing    bool
	interruption error
	changed      chan struct{}
	reconnect    chan struct{}
	// unconfirmed is the last transport that was not confirmed in time; missing counts those in a row that were not at all.
	unconfirmed *carrier
	missing     int
	// opened is closed when an initiator's session is open.
	opened chan struct{}
	// tries are the attempts that are under way, the oldest first; outcomes is what came of them. times are of those that were
	// answered.
	tries         []*try
	outcomes      chan tried
	times         answerTimes
	where         where
	local, remote net.Addr
}

// carrier is a transport in use.
type carrier struct {
	conn  net.Conn
	t     *transport
	since time.Time
	// late goes off when it should have been confirmed; nil where nobody waits for that.
	late *time.Timer
	in   inBuffer
	// out holds what is being written, unsent is what of it is left.
	out    *[]byte
	unsent []byte
	// pumping: somebody writes.
	pumping bool
	// writeErr: writing has failed. It is read to its end, and takes nothing more.
	writeErr error
	// parting: the session is over, and the other end is to be told so.
	parting *parting
}

var _ net.Conn = (*Stream)(nil)

func newStream(proto protocol, opts Options) *Stream {
	s := &Stream{
		proto: proto, opts: opts, pauses: pauses{grow: opts.Pause, longest: opts.LongestPause},
		changed: make(chan struct{}, 1), reconnect: make(chan struct{}, 1), opened: make(chan struct{}),
		outcomes: make(chan tried, 2*mostTries),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.cond = sync.NewCond(&s.mu)
	s.acks = time.AfterFunc(time.Hour, s.onAcks)
	s.acks.Stop()
	s.expiry = time.AfterFunc(time.Hour, s.expire)
	s.expiry.Stop()
	s.userReads = time.AfterFunc(time.Hour, s.readsNoMore)
	s.userReads.Stop()
	return s
}

func (opts Options) withDefaults() Options {
	orElse(&opts.ReplayBytes, 256<<10)
	orElse(&opts.ReadAheadBytes, 1<<20)
	orElse(&opts.HandshakeTime, 10*time.Second)
	orElse(&opts.Wait, 60*time.Second)
	orElse(&opts.LongestPause, 5*time.Second)
	if opts.Pause == nil {
		opts.Pause = func(int) time.Duration { return 0 }
	}
	if opts.OnEvent == nil {
		opts.OnEvent = func(Event) {}
	}
	if opts.OnTransport == nil {
		opts.OnTransport = func() {}
	}
	return opts
}

func orElse[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}

// Read reads the stream. A cut is never taken for an end: io.EOF says that the other end has closed its direction.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.readers.Add(1)
	if n := s.readPlain(p); n > 0 {
		return n, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.readEnds()
	for {
		if n := s.takePlain(p); n > 0 {
			return n, nil
		}
		if err := s.mayNotRead(); err != nil {
			return 0, err
		}
		c := s.live
		if c == nil {
			s.cond.Wait()
			continue
		}
		if n := s.open(c, p); n > 0 {
			return n, nil
		}
		if s.live == c && s.mayNotRead() == nil {
			s.receive(c)
		}
	}
}

func (s *Stream) takePlain(p []byte) int {
	n := copy(p, s.plain)
	if s.plain = s.plain[n:]; len(s.plain) == 0 {
		// It may have been much.
		s.plain = nil
	}
	if s.withheld > 0 {
		s.acknowledgeTaken()
	}
	return n
}

func (s *Stream) mayNotRead() error {
	switch {
	case s.readBy.passed():
		return os.ErrDeadlineExceeded
	case s.end == net.ErrClosed:
		return s.end
	case s.proto.othersClosed():
		return io.EOF
	default:
		return s.end
	}
}

// open reads what was received, by way of overflow if p is too short for it.
func (s *Stream) open(c *carrier, p []byte) int {
	if len(p) >= s.proto.leastRoom() {
		return s.openInto(c, p)
	}
	into := s.overflowBuffer()
	s.plain = into[:s.openInto(c, into)]
	return s.takePlain(p)
}

// openInto moves what was received to p, and acts on what it says of the session.
func (s *Stream) openInto(c *carrier, p []byte) int {
	now := time.Now()
	wasConfirmed := c.t.isConfirmed
	n, err := s.proto.open(c.t, &c.in, p, now)
	if c.t.isConfirmed && !wasConfirmed {
		s.confirmed(c)
	}
	if s.readingAhead {
		s.withhold(len(s.plain)+n, now)
	}
	switch why := endOf(err); {
	case why != nil:
		s.finish(why, partingAfter(why))
	case err != nil:
		s.lost(c, err)
	default:
		s.owe(c, now)
	}
	if s.writersWait > 0 {
		s.cond.Broadcast()
	}
	return n
}

func (s *Stream) overflowBuffer() []byte {
	if s.overflow == nil {
		s.overflow = make([]byte, s.proto.leastRoom())
	}
	return s.overflow
}

// owe sees to it that what was received is acknowledged in time.
func (s *Stream) owe(c *carrier, now time.Time) {
	due := s.proto.ackDue()
	switch {
	case due.IsZero() || c.pumping && s.armed:
	case s.proto.hasOutput(c.t, now):
		s.arm(0)
	case !s.armed:
		s.arm(due.Sub(now))
	}
}

func (s *Stream) arm(after time.Duration) {
	s.armed = true
	s.acks.Reset(after)
}

// receive reads the transport, without the lock.
func (s *Stream) receive(c *carrier) {
	conn, room := c.conn, c.in.room()
	s.mu.Unlock()
	n, err := conn.Read(room)
	s.mu.Lock()
	c.in.wrote += n
	if n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		if c.writeErr != nil {
			// That was the first sign.
			err = c.writeErr
		}
		s.lost(c, err)
	}
}

// Write takes p, as far as there is room for it, and waits for more room otherwise. What it takes reaches the other end
// once and in order, whatever happens to transports, or the session ends.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.mayNotWrite(); err != nil {
			return n, err
		}
		taken := s.push(p[n:])
		if n += taken; n == len(p) {
			return n, nil
		}
		if taken == 0 {
			s.awaitRoom()
		}
	}
}

func (s *Stream) mayNotWrite() error {
	if s.end == nil && s.writeBy.passed() {
		return os.ErrDeadlineExceeded
	}
	return s.end
}

// push takes what there is room for, and writes it if nobody else writes.
func (s *Stream) push(p []byte) int {
	if s.live == nil || s.live.writeErr != nil {
		return s.proto.push(p, nil)
	}
	taken := s.proto.push(p, s.live.t)
	if taken > 0 {
		s.pump(s.live, inline)
	}
	return taken
}

// SecureStream is a Stream whose end arrives: one direction can be closed alone.
type SecureStream struct{ *Stream }

// CloseWrite ends this direction behind what was written. The session is over when the other end has closed its own.
func (s SecureStream) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return s.end
	}
	s.proto.close()
	if s.live != nil {
		s.pump(s.live, inline)
	}
	return nil
}

// Close ends the session. What was written is sent, where there is a transport, and the other end is told; Close does not
// wait for that.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish(net.ErrClosed, &parting{saysAll: true, aborts: true})
	return nil
}

// Interrupt gives the transport up, if there is one.
func (s *Stream) Interrupt(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live != nil {
		s.lost(s.live, why)
	}
}

// Reconnect gives up the transport, and any that is being tried, and has the next one tried at once.
func (s *Stream) Reconnect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return s.end
	}
	signal(s.reconnect)
	s.endTries(len(s.tries))
	if s.live != nil {
		s.lost(s.live, ErrReconnect)
	}
	s.pauses.reset()
	s.missing = 0
	s.where = where{}
	return nil
}

// lost takes note that a transport is of no more use.
func (s *Stream) lost(c *carrier, why error) {
	if s.live != c {
		return
	}
	s.live = nil
	go c.conn.Close()
	if s.notResumable {
		s.finish(fmt.Errorf("%w: %w", ErrNotResumable, why), nil)
		return
	}
	s.pauses.lost(c.t.isConfirmed, time.Since(c.since))
	s.noMoreExpected(c)
	s.expiry.Reset(s.waitTime())
	if s.opts.Dial != nil {
		s.interruption = why
		s.wakeRedialer()
	}
	if s.opts.onWait != nil {
		go s.opts.onWait()
	}
}

// stopResuming is for when nothing accepts transports for the session any more: it ends with the one it has.
func (s *Stream) stopResuming() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notResumable = true
	if s.live == nil {
		s.finish(ErrNotResumable, nil)
	}
}

func (s *Stream) waitTime() time.Duration {
	if wait := s.proto.wait(); wait > 0 {
		return wait
	}
	return s.opts.Wait
}

func (s *Stream) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.live != nil:
	case s.refused != nil && s.refused.Status == StatusOverloaded:
		s.finish(fmt.Errorf("%w: %w", ErrExpired, s.refused), nil)
	default:
		s.finish(ErrExpired, nil)
	}
}

// carryBy has the session go on by a transport. The one before is closed.
func (s *Stream) carryBy(c *carrier) {
	if s.live != nil {
		go s.live.conn.Close()
		s.live.stopWaiting()
		s.unconfirmed = nil
	}
	s.expiry.Stop()
	s.refused = nil
	s.live, c.since = c, time.Now()
	s.local, s.remote = c.conn.LocalAddr(), c.conn.RemoteAddr()
	_ = c.conn.SetReadDeadline(s.readBy.at)
	_ = c.conn.SetWriteDeadline(s.writeBy.at)
	s.cond.Broadcast()
	s.owe(c, c.since)
}

// finish ends the session for everybody who waits; the first reason counts.
func (s *Stream) finish(why error, last *parting) {
	if s.end != nil {
		return
	}
	s.end = why
	s.endTries(len(s.tries))
	s.cancel()
	for _, timer := range []*time.Timer{s.expiry, s.acks, s.userReads, s.readBy.timer, s.writeBy.timer} {
		if timer != nil {
			timer.Stop()
		}
	}
	if c := s.live; c != nil {
		s.live = nil
		c.stopWaiting()
		s.part(c, last)
	}
	s.cond.Broadcast()
	if s.opts.onEnd != nil {
		go s.opts.onEnd()
	}
	s.tellLost()
}

// SetWait changes for how long the session lives without a transport, where the other end does not say so.
func (s *Stream) SetWait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Wait = d
}

// WrapTransport has wrap replace the transport that carries the session, if there is one.
func (s *Stream) WrapTransport(wrap func(net.Conn) net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live != nil {
		s.live.conn = wrap(s.live.conn)
	}
}

// SetDeadline sets both deadlines.
func (s *Stream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline bounds Read.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.readBy.set(t, s.wake)
	}
	if s.live != nil {
		_ = s.live.conn.SetReadDeadline(t)
	}
	s.readAheadIfNeeded()
	s.cond.Broadcast()
	return nil
}

// SetWriteDeadline bounds Write. What it has taken is sent all the same.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.writeBy.set(t, s.wake)
	}
	if s.live != nil {
		_ = s.live.conn.SetWriteDeadline(t)
	}
	s.cond.Broadcast()
	return nil
}

func (s *Stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cond.Broadcast()
}

// LocalAddr is this end of the transport, the last one if there is none.
func (s *Stream) LocalAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.local
}

// RemoteAddr is the other end of the transport, the last one if there is none.
func (s *Stream) RemoteAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote
}

// deadline is the deadline of one direction.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) set(at time.Time, onTime func()) {
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.at = at; !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), onTime)
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// signal has whoever waits for it go on, now or as soon as he waits.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
