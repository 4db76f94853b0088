package fastway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"fastway/internal/wire"
)

// Conn is a virtual connection: messages in order, both ways. It is a net.Conn as well, for those who want a stream of
// bytes: Read does not keep to the bounds of messages, and Write splits what does not fit into one.
//
// Its methods may be called from several goroutines at a time. Close it when it is no longer used, also after the other
// end has closed it: what came before can be received until then, and keeps its memory.
type Conn struct {
	ep       *EndPoint
	id       uint32
	remoteID uint32
	in       inbox
	sender   sender
	end      atomic.Pointer[CloseError]
	// onEnd is told of the end, if there is a session over the connection.
	onEnd atomic.Pointer[func()]
}

var _ net.Conn = (*Conn)(nil)

// ID is the ConnID, the gateway's number for the connection.
func (c *Conn) ID() uint32 { return c.id }

// RemoteID is who is at the other end: a ServerID for a client, a client's ID for a server.
func (c *Conn) RemoteID() uint32 { return c.remoteID }

// EndPoint is the endpoint that the connection belongs to.
func (c *Conn) EndPoint() *EndPoint { return c.ep }

// Err says why the connection has ended: a *CloseError, or nil while it is open.
func (c *Conn) Err() error {
	if end := c.end.Load(); end != nil {
		return end
	}
	return nil
}

// Receive waits for a message, which the caller owns. At the end of the connection, when all that came was received, its
// error is a *CloseError.
func (c *Conn) Receive(ctx context.Context) ([]byte, error) {
	return c.ReceiveAppend(ctx, nil)
}

// ReceiveAppend is Receive into memory of the caller: it appends the message to dst. A loop that gives the same memory
// again and again allocates nothing.
//
//	buf, err = conn.ReceiveAppend(ctx, buf[:0])
func (c *Conn) ReceiveAppend(ctx context.Context, dst []byte) ([]byte, error) {
	err := c.receive(ctx, true, func(message []byte) int {
		dst = append(dst, message...)
		return len(message)
	})
	return dst, err
}

// TryReceiveAppend is ReceiveAppend without waiting; ok tells whether there was a message.
func (c *Conn) TryReceiveAppend(dst []byte) (message []byte, ok bool, err error) {
	err = c.receive(alreadyOver, true, func(message []byte) int {
		dst = append(dst, message...)
		return len(message)
	})
	if err == errWouldWait {
		return dst, false, nil
	}
	return dst, err == nil, err
}

func (c *Conn) receive(ctx context.Context, whole bool, take func([]byte) int) error {
	for waited := false; ; waited = true {
		token, back, err := c.in.receive(take, whole, waited, &c.ep.bounds, c.ep.mem)
		if token == nil {
			c.ep.release(back)
			return err
		}
		if err := await(ctx, token); err != nil {
			c.in.giveUp()
			return err
		}
	}
}

// errWouldWait ends a wait before it begins.
var errWouldWait = errors.New("it would wait")

var alreadyOver = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errWouldWait)
	return ctx
}()

// Read reads the stream of bytes that the messages are together. It is io.EOF after the other end has closed the
// connection.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for n == 0 && err == nil {
		err = c.receive(context.Background(), false, func(message []byte) int {
			n = copy(p, message)
			return n
		})
	}
	if err == closedRemotely {
		err = io.EOF
	}
	return n, err
}

// Send sends a message, a copy of which is made. It waits while too much waits for the socket, all connections of the
// link together. That says nothing about the other end: between gateway and player the gateway's own bounds hold, so who
// sends in bulk waits for a word of the application's own now and then.
//
// Without an error the message is queued; Shutdown tells whether the gateway got it.
func (c *Conn) Send(ctx context.Context, message []byte) error {
	one := [1][]byte{message}
	_, err := c.send(ctx, one[:])
	return err
}

// SendBatch is Send for several messages at the price of one. It says how many were queued.
func (c *Conn) SendBatch(ctx context.Context, messages ...[]byte) (int, error) {
	return c.send(ctx, messages)
}

// TrySend is Send without waiting: its error is ErrHeldUp then.
func (c *Conn) TrySend(message []byte) error {
	one := [1][]byte{message}
	_, _, err := c.ep.out.send(c, one[:], false, false)
	return err
}

func (c *Conn) send(ctx context.Context, messages [][]byte) (sent int, err error) {
	for sent < len(messages) && (err == nil || err == ErrHeldUp) {
		var more int
		more, err = c.sendSome(ctx, messages[sent:])
		sent += more
	}
	return sent, err
}

// sendSome sends at least one message, or says why not.
func (c *Conn) sendSome(ctx context.Context, messages [][]byte) (int, error) {
	sent, token, err := c.ep.out.send(c, messages, true, false)
	if token == nil {
		return sent, err
	}
	began := time.Now()
	c.ep.counters.sendsHeldUp.Add(1)
	for token != nil {
		if err := await(ctx, token); err != nil {
			c.ep.out.giveUp(&c.sender)
			return 0, err
		}
		sent, token, err = c.ep.out.send(c, messages, true, true)
	}
	if c.ep.cfg.Hooks.SendWaited != nil {
		c.ep.cfg.Hooks.SendWaited(time.Since(began))
	}
	return sent, err
}

// streamMessage is what Write makes of a long stream: small enough to let other connections in between.
const streamMessage = 64 * kib

// Write sends the bytes of p, in one message if it is not too long.
func (c *Conn) Write(p []byte) (n int, err error) {
	most := min(c.ep.cfg.maxMessage(), streamMessage)
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+most)]
		if err = c.Send(context.Background(), piece); err == nil {
			n += len(piece)
		}
	}
	return n, err
}

// Close closes the connection, behind what was sent, and both ends see the end. What was not received is dropped.
func (c *Conn) Close() error {
	if c.forget() {
		c.ep.out.command(commandOf(wire.Close, c.id))
	}
	return nil
}

// forget closes this end, and drops what was not received. It is true if the gateway has to be told.
func (c *Conn) forget() bool {
	first := c.finish(closedLocally)
	c.ep.release(c.in.throwAway(c.ep.mem))
	c.ep.conns.remove(c)
	return first
}

// finish ends the connection for everybody who waits for something of it; it is true for the first reason.
func (c *Conn) finish(why *CloseError) bool {
	if !c.end.CompareAndSwap(nil, why) {
		return false
	}
	c.ep.release(c.in.finish(why))
	c.ep.out.endSender(&c.sender)
	if onEnd := c.onEnd.Load(); onEnd != nil {
		(*onEnd)()
	}
	if c.ep.cfg.Hooks.ConnClosed != nil {
		c.ep.cfg.Hooks.ConnClosed(c, why)
	}
	return true
}

// SetDeadline sets both deadlines. A wait that lasts until then ends with os.ErrDeadlineExceeded.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline bounds Read and Receive.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return nil
}

// SetWriteDeadline bounds Write and Send.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.ep.out.setDeadline(c, t)
	return nil
}

// LocalAddr is this end.
func (c *Conn) LocalAddr() net.Addr { return Addr{Role: c.ep.role.String(), ConnID: c.id} }

// RemoteAddr is the other end, with the RemoteID.
func (c *Conn) RemoteAddr() net.Addr {
	return Addr{Role: c.ep.role.other().String(), RemoteID: c.remoteID, ConnID: c.id}
}

// Addr is one end of a virtual connection.
type Addr struct {
	// Role is "client" or "server".
	Role string
	// RemoteID is the ID of that end, where it is known: not on its own side.
	RemoteID uint32
	// ConnID is the gateway's number for the connection; 0 for a listener.
	ConnID uint32
}

// Network is "fastway".
func (Addr) Network() string { return "fastway" }

func (a Addr) String() string { return fmt.Sprintf("%s-%d:%d", a.Role, a.RemoteID, a.ConnID) }
