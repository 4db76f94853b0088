package session

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"slices"
	"time"
)

// OpenSecure opens a secure session over a transport, which it owns. With the gateway's key nobody else can answer.
func OpenSecure(ctx context.Context, conn net.Conn, gateway *PublicKey, opts Options) (SecureStream, error) {
	opts = opts.withDefaults()
	s, err := open(ctx, conn, newSecure(gateway, opts.ReplayBytes), opts)
	return SecureStream{s}, err
}

// OpenLegacy opens a legacy session over a transport, which it owns. The other end has to be set to encrypt alike.
func OpenLegacy(ctx context.Context, conn net.Conn, encrypt bool, opts Options) (*Stream, error) {
	opts = opts.withDefaults()
	return open(ctx, conn, newLegacy(encrypt, opts.ReplayBytes), opts)
}

// open opens a session. Trying again is for sessions that exist, and for attempts that nothing answers.
func open(ctx context.Context, conn net.Conn, proto protocol, opts Options) (*Stream, error) {
	s := newStream(proto, opts)
	ctx, cancel := context.WithTimeout(ctx, opts.HandshakeTime)
	defer cancel()
	if err := s.firstAnswer(ctx, conn); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.finish(net.ErrClosed, &parting{aborts: true})
		return nil, err
	}
	close(s.opened)
	return s, nil
}

// firstAnswer waits until the session is open. An attempt that fails says why; but an acceptor that is full may have refused it
// for the sake of the one beside it. So it counts when none is left, and no more are begun.
func (s *Stream) firstAnswer(ctx context.Context, conn net.Conn) (failure error) {
	delays := s.delays()
	s.begin(ctx, conn)
	nextDue := delays.next(time.Now())
	for failure == nil || s.mayOpen() {
		var begin <-chan time.Time
		if failure == nil && s.opts.Dial != nil && s.hasRoomForTry() {
			begin = time.After(s.waitFor(nextDue))
		}
		select {
		case first := <-s.outcomes:
			if first.err == nil || endOf(first.err) != nil {
				return first.err
			}
			if failure == nil {
				failure = first.err
			}
		case <-begin:
			if s.waitFor(nextDue) <= 0 {
				s.begin(ctx, nil)
				nextDue = delays.next(time.Now())
			}
		case <-s.changed:
		}
	}
	return failure
}

// shakeHands opens or resumes the session by a transport.
func (s *Stream) shakeHands(ctx context.Context, by *try, conn net.Conn) (*carrier, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	t, err := s.agree(by, conn)
	if !stop() {
		// The deadline is, or will be, in the past.
		return nil, context.Cause(ctx)
	}
	return &carrier{conn: conn, t: t}, err
}

func (s *Stream) agree(by *try, conn net.Conn) (*transport, error) {
	message, answer, err := s.hello(by)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	reply, err := answer.read(conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isUnderWay(by) {
		return nil, errReplaced
	}
	if err != nil && s.live != nil {
		// A refusal beside a transport that carries the session says nothing of it: that one may have made its ticket void.
		return nil, err
	}
	return answer.agree(reply, err, time.Now())
}

// hello makes the first message of an attempt, unless another one was answered in the meantime.
func (s *Stream) hello(by *try) ([]byte, answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isUnderWay(by) && s.isToBeReplaced(s.live) {
		s.lost(s.live, ErrUnconfirmed)
	}
	if !s.isUnderWay(by) || s.live != nil {
		return nil, nil, errReplaced
	}
	return s.proto.hello(rand.Reader)
}

// wakeRedialer is for when another transport is needed, or what carries the session is another one.
func (s *Stream) wakeRedialer() {
	if !s.redialing {
		s.redialing = true
		go s.redial()
	}
	signal(s.changed)
}

// redial is the goroutine that gets an initiator its next transport, and tells of it. It ends when the session is carried,
// or over.
func (s *Stream) redial() {
	select {
	case <-s.opened:
	case <-s.ctx.Done():
	}
	for goesOn := true; goesOn; goesOn = !s.stopRedialing() {
		if back, err := s.carryOn(); err == nil && back.isInterrupted() {
			s.opts.OnEvent(Event{State: Resumed, Attempts: back.attempts, After: time.Since(back.interrupted)})
		}
	}
}

// stopRedialing ends the goroutine, unless the next transport was lost, or not confirmed, while it told of it.
func (s *Stream) stopRedialing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil && (s.interruption != nil || s.isToBeReplaced(s.live)) {
		return false
	}
	s.redialing = false
	s.tellLost()
	return true
}

// tellLost tells of an end that this side did not want. Whoever gets transports does so when he has told the rest.
func (s *Stream) tellLost() {
	if s.end != nil && s.end != net.ErrClosed && !s.redialing {
		go s.opts.OnEvent(Event{State: Lost, Err: s.end})
	}
}

// wayBack is the way to the next transport.
type wayBack struct {
	// replaces carries the session and was not confirmed in time; nil where none does.
	replaces *carrier
	// interrupted is since when nothing carries the session; zero while something has all the time.
	interrupted time.Time
	attempts    int
	nextDue     due
	// notBefore: the acceptor has refused one, and is not to be asked before.
	notBefore time.Time
	delays    delays
}

func (w *wayBack) isInterrupted() bool { return !w.interrupted.IsZero() }

// carryOn tries until a transport carries the session that need not be replaced, or it is over.
func (s *Stream) carryOn() (*wayBack, error) {
	s.forgetOutcomes()
	w := s.setOut()
	for {
		if isBack, err := s.isBack(w); isBack || err != nil {
			return w, err
		}
		select {
		case <-time.After(s.waitFor(w.nextDue)):
			if s.waitFor(w.nextDue) <= 0 {
				w.attempts++
				s.makeRoom()
				s.begin(s.ctx, nil)
				w.nextDue = w.delays.next(time.Now())
			}
		case last := <-s.outcomes:
			if last.err != nil && s.isInformative(last.err) {
				s.failed(w, last)
			}
		case <-s.reconnect:
			// What came of those from before is of no interest any more, nor is the pause after the transport that was given up.
			_, _ = s.isBack(w)
			s.forgetOutcomes()
			w.nextDue, w.notBefore, w.delays = dueAt(time.Now()), time.Now(), s.delays()
		case <-s.changed:
		case <-s.ctx.Done():
		}
	}
}

func (s *Stream) setOut() *wayBack {
	now := time.Now()
	w := &wayBack{nextDue: dueAt(now), notBefore: now, delays: s.delays()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isToBeReplaced(s.live) {
		w.replaces = s.live
	}
	return w
}

// isBack tells whether a transport carries the session that need not be replaced, and why it is over. It tells of an interruption
// first.
func (s *Stream) isBack(w *wayBack) (isBack bool, end error) {
	s.mu.Lock()
	why := s.interruption
	s.interruption = nil
	isBack, end = s.live != nil && (s.live != w.replaces || s.live.t.isConfirmed), s.end
	s.mu.Unlock()
	if why != nil {
		s.interrupted(w, why)
	}
	return isBack, end
}

// interrupted tells that the session has lost its transport. There is a pause before the next attempt, unless one is under way,
// which may have taken the place of that transport at the acceptor. Another one would take that place again, just before the
// answer comes, and so on without an end where the way is long.
func (s *Stream) interrupted(w *wayBack, why error) {
	if !w.isInterrupted() {
		w.interrupted = time.Now()
		s.opts.OnEvent(Event{State: Interrupted, Err: why})
	}
	now := time.Now()
	if !s.isTrying() {
		w.nextDue = dueAt(now.Add(max(s.pauseAfter(why), w.notBefore.Sub(now))))
	} else if w.attempts == 0 {
		w.nextDue = w.delays.next(now)
	}
}

// failed sees to the pause after an attempt that came to nothing, and to the delays after it.
func (s *Stream) failed(w *wayBack, last tried) {
	now := time.Now()
	pause := s.pauseAfterAttempt(last)
	if !last.elsewhere && saysWhen(last.err) {
		w.notBefore = now.Add(pause)
	}
	switch {
	case !last.elsewhere && isOverloaded(last.err):
		// It is there, and slow.
		w.delays = slowest(s.opts.HandshakeTime)
	case !isSilence(last.err):
		// The delays grow while nothing is answered.
		w.delays = s.delays()
	}
	w.nextDue = dueAt(now.Add(max(pause, w.notBefore.Sub(now))))
}

// pauseAfterAttempt draws the pause after an attempt that came to nothing. What another acceptor says is no reason to wait for
// the right one.
func (s *Stream) pauseAfterAttempt(last tried) time.Duration {
	if last.elsewhere {
		return jittered(longestRefusal)
	}
	return s.pauseAfter(last.err)
}

// forgetOutcomes is for those of attempts from before.
func (s *Stream) forgetOutcomes() {
	for {
		select {
		case <-s.outcomes:
		default:
			return
		}
	}
}

// isInformative is false for an attempt that was of no use any more, and for one that a newer one has overtaken on the way
// to the acceptor.
func (s *Stream) isInformative(why error) bool {
	if errors.Is(why, errReplaced) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var refused *RefusedError
	return len(s.tries) == 0 || !errors.As(why, &refused) || refused.Status != StatusStaleAttempt
}

// saysWhen tells whether the acceptor has refused, so that it is not to be asked before the pause is over.
func saysWhen(why error) bool {
	var refused *RefusedError
	return errors.As(why, &refused) && (refused.RetryAfter > 0 || refused.Status.wouldBeFinal())
}

func isOverloaded(why error) bool {
	var refused *RefusedError
	return errors.As(why, &refused) && refused.Status == StatusOverloaded
}

// isSilence is true of an attempt whose time was over: nothing was heard of it.
func isSilence(why error) bool {
	var timeout net.Error
	return errors.As(why, &timeout) && timeout.Timeout()
}

// pauseAfter draws the pause after an attempt, or a transport, that ended so.
func (s *Stream) pauseAfter(why error) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pauses.next(why)
}

func (s *Stream) delays() delays {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times.firstDelays(s.opts.HandshakeTime)
}

// attempted takes note of an attempt, and tells whether another peer has refused it than the one that has the session. It may be
// that another attempt carries the session already: then the newer one goes on.
func (s *Stream) attempted(t *try, c *carrier, err error) (elsewhere bool) {
	if c != nil && s.end == nil {
		isResumed := s.isOpen()
		s.times.learn(t.dialTook, time.Since(t.connected))
		s.where = where{}
		s.endOtherTries(t, c)
		s.carryBy(c)
		if isResumed {
			s.expectConfirmation(c)
			go s.opts.OnTransport()
		}
		s.pump(c, background)
		return false
	}
	if c != nil {
		_ = c.conn.Close()
	}
	at := slices.Index(s.tries, t)
	s.tries = slices.Delete(s.tries, at, at+1)
	if s.live != nil || !s.isOpen() {
		return false
	}
	elsewhere = s.opts.DialPeer != nil && s.where.failed(t, s.remote, err, time.Now())
	if why := endOf(err); why != nil {
		s.finish(why, nil)
	}
	var refused *RefusedError
	if s.end == nil && !elsewhere && errors.As(err, &refused) {
		s.refused = refused
		if refused.RetryAfter > 0 {
			// The acceptor keeps the session for an initiator that it had no room for.
			s.expiry.Reset(refused.RetryAfter + s.waitTime())
		}
	}
	return elsewhere
}
