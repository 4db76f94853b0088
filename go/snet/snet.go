// Package snet has the streams of the original's package of that name: connections that go on after their TCP connection is
// gone, with what did not arrive sent again, and encrypted if both ends want it.
//
//	listener, err := snet.Listen(config, func() (net.Listener, error) { return net.Listen("tcp", ":10010") })
//	conn, err := snet.Dial(config, func() (net.Conn, error) { return net.Dial("tcp", address) })
//
// Programs written for github.com/funny/snet/go change the import path: all that it exports is here. The encryption is RC4 with a key of
// 64 bits that was agreed on in the open: it protects against nobody who tries. New programs use the secure sessions of
// package fastway (Config.Session).
//
// What differs keeps programs alive that would have failed: a connection that is gone without a word does not keep the next
// one out; a Write that would make bytes be forgotten that may not have arrived waits, and leaves the bytes that it is given as
// they are; four refusals in a row are needed to end a connection.
package snet

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"fastway/internal/session"
)

// The first byte of a TCP connection says what it is for.
const (
	// TYPE_NEWCONN begins a connection.
	TYPE_NEWCONN byte = 0x00
	// TYPE_RECONN has one go on.
	TYPE_RECONN byte = 0xFF
)

// Config tells both ends how to go on. Fields that are zero have defaults.
type Config struct {
	// EnableCrypt has to be the same at both ends.
	EnableCrypt bool
	// HandshakeTimeout bounds an attempt to connect or to go on. Default 10 s.
	HandshakeTimeout time.Duration
	// RewriterBufferSize is how many of the last bytes sent are kept to be sent again. A connection that has lost more than
	// that is over, and nobody acknowledges: so it should hold what the sockets of both ends do. Default 256 KiB.
	RewriterBufferSize int
	// ReconnWaitTimeout is for how long a connection waits to go on. Default 60 s.
	ReconnWaitTimeout time.Duration
}

// Dialer makes a TCP connection, the first and each that goes on.
type Dialer func() (net.Conn, error)

// Dial connects. The connection gets itself another TCP connection when one is gone.
func Dial(config Config, dialer Dialer) (net.Conn, error) {
	opts := config.options()
	opts.Dial = func(context.Context) (net.Conn, error) { return dialer() }
	opts.Pause = pause
	base, err := dialer()
	if err != nil {
		return nil, err
	}
	stream, err := session.OpenLegacy(context.Background(), base, config.EnableCrypt, opts)
	if err != nil {
		return nil, err
	}
	return &Conn{stream}, nil
}

const (
	// firstPause comes before the second attempt in a row, and doubles from then on; longestPause is the original's.
	firstPause   = 50 * time.Millisecond
	longestPause = 3 * time.Second
)

// pause draws the pause before the n-th attempt in a row. As in the original there is none before the first one: a server
// that writes on in the meantime fills what is kept for this side. Later ones come from the upper half of what is due:
// those who lost the same gateway do not come back in one moment.
func pause(n int) time.Duration {
	if n == 1 {
		return 0
	}
	due := longestPause
	if n < 8 {
		due = min(due, firstPause<<(n-2))
	}
	return due/2 + rand.N(due/2)
}

func (config *Config) options() session.Options {
	return session.Options{
		ReplayBytes:   config.RewriterBufferSize,
		HandshakeTime: config.HandshakeTimeout,
		Wait:          config.ReconnWaitTimeout,
	}
}

// Conn is a connection that goes on. Its other end learns of a Close only when ReconnWaitTimeout is over: there are no words
// for it.
type Conn struct{ stream *session.Stream }

var _ net.Conn = (*Conn)(nil)

// Read reads the stream, over one TCP connection after another.
func (c *Conn) Read(b []byte) (int, error) { return c.stream.Read(b) }

// Write takes b as far as there is room in the buffer, and waits for more otherwise. Unlike the original's it leaves b as it
// is.
func (c *Conn) Write(b []byte) (int, error) { return c.stream.Write(b) }

// Close ends the connection. What was written is sent while there is a TCP connection; Close does not wait for that.
func (c *Conn) Close() error { return c.stream.Close() }

// LocalAddr is this end of the TCP connection, the last one if there is none.
func (c *Conn) LocalAddr() net.Addr { return c.stream.LocalAddr() }

// RemoteAddr is the other end of the TCP connection, the last one if there is none.
func (c *Conn) RemoteAddr() net.Addr { return c.stream.RemoteAddr() }

// SetDeadline bounds Read and Write, whichever TCP connection they use.
func (c *Conn) SetDeadline(t time.Time) error { return c.stream.SetDeadline(t) }

// SetReadDeadline bounds Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.stream.SetReadDeadline(t) }

// SetWriteDeadline bounds Write. What it has taken is sent all the same.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.stream.SetWriteDeadline(t) }

// SetReconnWaitTimeout is for how long this end waits to go on, from the next time on that its TCP connection is gone. The other
// end has a time of its own.
func (c *Conn) SetReconnWaitTimeout(d time.Duration) { c.stream.SetWait(d) }

// WrapBaseForTest has wrap replace the TCP connection that is in use, for tests that disturb it. Between two TCP connections
// there is none to wrap.
func (c *Conn) WrapBaseForTest(wrap func(base net.Conn) net.Conn) { c.stream.WrapTransport(wrap) }

// TryReconn gives up the TCP connection, for the next one to be tried at once. The accepting side waits for it.
func (c *Conn) TryReconn() { _ = c.stream.Reconnect() }

// Listen accepts connections that go on, by what listen listens to. What strangers can cost is bounded: 1,024 handshakes at a
// time, 128 connections that wait for Accept (a further one within HandshakeTimeout), and 1,024 accepted ones that wait to go
// on. When there is one handshake more, or one more that waits to go on, the oldest of the address that has most ends: who
// takes much keeps nobody else out. An address is an IPv4 address or an IPv6 /64; a /48 has as much as 16 of them.
func Listen(config Config, listen func() (net.Listener, error)) (*Listener, error) {
	base, err := listen()
	if err != nil {
		return nil, err
	}
	opts := session.ListenOptions{Options: config.options(), Admits: session.LegacyKind, Encrypt: config.EnableCrypt}
	return &Listener{session.Listen(base, opts)}, nil
}

// Listener accepts connections that go on, and what they go on by.
type Listener struct{ sessions *session.Listener }

// Accept waits for a new connection. After Close its error is os.ErrInvalid, as it is in the original.
func (l *Listener) Accept() (net.Conn, error) {
	stream, err := l.sessions.Accept()
	if err != nil {
		return nil, os.ErrInvalid
	}
	return &Conn{stream}, nil
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.sessions.Addr() }

// Close stops listening. Connections that were accepted live on as long as their TCP connections do, and end with them:
// one that waits to go on ends at once.
func (l *Listener) Close() error { return l.sessions.Close() }
