package fastway

import "sync/atomic"

// Stats are the counts of one link since it was made, and how full it is now.
type Stats struct {
	// Conns is the number of connections that live.
	Conns int
	// ReceivedMessages counts messages for connections; ReceivedBytes and SentBytes count headers and commands, too.
	ReceivedMessages, ReceivedBytes, SentBytes uint64
	// WaitingBytes wait for the socket, UnreadBytes to be received on all connections together.
	WaitingBytes, UnreadBytes int
	// SendsHeldUp is how often a Send had to wait, ReadsHeld how often the link was not read because of full queues.
	SendsHeldUp, ReadsHeld uint64
	// ClosedQueueFull counts connections closed because their queue was full, or was the largest when all together were.
	ClosedQueueFull uint64
	// AcceptsOverflowed counts connections closed because too many waited to be accepted.
	AcceptsOverflowed uint64
	// Interruptions and Resumes count what happened to the session.
	Interruptions, Resumes uint64
	// LateAccepts counts dials answered with yes after they were given up; those connections were closed at once.
	LateAccepts uint64
}

type counters struct {
	receivedMessages, receivedBytes, sendsHeldUp, readsHeld atomic.Uint64
	closedQueueFull, acceptsOverflowed, lateAccepts         atomic.Uint64
	interruptions, resumes                                  atomic.Uint64
}

// Stats gives the counts of now.
func (ep *EndPoint) Stats() Stats {
	sent, waiting := ep.out.sentAndWaiting()
	return Stats{
		Conns:             ep.conns.len(),
		ReceivedMessages:  ep.counters.receivedMessages.Load(),
		ReceivedBytes:     ep.counters.receivedBytes.Load(),
		SentBytes:         sent,
		WaitingBytes:      waiting,
		UnreadBytes:       int(ep.unread.bytes.Load()),
		SendsHeldUp:       ep.counters.sendsHeldUp.Load(),
		ReadsHeld:         ep.counters.readsHeld.Load(),
		ClosedQueueFull:   ep.counters.closedQueueFull.Load(),
		AcceptsOverflowed: ep.counters.acceptsOverflowed.Load(),
		Interruptions:     ep.counters.interruptions.Load(),
		Resumes:           ep.counters.resumes.Load(),
		LateAccepts:       ep.counters.lateAccepts.Load(),
	}
}
