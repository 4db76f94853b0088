package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"fastway/link"
)

// ErrTooLargePacket reports a received message above the bound, or a sent one with a length that does not fit the head.
var ErrTooLargePacket = errors.New("Too Large Packet") //lint:ignore ST1005 the original's text

// FixLenProtocol writes the length of each message before it.
type FixLenProtocol struct {
	base    link.Protocol
	head    int
	order   binary.ByteOrder
	maxRecv uint64
}

// FixLen makes a protocol with a head of n bytes, 1, 2, 4 or 8, before each message of the base protocol; with another n it
// panics. maxRecv bounds received messages. maxSend is ignored, as in the original: only the head bounds sent messages.
func FixLen(base link.Protocol, n int, byteOrder binary.ByteOrder, maxRecv, maxSend int) *FixLenProtocol {
	switch n {
	case 1, 2, 4, 8:
	default:
		panic("FixLenProtocol: unsupported head size")
	}
	return &FixLenProtocol{base, n, byteOrder, uint64(max(maxRecv, 0))}
}

// NewCodec makes the codec of a connection. It closes rw where that is an io.Closer.
func (p *FixLenProtocol) NewCodec(rw io.ReadWriter) (link.Codec, error) {
	codec := &fixLenCodec{protocol: p, rw: rw}
	base, err := p.base.NewCodec(&codec.message)
	codec.base = base
	if err != nil {
		return nil, err
	}
	return codec, nil
}

func (p *FixLenProtocol) lengthIn(head []byte) uint64 {
	switch p.head {
	case 1:
		return uint64(head[0])
	case 2:
		return uint64(p.order.Uint16(head))
	case 4:
		return uint64(p.order.Uint32(head))
	default:
		return p.order.Uint64(head)
	}
}

// putLength is false when the length does not fit into the head.
func (p *FixLenProtocol) putLength(head []byte, length uint64) bool {
	switch p.head {
	case 1:
		head[0] = byte(length)
		return length <= math.MaxUint8
	case 2:
		p.order.PutUint16(head, uint16(length))
		return length <= math.MaxUint16
	case 4:
		p.order.PutUint32(head, uint32(length))
		return length <= math.MaxUint32
	default:
		p.order.PutUint64(head, length)
		return true
	}
}

type fixLenCodec struct {
	protocol *FixLenProtocol
	base     link.Codec
	rw       io.ReadWriter
	head     [8]byte
	body     []byte
	message  message
}

// message is the base protocol's connection: it reads one message from it, and writes one to it.
type message struct {
	received bytes.Reader
	toSend   bytes.Buffer
}

func (m *message) Read(p []byte) (int, error) { return m.received.Read(p) }

func (m *message) Write(p []byte) (int, error) { return m.toSend.Write(p) }

func (c *fixLenCodec) Receive() (interface{}, error) {
	head := c.head[:c.protocol.head]
	if _, err := io.ReadFull(c.rw, head); err != nil {
		return nil, err
	}
	length := c.protocol.lengthIn(head)
	if length > c.protocol.maxRecv {
		return nil, ErrTooLargePacket
	}
	if uint64(cap(c.body)) < length {
		c.body = make([]byte, length)
	}
	body := c.body[:length]
	if _, err := io.ReadFull(c.rw, body); err != nil {
		return nil, err
	}
	c.message.received.Reset(body)
	return c.base.Receive()
}

func (c *fixLenCodec) Send(msg interface{}) error {
	buf := &c.message.toSend
	buf.Reset()
	// The length is known when the base has written.
	var head [8]byte
	buf.Write(head[:c.protocol.head])
	if err := c.base.Send(msg); err != nil {
		return err
	}
	packet := buf.Bytes()
	if !c.protocol.putLength(packet, uint64(len(packet)-c.protocol.head)) {
		return ErrTooLargePacket
	}
	_, err := c.rw.Write(packet)
	return err
}

func (c *fixLenCodec) Close() error { return closeIfCloser(c.rw) }
