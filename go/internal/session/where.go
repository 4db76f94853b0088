package session

import (
	"errors"
	"net"
	"time"
)

// namePause is how long the name is left alone after another acceptor has refused the session. Four refusals are believed, so an
// acceptor that is silent has three times this before the others speak for it.
const namePause = 5 * time.Second

// where tells where the attempts of one outage go. Behind a name there may be several acceptors, only one of which has the
// session, so they go to that one. But a network may have another address for it.
type where struct {
	// isUnreached: the newest attempt went to the known peer, and none has got a connection since.
	isUnreached bool
	// nameNotBefore is when the name may be tried again.
	nameNotBefore time.Time
}

// next is the peer to which the next attempt goes; nil to have it go where the name leads.
func (w *where) next(known net.Addr, hasConnection bool, now time.Time) net.Addr {
	if known == nil || w.isUnreached && !hasConnection && !now.Before(w.nameNotBefore) {
		w.isUnreached = false
		return nil
	}
	w.isUnreached = true
	return known
}

// failed takes note of an attempt that came to nothing, and tells whether another peer has refused it.
func (w *where) failed(t *try, known net.Addr, err error, now time.Time) (elsewhere bool) {
	if t.peer == nil {
		return false
	}
	w.isUnreached = false
	var refused *RefusedError
	if known != nil && t.peer.String() != known.String() && errors.As(err, &refused) {
		w.nameNotBefore = now.Add(namePause)
		return true
	}
	return false
}
