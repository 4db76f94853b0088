package session

import (
	"context"
	"net"
	"slices"
	"time"
)

// A network that drops packets without a word answers an attempt with nothing. So an attempt that has no answer after a while
// gets another one beside it, as connections to several addresses do (RFC 8305), and the first that is answered wins. An
// acceptor that is slow to answer must not be asked again and again by everybody. So the delays depend on how long it took to
// answer before, there are no more than a few attempts at a time, and those that have no connection are given up for the first
// that gets one: the network is there.
const (
	// mostTries are under way at a time.
	mostTries = 3
	// leastTrial is the least time for which attempts stay beside one that was answered; else two round trips, as dialing and the
	// reply take one.
	leastTrial = 50 * time.Millisecond
)

// try is an attempt that is under way.
type try struct {
	cancel context.CancelFunc
	began  time.Time
	// known is the peer that it goes to; nil for one that goes where Dial leads.
	known net.Addr
	// peer is the other end of its connection, which it has got at the time connected; dialing took dialTook. Zero while it has
	// none.
	peer      net.Addr
	connected time.Time
	dialTook  time.Duration
}

// tried is what came of an attempt: a transport, or why there is none.
type tried struct {
	c   *carrier
	err error
	// elsewhere: another peer has refused than the one that has the session.
	elsewhere bool
}

// waitFor is how long it is until then, as it looks now: an attempt that gets its connection changes that.
func (s *Stream) waitFor(d due) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(d.time(s.newestConnected()))
}

func (t *try) isConnected() bool { return !t.connected.IsZero() }

// newestConnected is the attempt under way that got its connection last; nil if none has one.
func (s *Stream) newestConnected() (newest *try) {
	for _, t := range s.tries {
		if t.isConnected() && (newest == nil || t.connected.After(newest.connected)) {
			newest = t
		}
	}
	return newest
}

// begin begins an attempt, by a transport that there is already or by one that it dials. The newest comes last.
func (s *Stream) begin(ctx context.Context, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.opts.HandshakeTime)
	t := &try{cancel: cancel, began: time.Now()}
	if conn == nil && s.opts.DialPeer != nil {
		t.known = s.where.next(s.remote, s.newestConnected() != nil, t.began)
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
	var took time.Duration
	if conn == nil {
		if conn, err = s.dial(ctx, t); err != nil {
			return nil, err
		}
		took = time.Since(t.began)
	}
	s.connected(t, conn, took)
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

// connected takes note of the connection of an attempt: it changes when the next one is due.
func (s *Stream) connected(t *try, conn net.Conn, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isUnderWay(t) {
		return
	}
	t.peer, t.connected, t.dialTook = conn.RemoteAddr(), time.Now(), took
	if s.isWhereTheSessionIs(t.peer) {
		s.endUnconnectedTries()
	}
	signal(s.changed)
}

// isOpen is false until an attempt was answered.
func (s *Stream) isOpen() bool { return s.times.reply > 0 }

// isWhereTheSessionIs is true of all peers while it is being opened.
func (s *Stream) isWhereTheSessionIs(peer net.Addr) bool {
	return !s.isOpen() || peer != nil && s.remote != nil && peer.String() == s.remote.String()
}

// endUnconnectedTries is for when an attempt has got its connection: one that connects late would take its place at the acceptor.
func (s *Stream) endUnconnectedTries() {
	s.tries = slices.DeleteFunc(s.tries, func(t *try) bool {
		if !t.isConnected() {
			t.cancel()
		}
		return !t.isConnected()
	})
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

// mayOpen is false when all attempts to open the session have come to nothing. Those that were given up have no outcome.
func (s *Stream) mayOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isOpen() || len(s.tries) > 0 || len(s.outcomes) > 0
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
		// A proxy nearby connects at once, whatever the way behind it takes.
		time.AfterFunc(max(leastTrial, 2*t.dialTook, 2*time.Since(t.connected)), func() { s.trialOver(c) })
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
