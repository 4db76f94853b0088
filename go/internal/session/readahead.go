package session

import (
	"slices"
	"time"
)

// untilNextRead is for how long a user who has just read may be about to read again, which no event tells. Most do so within
// microseconds. To read ahead between their calls costs them a quarter of what they get through while they write as well.
const untilNextRead = time.Millisecond

func (s *Stream) awaitRoom() {
	s.writersWait++
	s.readAheadIfNeeded()
	s.cond.Wait()
	s.writersWait--
}

// readEnds is for when a Read is over; the user may not read again.
func (s *Stream) readEnds() {
	s.readers.Add(-1)
	if s.isNeededAhead() && s.mayReadAhead() {
		s.userReads.Reset(untilNextRead)
	}
}

// readsNoMore is called when the user should have read again.
func (s *Stream) readsNoMore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readAheadIfNeeded()
}

// isNeededAhead tells whether the stream has to be read even though its user does not: acknowledgements stand behind what is
// not read, and a user who reads nothing until he has written would wait for ever; and what a transport has brought that
// takes nothing more is lost unless it is read.
func (s *Stream) isNeededAhead() bool {
	return !s.ahead && (s.writersWait > 0 || s.live != nil && s.live.writeErr != nil)
}

// readAheadIfNeeded has a goroutine read the stream where its user does not. It begins at once: whoever writes and does not
// read by then may not read before he has written.
func (s *Stream) readAheadIfNeeded() {
	if s.isNeededAhead() && s.mayReadAhead() {
		s.ahead = true
		go s.readAhead()
	}
}

// mayReadAhead is true up to a bound, while the user does not read.
func (s *Stream) mayReadAhead() bool {
	return s.readers.Load() == 0 && len(s.plain) < s.proto.mostAhead(s.opts.ReadAheadBytes) && s.mayNotRead() == nil
}

// readAhead is the goroutine. It goes on when a writer has room again, who may soon wait for more.
func (s *Stream) readAhead() {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readingAhead = true
	s.plain = slices.Clone(s.plain)
	for s.mayReadAhead() {
		c := s.live
		if c == nil {
			s.cond.Wait()
		} else if !s.openAhead(c) && s.live == c && s.mayReadAhead() {
			// The other end has not closed its direction: something is to come.
			s.receive(c)
		}
	}
	s.ahead, s.readingAhead = false, false
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
	n := s.takePlain(p)
	if n > 0 {
		s.readEnds()
	}
	return n
}
