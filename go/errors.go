package fastway

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// Errors that errors.Is finds.
var (
	// ErrRefused says that the gateway refused a dial: the remote is not there, or a limit of connections is reached.
	ErrRefused = errors.New("virtual connection refused")
	// ErrTooLargePacket says that a message does not fit into MaxPacket. Nothing of it was sent.
	ErrTooLargePacket error = tooLargePacket{}
	// ErrQueueFull says that a connection was closed because too much waited to be received.
	ErrQueueFull = errors.New("the receive queue was full")
	// ErrHeldUp says that too much waits for the socket already: this side's own link is held up.
	ErrHeldUp = errors.New("fastway: the link is held up: the send buffer is full")
	// ErrWrongKey says that the gateway turned a server away when it had seen the proof of its key.
	ErrWrongKey = errors.New("the gateway turned the server away: give both the same key; if they have, it is being stopped or has too many handshakes, and its log says which")
	// ErrTurnedAway says that the link ended before the gateway had said anything.
	ErrTurnedAway = errors.New("the gateway ended the link before it had said anything")
	// ErrNotAdmitted says that the port does not admit this kind of link.
	ErrNotAdmitted = errors.New("this port does not admit this kind of link")
	// ErrNotAGateway says that what listens there speaks, but not as a gateway does on that port.
	ErrNotAGateway = errors.New("what listens there is not this port of a gateway; check the address")
	// ErrFlooded says that the gateway has caused more Closes than it reads.
	ErrFlooded = errors.New("too many connections that nobody wants, and their Closes are not read")
	// ErrDraining says that the gateway drains: it is about to stop, and nothing has failed. It is found in the end of a link,
	// and of its connections, and in the error of a connect; the next link goes to another gateway (Gateways). A plain link
	// has no words for a reason: it ends as with every other end by the gateway.
	ErrDraining = errors.New("the gateway drains: it is about to stop")
	// ErrSilent says that the gateway has not sent a byte for too long.
	ErrSilent = errors.New("the gateway has not answered a ping")
)

// tooLargePacket leaves the session as it was that refuses a message with it.
type tooLargePacket struct{}

func (tooLargePacket) Error() string { return "too large packet" }

func (tooLargePacket) SessionSurvives() {}

// TooLargeError says how much larger than MaxPacket a message is. errors.Is finds ErrTooLargePacket in it.
type TooLargeError struct {
	// Bytes is the length of the message, Most the longest that is sent.
	Bytes, Most int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("fastway: too large packet: the message has %d bytes, and %d fit into MaxPacket; split it, or raise MaxPacket here and --max-packet at the gateway", e.Bytes, e.Most)
}

// Is finds ErrTooLargePacket.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLargePacket }

// ConnectStep is a step on the way to a link.
type ConnectStep string

// The steps, in their order.
const (
	// StepDial is the look-up of the address and the physical connection.
	StepDial ConnectStep = "dial"
	// StepSession is the opening of the session, if one is wanted.
	StepSession ConnectStep = "session"
	// StepChallenge is the challenge with which a gateway's server port begins.
	StepChallenge ConnectStep = "challenge"
	// StepPing is the answer to the first ping.
	StepPing ConnectStep = "ping"
)

// ConnectError says why there is no link. It wraps ErrWrongKey, ErrTurnedAway, ErrNotAdmitted, ErrNotAGateway,
// ErrWrongGateway, a *SessionError, the context's error, or what the network said.
type ConnectError struct {
	// Step is where it failed.
	Step ConnectStep
	// Port is the gateway's port that was wanted: "client" or "server".
	Port string
	// Err is the cause.
	Err error
}

func (e *ConnectError) Error() string {
	return fmt.Sprintf("fastway: no link to a gateway's %s port (%s): %v", e.Port, e.Step, e.Err)
}

func (e *ConnectError) Unwrap() error { return e.Err }

// Timeout tells whether trying again later may help, as net.Error does.
func (e *ConnectError) Timeout() bool { return isTimeout(e.Err) }

// DialError says why there is no connection. It wraps ErrRefused, the context's error, or a LinkError.
type DialError struct {
	// RemoteID is who was dialed.
	RemoteID uint32
	// Err is the cause.
	Err error
}

func (e *DialError) Error() string { return fmt.Sprintf("fastway: dial %d: %v", e.RemoteID, e.Err) }

func (e *DialError) Unwrap() error { return e.Err }

// Timeout tells whether the answer did not come in time, as net.Error does.
func (e *DialError) Timeout() bool { return isTimeout(e.Err) }

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// LinkEnd is the way in which a link ended.
type LinkEnd uint8

const (
	// LinkClosed: this side closed it, and the gateway has all that was sent.
	LinkClosed LinkEnd = iota + 1
	// LinkUnconfirmed: this side closed it, and the gateway did not agree in time: the last messages may be lost.
	LinkUnconfirmed
	// LinkGateway: the gateway ended it; its log says why.
	LinkGateway
	// LinkLost: it failed.
	LinkLost
	// LinkSilent: the gateway has not sent a byte for too long.
	LinkSilent
	// LinkProtocol: the gateway sent what no gateway sends.
	LinkProtocol
)

// LinkError says why a link has ended, and with it every connection on it.
type LinkError struct {
	// End is the way in which it ended.
	End LinkEnd
	// Err is the cause, if there is one.
	Err error
}

func (e *LinkError) Error() string {
	switch e.End {
	case LinkClosed:
		return "this side closed the link"
	case LinkUnconfirmed:
		return "this side closed the link, but the gateway did not agree in time"
	case LinkGateway:
		if e.Err != nil {
			return fmt.Sprintf("the gateway closed the link: %v", e.Err)
		}
		return "the gateway closed the link; its log says why"
	case LinkSilent:
		return "the link was given up: " + e.Err.Error()
	case LinkProtocol:
		return fmt.Sprintf("the link was closed: the gateway sent what no gateway sends: %v", e.Err)
	default:
		return fmt.Sprintf("the link was lost: %v", e.Err)
	}
}

func (e *LinkError) Unwrap() error { return e.Err }

// Is finds net.ErrClosed where this side closed the link, and io.EOF where the gateway did.
func (e *LinkError) Is(target error) bool {
	switch e.End {
	case LinkClosed, LinkUnconfirmed:
		return target == net.ErrClosed
	case LinkGateway:
		return target == io.EOF
	default:
		return false
	}
}

// CloseReason is why a connection has ended.
type CloseReason uint8

const (
	// ClosedLocally: this side closed it.
	ClosedLocally CloseReason = iota + 1
	// ClosedRemotely: the other end closed it or is gone, or the gateway closed it.
	ClosedRemotely
	// ClosedQueueFull: too much waited to be received; messages are lost.
	ClosedQueueFull
	// ClosedWithLink: the link under it ended.
	ClosedWithLink
)

// CloseError says why a connection has ended. errors.Is finds net.ErrClosed, io.EOF or ErrQueueFull in it, in the order
// of the reasons, and errors.As the LinkError.
type CloseError struct {
	// Reason is why it ended.
	Reason CloseReason
	// Link says how the link ended, for ClosedWithLink.
	Link *LinkError
}

func (e *CloseError) Error() string {
	switch e.Reason {
	case ClosedLocally:
		return "fastway: this side closed the connection"
	case ClosedRemotely:
		return "fastway: the other end closed the connection"
	case ClosedQueueFull:
		return "fastway: the connection was closed: " + ErrQueueFull.Error()
	default:
		return "fastway: " + e.Link.Error()
	}
}

func (e *CloseError) Unwrap() error {
	if e.Link == nil {
		return nil
	}
	return e.Link
}

// Is finds what the standard library calls the reason.
func (e *CloseError) Is(target error) bool {
	switch e.Reason {
	case ClosedLocally:
		return target == net.ErrClosed
	case ClosedRemotely:
		return target == io.EOF
	case ClosedQueueFull:
		return target == ErrQueueFull
	default:
		return false
	}
}

// Most connections end in one of these ways.
var (
	closedLocally   = &CloseError{Reason: ClosedLocally}
	closedRemotely  = &CloseError{Reason: ClosedRemotely}
	closedQueueFull = &CloseError{Reason: ClosedQueueFull}
	closedLink      = &LinkError{End: LinkClosed}
)
