package fastway

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"fastway/internal/gatewaytest"
	"fastway/internal/wire"
	"fastway/slab"
)

// channelLink has the shape of the original, as its public sources show it: a channel and a goroutine in front of the
// socket, a buffered reader behind it, a channel for each connection, and a piece of pooled memory for each message. It
// stands in for the original, which cannot be had as a module.
type channelLink struct {
	conn   net.Conn
	pool   slab.Pool
	toSend chan []byte

	mu       sync.Mutex
	conns    map[uint32]*channelConn
	opened   chan *channelConn
	answered chan *channelConn
	pinged   chan struct{}
}

type channelConn struct {
	link     *channelLink
	id       uint32
	received chan []byte
}

func newChannelLink(b *testing.B, conn net.Conn) *channelLink {
	l := &channelLink{
		conn: conn, pool: slab.NewAtomPool(64, 64*1024, 2, 1024*1024), toSend: make(chan []byte, 10_000),
		conns: map[uint32]*channelConn{}, opened: make(chan *channelConn, 1000), answered: make(chan *channelConn, 1000),
		pinged: make(chan struct{}, 1),
	}
	b.Cleanup(func() { conn.Close() })
	stopped := make(chan struct{})
	go l.readLoop(stopped)
	go l.writeLoop(stopped)
	return l
}

func (l *channelLink) writeLoop(stopped <-chan struct{}) {
	for {
		select {
		case frame := <-l.toSend:
			_, err := l.conn.Write(frame)
			l.pool.Free(frame)
			if err != nil {
				return
			}
		case <-stopped:
			return
		}
	}
}

func (l *channelLink) readLoop(stopped chan<- struct{}) {
	defer l.end(stopped)
	reader := bufio.NewReaderSize(l.conn, 64<<10)
	var header [wire.LenBytes]byte
	for {
		if _, err := io.ReadFull(reader, header[:]); err != nil {
			return
		}
		frame := l.pool.Alloc(int(binary.LittleEndian.Uint32(header[:])))
		if _, err := io.ReadFull(reader, frame); err != nil {
			return
		}
		l.received(binary.LittleEndian.Uint32(frame), frame)
	}
}

func (l *channelLink) end(stopped chan<- struct{}) {
	close(stopped)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		close(conn.received)
	}
}

func (l *channelLink) received(id uint32, frame []byte) {
	if id != 0 {
		l.mu.Lock()
		conn := l.conns[id]
		l.mu.Unlock()
		conn.received <- frame
		return
	}
	cmd, _ := wire.ParseCommand(frame[wire.ConnIDBytes:])
	switch cmd.Type {
	case wire.Accept:
		l.answered <- l.open(cmd.ConnID)
	case wire.Connect:
		l.opened <- l.open(cmd.ConnID)
	case wire.Ping:
		l.pinged <- struct{}{}
	}
}

func (l *channelLink) open(id uint32) *channelConn {
	conn := &channelConn{link: l, id: id, received: make(chan []byte, 10_000)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[id] = conn
	return conn
}

func (c *channelConn) send(message []byte) error {
	frame := c.link.pool.Alloc(wire.HeaderBytes + len(message))
	c.link.toSend <- wire.AppendData(frame[:0], c.id, message)
	return nil
}

func (c *channelConn) receive() ([]byte, error) {
	frame, ok := <-c.received
	if !ok {
		return nil, io.EOF
	}
	message := append([]byte(nil), frame[wire.ConnIDBytes:]...)
	c.link.pool.Free(frame)
	return message, nil
}

func openChannels(b *testing.B, gateway *gatewaytest.Gateway, connections int) (dialed, accepted []benchConn) {
	serverLink, clientLink := dialBench(b, gateway.Server), dialBench(b, gateway.Client)
	if err := answerChallenge(serverLink, &Config{ServerID: 7, AuthKey: gatewaytest.Key}); err != nil {
		b.Fatal(err)
	}
	server, client := newChannelLink(b, serverLink), newChannelLink(b, clientLink)
	server.toSend <- wire.AppendCommand(nil, wire.Command{Type: wire.Ping})
	<-server.pinged
	for range connections {
		client.toSend <- wire.AppendCommand(nil, wire.Command{Type: wire.Dial, RemoteID: 7})
		dialed, accepted = append(dialed, <-client.answered), append(accepted, <-server.opened)
	}
	return dialed, accepted
}

func dialBench(b *testing.B, address string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}
