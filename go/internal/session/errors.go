package session

import (
	"errors"
	"fmt"
	"time"
)

// Status is what an acceptor answers to an open or a resume (docs/protocol.md §3.1). It is not authenticated.
type Status uint8

// The statuses; those of later versions have no name.
const (
	StatusOK Status = iota
	StatusUnknown
	StatusExpired
	StatusNotAuthentic
	StatusStaleAttempt
	StatusDataGap
	StatusDraining
	StatusOverloaded
	StatusNotAdmitted
)

var statusTexts = [...]string{
	"ok",
	"no session has this id",
	"the session waited too long, or was ended to make room",
	"the first message was not made with the session's secret, or for this gateway's key",
	"an attempt with this or a higher number came before",
	"the counts do not fit",
	"the gateway is about to stop",
	"the gateway is overloaded",
	"the gateway does not admit this kind of session here",
}

func (s Status) String() string {
	if s.IsKnown() {
		return statusTexts[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// IsKnown tells whether this version has it.
func (s Status) IsKnown() bool { return int(s) < len(statusTexts) }

// wouldBeFinal tells whether trying again cannot help, if the status is what the acceptor meant.
func (s Status) wouldBeFinal() bool {
	return s.IsKnown() && s != StatusStaleAttempt && s != StatusOverloaded
}

// AbortReason is why one end aborts a session (docs/protocol.md §3.2).
type AbortReason uint8

// The reasons; those of later versions have no name.
const (
	AbortUnspecified AbortReason = iota
	AbortPeerFault
	AbortShutdown
	AbortOverflow
	AbortOperator
)

var abortTexts = [...]string{
	"no reason given", "this end broke the protocol", "the gateway stops", "a bound was exceeded: too much waited for this end", "an operator decided so",
}

func (r AbortReason) String() string {
	if int(r) < len(abortTexts) {
		return abortTexts[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Errors of transports: the session goes on by another one.
var (
	// ErrNotAuthentic says that something was altered, or not made with the right key.
	ErrNotAuthentic = errors.New("a message is not authentic")
	errWornOut      = errors.New("the keys of this transport are worn out")
	errReplaced     = errors.New("a newer transport has taken over")
)

// LengthError is a length that no message has. It is a fault of the transport.
type LengthError struct{ Len int }

func (e *LengthError) Error() string { return fmt.Sprintf("a message claims %d bytes", e.Len) }

// RefusedError says that the acceptor has refused an open or a resume.
type RefusedError struct {
	Status Status
	// RetryAfter is when an overloaded acceptor wants to be asked again; 0 if it did not say.
	RetryAfter time.Duration
}

func (e *RefusedError) Error() string { return "refused: " + e.Status.String() }

// legacyRefusal is a refusal of a legacy session, which has no words for a reason.
type legacyRefusal struct {
	RefusedError
	text string
}

func (e *legacyRefusal) Error() string { return e.text }

func (e *legacyRefusal) Unwrap() error { return &e.RefusedError }

var (
	errLegacyNotOpened = &legacyRefusal{RefusedError{Status: StatusNotAdmitted},
		"refused, without a reason since a legacy session has no words for one: it is not admitted here, or the gateway is overloaded or about to stop"}
	errLegacyNotResumed = &legacyRefusal{RefusedError{Status: StatusUnknown},
		"refused, without a reason since a legacy session has no words for one: the gateway has ended the session, or was restarted"}
)

// ErrChallenge says that the other end begins as a gateway's server port does with plain links.
var ErrChallenge = errors.New("it sends the challenge of a server port that admits plain links")

// AbortedError says that the other end has aborted the session.
type AbortedError struct{ Reason AbortReason }

func (e *AbortedError) Error() string {
	return "the other end aborted the session: " + e.Reason.String()
}

// ProtocolError says that what the other end sent is authentic and makes no sense.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "the other end broke the protocol: " + e.What }

// ErrExpired says that a session was without a transport for longer than it is kept, or had to make room for others.
var ErrExpired = errors.New("the session waited too long for a transport")

// ErrNotResumable says that a session has lost its transport and that nothing accepts another one for it.
var ErrNotResumable = errors.New("the session cannot be resumed: its listener is closed")

// endError says that the session is over, and not just one transport of it.
type endError struct{ why error }

func (e *endError) Error() string { return "the session is over: " + e.why.Error() }

func (e *endError) Unwrap() error { return e.why }

func fault(format string, args ...any) error {
	return &endError{&ProtocolError{fmt.Sprintf(format, args...)}}
}

// endOf is why the session is over, if err says that it is.
func endOf(err error) error {
	if err == nil {
		return nil
	}
	var end *endError
	if errors.As(err, &end) {
		return end.why
	}
	return nil
}
