package fastway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"fastway/internal/session"
)

// SessionProtocol is how a link outlives its physical connections.
type SessionProtocol uint8

const (
	// NoSession is a plain link: it ends with its physical connection.
	NoSession SessionProtocol = iota
	// SecureSession is encrypted and authenticated, and resumes without losing or doubling a byte.
	SecureSession
	// LegacySession is the original's snet. It protects nothing against an active attacker, and resumes only as far as
	// ReplayBytes reach; it is there for gateways that know nothing else.
	LegacySession
)

// SessionConfig tells a link to outlive its physical connections: when one is cut, or the network changes, the next one
// goes on where it was, and virtual connections do not notice. The zero value is a plain link.
type SessionConfig struct {
	// Protocol has to be admitted by the gateway (--client-link, --server-link).
	Protocol SessionProtocol
	// GatewayKey is the public key that the gateway has to prove to own; it makes the Protocol SecureSession. Without one
	// whoever answers is believed, which helps against listeners only.
	GatewayKey GatewayKey
	// Encrypt has to be the gateway's …SnetEncrypt. Only for LegacySession.
	Encrypt bool

	// ReplayBytes bounds what is kept to be sent again. A secure session keeps what the gateway has not acknowledged, and
	// Send waits at the bound. A legacy one keeps the last bytes sent, and is lost when more than those did not arrive.
	// Default 256 KiB for a client, 1 MiB for a server; at least 64 KiB for a secure session.
	ReplayBytes int
	// HandshakeTimeout bounds each attempt to resume. One that nothing answers gets another one beside it long before: without a
	// TCP connection after half a second to a second, with one after 0.5 to 0.75 s (1 to 1.5 s when the session is opened); longer
	// where connecting and replies take long. The next comes after twice as long. The first that gets a TCP connection has those
	// without one given up, and the first that is answered wins. Where the gateway does not confirm a physical connection within
	// the time of an attempt with a TCP connection, it is replaced. Default 10 s.
	HandshakeTimeout time.Duration
	// WaitTimeout is for how long a legacy session tries to go on; it should be the gateway's …SnetWaitTimeout. A secure
	// session is told by the gateway. Default 60 s.
	WaitTimeout time.Duration
	// Backoff is the pause before each attempt to resume, the first as well, so that players who lost the same router do
	// not come back in one moment; Reconnect skips it. It begins anew after a physical connection that the gateway has
	// confirmed, or that lived longer than the pause before it. While nobody listens at the gateway's address the pauses
	// stay below 400 ms, and after a refusal below 100 ms: a restart is soon known. A gateway that is overloaded says when
	// to come again: the pause is as long as that, if that is not above Longest, and up to half of it more. Default from
	// 100 ms to 5 s.
	Backoff Backoff
	// OnEvent is told what happens to the session, in order and without a lock held. What is to be resumed next waits for
	// it.
	OnEvent func(SessionEvent)
}

// SessionState is what has become of a session.
type SessionState uint8

const (
	// SessionInterrupted: the physical connection is gone. Sends are taken as long as there is room, nothing comes.
	SessionInterrupted SessionState = SessionState(session.Interrupted)
	// SessionResumed: the session goes on by another one. Nothing was lost.
	SessionResumed SessionState = SessionState(session.Resumed)
	// SessionLost: it is over, and with it the link.
	SessionLost SessionState = SessionState(session.Lost)
)

func (s SessionState) String() string {
	switch s {
	case SessionInterrupted:
		return "interrupted"
	case SessionResumed:
		return "resumed"
	default:
		return "lost"
	}
}

// SessionEvent is something that happened to a session.
type SessionEvent struct {
	// State is new.
	State SessionState
	// Err is why the physical connection is gone, for SessionInterrupted, or a *SessionError, for SessionLost.
	Err error
	// Attempts is how many physical connections were tried, and After how long there was none, for SessionResumed.
	Attempts int
	After    time.Duration
}

// GatewayKey is a gateway's public key, as `fastway keygen` prints it.
type GatewayKey [32]byte

// ParseGatewayKey reads the 64 hexadecimal digits of a key.
func ParseGatewayKey(text string) (key GatewayKey, err error) {
	bytes, err := hex.DecodeString(text)
	if err != nil || len(bytes) != len(key) {
		return key, fmt.Errorf("fastway: a gateway's key has %d hexadecimal digits", 2*len(key))
	}
	return GatewayKey(bytes), nil
}

func (k GatewayKey) String() string { return hex.EncodeToString(k[:]) }

func (k GatewayKey) isSet() bool { return k != GatewayKey{} }

// Errors of sessions.
var (
	// ErrNoSession says that the link is a plain one.
	ErrNoSession = errors.New("fastway: the link has no session")
	// ErrWrongGateway says that what answers does not have the pinned key.
	ErrWrongGateway = errors.New("what answers does not have the pinned key, or the key is another gateway's")
)

// SessionEnd is the way in which a session ended, or was not opened.
type SessionEnd uint8

const (
	// SessionRefused: the gateway does not know the session any more, does not admit it, or was overloaded for as long as
	// the session waits; Status says which.
	SessionRefused SessionEnd = iota + 1
	// SessionExpired: it was without a physical connection for too long.
	SessionExpired
	// SessionAborted: the gateway ended it; Reason says why.
	SessionAborted
	// SessionBroken: the gateway sent what makes no sense.
	SessionBroken
)

// SessionError says why a session is over, or was not opened. It is the cause of a LinkError or a ConnectError.
type SessionError struct {
	// End is the way in which it ended.
	End SessionEnd
	// Status is the gateway's, for SessionRefused, and Reason for SessionAborted (docs/protocol.md §3).
	Status, Reason uint8
	// RetryAfter is how long to wait before the next attempt, if the gateway is overloaded and has said so; at most 65 s. Wait
	// a little longer, and not always as much: others were told the same.
	RetryAfter time.Duration
	// Err says it in words.
	Err error
}

func (e *SessionError) Error() string { return "session: " + e.Err.Error() }

func (e *SessionError) Unwrap() error { return e.Err }

// Is finds ErrDraining where the gateway has ended or refused the session because it is about to stop.
func (e *SessionError) Is(target error) bool {
	if target != ErrDraining {
		return false
	}
	return e.End == SessionRefused && e.Status == uint8(session.StatusDraining) ||
		e.End == SessionAborted && e.Reason == uint8(session.AbortShutdown)
}

// sessionError is err, as a *SessionError where it comes of the session.
func sessionError(err error) error {
	var refused *session.RefusedError
	var aborted *session.AbortedError
	var broken *session.ProtocolError
	switch {
	case errors.As(err, &refused):
		return &SessionError{End: SessionRefused, Status: uint8(refused.Status), RetryAfter: refused.RetryAfter, Err: err}
	case errors.As(err, &aborted):
		return &SessionError{End: SessionAborted, Reason: uint8(aborted.Reason), Err: err}
	case errors.As(err, &broken):
		return &SessionError{End: SessionBroken, Err: err}
	case errors.Is(err, session.ErrExpired):
		return &SessionError{End: SessionExpired, Err: err}
	default:
		return err
	}
}

// resumable is a physical connection that outlives the one below.
type resumable interface {
	// Interrupt gives up what is below, for the next one to be tried.
	Interrupt(why error)
	// Reconnect does so at once.
	Reconnect() error
}

// overSession opens a session over a physical connection, the next of which go to address. Without one wanted it is conn.
func overSession(ctx context.Context, conn net.Conn, address string, cfg *Config, events *sessionEvents) (net.Conn, error) {
	opts := session.Options{
		ReplayBytes: cfg.Session.ReplayBytes,
		// As much as a gateway queues for a player, for a client.
		ReadAheadBytes: cfg.ReceiveTotalBytes / 4,
		HandshakeTime:  cfg.Session.HandshakeTimeout,
		Wait:           cfg.Session.WaitTimeout,
		Dial:           func(ctx context.Context) (net.Conn, error) { return cfg.Dial(ctx, address) },
		Pause:          cfg.Session.Backoff.nth,
		LongestPause:   cfg.Session.Backoff.longest(),
		ConfirmTime:    cfg.silenceTime(),
		OnTransport:    events.pingByNewTransport,
		OnEvent:        events.emit,
	}
	if cfg.dialsTCP {
		opts.DialPeer = func(ctx context.Context, peer net.Addr) (net.Conn, error) { return cfg.Dial(ctx, peer.String()) }
	}
	switch cfg.Session.Protocol {
	case SecureSession:
		var key *session.PublicKey
		if cfg.Session.GatewayKey.isSet() {
			key = (*session.PublicKey)(&cfg.Session.GatewayKey)
		}
		return asConn(session.OpenSecure(ctx, conn, key, opts))
	case LegacySession:
		return asConn(session.OpenLegacy(ctx, conn, cfg.Session.Encrypt, opts))
	default:
		return conn, nil
	}
}

func asConn[C net.Conn](conn C, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// sessionEvents hands on the events of a session, as soon as there is an endpoint for them.
type sessionEvents struct {
	mu     sync.Mutex
	ep     *EndPoint
	before []session.Event
}

func (e *sessionEvents) goTo(ep *EndPoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.before {
		ep.onSessionEvent(event)
	}
	e.ep, e.before = ep, nil
}

// pingByNewTransport has the gateway confirm a transport. While the link is being opened enough else is said.
func (e *sessionEvents) pingByNewTransport() {
	e.mu.Lock()
	ep := e.ep
	e.mu.Unlock()
	if ep == nil {
		return
	}
	ep.keep.startAgain()
	if ep.cfg.PingInterval > 0 {
		ep.out.ping()
	}
}

func (e *sessionEvents) emit(event session.Event) {
	if ep := e.endPoint(event); ep != nil {
		ep.onSessionEvent(event)
	}
}

func (e *sessionEvents) endPoint(event session.Event) *EndPoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ep == nil {
		e.before = append(e.before, event)
	}
	return e.ep
}

func (ep *EndPoint) onSessionEvent(event session.Event) {
	switch event.State {
	case session.Interrupted:
		ep.counters.interruptions.Add(1)
	case session.Resumed:
		ep.counters.resumes.Add(1)
	}
	ours := SessionEvent{SessionState(event.State), sessionError(event.Err), event.Attempts, event.After}
	ep.cfg.Logger.Info("the session", "role", ep.role.String(), "state", ours.State.String(), "why", ours.Err,
		"attempts", ours.Attempts, "after", ours.After)
	if ep.cfg.Session.OnEvent != nil {
		ep.cfg.Session.OnEvent(ours)
	}
}
