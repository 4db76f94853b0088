package session

import (
	"slices"
	"sync"
)

// waitList has a listener's sessions that wait for a transport. Each keeps its memory, and strangers can leave as many as
// they like: so there is a bound, at which the one that has waited longest ends.
type waitList struct {
	bound int

	mu      sync.Mutex
	waiting []*Stream
}

// review takes note of whether a session waits. It is called without the session's lock.
func (w *waitList) review(s *Stream) {
	if tooMany := w.note(s); tooMany != nil {
		tooMany.expire()
	}
}

func (w *waitList) note(s *Stream) (tooMany *Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, waits := slices.Index(w.waiting, s), s.waits()
	switch {
	case waits && at < 0:
		w.waiting = append(w.waiting, s)
	case !waits && at >= 0:
		w.waiting = slices.Delete(w.waiting, at, at+1)
	}
	if len(w.waiting) <= w.bound {
		return nil
	}
	tooMany = w.waiting[0]
	w.waiting = slices.Delete(w.waiting, 0, 1)
	return tooMany
}

// waits tells whether the session lives and has no transport.
func (s *Stream) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live == nil && s.end == nil
}
