package fastway

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fastway/internal/wire"
	"fastway/link"
)

// EndPointCfg tells an EndPoint of the original's functions what it may do. Fields that are zero have the defaults of
// Config.
type EndPointCfg struct {
	// MemPool provides the memory in which messages wait to be received.
	MemPool Pool
	// MaxPacket is the longest payload that is sent; what is received is bounded as by Config.MaxPacket. With the gateway's own
	// MaxPacket, the gateway closes the link of who sends one of the last four lengths, as in the original.
	MaxPacket int
	// BufferSize is what one read of the link takes at most, if no message is larger.
	BufferSize int
	// SendChanSize bounds the messages that wait for the socket; Send waits then. (The original closes the link.)
	SendChanSize int
	// RecvChanSize bounds the messages that wait to be received on one connection; beyond, it is closed.
	RecvChanSize int
	// PingInterval is the time between pings. It has to be below the gateway's idle timeout.
	PingInterval time.Duration
	// PingTimeout is how long after a ping nothing must have come for TimeoutCallback to be called. Default: PingInterval.
	PingTimeout time.Duration
	// TimeoutCallback is called when the gateway has not answered a ping in time. It returns whether to go on pinging: true
	// keeps the pings and the calls coming, false stops both for good and leaves the link open. It is only called with a
	// PingInterval. Without a callback, a link that is silent for three intervals is closed.
	TimeoutCallback func() bool
	// ServerID is the number under which a server registers, AuthKey the gateway's key.
	ServerID uint32
	AuthKey  string
	// MsgFormat makes bytes of messages. Without one, messages are []byte.
	MsgFormat MsgFormat
}

// MsgFormat makes bytes of messages, and messages of bytes.
type MsgFormat interface {
	// EncodeMessage makes the bytes of a message, which are copied before the next call.
	EncodeMessage(msg interface{}) ([]byte, error)
	// DecodeMessage makes the message of bytes, which are used again after the call.
	DecodeMessage(msg []byte) (interface{}, error)
}

// ConnInfo tells which connection a session is; it is the session's State.
type ConnInfo struct {
	connID, remoteID uint32
}

// ConnID is the gateway's number for the connection.
func (c *ConnInfo) ConnID() uint32 { return c.connID }

// RemoteID is who is at the other end: a ServerID for a client, a client's ID for a server.
func (c *ConnInfo) RemoteID() uint32 { return c.remoteID }

// EndPointTimer gives channels that are closed when a time is over. Nothing in this package waits for it.
var EndPointTimer = new(Timer)

// Timer is what EndPointTimer is.
type Timer struct{ stopped atomic.Bool }

// After gives a channel that is closed after d.
func (t *Timer) After(d time.Duration) <-chan struct{} {
	over := make(chan struct{})
	time.AfterFunc(d, func() {
		if !t.stopped.Load() {
			close(over)
		}
	})
	return over
}

// Stop leaves all channels open that are not closed yet.
func (t *Timer) Stop() { t.stopped.Store(true) }

// SizeofLen is the size of the length that precedes each packet on the wire.
const SizeofLen = wire.LenBytes

// ErrServerAuthFailed is found by errors.Is where ErrWrongKey is: in the error of DialServer and NewServer when the gateway has
// another key. New programs look for ErrWrongKey.
var ErrServerAuthFailed = errors.New("server auth failed")

// Is finds ErrServerAuthFailed where the key was wrong.
func (e *ConnectError) Is(target error) bool {
	return target == ErrServerAuthFailed && errors.Is(e.Err, ErrWrongKey)
}

// DialClient connects to the client port of a gateway. It is ConnectClient under the original's name.
func DialClient(network, addr string, cfg EndPointCfg) (*EndPoint, error) {
	return ConnectClient(context.Background(), addr, cfg.over(network))
}

// DialServer connects to the server port of a gateway and registers. It is ConnectServer under the original's name.
func DialServer(network, addr string, cfg EndPointCfg) (*EndPoint, error) {
	return ConnectServer(context.Background(), addr, cfg.over(network))
}

// NewServer registers with a gateway over a physical connection. It is OpenServer under the original's name.
func NewServer(conn net.Conn, cfg EndPointCfg) (*EndPoint, error) {
	return OpenServer(context.Background(), conn, cfg.config())
}

// NewClient makes a client of a physical connection, and waits for nothing. What cannot work shows when it is used.
func NewClient(conn net.Conn, cfg EndPointCfg) *EndPoint {
	config, err := clientRole.with(cfg.config())
	if err != nil {
		config, _ = clientRole.with(Config{})
	}
	ep := start(clientRole, conn, config)
	// Where sessions are admitted as well, the gateway knows a plain link by its first frame.
	ep.out.ping()
	if err != nil {
		ep.finish(&LinkError{End: LinkLost, Err: err})
	}
	return ep
}

func (cfg *EndPointCfg) config() Config {
	config := Config{
		ServerID:        cfg.ServerID,
		AuthKey:         cfg.AuthKey,
		MemPool:         cfg.MemPool,
		MaxPacket:       cfg.MaxPacket,
		beyondPacket:    cfg.MaxPacket != 0,
		ReadBufferBytes: cfg.BufferSize,
		SendMessages:    cfg.SendChanSize,
		ReceiveMessages: cfg.RecvChanSize,
		PingInterval:    cfg.PingInterval,
		format:          cfg.MsgFormat,
		// The original counts messages only, and closes the connection on either side.
		ReceiveBytes:      128 * mib,
		ReceiveTotalBytes: 128 * mib,
		WhenFull:          CloseConn,
	}
	if cfg.BufferSize > 0 {
		config.ReadBufferBytes = max(cfg.BufferSize, kib)
	}
	if cfg.TimeoutCallback != nil && cfg.PingInterval > 0 {
		config.DeadAfter = -1
		config.silence = silenceCheck{after: cfg.PingTimeout, goOn: cfg.TimeoutCallback}
		orElse(&config.silence.after, cfg.PingInterval)
	}
	return config
}

func (cfg *EndPointCfg) over(network string) Config {
	config := cfg.config()
	config.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, address)
	}
	return config
}

// sessions are the sessions that were given out and live.
type sessions struct {
	mu   sync.Mutex
	byID map[uint64]*link.Session
}

func (s *sessions) add(session *link.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[uint64]*link.Session)
	}
	s.byID[session.ID()] = session
}

func (s *sessions) remove(session *link.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, session.ID())
}

// open are those that have not begun to end. A callback of one that has may close the endpoint, which must not wait for it.
func (s *sessions) open() (open []*sessionCodec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.byID {
		if !session.IsClosed() {
			open = append(open, session.Codec().(*sessionCodec))
		}
	}
	return open
}

// Accept waits for a connection that the other side opens. Its error is io.EOF: the link has ended, and Err says why.
func (ep *EndPoint) Accept() (*link.Session, error) {
	conn, err := ep.AcceptConn(context.Background())
	if err != nil {
		return nil, io.EOF
	}
	return ep.newSession(conn), nil
}

// Dial opens a connection. Its error is ErrRefused, io.EOF when the link has ended, or context.DeadlineExceeded when no
// answer came for five seconds.
func (ep *EndPoint) Dial(remoteID uint32) (*link.Session, error) {
	conn, err := ep.DialConn(context.Background(), remoteID)
	var ended *LinkError
	var failed *DialError
	switch {
	case errors.As(err, &ended):
		return nil, io.EOF
	case errors.As(err, &failed):
		return nil, failed.Err
	}
	return ep.newSession(conn), nil
}

// GetSession finds a session that lives by its ID; nil if there is none.
func (ep *EndPoint) GetSession(sessionID uint64) *link.Session {
	ep.sessions.mu.Lock()
	defer ep.sessions.mu.Unlock()
	return ep.sessions.byID[sessionID]
}

func (ep *EndPoint) newSession(conn *Conn) *link.Session {
	session := link.NewSession(&sessionCodec{conn: conn, format: ep.cfg.format, callbacksRan: make(chan struct{})}, 0)
	session.State = &ConnInfo{conn.id, conn.remoteID}
	ep.sessions.add(session)
	onEnd := func() {
		ep.sessions.remove(session)
		session.Ended()
	}
	conn.onEnd.Store(&onEnd)
	if conn.end.Load() != nil {
		// It may have ended before it could tell.
		onEnd()
	}
	return session
}

// ConnOf gives the connection under a session of an EndPoint, for programs that move on step by step.
func ConnOf(session *link.Session) (conn *Conn, ok bool) {
	codec, ok := session.Codec().(*sessionCodec)
	if !ok {
		return nil, false
	}
	return codec.conn, true
}

// sessionCodec makes a session of a connection. A session receives one message at a time.
type sessionCodec struct {
	conn   *Conn
	format MsgFormat
	buf    []byte
	// callbacksRan is closed when the session has ended and its close callbacks have run.
	callbacksRan chan struct{}
}

// Receive is io.EOF at the end of the connection, when all that came was received.
func (c *sessionCodec) Receive() (interface{}, error) {
	if c.format == nil {
		message, err := c.conn.Receive(context.Background())
		if err != nil {
			return nil, io.EOF
		}
		return message, nil
	}
	var err error
	if c.buf, err = c.conn.ReceiveAppend(context.Background(), c.buf[:0]); err != nil {
		return nil, io.EOF
	}
	return c.format.DecodeMessage(c.buf)
}

// Send is link.SessionClosedError after the end of the connection. The session survives ErrTooLargePacket.
func (c *sessionCodec) Send(msg interface{}) error {
	message, err := c.encode(msg)
	if err != nil {
		return err
	}
	err = c.conn.Send(context.Background(), message)
	var ended *CloseError
	switch {
	case errors.As(err, &ended):
		return link.SessionClosedError
	case errors.Is(err, ErrTooLargePacket):
		// Programs written for the original compare.
		return ErrTooLargePacket
	default:
		return err
	}
}

var errNotBytes = errors.New("fastway: without a MsgFormat, messages are []byte")

func (c *sessionCodec) encode(msg interface{}) ([]byte, error) {
	if c.format != nil {
		return c.format.EncodeMessage(msg)
	}
	if message, ok := msg.([]byte); ok {
		return message, nil
	}
	return nil, errNotBytes
}

func (c *sessionCodec) Close() error { return c.conn.Close() }

// CallbacksRan is called by the session.
func (c *sessionCodec) CallbacksRan() { close(c.callbacksRan) }
