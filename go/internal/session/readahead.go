package session

import (
	"slices"
	"time"
)

// stall is how long a writer waits before somebody else reads what makes room, if the user does not.
const stall = 20 * time.Millisecond

func (s *Stream) awaitRoom() {
	if !s.readingAhead {
		s.stalled.Reset(stall)
	}
	s.writersWait++
	s.cond.Wait()
	s.writersWait--
}

// readAhead reads the stream while nobody else does, up to a bound: acknowledgements stand behind what is not read, and a
// user who reads nothing until he has written would wait for ever.
func (s *Stream) readAhead() {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readingAhead = true
	s.plain = slices.Clone(s.plain)
	for s.readers.Load() == 0 && len(s.plain) < s.proto.mostAhead(s.opts.ReadAheadBytes) && s.mayNotRead() == nil {
		c := s.live
		if c == nil {
			s.cond.Wait()
		} else if !s.openAhead(c) && s.live == c {
			s.receive(c)
		}
	}
	s.readingAhead = false
	if s.writersWait > 0 && s.end == nil {
		// The user reads now, and may stop again.
		s.stalled.Reset(stall)
	}
}

// openAhead adds what was received to what was not read; false if that is nothing.
func (s *Stream) openAhead(c *carrier) bool {
	into := s.overflowBuffer()
	n := s.openInto(c, into)
	s.plain = append(s.plain, into[:n]...)
	return n > 0
}

// withhold has no more than the bound of what the user does not have be acknowledged. So what the other end keeps bounds what
// it sends beyond that, and what stands before its own acknowledgements: these are found, however much it has to send.
func (s *Stream) withhold(unread int, now time.Time) {
	s.withheld = max(0, unread-s.opts.ReadAheadBytes)
	s.proto.withhold(s.withheld, now)
}

// acknowledgeTaken has that be acknowledged for which the user has made room.
func (s *Stream) acknowledgeTaken() {
	now := time.Now()
	s.withhold(len(s.plain), now)
	if s.live != nil && s.end == nil {
		s.owe(s.live, now)
	}
}

// readPlain reads what was read ahead, for which nobody has to wait who still reads ahead.
func (s *Stream) readPlain(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takePlain(p)
}
