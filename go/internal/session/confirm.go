package session

import "time"

// A network can fall silent between the other end's reply and the first byte behind it. So whoever resumes writes something at
// once, and tries another transport if that is not acknowledged soon, long before the silence would count as the end of an older
// transport.

// mostDoublings are enough for any ConfirmTime.
const mostDoublings = 62

// expectConfirmation has a transport by which the session goes on be replaced unless it is confirmed in time. Each in a row that
// is not has twice as long as the one before: an acceptor that has no time to answer must not be asked again and again.
func (s *Stream) expectConfirmation(c *carrier) {
	if s.opts.ConfirmTime <= 0 || s.opts.Dial == nil {
		return
	}
	c.late = time.AfterFunc(s.timeToConfirm(), func() { s.notConfirmed(c) })
}

func (s *Stream) timeToConfirm() time.Duration {
	within := s.times.firstDelays(s.opts.HandshakeTime).connected
	for range min(s.missing, mostDoublings) {
		within = min(2*within, s.opts.ConfirmTime)
	}
	return upToHalfLonger(min(within, s.opts.ConfirmTime))
}

// notConfirmed is for when a transport should have been confirmed. While nobody reads that does not show.
func (s *Stream) notConfirmed(c *carrier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == c && !c.t.isConfirmed && s.isRead() {
		s.unconfirmed = c
		s.wakeRedialer()
	}
}

// isRead tells whether somebody reads, the user or whoever reads ahead of him.
func (s *Stream) isRead() bool { return s.readers.Load() > 0 || s.ahead }

// isToBeReplaced is true of a transport that carries the session and was not confirmed in time, until it is.
func (s *Stream) isToBeReplaced(c *carrier) bool {
	return c != nil && s.live == c && s.unconfirmed == c && !c.t.isConfirmed
}

// confirmed is for the first sign that the other end goes on by a transport: it has the proof, and other attempts are of no use.
func (s *Stream) confirmed(c *carrier) {
	s.endTries(len(s.tries))
	c.stopWaiting()
	s.missing = 0
	if s.unconfirmed == c {
		s.unconfirmed = nil
		signal(s.changed)
	}
}

// noMoreExpected is for a transport that was lost.
func (s *Stream) noMoreExpected(c *carrier) {
	c.stopWaiting()
	if !c.t.isConfirmed {
		s.missing++
	}
	if s.unconfirmed == c {
		s.unconfirmed = nil
	}
}

func (c *carrier) stopWaiting() {
	if c.late != nil {
		c.late.Stop()
	}
}
