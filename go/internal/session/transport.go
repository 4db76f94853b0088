package session

import (
	"io"
	"time"
)

// transport is the keys of one transport, and its places in the stream.
type transport struct {
	// attempt is the one that made it; 0 for the one that opened the session.
	attempt uint32
	// cursor is the count before which the other end was given everything.
	cursor uint64
	// position is the count at which the next byte received stands.
	position uint64
	// ackedToPeer is the count that the other end was told when the transport began.
	ackedToPeer uint64
	// owesProof: this end has to show that it lives. isConfirmed: the other end goes on by it, since it has acknowledged something
	// by it; in a legacy session, which knows no acknowledgements, it has sent something.
	owesProof, isConfirmed bool
	// keys are a secure one's.
	keys *transportKeys
	// proof is what a legacy one begins with, or has to begin with; generation is the acceptor's when it replied.
	proof      []byte
	generation uint64
}

// protocol is one end of a session, without its transports' I/O. The lock of its stream guards it.
type protocol interface {
	// hello makes the first message of the next transport, which answer goes on with. The transport before must be gone.
	hello(random io.Reader) (message []byte, answer answer, err error)

	// resume replies to a first message that names this session. The transport is to be proven.
	resume(h *hello, random io.Reader) (reply []byte, t *transport, err error)
	// prove checks what an initiator sends first, the size of which proofBytes knows, and gives what that says of the
	// stream. The transport carries the session from then on.
	prove(t *transport, proof []byte, now time.Time) (plain []byte, err error)
	// proofBytes is how much of a proof must be there to say more: its length, as soon as that is known.
	proofBytes(input []byte) (int, error)
	// names are those by which it can be resumed.
	names() []string

	// push takes what there is room for of what the user says.
	push(p []byte, live *transport) int
	// hasOutput tells whether layOut would add something.
	hasOutput(t *transport, now time.Time) bool
	// layOut appends what is to be sent, until out has as many bytes as limit or a record more; seal finishes it.
	layOut(t *transport, out []byte, limit int, now time.Time) []byte
	seal(t *transport, out []byte) error
	// abort appends what tells the other end that the session is over, unless it knows.
	abort(out []byte, reason AbortReason) []byte
	// open moves the stream's new bytes from in to the front of p; it makes use of leastRoom bytes or more.
	open(t *transport, in *inBuffer, p []byte, now time.Time) (int, error)
	leastRoom() int

	// ackDue is when hasOutput may become true by itself.
	ackDue() time.Time
	// withhold has the last bytes received not be acknowledged for now.
	withhold(bytes int, now time.Time)
	// mostAhead is how much may be read ahead of the user, if so much of that may be acknowledged.
	mostAhead(acknowledged int) int
	// close ends this direction behind what was pushed.
	close()
	// othersClosed tells whether the other end has closed its direction.
	othersClosed() bool
	// wait is for how long the session lives without a transport, if the other end has said so.
	wait() time.Duration
}

// answer is what an initiator does with the reply to its first message.
type answer interface {
	// read reads the reply, and nothing behind it.
	read(r io.Reader) (reply []byte, err error)
	// agree makes a transport of the reply. It is called with the stream's lock held.
	agree(reply []byte, err error, now time.Time) (*transport, error)
}

// inBuffer is what was received of a transport and not opened.
type inBuffer struct {
	mem         []byte
	read, wrote int
}

// inBytes holds a record and what comes with it.
const inBytes = 2 * maxRecord

func (b *inBuffer) waiting() []byte { return b.mem[b.read:b.wrote] }

// room moves what waits to the front, and gives what is behind it.
func (b *inBuffer) room() []byte {
	if b.mem == nil {
		b.mem = make([]byte, inBytes)
	}
	b.read, b.wrote = 0, copy(b.mem, b.waiting())
	return b.mem[b.wrote:]
}
