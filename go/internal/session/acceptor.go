package session

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/flynn/noise"
)

// acceptor is what only the acceptor of a secure session has.
type acceptor struct {
	// current is the newest ticket that the initiator is known to have; next is the one that replies to resumes with it
	// carry.
	current, next *ticket
	// attempt is the highest of an authentic resume; only the transport that it made can be proven.
	attempt uint32
}

// acceptSecure replies to an open.
func acceptSecure(h *hello, keys *KeyPair, wait time.Duration, replayBytes int, random io.Reader) (*secure, []byte, *transport, error) {
	cfg := nn()
	switch {
	case h.pattern == patternNK && keys != nil:
		cfg = nkResponder(keys)
	case h.pattern != patternNN:
		return nil, nil, nil, &RefusedError{Status: StatusNotAdmitted}
	}
	given, err := newTicket(random)
	if err != nil {
		return nil, nil, nil, err
	}
	payload := binary.LittleEndian.AppendUint32(given.appendTo(nil), uint32(wait/time.Second))
	reply, tkeys, err := reply(cfg, h, random, func([]byte) ([]byte, error) { return payload, nil })
	if err != nil {
		return nil, nil, nil, err
	}
	s := newSecure(nil, replayBytes)
	s.acceptor.current = given
	return s, reply, &transport{keys: tkeys}, nil
}

// reply reads message 1 of a handshake and makes message 2, with the payload that answer gives for the first one's.
func reply(cfg noise.Config, h *hello, random io.Reader, answer func([]byte) ([]byte, error)) ([]byte, *transportKeys, error) {
	shake, err := newHandshake(cfg, random, h.head)
	if err != nil {
		return nil, nil, err
	}
	payload, _, err := shake.read(h.message)
	if err != nil {
		return nil, nil, &RefusedError{Status: StatusNotAuthentic}
	}
	payload, err = answer(payload)
	if err != nil {
		return nil, nil, err
	}
	message, keys, err := shake.write(payload)
	return secureReply(message), keys, err
}

func newTicket(random io.Reader) (*ticket, error) {
	var id [idBytes]byte
	given := new(ticket)
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return nil, err
	}
	given.id = string(id[:])
	_, err := io.ReadFull(random, given.secret[:])
	return given, err
}

func (s *secure) resume(h *hello, random io.Reader) ([]byte, *transport, error) {
	used := s.ticketOf(h.id)
	if used == nil {
		return nil, nil, &RefusedError{Status: StatusUnknown}
	}
	t := &transport{attempt: h.attempt, position: s.in.received, ackedToPeer: s.in.received}
	reply, keys, err := reply(nnPsk0(&used.secret), h, random, func(payload []byte) ([]byte, error) {
		return s.admit(t, used, payload, random)
	})
	if err != nil {
		return nil, nil, err
	}
	t.keys = keys
	return reply, t, nil
}

func (s *secure) ticketOf(id string) *ticket {
	for _, known := range []*ticket{s.acceptor.current, s.acceptor.next} {
		if known != nil && known.id == id {
			return known
		}
	}
	return nil
}

// admit checks an authentic resume, and gives the payload of the reply.
func (s *secure) admit(t *transport, used *ticket, payload []byte, random io.Reader) ([]byte, error) {
	a := &s.acceptor
	switch {
	case len(payload) < countBytes:
		return nil, &RefusedError{Status: StatusNotAuthentic}
	case t.attempt <= a.attempt:
		return nil, &RefusedError{Status: StatusStaleAttempt}
	}
	if t.cursor = binary.LittleEndian.Uint64(payload); !s.out.canContinueFrom(t.cursor) {
		return nil, &RefusedError{Status: StatusDataGap}
	}
	a.attempt = t.attempt
	if used == a.next {
		a.current, a.next = a.next, nil
	}
	if a.next == nil {
		next, err := newTicket(random)
		if err != nil {
			return nil, err
		}
		a.next = next
	}
	return binary.LittleEndian.AppendUint64(a.next.appendTo(nil), s.in.received), nil
}

// prove opens the first record: it shows that the initiator has read the reply.
func (s *secure) prove(t *transport, proof []byte, now time.Time) ([]byte, error) {
	if t.attempt != s.acceptor.attempt {
		return nil, errReplaced
	}
	plaintext, err := t.keys.opening.open(make([]byte, len(proof)), proof[lenBytes:])
	if err != nil {
		return nil, err
	}
	if s.acceptor.next != nil && t.attempt > 0 {
		s.acceptor.current, s.acceptor.next = s.acceptor.next, nil
	}
	s.in.begin(t.ackedToPeer)
	if t.cursor < s.out.acknowledged {
		return nil, fault("it had acknowledged %d bytes, and asks for those from %d on", s.out.acknowledged, t.cursor)
	}
	return s.obey(t, plaintext, now)
}

func (s *secure) proofBytes(input []byte) (int, error) {
	if len(input) < lenBytes {
		return lenBytes, nil
	}
	size := int(binary.LittleEndian.Uint16(input))
	if size < minCiphertext || size > maxCiphertext {
		return 0, &LengthError{size}
	}
	return lenBytes + size, nil
}

func (s *secure) names() []string {
	names := []string{s.acceptor.current.id}
	if s.acceptor.next != nil {
		names = append(names, s.acceptor.next.id)
	}
	return names
}
