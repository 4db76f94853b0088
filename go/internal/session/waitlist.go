package session

import "sync"

// waitList has a listener's sessions that wait for a transport. Each keeps its memory, and strangers can leave as many as
// they like: so there is a bound, at which the one ends that has waited longest at the address that has most.
type waitList struct {
	mu     sync.Mutex
	places places[*Stream]
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
	if !s.waits() {
		w.places.leave(s)
	} else if !w.places.has(s) {
		tooMany, _ = w.places.take(s, s.RemoteAddr())
	}
	return tooMany
}

// waits tells whether the session lives and has no transport.
func (s *Stream) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live == nil && s.end == nil
}
