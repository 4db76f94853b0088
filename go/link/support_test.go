package link_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"fastway/link"
)

// patience bounds every wait of a test, also on a busy machine.
const patience = 60 * time.Second

// lengths is a protocol of byte slices, each behind its length.
var lengths = link.ProtocolFunc(func(rw io.ReadWriter) (link.Codec, error) {
	return &lengthCodec{rw.(net.Conn)}, nil
})

// none is a protocol that no connection speaks.
var none = link.ProtocolFunc(func(io.ReadWriter) (link.Codec, error) { return nil, errNoCodec })

var errNoCodec = errors.New("no codec")

// lengthCodec writes twice a message, so that Sends that are not told apart by the session garble each other.
type lengthCodec struct{ conn net.Conn }

func (c *lengthCodec) Receive() (interface{}, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.LittleEndian.Uint16(head[:]))
	_, err := io.ReadFull(c.conn, message)
	return message, err
}

func (c *lengthCodec) Send(msg interface{}) error {
	message := msg.([]byte)
	if _, err := c.conn.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(message)))); err != nil {
		return err
	}
	_, err := c.conn.Write(message)
	return err
}

func (c *lengthCodec) Close() error { return c.conn.Close() }

// silent is a codec over which nothing comes until it is closed.
type silent struct{ closed chan struct{} }

func newSilent() *silent { return &silent{make(chan struct{})} }

func (c *silent) Receive() (interface{}, error) {
	<-c.closed
	return nil, io.EOF
}

func (c *silent) Send(interface{}) error { return nil }

func (c *silent) Close() error {
	close(c.closed)
	return nil
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func await[T any](t *testing.T, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
	return value
}

// serve runs a server on loopback until the test ends. The channel ended gives the result of Serve.
func serve(t *testing.T, protocol link.Protocol, sendChanSize int, handle func(*link.Session)) (server *link.Server, ended <-chan error) {
	t.Helper()
	server, err := link.Listen("tcp", "127.0.0.1:0", protocol, sendChanSize, link.HandlerFunc(handle))
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- server.Serve() }()
	t.Cleanup(server.Stop)
	return server, end
}

func dial(t *testing.T, server *link.Server, sendChanSize int) *link.Session {
	t.Helper()
	session, err := link.DialTimeout("tcp", server.Listener().Addr().String(), patience, lengths, sendChanSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}
