package session

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
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

func open(ctx context.Context, conn net.Conn, proto protocol, opts Options) (*Stream, error) {
	s := newStream(proto, opts)
	ctx, cancel := context.WithTimeout(ctx, opts.HandshakeTime)
	defer cancel()
	c, err := s.shakeHands(ctx, conn)
	if err != nil {
		s.cancel()
		_ = conn.Close()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carryBy(c)
	s.pump(c, inline)
	return s, nil
}

// shakeHands opens or resumes the session by a transport.
func (s *Stream) shakeHands(ctx context.Context, conn net.Conn) (*carrier, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	t, err := s.agree(conn)
	if !stop() {
		// The deadline is, or will be, in the past.
		return nil, context.Cause(ctx)
	}
	return &carrier{conn: conn, t: t}, err
}

func (s *Stream) agree(conn net.Conn) (*transport, error) {
	s.mu.Lock()
	message, answer, err := s.proto.hello(rand.Reader)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	reply, err := answer.read(conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer.agree(reply, err, time.Now())
}

// redial is the goroutine that gets an initiator its next transport, and tells of it. It ends when the session is carried,
// or over.
func (s *Stream) redial(why error) {
	for why != nil {
		began := time.Now()
		s.opts.OnEvent(Event{State: Interrupted, Err: why})
		if attempts, err := s.carryOn(why); err == nil {
			s.opts.OnEvent(Event{State: Resumed, Attempts: attempts, After: time.Since(began)})
		}
		why = s.stopRedialing()
	}
}

// stopRedialing ends the goroutine, unless the next transport was lost while it told of it: then it gives the reason.
func (s *Stream) stopRedialing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil && s.end == nil {
		return errSoon
	}
	s.redialing = false
	s.tellLost()
	return nil
}

// tellLost tells of an end that this side did not want. Whoever gets transports does so when he has told the rest.
func (s *Stream) tellLost() {
	if s.end != nil && s.end != net.ErrClosed && !s.redialing {
		go s.opts.OnEvent(Event{State: Lost, Err: s.end})
	}
}

// carryOn tries until a transport carries the session, or it is over. The one before was lost for the reason why.
func (s *Stream) carryOn(why error) (attempts int, err error) {
	for {
		if err := s.pause(why); err != nil {
			return attempts, err
		}
		attempts++
		c, failed := s.attempt()
		if err := s.attempted(c, failed); c != nil || err != nil {
			return attempts, err
		}
		why = failed
	}
}

// pause waits before an attempt, after the last one or its transport ended so.
func (s *Stream) pause(why error) error {
	s.mu.Lock()
	timer := time.NewTimer(s.pauses.next(why))
	s.mu.Unlock()
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

func (s *Stream) attempt() (*carrier, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.HandshakeTime)
	defer cancel()
	s.mu.Lock()
	s.cancelAttempt = cancel
	s.mu.Unlock()
	conn, err := s.opts.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.shakeHands(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// attempted takes note of an attempt; its error says that the session is over.
func (s *Stream) attempted(c *carrier, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c != nil && s.end != nil {
		_ = c.conn.Close()
	}
	if why := endOf(err); why != nil {
		s.finish(why, nil)
	}
	var refused *RefusedError
	if s.end == nil && errors.As(err, &refused) {
		s.refused = refused
		if refused.RetryAfter > 0 {
			// The acceptor keeps the session for an initiator that it had no room for.
			s.expiry.Reset(refused.RetryAfter + s.waitTime())
		}
	}
	if s.end == nil && c != nil {
		s.carryBy(c)
		s.pump(c, background)
	}
	return s.end
}
