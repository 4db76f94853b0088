// Package link has sessions, which carry messages over codecs, under the names that github.com/funny/link gives them, for
// programs that were written for it: [fastway.EndPoint.Dial] and [fastway.EndPoint.Accept] give sessions. New programs use
// the connections of package fastway.
//
// [Dial] and [Server] make sessions of TCP connections. A [Protocol] reads and writes their messages: one of package
// fastway/link/codec, or one of your own. A [Manager] keeps sessions until they are closed, a [Channel] groups them.
//
//	server, err := link.Listen("tcp", "127.0.0.1:0", codec.Json(), 1024, link.HandlerFunc(func(session *link.Session) {
//		defer session.Close()
//		for {
//			msg, err := session.Receive()
//			if err != nil || session.Send(msg) != nil {
//				return
//			}
//		}
//	}))
//	go server.Serve()
//
// Where the original lost something or hung, this package does not: a session that ends while it is being added to a manager
// or a channel leaves it all the same; a session that takes the key of a closed one stays in its channel; the connection is
// closed when the codec of a dialed one cannot be made.
package link

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Errors of Send.
var (
	// SessionClosedError says that the session is closed.
	SessionClosedError = errors.New("Session Closed") //lint:ignore ST1012,ST1005 the original's name and text
	// SessionBlockedError says that too many messages wait in a session that sends by itself; it is closed then.
	SessionBlockedError = errors.New("Session Blocked") //lint:ignore ST1012,ST1005 the original's name and text
)

// observer is a codec that is told when its session has ended and the close callbacks have run.
type observer interface{ CallbacksRan() }

// survivable is an error of a codec's Send that leaves the session as it was: nothing of the message was sent.
type survivable interface{ SessionSurvives() }

// Session carries messages over a codec. Its methods may be called from several goroutines at a time.
type Session struct {
	// State is the application's own. The sessions that an EndPoint gives have a *fastway.ConnInfo there.
	State interface{}

	id     uint64
	codec  Codec
	toSend chan interface{}
	closed chan struct{}
	// sending is locked for a Send of the codec and for closing toSend, and read-locked for a send into toSend.
	sending sync.RWMutex
	// onEnd is called when the close callbacks have returned.
	onEnd func()

	mu          sync.Mutex
	isClosed    atomic.Bool
	codecClosed atomic.Bool
	callbacks   []closeCallback

	receiving sync.Mutex
}

type closeCallback struct {
	handler, key interface{}
	call         func()
}

var lastID atomic.Uint64

// NewSession makes a session over a codec. With a sendChanSize above 0 it has a goroutine that sends, and so many messages may
// wait for it: Send never waits then, but closes the session when there are more. With 0, Send is the codec's.
func NewSession(codec Codec, sendChanSize int) *Session {
	s := newSession(codec, sendChanSize)
	s.start()
	return s
}

func newSession(codec Codec, sendChanSize int) *Session {
	s := &Session{id: lastID.Add(1), codec: codec, closed: make(chan struct{})}
	if sendChanSize > 0 {
		s.toSend = make(chan interface{}, sendChanSize)
	}
	return s
}

func (s *Session) start() {
	if s.toSend != nil {
		go s.sendLoop()
	}
}

// ID is the session's number, another one for each session of the process.
func (s *Session) ID() uint64 { return s.id }

// Codec is what the session was made over.
func (s *Session) Codec() Codec { return s.codec }

// IsClosed tells whether either side has closed the session. What came before can still be received.
func (s *Session) IsClosed() bool { return s.isClosed.Load() }

// Receive waits for a message. An error closes the session.
func (s *Session) Receive() (interface{}, error) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	msg, err := s.codec.Receive()
	if err != nil {
		_ = s.Close()
	}
	return msg, err
}

// Send sends a message, or leaves that to the session's goroutine. An error closes the session, but for one of the codec that
// has a method SessionSurvives.
func (s *Session) Send(msg interface{}) error {
	if s.toSend == nil {
		return s.sendNow(msg)
	}
	err := s.queue(msg)
	if err == SessionBlockedError {
		_ = s.Close()
	}
	return err
}

func (s *Session) sendNow(msg interface{}) error {
	if s.IsClosed() {
		return SessionClosedError
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.IsClosed() {
		return SessionClosedError
	}
	err := s.codec.Send(msg)
	if endsSession(err) {
		_ = s.Close()
	}
	return err
}

func endsSession(err error) bool {
	var harmless survivable
	return err != nil && !errors.As(err, &harmless)
}

func (s *Session) queue(msg interface{}) error {
	s.sending.RLock()
	defer s.sending.RUnlock()
	if s.IsClosed() {
		return SessionClosedError
	}
	select {
	case s.toSend <- msg:
		return nil
	default:
		return SessionBlockedError
	}
}

func (s *Session) sendLoop() {
	for {
		select {
		case msg, ok := <-s.toSend:
			if !ok || endsSession(s.codec.Send(msg)) {
				_ = s.Close()
				return
			}
		case <-s.closed:
			return
		}
	}
}

// Close closes the session and its codec. When either side has closed the session before, it gives SessionClosedError;
// what came and was not received is dropped all the same.
func (s *Session) Close() error {
	callbacks, first := s.end()
	var err error
	if !s.codecClosed.Swap(true) {
		err = s.codec.Close()
	}
	if !first {
		return SessionClosedError
	}
	s.tell(callbacks)
	return err
}

// Ended is for codecs whose other end has ended the session: IsClosed is true from then on and the close callbacks are
// called, but the codec stays open. It is true for the first end.
func (s *Session) Ended() bool {
	callbacks, first := s.end()
	if first {
		s.tell(callbacks)
	}
	return first
}

func (s *Session) end() (callbacks []closeCallback, first bool) {
	s.mu.Lock()
	first = !s.isClosed.Swap(true)
	callbacks, s.callbacks = s.callbacks, nil
	s.mu.Unlock()
	if first {
		close(s.closed)
		s.clearQueue()
	}
	return callbacks, first
}

// clearQueue closes the queue and gives the codec the unsent messages.
func (s *Session) clearQueue() {
	if s.toSend == nil {
		return
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	close(s.toSend)
	if codec, ok := s.codec.(ClearSendChan); ok {
		codec.ClearSendChan(s.toSend)
	}
}

// tell calls the callbacks in their order, on a goroutine of their own: the caller may hold locks that they need.
func (s *Session) tell(callbacks []closeCallback) {
	if len(callbacks) == 0 {
		s.told()
		return
	}
	go func() {
		for _, callback := range callbacks {
			callback.call()
		}
		s.told()
	}()
}

// told reports that all callbacks have returned.
func (s *Session) told() {
	if observer, ok := s.codec.(observer); ok {
		observer.CallbacksRan()
	}
	if s.onEnd != nil {
		s.onEnd()
	}
}

// AddCloseCallback has callback called, on a goroutine of its own, when the session is closed; handler and key are for
// RemoveCloseCallback. On a session that is closed it does nothing.
func (s *Session) AddCloseCallback(handler, key interface{}, callback func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isClosed.Load() {
		s.callbacks = append(s.callbacks, closeCallback{handler, key, callback})
	}
}

// RemoveCloseCallback undoes an AddCloseCallback with the same handler and key.
func (s *Session) RemoveCloseCallback(handler, key interface{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, callback := range s.callbacks {
		if callback.handler == handler && callback.key == key {
			s.callbacks = append(s.callbacks[:i:i], s.callbacks[i+1:]...)
			return
		}
	}
}
