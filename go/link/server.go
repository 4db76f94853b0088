package link

import "net"

// Handler is told of each session of a Server, on a goroutine of its own.
type Handler interface {
	HandleSession(session *Session)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(session *Session)

var _ Handler = HandlerFunc(nil)

// HandleSession calls the function.
func (f HandlerFunc) HandleSession(session *Session) { f(session) }

// Server makes sessions of the connections that a listener accepts.
type Server struct {
	listener     net.Listener
	protocol     Protocol
	sendChanSize int
	handler      Handler
	manager      *Manager
}

// NewServer makes a server for a listener, which it owns. Nothing is accepted before Serve. sendChanSize is that of NewSession.
func NewServer(listener net.Listener, protocol Protocol, sendChanSize int, handler Handler) *Server {
	return &Server{listener, protocol, sendChanSize, handler, NewManager()}
}

// Listener returns the listener of the server.
func (s *Server) Listener() net.Listener { return s.listener }

// Serve accepts connections until Stop, which makes it return io.EOF, or until the listener fails. A session lives on when its
// handler returns: handlers close their sessions.
func (s *Server) Serve() error {
	for {
		conn, err := Accept(s.listener)
		if err != nil {
			return err
		}
		go s.handle(conn)
	}
}

func (s *Server) handle(conn net.Conn) {
	codec, err := s.protocol.NewCodec(conn)
	if err != nil {
		_ = conn.Close()
		return
	}
	s.handler.HandleSession(s.manager.NewSession(codec, s.sendChanSize))
}

// GetSession finds a session that lives by its ID; nil if there is none.
func (s *Server) GetSession(sessionID uint64) *Session { return s.manager.GetSession(sessionID) }

// Stop closes the listener and all sessions, and waits until the sessions' close callbacks have returned. It does not wait for
// handlers.
func (s *Server) Stop() {
	_ = s.listener.Close()
	s.manager.Dispose()
}
