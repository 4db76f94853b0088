package fastway

import (
	"os"
	"sync"
	"time"

	"fastway/internal/wire"
)

// inbox is what waits to be received on one connection: whole frames, as they came.
type inbox struct {
	mu sync.Mutex
	// head is where messages are taken from, tail where they are added.
	head, tail *chunk
	// What waits; bytes with the headers.
	messages, bytes int
	// taken is what Read has taken of the first message's payload.
	taken int
	// end is why nothing more comes; what waits can be received before.
	end *CloseError
	// abandoned: nobody will receive any more.
	abandoned bool
	// holding: the link is not read because of this queue.
	holding bool
	// handedOut: somebody can receive; before that the queue must not hold the link.
	handedOut bool
	waiters   waiters
	deadline  deadline
}

// bounds are those of one queue.
type bounds struct {
	messages, bytes int
	whenFull        WhenFull
}

func (b *bounds) reached(messages, bytes int) bool { return messages >= b.messages || bytes >= b.bytes }

// delivered is what became of a run of messages.
type delivered uint8

const (
	queued delivered = iota
	// holdsLink: they wait, and now the link has to wait as well.
	holdsLink
	// dropped: nobody receives any more.
	dropped
	// overflow: there was too much already, and nothing was added.
	overflow
)

// deliver adds a run and wakes who waits for it.
func (q *inbox) deliver(run wire.Run, bounds *bounds, mem chunks) delivered {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.abandoned || q.end != nil {
		return dropped
	}
	mayHold := q.mayHold(bounds)
	if !mayHold && bounds.reached(q.messages, q.bytes) {
		return overflow
	}
	q.push(run.Bytes, mem)
	q.messages += run.Messages
	q.bytes += len(run.Bytes)
	q.waiters.wake()
	if mayHold && !q.holding && bounds.reached(q.messages, q.bytes) {
		q.holding = true
		return holdsLink
	}
	return queued
}

func (q *inbox) mayHold(bounds *bounds) bool { return bounds.whenFull == Hold && q.handedOut }

func (q *inbox) push(frames []byte, mem chunks) {
	if q.tail == nil || q.tail.free() < len(frames) {
		q.grow(len(frames), mem)
	}
	q.tail.wrote += copy(q.tail.mem[q.tail.wrote:], frames)
}

func (q *inbox) grow(size int, mem chunks) {
	if q.tail == nil {
		q.tail = mem.get(size)
		q.head = q.tail
		return
	}
	q.tail.next = mem.get(max(size, min(2*len(q.tail.mem), grownChunk)))
	q.tail = q.tail.next
}

// freed is what the receiver of messages has given back to the link.
type freed struct {
	bytes int
	// released: the link need not wait for this queue any more.
	released bool
}

// receive gives the rest of the first message's payload to take, which says how much of it was used: a message is gone
// with its last byte, or at once if whole is set.
//
// Without a message and without an end it gives a token to wait for; the caller calls again then, with waited set.
func (q *inbox) receive(take func([]byte) int, whole, waited bool, bounds *bounds, mem chunks) (token <-chan struct{}, back freed, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if waited {
		q.waiters.leave()
	}
	switch {
	case q.deadline.passed():
		err = os.ErrDeadlineExceeded
	case q.messages > 0:
		back = q.takeFirst(take, whole, bounds, mem)
	case q.end != nil:
		err = q.end
	default:
		return q.waiters.join(), freed{}, nil
	}
	if q.messages > 0 || err != nil {
		q.waiters.wake()
	}
	return nil, back, err
}

func (q *inbox) takeFirst(take func([]byte) int, whole bool, bounds *bounds, mem chunks) freed {
	payload := wire.FirstPayload(q.head.waiting())
	q.taken += take(payload[q.taken:])
	if !whole && q.taken < len(payload) {
		return freed{}
	}
	size := wire.HeaderBytes + len(payload)
	q.taken = 0
	q.messages--
	q.bytes -= size
	q.head.read += size
	if q.head.read == q.head.wrote {
		q.dropHead(mem)
	}
	return freed{bytes: size, released: q.release(q.isLow(bounds))}
}

func (q *inbox) dropHead(mem chunks) {
	read := q.head
	q.head = read.next
	if q.head == nil {
		q.tail = nil
	}
	mem.put(read)
}

func (q *inbox) isLow(bounds *bounds) bool {
	return q.messages <= bounds.messages/2 && q.bytes <= bounds.bytes/2
}

// release ends the hold on the link, if there is one and low is true.
func (q *inbox) release(low bool) bool {
	released := q.holding && low
	q.holding = q.holding && !low
	return released
}

// giveUp undoes a wait that has ended otherwise.
func (q *inbox) giveUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiters.leave()
	// The token may have come in the same moment, for somebody else.
	q.waiters.wake()
}

// finish says that nothing more comes.
func (q *inbox) finish(end *CloseError) freed {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end = end
	q.deadline.stop()
	q.waiters.wake()
	return freed{released: q.release(true)}
}

// throwAway drops what waits, for good.
func (q *inbox) throwAway(mem chunks) freed {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abandoned = true
	back := freed{bytes: q.bytes, released: q.release(true)}
	for q.head != nil {
		q.dropHead(mem)
	}
	q.messages, q.bytes, q.taken = 0, 0, 0
	return back
}

// lose drops what waits of a connection that has not been received in time, which its receiver is told.
func (q *inbox) lose(mem chunks) freed {
	back := q.throwAway(mem)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end = closedQueueFull
	q.waiters.wake()
	return back
}

// handOut tells that somebody can receive from now on.
func (q *inbox) handOut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handedOut = true
}

// unread is how much waits, and whether it may hold the link.
func (q *inbox) unread(bounds *bounds) (bytes int, mayHold bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes, q.mayHold(bounds) && q.end == nil
}

func (q *inbox) setDeadline(at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end == nil || q.messages > 0 {
		q.deadline.set(at, q.onTime)
		q.waiters.wake()
	}
}

func (q *inbox) onTime() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deadline.rearm()
	q.waiters.wake()
}
