package codec

import (
	"bufio"
	"io"

	"fastway/link"
)

// Bufio gives the base protocol buffers of these sizes for reading and writing; 0 is no buffer. Each message is written at
// once, however often the base writes.
func Bufio(base link.Protocol, readBuf, writeBuf int) link.Protocol {
	return link.ProtocolFunc(func(rw io.ReadWriter) (link.Codec, error) {
		stream := newBuffered(rw, readBuf, writeBuf)
		codec, err := base.NewCodec(stream)
		if err != nil {
			return nil, err
		}
		return &bufioCodec{codec, stream, rw}, nil
	})
}

// buffered is a connection behind buffers. It cannot be closed: its codec closes the connection, after the base.
type buffered struct {
	io.Reader
	io.Writer
	// buffer is the Writer, if it is one.
	buffer *bufio.Writer
}

func newBuffered(rw io.ReadWriter, readBuf, writeBuf int) *buffered {
	b := &buffered{Reader: rw, Writer: rw}
	if readBuf > 0 {
		b.Reader = bufio.NewReaderSize(rw, readBuf)
	}
	if writeBuf > 0 {
		b.buffer = bufio.NewWriterSize(rw, writeBuf)
		b.Writer = b.buffer
	}
	return b
}

// Flush writes the buffered bytes.
func (b *buffered) Flush() error {
	if b.buffer == nil {
		return nil
	}
	return b.buffer.Flush()
}

type bufioCodec struct {
	base   link.Codec
	stream *buffered
	rw     io.ReadWriter
}

func (c *bufioCodec) Receive() (interface{}, error) { return c.base.Receive() }

func (c *bufioCodec) Send(msg interface{}) error {
	if err := c.base.Send(msg); err != nil {
		return err
	}
	return c.stream.Flush()
}

func (c *bufioCodec) Close() error {
	err := c.base.Close()
	if closeErr := closeIfCloser(c.rw); err == nil {
		err = closeErr
	}
	return err
}
