package session

import (
	"crypto/cipher"
	"encoding/binary"
	"math"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// Records are `len u16 | ciphertext of: bytes | trailer` (docs/protocol.md §3.2).
const (
	lenBytes = 2
	tagBytes = chacha20poly1305.Overhead
	// maxCiphertext bounds what a receiver keeps of a record in part; minCiphertext is a tag and a kind.
	maxCiphertext = 16_384
	minCiphertext = tagBytes + 1
	maxRecord     = lenBytes + maxCiphertext
	maxPlaintext  = maxCiphertext - tagBytes
	countBytes    = 8
)

// kind is the last byte of a plaintext, and says what stands before it.
type kind byte

const (
	dataRecord kind = iota
	ackRecord
	closeRecord
	abortRecord
)

// cipherKey is the key of one direction of one transport.
type cipherKey struct {
	aead  cipher.AEAD
	nonce [chacha20poly1305.NonceSize]byte
	// used counts nonces, so it is the next one.
	used uint64
}

func newCipherKey(key [keyBytes]byte) *cipherKey {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		// The length is right.
		panic(err)
	}
	return &cipherKey{aead: aead}
}

// nextNonce takes a nonce for good before it is used, so none is used twice. Noise reserves the last.
func (k *cipherKey) nextNonce() ([]byte, error) {
	if k.used == math.MaxUint64 {
		return nil, errWornOut
	}
	binary.LittleEndian.PutUint64(k.nonce[len(k.nonce)-countBytes:], k.used)
	k.used++
	return k.nonce[:], nil
}

// seal encrypts the records that layouts have left in the open, each with room for its tag.
func (k *cipherKey) seal(records []byte) error {
	for len(records) > 0 {
		nonce, err := k.nextNonce()
		if err != nil {
			return err
		}
		end := lenBytes + int(binary.LittleEndian.Uint16(records))
		k.aead.Seal(records[lenBytes:lenBytes], nonce, records[lenBytes:end-tagBytes], nil)
		records = records[end:]
	}
	return nil
}

// open decrypts a ciphertext to the front of into, which has room for it.
func (k *cipherKey) open(into, ciphertext []byte) ([]byte, error) {
	nonce, err := k.nextNonce()
	if err != nil {
		return nil, err
	}
	plaintext, err := k.aead.Open(into[:0], nonce, ciphertext, nil)
	if err != nil {
		return nil, ErrNotAuthentic
	}
	return plaintext, nil
}

// nextRecord is the record at the front of input, nothing if it is not whole.
func nextRecord(input []byte) ([]byte, error) {
	if len(input) < lenBytes {
		return nil, nil
	}
	size := int(binary.LittleEndian.Uint16(input))
	if size < minCiphertext || size > maxCiphertext {
		return nil, &LengthError{size}
	}
	if len(input) < lenBytes+size {
		return nil, nil
	}
	return input[:lenBytes+size], nil
}

// trailer is what stands at the end of a plaintext.
type trailer struct {
	kind     kind
	received uint64
	reason   AbortReason
}

func (t trailer) size() int {
	switch t.kind {
	case ackRecord:
		return countBytes + 1
	case abortRecord:
		return 2
	default:
		return 1
	}
}

func (t trailer) appendTo(out []byte) []byte {
	switch t.kind {
	case ackRecord:
		out = binary.LittleEndian.AppendUint64(out, t.received)
	case abortRecord:
		out = append(out, byte(t.reason))
	}
	return append(out, byte(t.kind))
}

// parsePlaintext takes a plaintext apart.
func parsePlaintext(plaintext []byte) (bytes []byte, t trailer, err error) {
	if len(plaintext) == 0 {
		return nil, t, badRecord(plaintext)
	}
	rest := len(plaintext) - 1
	bytes, t.kind = plaintext[:rest], kind(plaintext[rest])
	switch {
	case t.kind == dataRecord && rest > 0:
		return bytes, t, nil
	case t.kind == ackRecord && rest >= countBytes:
		t.received = binary.LittleEndian.Uint64(bytes[rest-countBytes:])
		return bytes[:rest-countBytes], t, nil
	case t.kind == closeRecord && rest == 0:
		return bytes, t, nil
	case t.kind == abortRecord && rest == 1:
		t.reason = AbortReason(bytes[0])
		return nil, t, nil
	default:
		return nil, t, badRecord(plaintext)
	}
}

func badRecord(plaintext []byte) error {
	return fault("a record of %d bytes makes no sense", len(plaintext))
}

// layOutRecord appends a record in the open: so many bytes of unacked, the trailer, and room for the tag.
func layOutRecord(out []byte, unacked *ring, from, bytes int, t trailer) []byte {
	size := bytes + t.size() + tagBytes
	out = slices.Grow(out, lenBytes+size)
	out = binary.LittleEndian.AppendUint16(out, uint16(size))
	start := len(out)
	out = out[:start+bytes]
	unacked.copyTo(out[start:], from)
	out = t.appendTo(out)
	return out[:start+size]
}
