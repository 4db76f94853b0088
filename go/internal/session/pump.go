package session

import (
	"errors"
	"math"
	"os"
	"sync"
	"time"
)

const (
	// pumpBytes is about what one write takes.
	pumpBytes = 64 << 10
	// partingTime bounds what is still said on a transport whose session is over.
	partingTime = 3 * time.Second
	// lastReads bounds for how long a transport is read that takes nothing more: its end may never show.
	lastReads = time.Second
)

// mode says who pumps.
type mode bool

const (
	// inline: a Write, whose deadline holds for the transport as well.
	inline mode = false
	// background: nobody waits for it.
	background mode = true
)

// outBuffers are for what is being written, so that an idle stream has none.
var outBuffers = sync.Pool{New: func() any {
	buf := make([]byte, 0, pumpBytes+maxRecord)
	return &buf
}}

// pump writes what waits, unless somebody does so already. It is called with the lock, which it gives away while it
// writes.
func (s *Stream) pump(c *carrier, by mode) {
	if c.pumping {
		return
	}
	c.pumping = true
	for s.live == c && c.writeErr == nil {
		sealed := len(c.unsent) > 0
		if !sealed && !s.refill(c) {
			break
		}
		if err := s.write(c, sealed); err == nil {
			continue
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			s.writeFailed(c, err)
		} else if s.live == c && !s.goOnLater(c, by) {
			break
		}
	}
	c.pumping = false
	c.dropEmpty()
	if c.parting != nil {
		go s.sayLast(c)
	}
}

// writeFailed is for a transport that takes nothing more. What has arrived by it can still be read, such as the reason for
// which the other end has left; so it is read to its end.
func (s *Stream) writeFailed(c *carrier, why error) {
	c.writeErr, c.unsent = why, nil
	if s.live != c {
		return
	}
	time.AfterFunc(lastReads, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lost(c, why)
	})
	s.readAheadIfNeeded()
}

// goOnLater is for a deadline, which is that of a Write and not of what it has taken. It is true for who goes on himself.
func (s *Stream) goOnLater(c *carrier, by mode) bool {
	_ = c.conn.SetWriteDeadline(time.Time{})
	if by == inline {
		s.arm(0)
	}
	return by == background
}

// refill takes what is to be written next; false if there is nothing.
func (s *Stream) refill(c *carrier) bool {
	now := time.Now()
	if !s.proto.hasOutput(c.t, now) {
		return false
	}
	c.takeBuffer()
	*c.out = s.proto.layOut(c.t, (*c.out)[:0], pumpBytes, now)
	c.unsent = *c.out
	if s.writersWait > 0 {
		s.cond.Broadcast()
	}
	return true
}

// write writes what is unsent, without the lock.
func (s *Stream) write(c *carrier, sealed bool) (err error) {
	conn := c.conn
	s.mu.Unlock()
	defer s.mu.Lock()
	if !sealed {
		err = s.proto.seal(c.t, c.unsent)
	}
	if err == nil {
		var n int
		n, err = conn.Write(c.unsent)
		c.unsent = c.unsent[n:]
	}
	return err
}

func (c *carrier) takeBuffer() {
	if c.out == nil {
		c.out = outBuffers.Get().(*[]byte)
	}
}

func (c *carrier) dropEmpty() {
	if c.out != nil && len(c.unsent) == 0 {
		if cap(*c.out) <= 2*pumpBytes {
			outBuffers.Put(c.out)
		}
		c.out, c.unsent = nil, nil
	}
}

// onAcks is called when something may be to be sent by itself.
func (s *Stream) onAcks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = false
	c := s.live
	if c == nil || c.writeErr != nil {
		return
	}
	s.pump(c, background)
	if due := s.proto.ackDue(); s.live == c && !s.armed && !due.IsZero() {
		s.arm(time.Until(due))
	}
}

// parting is how a transport ends whose session is over.
type parting struct {
	// saysAll: what waits is sent.
	saysAll bool
	// aborts: the other end is told, unless it knows.
	aborts bool
	reason AbortReason
}

// partingAfter is how it ends after a fault.
func partingAfter(why error) *parting {
	var broken *ProtocolError
	if errors.As(why, &broken) {
		return &parting{aborts: true, reason: AbortPeerFault}
	}
	return &parting{}
}

// part ends a transport whose session is over; whoever writes to it does so when that is done.
func (s *Stream) part(c *carrier, last *parting) {
	c.parting = last
	now := time.Now()
	_ = c.conn.SetReadDeadline(now)
	_ = c.conn.SetWriteDeadline(now.Add(partingTime))
	if !c.pumping {
		go s.sayLast(c)
	}
}

// sayLast says what is left to say, and closes the transport.
func (s *Stream) sayLast(c *carrier) {
	s.mu.Lock()
	fresh := s.lastWords(c)
	s.mu.Unlock()
	if len(c.unsent) > 0 {
		if _, err := c.conn.Write(c.unsent); err != nil {
			fresh = nil
		}
	}
	if len(fresh) > 0 && s.proto.seal(c.t, fresh) == nil {
		// Whoever does not get it finds out in time.
		_, _ = c.conn.Write(fresh)
	}
	_ = c.conn.Close()
}

func (s *Stream) lastWords(c *carrier) (fresh []byte) {
	if c.parting.saysAll {
		fresh = s.proto.layOut(c.t, fresh, math.MaxInt, time.Now())
	}
	if c.parting.aborts {
		fresh = s.proto.abort(fresh, c.parting.reason)
	}
	return fresh
}
