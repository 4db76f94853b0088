// Package wire is the mux protocol byte by byte: frames, commands and the server handshake (docs/protocol.md §1).
//
// It knows no sockets and no clock, and every input gives a value or a named error.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// LenBytes is the size of the length that begins a frame.
	LenBytes = 4
	// ConnIDBytes is the size of the ConnID behind it, which the length counts.
	ConnIDBytes = 4
	// HeaderBytes is what a frame has before its payload.
	HeaderBytes = LenBytes + ConnIDBytes
)

// Faults of a length. A LengthError wraps one of them.
var (
	ErrTooShort = errors.New("the length does not cover the ConnID")
	ErrTooLong  = errors.New("the length is above MaxPacket")
)

// LengthError is a length that cannot begin a frame.
type LengthError struct {
	// Len is the length as it came.
	Len uint32
	// Max is the largest length that is accepted.
	Max uint32
	// Err is ErrTooShort or ErrTooLong.
	Err error
}

func (e *LengthError) Error() string {
	return fmt.Sprintf("bad frame of length %d (4 to %d are accepted): %v", e.Len, e.Max, e.Err)
}

func (e *LengthError) Unwrap() error { return e.Err }

// Size tells how many bytes the frame at the start of buf has, header included; 0 when buf does not hold its length yet.
// A bad length is known as soon as its four bytes are there.
func Size(buf []byte, maxPacket uint32) (int, error) {
	if len(buf) < LenBytes {
		return 0, nil
	}
	switch length := binary.LittleEndian.Uint32(buf); {
	case length < ConnIDBytes:
		return 0, &LengthError{Len: length, Max: maxPacket, Err: ErrTooShort}
	case length > maxPacket:
		return 0, &LengthError{Len: length, Max: maxPacket, Err: ErrTooLong}
	default:
		return LenBytes + int(length), nil
	}
}

// Run is one whole frame, or several in a row that have the same ConnID.
type Run struct {
	ConnID uint32
	// Bytes are the frames, headers included: a part of the buffer that was read.
	Bytes []byte
	// Messages counts the frames.
	Messages int
}

// NextRun gives the longest run at the start of buf, and no messages when buf begins with an incomplete frame. Commands
// come one at a time. A bad length behind a good frame is left to the next call.
func NextRun(buf []byte, maxPacket uint32) (Run, error) {
	size, err := Size(buf, maxPacket)
	if err != nil || size == 0 || size > len(buf) {
		return Run{}, err
	}
	run := Run{ConnID: ConnID(buf), Messages: 1}
	for run.ConnID != 0 {
		next, err := Size(buf[size:], maxPacket)
		if err != nil || next == 0 || size+next > len(buf) || ConnID(buf[size:]) != run.ConnID {
			break
		}
		size += next
		run.Messages++
	}
	run.Bytes = buf[:size]
	return run, nil
}

// ConnID reads the ConnID of a frame whose header is there.
func ConnID(frame []byte) uint32 {
	return binary.LittleEndian.Uint32(frame[LenBytes:])
}

// FirstPayload gives the payload of the first of the whole frames in buf.
func FirstPayload(buf []byte) []byte {
	return buf[HeaderBytes : LenBytes+int(binary.LittleEndian.Uint32(buf))]
}

// AppendData appends a data frame. The caller has checked the length of the payload.
func AppendData(dst []byte, connID uint32, payload []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(ConnIDBytes+len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, connID)
	return append(dst, payload...)
}
