package session

import "time"

const (
	// ackAtOnce are the bytes received that are acknowledged without waiting for more.
	ackAtOnce = 16 << 10
	// ackDelay is the longest that an acknowledgement waits for something to travel with.
	ackDelay = 100 * time.Millisecond
)

// outgoing is what this end sends. The close counts as one byte behind the last.
type outgoing struct {
	// unacked begins at the count that was acknowledged.
	unacked      ring
	acknowledged uint64
	// sent is the furthest that any transport was given.
	sent        uint64
	closeWanted bool
	// isDone: the other end has all, the close included.
	isDone bool
}

// canContinueFrom tells whether a transport can begin at count.
func (o *outgoing) canContinueFrom(count uint64) bool {
	return o.acknowledged <= count && count <= o.sent
}

// acknowledge takes the other end's count, which is sent at most on the transport that it came by.
func (o *outgoing) acknowledge(count, sent uint64) error {
	if count < o.acknowledged || count > sent {
		return fault("it counts %d bytes as received, of %d acknowledged and %d sent", count, o.acknowledged, sent)
	}
	newly := count - o.acknowledged
	if newly == 0 {
		return nil
	}
	if newly > uint64(o.unacked.len()) {
		newly, o.isDone = uint64(o.unacked.len()), true
	}
	o.unacked.release(int(newly))
	o.acknowledged = count
	return nil
}

// waiting are the bytes that a transport that was given everything before cursor needs, and where they stand; -1 when it
// was given the close as well.
func (o *outgoing) waiting(cursor uint64) (from, bytes int) {
	from = int(cursor - o.acknowledged)
	return from, o.unacked.len() - from
}

// closeWaits tells whether that transport needs the close next.
func (o *outgoing) closeWaits(cursor uint64) bool {
	_, bytes := o.waiting(cursor)
	return bytes == 0 && o.closeWanted && !o.isDone
}

// incoming is what this end receives.
type incoming struct {
	received uint64
	// given is what came by the live transport, again or for the first time. Only that is acknowledged: the other end may not
	// have sent more by it, and keeps what it has to send again.
	given uint64
	// withheld are the last bytes received that are not acknowledged yet: they were read far ahead of the user.
	withheld uint64
	// ackedToPeer is what was acknowledged to the other end.
	ackedToPeer uint64
	ackDue      time.Time
	closed      bool
}

// take says how many of bytes that begin at position are new: the last ones. The others came by another transport.
func (in *incoming) take(position uint64, bytes int, now time.Time) (fresh int, err error) {
	end := position + uint64(bytes)
	if end > in.received {
		if in.closed {
			return 0, fault("something follows its close")
		}
		fresh = min(int(end-in.received), bytes)
	}
	in.reach(end, now)
	return fresh, nil
}

func (in *incoming) takeClose(position uint64, now time.Time) error {
	if position >= in.received {
		if in.closed {
			return fault("something follows its close")
		}
		in.closed = true
	}
	in.reach(position+1, now)
	return nil
}

// reach is for when the live transport has brought everything before end.
func (in *incoming) reach(end uint64, now time.Time) {
	if end > in.received {
		in.owe(now.Add(ackDelay))
	} else if end > in.given {
		// It was sent again for nothing.
		in.owe(now)
	}
	in.received, in.given = max(in.received, end), max(in.given, end)
}

func (in *incoming) owe(due time.Time) {
	if in.ackDue.IsZero() || due.Before(in.ackDue) {
		in.ackDue = due
	}
}

// withhold has all but the last bytes received be acknowledged.
func (in *incoming) withhold(bytes int, now time.Time) {
	in.withheld = uint64(bytes)
	if in.owesAck() {
		in.owe(now.Add(ackDelay))
	}
}

// acknowledgeable is the count that can be acknowledged. What was acknowledged is never taken back.
func (in *incoming) acknowledgeable() uint64 {
	return max(in.ackedToPeer, min(in.given, in.received-in.withheld))
}

// owesAck tells whether there is something to acknowledge.
func (in *incoming) owesAck() bool { return in.ackedToPeer < in.acknowledgeable() }

// isAckDue tells whether that must be acknowledged even when there is nothing else to send.
func (in *incoming) isAckDue(now time.Time) bool {
	return in.owesAck() && (in.closed || in.acknowledgeable()-in.ackedToPeer >= ackAtOnce || !in.ackDue.After(now))
}

// takeAck is for when the count is being acknowledged.
func (in *incoming) takeAck() uint64 {
	in.ackedToPeer, in.ackDue = in.acknowledgeable(), time.Time{}
	return in.ackedToPeer
}

// due is when something is to be acknowledged at the latest; zero while there is nothing.
func (in *incoming) due() time.Time {
	if !in.owesAck() {
		return time.Time{}
	}
	return in.ackDue
}

// begin is for a new transport, when the other end knows of so much. What came by the older one since, it sends again.
func (in *incoming) begin(ackedToPeer uint64) {
	in.ackedToPeer, in.given, in.ackDue = ackedToPeer, ackedToPeer, time.Time{}
}
