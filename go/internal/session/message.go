package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"
)

// First bytes of transports (docs/protocol.md §3.6).
const (
	openByte      = 0x01
	resumeByte    = 0x02
	newByte       = 0x00
	reconnectByte = 0xff
)

const (
	// label begins the prologue of every handshake; it is the protocol's version, too.
	label = "fastway session 1"
	// maxMessage is the longest noise message.
	maxMessage  = 1024
	idBytes     = 16
	ticketBytes = idBytes + keyBytes
	// openHeadBytes are `0x01 | pattern | len`, resumeHeadBytes `0x02 | session id | attempt | len`.
	openHeadBytes   = 2 + lenBytes
	resumeHeadBytes = 1 + idBytes + 4 + lenBytes
	// The length of noise message 1 is hashed before it is made.
	nnMessageBytes     = keyBytes
	nkMessageBytes     = keyBytes + tagBytes
	resumeMessageBytes = keyBytes + countBytes + tagBytes
	// newBytes are `0x00 | public key`, reconnectBytes `0xff | ConnID | written | read | digest`.
	newBytes       = 1 + 8
	countsBytes    = 24
	digestBytes    = 16
	reconnectBytes = 1 + countsBytes + digestBytes
	// legacyReplyBytes are three numbers.
	legacyReplyBytes = 24
)

// Kind is what a link is, by its first byte.
type Kind uint8

// The kinds.
const (
	Plain Kind = iota
	SecureKind
	LegacyKind
)

func kindOf(first byte) Kind {
	switch first {
	case openByte, resumeByte:
		return SecureKind
	case newByte, reconnectByte:
		return LegacyKind
	default:
		return Plain
	}
}

// Errors of the first message of a link.
var (
	errNoSession = errors.New("this begins no session")
	errEarly     = errors.New("something follows the first message before its reply")
)

// hello is the first message of a transport, taken apart.
type hello struct {
	kind    Kind
	resumes bool
	// head is what precedes the noise message of a secure one.
	head, message []byte
	// Of a secure one.
	pattern byte
	id      string
	attempt uint32
	// Of a legacy one.
	public              uint64
	written, read       uint64
	digest, digestCover []byte
}

// parseHello takes the first message apart; nothing while some of it is missing. Nobody can send more before the reply.
func parseHello(input []byte) (*hello, error) {
	if len(input) == 0 {
		return nil, nil
	}
	size, err := helloBytes(input)
	switch {
	case err != nil:
		return nil, err
	case size == 0 || len(input) < size:
		return nil, nil
	case len(input) > size:
		return nil, errEarly
	}
	switch input[0] {
	case openByte:
		head, message := input[:openHeadBytes], input[openHeadBytes:]
		return &hello{kind: SecureKind, head: head, message: message, pattern: head[1]}, nil
	case resumeByte:
		head, message := input[:resumeHeadBytes], input[resumeHeadBytes:]
		id, attempt := string(head[1:1+idBytes]), binary.LittleEndian.Uint32(head[1+idBytes:])
		return &hello{kind: SecureKind, resumes: true, head: head, message: message, id: id, attempt: attempt}, nil
	case newByte:
		return &hello{kind: LegacyKind, public: binary.LittleEndian.Uint64(input[1:])}, nil
	default:
		counts := input[1 : 1+countsBytes]
		return &hello{
			kind: LegacyKind, resumes: true, id: string(counts[:8]), digest: input[1+countsBytes:], digestCover: counts,
			written: binary.LittleEndian.Uint64(counts[8:]), read: binary.LittleEndian.Uint64(counts[16:]),
		}, nil
	}
}

// helloBytes is the length of the message at the front of input; 0 while it is not known.
func helloBytes(input []byte) (int, error) {
	head := 0
	switch input[0] {
	case newByte:
		return newBytes, nil
	case reconnectByte:
		return reconnectBytes, nil
	case openByte:
		head = openHeadBytes
	case resumeByte:
		head = resumeHeadBytes
	default:
		return 0, fmt.Errorf("%w: its first byte is %#02x", errNoSession, input[0])
	}
	if len(input) < head {
		return 0, nil
	}
	size := int(binary.LittleEndian.Uint16(input[head-lenBytes:]))
	if size > maxMessage {
		return 0, &LengthError{size}
	}
	return head + size, nil
}

func openHead(pattern byte, messageBytes int) []byte {
	return binary.LittleEndian.AppendUint16([]byte{openByte, pattern}, uint16(messageBytes))
}

func resumeHead(id string, attempt uint32, messageBytes int) []byte {
	head := append([]byte{resumeByte}, id...)
	head = binary.LittleEndian.AppendUint32(head, attempt)
	return binary.LittleEndian.AppendUint16(head, uint16(messageBytes))
}

const (
	// challengeBytes is what a server port sends first to plain links.
	challengeBytes = 8
	// retryAfterBytes are milliseconds.
	retryAfterBytes = 2
	// soon is how long the rest of a message may take that is written at once.
	soon = time.Second
)

// readSoon reads the rest of a message, the beginning of which was read.
func readSoon(r io.Reader, rest []byte) (n int, err error) {
	if conn, ok := r.(net.Conn); ok {
		_ = conn.SetReadDeadline(time.Now().Add(soon))
		defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	}
	return io.ReadFull(r, rest)
}

// isChallenge tells whether a challenge began with what looked like a refusal, behind which nothing comes.
func isChallenge(r io.Reader, refused *RefusedError) bool {
	rest := make([]byte, challengeBytes-refusalBytes(refused.Status))
	_, err := readSoon(r, rest)
	return err == nil
}

// refusalBytes is the length of a refusal. An acceptor that is overloaded says when to come again.
func refusalBytes(status Status) int {
	if status == StatusOverloaded {
		return 1 + retryAfterBytes
	}
	return 1
}

// readRefusal reads what is behind the status of a refusal. An older acceptor that is overloaded says nothing more.
func readRefusal(r io.Reader, status Status) *RefusedError {
	refused := &RefusedError{Status: status}
	if status != StatusOverloaded {
		return refused
	}
	var millis [retryAfterBytes]byte
	if _, err := readSoon(r, millis[:]); err == nil {
		refused.RetryAfter = time.Duration(binary.LittleEndian.Uint16(millis[:])) * time.Millisecond
	}
	return refused
}

// refusal is what a secure acceptor says before it closes the transport.
func refusal(refused *RefusedError) []byte {
	said := []byte{byte(refused.Status)}
	if refused.Status == StatusOverloaded {
		said = binary.LittleEndian.AppendUint16(said, uint16(min(refused.RetryAfter.Milliseconds(), math.MaxUint16)))
	}
	return said
}

// readSecureReply reads a reply and no byte more. A refusal is a *RefusedError.
func readSecureReply(r io.Reader) (message []byte, err error) {
	var head [1 + lenBytes]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return nil, err
	}
	if status := Status(head[0]); status != StatusOK {
		return nil, readRefusal(r, status)
	}
	if _, err := io.ReadFull(r, head[1:]); err != nil {
		return nil, err
	}
	size := int(binary.LittleEndian.Uint16(head[1:]))
	if size > maxMessage {
		return nil, &LengthError{size}
	}
	message = make([]byte, size)
	_, err = io.ReadFull(r, message)
	return message, err
}

func secureReply(message []byte) []byte {
	reply := binary.LittleEndian.AppendUint16([]byte{byte(StatusOK)}, uint16(len(message)))
	return append(reply, message...)
}

// ticket is what it takes to resume a session.
type ticket struct {
	id     string
	secret [keyBytes]byte
}

func (t *ticket) appendTo(out []byte) []byte { return append(append(out, t.id...), t.secret[:]...) }

// parseTicket takes a ticket and a number of so many bytes behind it from the payload of a reply. What follows is of later
// versions.
func parseTicket(payload []byte, numberBytes int) (t *ticket, number []byte, err error) {
	if len(payload) < ticketBytes+numberBytes {
		return nil, nil, fault("the payload of a handshake message has %d bytes", len(payload))
	}
	t = &ticket{id: string(payload[:idBytes]), secret: [keyBytes]byte(payload[idBytes:])}
	return t, payload[ticketBytes:], nil
}
