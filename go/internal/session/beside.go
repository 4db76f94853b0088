package session

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// A network that drops packets without a word answers an attempt with nothing. So an attempt that has no answer after a while
// gets another one beside it, as connections to several addresses do (RFC 8305), and the first that is answered wins. An
// acceptor that is slow to answer must not be asked again and again by everybody: each of the delays is twice as long as the
// one before, and there are no more than a few attempts at a time.
const (
	// mostTries are under way at a time.
	mostTries = 3
	// firstDelay is the longest first delay, of which the real one is drawn from the upper half; answersWaited is the same in
	// times of an answered attempt, where that is longer. A crowd that comes back at once is answered within a second or two, and
	// should not have asked twice by then.
	firstDelay    = time.Second
	answersWaited = 3
	// leastTrial is the least time for which attempts stay beside one that was answered; else two round trips, as dialing takes
	// one.
	leastTrial = 50 * time.Millisecond
)

// try is an attempt that is under way.
type try struct {
	cancel context.CancelFunc
	began  time.Time
	// dialedAfter is how long dialing took.
	dialedAfter time.Duration
}

// tried is what came of an attempt: a transport, or why there is none.
type tried struct {
	c   *carrier
	err error
}

// delays are those between an attempt and the one beside it.
type delays struct{ next, longest time.Duration }

// firstDelays begin with the first, for an acceptor that has answered so fast last time; 0 if that is not known.
func firstDelays(answeredAfter, longest time.Duration) delays {
	first := max(firstDelay, answersWaited*answeredAfter)
	return delays{min(first, longest), longest}
}

// slowest are all as long as they get.
func slowest(longest time.Duration) delays { return delays{longest, longest} }

func (d *delays) draw() time.Duration {
	drawn := d.next/2 + rand.N(d.next/2+1)
	d.next = min(2*d.next, d.longest)
	return drawn
}

// begin begins an attempt, by a transport that there is already or by one that it dials. The newest comes last.
func (s *Stream) begin(ctx context.Context, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.opts.HandshakeTime)
	t := &try{cancel: cancel, began: time.Now()}
	s.tries = append(s.tries, t)
	go s.attempt(ctx, t, conn)
}

func (s *Stream) hasRoomForTry() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries) < mostTries
}

// attempt is the goroutine of an attempt. What comes of one that was given up interests nobody.
func (s *Stream) attempt(ctx context.Context, t *try, conn net.Conn) {
	defer t.cancel()
	c, err := s.reach(ctx, t, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isUnderWay(t) {
		if c != nil {
			_ = c.conn.Close()
		}
		return
	}
	s.attempted(t, c, err)
	select {
	case s.outcomes <- tried{c, err}:
	default:
		// Nobody is looking for a transport.
	}
}

func (s *Stream) reach(ctx context.Context, t *try, conn net.Conn) (c *carrier, err error) {
	if conn == nil {
		if conn, err = s.opts.Dial(ctx); err != nil {
			return nil, err
		}
		t.dialedAfter = time.Since(t.began)
	}
	if c, err = s.shakeHands(ctx, t, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (s *Stream) isUnderWay(t *try) bool { return slices.Contains(s.tries, t) }

// endTries gives up the first n of the attempts, the oldest ones.
func (s *Stream) endTries(n int) {
	for _, t := range s.tries[:n] {
		t.cancel()
	}
	s.tries = slices.Delete(s.tries, 0, n)
}

// endOtherTries is for when an attempt carries the session: the others are of no more use. But a newer resume may have taken
// its place at the acceptor already, and then that one goes on.
func (s *Stream) endOtherTries(t *try, c *carrier) {
	older := slices.Index(s.tries, t)
	s.endTries(older)
	s.tries = slices.Delete(s.tries, 0, 1)
	if c.t.attempt == 0 {
		s.endTries(len(s.tries))
	} else if len(s.tries) > 0 {
		time.AfterFunc(max(leastTrial, 2*t.dialedAfter), func() { s.trialOver(c) })
	}
}

// trialOver is for when the acceptor would have closed a transport that a newer attempt has replaced.
func (s *Stream) trialOver(c *carrier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == c {
		s.endTries(len(s.tries))
	}
}
