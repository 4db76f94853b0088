package session

import (
	"crypto/md5"
	"crypto/rc4"
	"crypto/subtle"
	"encoding/binary"
	"io"
	"math/bits"
	"time"
)

// legacy is either end of a legacy session, snet. It protects nothing against an active attacker.
type legacy struct {
	encrypt bool
	// What the ends agreed on; nothing before.
	id               uint64
	key              []byte
	sealing, opening *rc4.Cipher
	// replay are the last bytes that were pushed, as they are on the wire: written is the count behind them.
	replay        ring
	written, read uint64
	// given is the furthest that any transport was given.
	given    uint64
	refusals int
	// generation counts the transports that were proven. A transport can be proven while the generation is still that of its
	// reply: the first proof ends all other attempts. A newer attempt does not, as an attacker can repeat a recorded reconnect.
	generation uint64
}

func newLegacy(encrypt bool, replayBytes int) *legacy {
	return &legacy{encrypt: encrypt, replay: ring{bound: replayBytes}}
}

// Diffie-Hellman over 64 bits: no obstacle to anybody who wants in, but what old programs speak.
const (
	dhPrime     = 0xffff_ffff_ffff_ffc5
	dhGenerator = 5
)

func dhPower(base, exponent uint64) uint64 {
	result := uint64(1)
	for square := base % dhPrime; exponent > 0; exponent >>= 1 {
		if exponent&1 == 1 {
			result = dhTimes(result, square)
		}
		square = dhTimes(square, square)
	}
	return result
}

func dhTimes(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return bits.Rem64(high, low, dhPrime)
}

func dhPrivate(random io.Reader) (uint64, error) {
	for {
		drawn, err := drawNumber(random)
		if drawn %= dhPrime; err != nil || drawn > 1 {
			return drawn, err
		}
	}
}

// dhShared is false for a number that nobody can have sent in earnest.
func dhShared(private, public uint64) (secret uint64, ok bool) {
	return dhPower(public, private), public > 0 && public < dhPrime
}

func drawNumber(random io.Reader) (uint64, error) {
	var drawn [8]byte
	_, err := io.ReadFull(random, drawn[:])
	return max(1, binary.LittleEndian.Uint64(drawn[:])), err
}

func (l *legacy) share(secret uint64) {
	l.key = binary.LittleEndian.AppendUint64(nil, secret)
	// Keys of eight bytes are never refused.
	l.sealing, _ = rc4.NewCipher(l.key)
	l.opening, _ = rc4.NewCipher(l.key)
}

func (l *legacy) digest(message []byte) []byte {
	sum := md5.Sum(append(message[:len(message):len(message)], l.key...))
	return sum[:]
}

func three(numbers ...uint64) (bytes []byte) {
	for _, number := range numbers {
		bytes = binary.LittleEndian.AppendUint64(bytes, number)
	}
	return bytes
}

func (l *legacy) hello(random io.Reader) ([]byte, answer, error) {
	if l.key != nil {
		counts := three(l.id, l.given, l.read)
		message := append([]byte{reconnectByte}, counts...)
		return append(message, l.digest(counts)...), &reconnectAnswer{legacyAnswer{l}}, nil
	}
	private, err := dhPrivate(random)
	if err != nil {
		return nil, nil, err
	}
	message := binary.LittleEndian.AppendUint64([]byte{newByte}, dhPower(dhGenerator, private))
	return message, &newAnswer{legacyAnswer{l}, private}, nil
}

type legacyAnswer struct{ session *legacy }

func (legacyAnswer) read(r io.Reader) ([]byte, error) {
	reply := make([]byte, legacyReplyBytes)
	_, err := io.ReadFull(r, reply)
	return reply, err
}

// newAnswer waits for the reply to a new session, reconnectAnswer for that to a reconnect.
type newAnswer struct {
	legacyAnswer
	private uint64
}

type reconnectAnswer struct{ legacyAnswer }

// read gives a challenge away: nothing follows its eight bytes.
func (a *newAnswer) read(r io.Reader) ([]byte, error) {
	reply := make([]byte, legacyReplyBytes)
	if _, err := io.ReadFull(r, reply[:challengeBytes]); err != nil {
		return nil, err
	}
	if n, err := readSoon(r, reply[challengeBytes:]); err != nil && n == 0 {
		return nil, ErrChallenge
	} else if err != nil {
		return nil, err
	}
	return reply, nil
}

func (a *newAnswer) agree(reply []byte, err error, _ time.Time) (*transport, error) {
	if err != nil {
		return nil, err
	}
	if isRefusal(reply) {
		return nil, errLegacyNotOpened
	}
	secret, ok := dhShared(a.private, binary.LittleEndian.Uint64(reply))
	if !ok {
		return nil, ErrNotAuthentic
	}
	l := a.session
	l.share(secret)
	l.opening.XORKeyStream(reply[8:16], reply[8:16])
	l.id = binary.LittleEndian.Uint64(reply[8:])
	return &transport{owesProof: true, proof: l.digest(reply[16:])}, nil
}

func (a *reconnectAnswer) agree(reply []byte, err error, _ time.Time) (*transport, error) {
	if err != nil {
		return nil, err
	}
	l := a.session
	written, read := binary.LittleEndian.Uint64(reply), binary.LittleEndian.Uint64(reply[8:])
	if isRefusal(reply) {
		return nil, l.refused()
	}
	if written < l.read || !l.canContinueFrom(read) {
		return nil, &endError{&RefusedError{Status: StatusDataGap}}
	}
	l.refusals = 0
	return &transport{cursor: read, position: l.read, owesProof: true, proof: l.digest(reply[16:])}, nil
}

func isRefusal(reply []byte) bool {
	return subtle.ConstantTimeCompare(reply, make([]byte, legacyReplyBytes)) == 1
}

func (l *legacy) refused() error {
	var err error = errLegacyNotResumed
	if l.refusals++; l.refusals >= refusalsBelieved {
		err = &endError{err}
	}
	return err
}

func (l *legacy) canContinueFrom(count uint64) bool {
	return count <= l.given && l.written-count <= uint64(l.replay.len())
}

// acceptLegacy replies to a new session.
func acceptLegacy(h *hello, encrypt bool, replayBytes int, random io.Reader) (*legacy, []byte, *transport, error) {
	private, err := dhPrivate(random)
	if err != nil {
		return nil, nil, nil, err
	}
	secret, ok := dhShared(private, h.public)
	if !ok {
		return nil, nil, nil, &RefusedError{Status: StatusNotAuthentic}
	}
	l := newLegacy(encrypt, replayBytes)
	l.share(secret)
	if l.id, err = drawNumber(random); err != nil {
		return nil, nil, nil, err
	}
	reply, t, err := l.challenge(three(dhPower(dhGenerator, private), l.id), random)
	if err != nil {
		return nil, nil, nil, err
	}
	l.sealing.XORKeyStream(reply[8:16], reply[8:16])
	return l, reply, t, nil
}

// challenge completes a reply, and says what proves a transport.
func (l *legacy) challenge(reply []byte, random io.Reader) ([]byte, *transport, error) {
	challenge, err := drawNumber(random)
	if err != nil {
		return nil, nil, err
	}
	reply = binary.LittleEndian.AppendUint64(reply, challenge)
	return reply, &transport{position: l.read, proof: l.digest(reply[16:]), generation: l.generation}, nil
}

func (l *legacy) resume(h *hello, random io.Reader) ([]byte, *transport, error) {
	switch {
	case subtle.ConstantTimeCompare(h.digest, l.digest(h.digestCover)) != 1:
		return nil, nil, &RefusedError{Status: StatusNotAuthentic}
	case h.written < l.read || !l.canContinueFrom(h.read):
		return nil, nil, &RefusedError{Status: StatusDataGap}
	}
	reply, t, err := l.challenge(three(l.given, l.read), random)
	if err == nil {
		t.cursor = h.read
	}
	return reply, t, err
}

func (l *legacy) prove(t *transport, proof []byte, _ time.Time) ([]byte, error) {
	switch {
	case t.generation != l.generation:
		return nil, errReplaced
	case subtle.ConstantTimeCompare(proof, t.proof) != 1:
		return nil, ErrNotAuthentic
	}
	l.generation++
	if !l.canContinueFrom(t.cursor) {
		// More was sent by the older transport in the meantime than is kept.
		return nil, &endError{&RefusedError{Status: StatusDataGap}}
	}
	return nil, nil
}

func (l *legacy) proofBytes([]byte) (int, error) { return digestBytes, nil }

func (l *legacy) names() []string { return []string{string(three(l.id))} }

// push takes only what makes no byte go that a transport was not given, and without a transport none that may be lost.
func (l *legacy) push(p []byte, live *transport) int {
	room := l.replay.room()
	if live != nil {
		room = l.replay.bound - int(l.written-live.cursor)
	}
	p = p[:min(len(p), room)]
	l.replay.release(max(0, len(p)-l.replay.room()))
	l.replay.push(p)
	if l.encrypt {
		first, second := l.replay.parts(l.replay.len()-len(p), len(p))
		l.sealing.XORKeyStream(first, first)
		l.sealing.XORKeyStream(second, second)
	}
	l.written += uint64(len(p))
	return len(p)
}

func (l *legacy) hasOutput(t *transport, _ time.Time) bool {
	return t.owesProof || t.cursor < l.written
}

func (l *legacy) layOut(t *transport, out []byte, limit int, _ time.Time) []byte {
	if t.owesProof {
		out, t.owesProof = append(out, t.proof...), false
	}
	behind := int(l.written - t.cursor)
	bytes := min(behind, max(0, limit-len(out)))
	first, second := l.replay.parts(l.replay.len()-behind, bytes)
	t.cursor += uint64(bytes)
	l.given = max(l.given, t.cursor)
	return append(append(out, first...), second...)
}

// What is kept is sealed already, and an end is not told.
func (l *legacy) seal(*transport, []byte) error { return nil }

func (l *legacy) abort(out []byte, _ AbortReason) []byte { return out }

func (l *legacy) leastRoom() int { return 1 }

func (l *legacy) open(t *transport, in *inBuffer, p []byte, _ time.Time) (int, error) {
	// What came by the older transport after this one began is skipped.
	known := min(int(l.read-t.position), len(in.waiting()))
	in.read += known
	n := copy(p, in.waiting())
	in.read += n
	t.isConfirmed = t.isConfirmed || known+n > 0
	t.position += uint64(known + n)
	l.read += uint64(n)
	if l.encrypt {
		l.opening.XORKeyStream(p[:n], p[:n])
	}
	return n, nil
}

func (l *legacy) ackDue() time.Time { return time.Time{} }

// Nothing is acknowledged.
func (l *legacy) withhold(int, time.Time) {}

func (l *legacy) mostAhead(acknowledged int) int { return acknowledged }

func (l *legacy) close() {}

func (l *legacy) othersClosed() bool { return false }

func (l *legacy) wait() time.Duration { return 0 }
