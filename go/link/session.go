// Package link has the session of the original's package of that name: what programs written for it know a virtual
// connection by. New programs use the connections of package fastway.
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

// Codec carries the messages of a session.
type Codec interface {
	Receive() (interface{}, error)
	Send(msg interface{}) error
	Close() error
}

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

// NewSession makes a session over a codec. With a sendChanSize above 0 it has a goroutine that sends, so many messages
// may wait for it, and Send never waits.
func NewSession(codec Codec, sendChanSize int) *Session {
	s := &Session{id: lastID.Add(1), codec: codec, closed: make(chan struct{})}
	if sendChanSize > 0 {
		s.toSend = make(chan interface{}, sendChanSize)
		go s.sendLoop()
	}
	return s
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

// Send sends a message. An error closes the session, but for one of the codec that has a method SessionSurvives.
func (s *Session) Send(msg interface{}) error {
	if s.IsClosed() {
		return SessionClosedError
	}
	err := s.send(msg)
	if endsSession(err) {
		_ = s.Close()
	}
	return err
}

func endsSession(err error) bool {
	var harmless survivable
	return err != nil && !errors.As(err, &harmless)
}

func (s *Session) send(msg interface{}) error {
	if s.toSend == nil {
		return s.codec.Send(msg)
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
		case msg := <-s.toSend:
			if endsSession(s.codec.Send(msg)) {
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
	first := s.Ended()
	var err error
	if !s.codecClosed.Swap(true) {
		err = s.codec.Close()
	}
	if !first {
		return SessionClosedError
	}
	return err
}

// Ended is for codecs whose other end has ended the session: IsClosed is true from then on and the close callbacks are
// called, but the codec stays open. It is true for the first end.
func (s *Session) Ended() bool {
	callbacks, first := s.end()
	switch {
	case len(callbacks) > 0:
		// Who ends the session may hold what a callback needs.
		go s.call(callbacks)
	case first:
		s.call(nil)
	}
	return first
}

func (s *Session) end() (callbacks []closeCallback, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed.Swap(true) {
		return nil, false
	}
	close(s.closed)
	callbacks, s.callbacks = s.callbacks, nil
	return callbacks, true
}

func (s *Session) call(callbacks []closeCallback) {
	for _, callback := range callbacks {
		callback.call()
	}
	if observer, ok := s.codec.(observer); ok {
		observer.CallbacksRan()
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
