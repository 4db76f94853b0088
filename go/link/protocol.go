package link

import (
	"errors"
	"io"
	"net"
	"time"
)

// Codec reads and writes the messages of a connection. A session calls Receive from one goroutine at a time; Send likewise.
type Codec interface {
	Receive() (interface{}, error)
	Send(msg interface{}) error
	Close() error
}

// ClearSendChan is an optional interface of a Codec, for messages that have to be freed: when a session with a send queue
// closes, it gets the closed queue with the unsent messages.
type ClearSendChan interface {
	ClearSendChan(queue <-chan interface{})
}

// Protocol makes the codec of a connection.
type Protocol interface {
	NewCodec(rw io.ReadWriter) (Codec, error)
}

// ProtocolFunc is a function as a Protocol.
type ProtocolFunc func(rw io.ReadWriter) (Codec, error)

// NewCodec calls the function.
func (f ProtocolFunc) NewCodec(rw io.ReadWriter) (Codec, error) { return f(rw) }

// Dial connects to an address and makes a session of the connection. sendChanSize is that of NewSession.
func Dial(network, address string, protocol Protocol, sendChanSize int) (*Session, error) {
	return DialTimeout(network, address, 0, protocol, sendChanSize)
}

// DialTimeout is Dial with a bound for the time that connecting takes; 0 is none.
func DialTimeout(network, address string, timeout time.Duration, protocol Protocol, sendChanSize int) (*Session, error) {
	conn, err := net.DialTimeout(network, address, timeout)
	if err != nil {
		return nil, err
	}
	codec, err := protocol.NewCodec(conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return NewSession(codec, sendChanSize), nil
}

// Listen listens on an address and makes a Server of the listener. Its Serve accepts connections.
func Listen(network, address string, protocol Protocol, sendChanSize int, handler Handler) (*Server, error) {
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return NewServer(listener, protocol, sendChanSize, handler), nil
}

const (
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
)

// Accept waits for a connection, also over errors that pass, such as too many open files; it pauses after each of them. Its
// error is io.EOF when the listener is closed.
func Accept(listener net.Listener) (net.Conn, error) {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, net.ErrClosed):
			return nil, io.EOF
		case !passes(err):
			return nil, err
		}
		time.Sleep(pause)
	}
}

func passes(err error) bool {
	var network net.Error
	//lint:ignore SA1019 listeners have no other way to say so
	return errors.As(err, &network) && network.Temporary()
}
