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
	// kept begins at the count that was released: acknowledged, and given to the transport in use.
	kept     ring
	released uint64
	// acknowledged is the highest count that was heard.
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

// acknowledge takes the other end's count, on a transport that was given everything before cursor. The count may be ahead
// of that: what came by the older transport was acknowledged, and has to be given to the newer one all the same.
func (o *outgoing) acknowledge(count, cursor uint64) error {
	if count < o.acknowledged || count > o.sent {
		return fault("it counts %d bytes as received, of %d acknowledged and %d sent", count, o.acknowledged, o.sent)
	}
	o.acknowledged = count
	o.release(cursor)
	return nil
}

// release drops what was acknowledged, and given to the transport in use.
func (o *outgoing) release(cursor uint64) {
	newly := min(o.acknowledged, cursor) - o.released
	o.released += newly
	if newly > uint64(o.kept.len()) {
		newly, o.isDone = uint64(o.kept.len()), true
	}
	if newly > 0 {
		o.kept.release(int(newly))
	}
}

// waiting are the bytes that a transport that was given everything before cursor needs, and where they stand; -1 when it
// was given the close as well.
func (o *outgoing) waiting(cursor uint64) (from, bytes int) {
	from = int(cursor - o.released)
	return from, o.kept.len() - from
}

// closeWaits tells whether that transport needs the close next.
func (o *outgoing) closeWaits(cursor uint64) bool {
	_, bytes := o.waiting(cursor)
	return bytes == 0 && o.closeWanted && !o.isDone
}

// incoming is what this end receives.
type incoming struct {
	received uint64
	// told is what the other end knows of that.
	told   uint64
	ackDue time.Time
	closed bool
}

// take says how many of bytes that begin at position are new: the last ones. The others came by another transport.
func (in *incoming) take(position uint64, bytes int, now time.Time) (fresh int, err error) {
	end := position + uint64(bytes)
	if end <= in.received {
		return 0, nil
	}
	if in.closed {
		return 0, fault("something follows its close")
	}
	fresh = min(int(end-in.received), bytes)
	in.received = end
	in.owe(now)
	return fresh, nil
}

func (in *incoming) takeClose(position uint64, now time.Time) error {
	if position < in.received {
		return nil
	}
	if in.closed {
		return fault("something follows its close")
	}
	in.received, in.closed = position+1, true
	in.owe(now)
	return nil
}

func (in *incoming) owe(now time.Time) {
	if in.ackDue.IsZero() {
		in.ackDue = now.Add(ackDelay)
	}
}

// hasNews tells whether something was received that the other end was not told of.
func (in *incoming) hasNews() bool { return in.told < in.received }

// isUrgent tells whether that must be told even when there is nothing else to send.
func (in *incoming) isUrgent(now time.Time) bool {
	return in.hasNews() && (in.closed || in.received-in.told >= ackAtOnce || !in.ackDue.After(now))
}

// tell is for when the other end is being told all of it.
func (in *incoming) tell() uint64 {
	in.told, in.ackDue = in.received, time.Time{}
	return in.received
}

// begin is for a new transport, when the other end knows of told. What it does not know of it sends again for nothing, so
// it must be told even if nothing else comes.
func (in *incoming) begin(told uint64, now time.Time) {
	in.told, in.ackDue = told, time.Time{}
	if in.hasNews() {
		in.ackDue = now
	}
}
