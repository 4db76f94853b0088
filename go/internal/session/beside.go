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
// acceptor that is slow to answer must not be asked again and again by everybody. So the delays depend on how long it took to
// answer before, and on whether an attempt has a connection, since the acceptor may be at work on it; each delay is twice as long
// as the one before, and there are no more than a few attempts at a time.
const (
	// mostTries are under way at a time.
	mostTries = 3
	// firstUnconnectedDelay is the longest first delay while no attempt has a connection, of which the real one is drawn from the
	// upper half. A crowd that comes back at once is answered within a second or two, and should not have asked twice by then.
	// Where attempts were answered before, it is unconnectedAgain instead, or so many times as long as answers take.
	firstUnconnectedDelay = time.Second
	unconnectedAgain      = 500 * time.Millisecond
	answersWaited         = 3
	// firstConnectedDelay is the first delay at least where an attempt has a connection; it is up to half longer. The others are
	// the same where attempts were answered before.
	firstConnectedDelay    = time.Second
	connectedAgain         = 300 * time.Millisecond
	answersWaitedConnected = 2
	// mostVariance: one attempt that takes twice as long as those before, and this, teaches no more than that.
	mostVariance = 100 * time.Millisecond
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
	// known is the peer that it goes to; nil for one that goes where Dial leads.
	known net.Addr
	// peer is the other end of its connection; nil while there is none.
	peer net.Addr
}

// tried is what came of an attempt: a transport, or why there is none.
type tried struct {
	c   *carrier
	err error
	// elsewhere: another peer has refused than the one that has the session.
	elsewhere bool
}

// delays are those between an attempt and the one beside it.
type delays struct{ unconnected, connected, longest time.Duration }

// firstDelays begin with the first, for an acceptor whose answers take so long; 0 if that is not known.
func firstDelays(answersTake, longest time.Duration) delays {
	unconnected, connected := firstUnconnectedDelay, firstConnectedDelay
	if answersTake > 0 {
		unconnected = max(unconnectedAgain, answersWaited*answersTake)
		connected = max(connectedAgain, answersWaitedConnected*answersTake)
	}
	return delays{min(unconnected, longest), min(connected, longest), longest}
}

// answersTakeNow is how long answers take, as far as is known, after one that took so long: the newer they are, the more they
// count. A packet that was lost is no sign of a slow acceptor.
func answersTakeNow(known, last time.Duration) time.Duration {
	last = max(last, 1)
	if known == 0 {
		return last
	}
	return (known + min(last, 2*known+mostVariance) + 1) / 2
}

// slowest are all as long as they get.
func slowest(longest time.Duration) delays { return delays{longest, longest, longest} }

// next is when an attempt that begins now gets the next one beside it.
func (d *delays) next(now time.Time) due {
	unconnected := d.unconnected/2 + rand.N(d.unconnected/2+1)
	connected := upToHalfLonger(d.connected)
	d.unconnected, d.connected = min(2*d.unconnected, d.longest), min(2*d.connected, d.longest)
	return due{now.Add(unconnected), now.Add(connected)}
}

// due is when the next attempt may begin: while none that is under way has a connection, and while one has.
type due struct{ unconnected, connected time.Time }

func dueAt(t time.Time) due { return due{t, t} }

// waitFor is how long it is until then, as it looks now: an attempt that gets its connection changes that.
func (s *Stream) waitFor(d due) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasConnection() {
		return time.Until(d.connected)
	}
	return time.Until(d.unconnected)
}

// hasConnection tells whether an attempt that is under way has one.
func (s *Stream) hasConnection() bool {
	return slices.ContainsFunc(s.tries, func(t *try) bool { return t.peer != nil })
}

// begin begins an attempt, by a transport that there is already or by one that it dials. The newest comes last.
func (s *Stream) begin(ctx context.Context, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.opts.HandshakeTime)
	t := &try{cancel: cancel, began: time.Now()}
	if conn == nil && s.opts.DialPeer != nil {
		t.known = s.where.next(s.remote, s.hasConnection(), t.began)
	}
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
	elsewhere := s.attempted(t, c, err)
	select {
	case s.outcomes <- tried{c, err, elsewhere}:
	default:
		// Nobody is looking for a transport.
	}
}

func (s *Stream) reach(ctx context.Context, t *try, conn net.Conn) (c *carrier, err error) {
	if conn == nil {
		if conn, err = s.dial(ctx, t); err != nil {
			return nil, err
		}
		t.dialedAfter = time.Since(t.began)
	}
	s.connected(t, conn)
	if c, err = s.shakeHands(ctx, t, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (s *Stream) dial(ctx context.Context, t *try) (net.Conn, error) {
	if t.known != nil {
		return s.opts.DialPeer(ctx, t.known)
	}
	return s.opts.Dial(ctx)
}

func (s *Stream) connected(t *try, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.peer = conn.RemoteAddr()
	signal(s.changed)
}

// makeRoom gives the oldest attempt up if there may not be another one beside it. At the acceptor the newest resume has the place
// of the older ones, too.
func (s *Stream) makeRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endTries(max(0, len(s.tries)-mostTries+1))
}

func (s *Stream) isTrying() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries) > 0
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
	if s.live == c && s.unconfirmed != c {
		s.endTries(len(s.tries))
	}
}
