package session

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/flynn/noise"
)

// refusalsBelieved is how many refusals in a row an initiator needs to believe one.
const refusalsBelieved = 4

// secure is either end of a secure session.
type secure struct {
	out outgoing
	in  incoming
	// The initiator's.
	gateway  *PublicKey
	ticket   *ticket
	attempt  uint32
	refusals int
	waitTime time.Duration
	// acceptor is the acceptor's.
	acceptor acceptor
}

// newSecure is an initiator's session to be opened. With a gateway's key nobody else can answer; without one it helps
// against listeners only. It keeps up to replayBytes until they are acknowledged.
func newSecure(gateway *PublicKey, replayBytes int) *secure {
	return &secure{gateway: gateway, out: outgoing{unacked: ring{bound: replayBytes}}}
}

// hello opens the session, or resumes it as soon as there is a ticket.
func (s *secure) hello(random io.Reader) ([]byte, answer, error) {
	if s.ticket != nil {
		s.attempt++
		head := resumeHead(s.ticket.id, s.attempt, resumeMessageBytes)
		received := binary.LittleEndian.AppendUint64(nil, s.in.received)
		return s.begin(initiating(nnPsk0(&s.ticket.secret)), head, received, random)
	}
	if s.gateway != nil {
		return s.begin(initiating(nkInitiator(s.gateway)), openHead(patternNK, nkMessageBytes), nil, random)
	}
	return s.begin(initiating(nn()), openHead(patternNN, nnMessageBytes), nil, random)
}

func (s *secure) begin(cfg noise.Config, head, payload []byte, random io.Reader) ([]byte, answer, error) {
	shake, err := newHandshake(cfg, random, head)
	if err != nil {
		return nil, nil, err
	}
	message, _, err := shake.write(payload)
	if err != nil {
		return nil, nil, err
	}
	return append(head, message...), &secureAnswer{s, shake, s.attempt, s.in.received, s.ticket}, nil
}

// secureAnswer is a handshake whose reply is not there yet.
type secureAnswer struct {
	session *secure
	shake   *handshake
	attempt uint32
	// ackedToPeer is the count of what had been received, which the first message says.
	ackedToPeer uint64
	// ticket is the one that it resumes with; nil for one that opens the session.
	ticket *ticket
}

func (a *secureAnswer) read(r io.Reader) ([]byte, error) {
	reply, err := readSecureReply(r)
	var refused *RefusedError
	if a.ticket == nil && errors.As(err, &refused) && isChallenge(r, refused) {
		return nil, ErrChallenge
	}
	return reply, err
}

func (a *secureAnswer) agree(reply []byte, err error, now time.Time) (*transport, error) {
	if err != nil {
		return nil, a.session.failed(a.ticket, err)
	}
	payload, keys, err := a.shake.read(reply)
	if err != nil {
		return nil, err
	}
	cursor, err := a.session.agreed(payload)
	if err != nil {
		return nil, err
	}
	a.session.refusals = 0
	a.session.in.begin(a.ackedToPeer)
	return &transport{
		attempt: a.attempt, cursor: cursor, position: a.ackedToPeer, ackedToPeer: a.ackedToPeer,
		owesProof: true, keys: keys,
	}, nil
}

// failed counts refusals: one is not authentic, and four in a row are believed. One of an older ticket says nothing: a transport
// that carried the session in the meantime has made it void.
func (s *secure) failed(by *ticket, err error) error {
	var refused *RefusedError
	if !errors.As(err, &refused) || !refused.Status.wouldBeFinal() {
		return err
	}
	if by != s.ticket {
		return errReplaced
	}
	s.refusals++
	if s.refusals >= refusalsBelieved {
		return &endError{err}
	}
	return err
}

// agreed takes the payload of a reply, and gives the count from which this end goes on.
func (s *secure) agreed(payload []byte) (cursor uint64, err error) {
	numberBytes := countBytes
	if s.ticket == nil {
		numberBytes = 4
	}
	next, number, err := parseTicket(payload, numberBytes)
	if err != nil {
		return 0, err
	}
	if s.ticket == nil {
		s.waitTime = time.Duration(binary.LittleEndian.Uint32(number)) * time.Second
	} else {
		cursor = binary.LittleEndian.Uint64(number)
	}
	if !s.out.canContinueFrom(cursor) {
		return 0, &endError{&RefusedError{Status: StatusDataGap}}
	}
	s.ticket = next
	return cursor, s.out.acknowledge(cursor, cursor)
}

func (s *secure) push(p []byte, _ *transport) int { return s.out.unacked.push(p) }

func (s *secure) hasOutput(t *transport, now time.Time) bool {
	_, bytes := s.out.waiting(t.cursor)
	return t.owesProof || bytes > 0 || s.in.isAckDue(now) || s.out.closeWaits(t.cursor)
}

func (s *secure) layOut(t *transport, out []byte, limit int, now time.Time) []byte {
	for len(out) < limit {
		from, bytes := s.out.waiting(t.cursor)
		switch {
		case bytes > 0:
			ack := s.ackAlong(t)
			bytes = min(bytes, maxPlaintext-ack.size())
			out = layOutRecord(out, &s.out.unacked, from, bytes, ack)
			t.cursor += uint64(bytes)
		case t.owesProof || s.in.isAckDue(now):
			out = layOutRecord(out, &s.out.unacked, 0, 0, s.ack())
		case s.out.closeWaits(t.cursor):
			out = layOutRecord(out, &s.out.unacked, 0, 0, trailer{kind: closeRecord})
			t.cursor++
		default:
			return out
		}
		t.owesProof = false
		s.out.sent = max(s.out.sent, t.cursor)
	}
	return out
}

// ackAlong acknowledges with data what there is to acknowledge.
func (s *secure) ackAlong(t *transport) trailer {
	if t.owesProof || s.in.owesAck() {
		return s.ack()
	}
	return trailer{kind: dataRecord}
}

func (s *secure) ack() trailer { return trailer{kind: ackRecord, received: s.in.takeAck()} }

func (s *secure) seal(t *transport, out []byte) error { return t.keys.sealing.seal(out) }

func (s *secure) abort(out []byte, reason AbortReason) []byte {
	if s.out.isDone && s.in.closed {
		return out
	}
	return layOutRecord(out, &s.out.unacked, 0, 0, trailer{kind: abortRecord, reason: reason})
}

func (s *secure) leastRoom() int { return maxPlaintext }

func (s *secure) open(t *transport, in *inBuffer, p []byte, now time.Time) (n int, err error) {
	for {
		record, err := nextRecord(in.waiting())
		if err != nil || record == nil || len(record)-lenBytes-tagBytes > len(p)-n {
			return n, err
		}
		in.read += len(record)
		plaintext, err := t.keys.opening.open(p[n:], record[lenBytes:])
		if err != nil {
			return n, err
		}
		fresh, err := s.obey(t, plaintext, now)
		n += copy(p[n:], fresh)
		if err != nil {
			return n, err
		}
	}
}

// obey acts on a record, and gives the new bytes of the stream in it.
func (s *secure) obey(t *transport, plaintext []byte, now time.Time) ([]byte, error) {
	bytes, said, err := parsePlaintext(plaintext)
	if err != nil {
		return nil, err
	}
	switch said.kind {
	case ackRecord:
		err = s.out.acknowledge(said.received, t.cursor)
		t.isConfirmed = true
	case closeRecord:
		err = s.in.takeClose(t.position, now)
		t.position++
	case abortRecord:
		err = &endError{&AbortedError{said.reason}}
	}
	if err != nil {
		return nil, err
	}
	fresh, err := s.in.take(t.position, len(bytes), now)
	t.position += uint64(len(bytes))
	return bytes[len(bytes)-fresh:], err
}

func (s *secure) ackDue() time.Time { return s.in.due() }

// The other end sends only so much that is not acknowledged: its acknowledgements cannot be further away than that.
func (s *secure) withhold(bytes int, now time.Time) { s.in.withhold(bytes, now) }

func (s *secure) mostAhead(acknowledged int) int { return 4 * acknowledged }

func (s *secure) close() { s.out.closeWanted = true }

func (s *secure) othersClosed() bool { return s.in.closed }

func (s *secure) wait() time.Duration { return s.waitTime }
