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
	s.news.Wait()
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
	for s.readers.Load() == 0 && len(s.plain) < s.opts.ReadAheadBytes && s.mayNotRead() == nil {
		c := s.live
		if c == nil {
			s.news.Wait()
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
	ahead := s.plain
	s.plain = nil
	s.open(c, nil)
	opened := len(s.plain)
	s.plain = append(ahead, s.plain...)
	return opened > 0
}

// readPlain reads what was read ahead, for which nobody has to wait who still reads ahead.
func (s *Stream) readPlain(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takePlain(p)
}
