package fastway

import (
	"context"
	"time"
)

// waiters are the goroutines that wait for one thing. A lock of its owner guards all but the wait itself.
//
// A token in the channel wakes one of them; who still finds something for the others passes it on. So neither a message
// nor an end is missed, and nobody waits without having been counted.
type waiters struct {
	count int
	token chan struct{}
}

// join counts the caller in; it has to wait, and to leave, after that.
func (w *waiters) join() <-chan struct{} {
	if w.token == nil {
		w.token = make(chan struct{}, 1)
	}
	w.count++
	return w.token
}

func (w *waiters) leave() { w.count-- }

// wake lets one of them look again.
func (w *waiters) wake() {
	if w.count > 0 {
		post(w.token)
	}
}

// post leaves a token, if there is none.
func post(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// await waits for a token. It gives the context's cause when that ends first.
func await(ctx context.Context, token <-chan struct{}) error {
	done := ctx.Done()
	if done == nil {
		<-token
		return nil
	}
	select {
	case <-token:
		return nil
	case <-done:
		return context.Cause(ctx)
	}
}

// deadline is the deadline of one direction of a connection. A lock of its owner guards it.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// set moves the deadline; onTime is called when one may have passed. It is the same function in every call.
func (d *deadline) set(at time.Time, onTime func()) {
	d.at = at
	switch {
	case at.IsZero():
		if d.timer != nil {
			d.timer.Stop()
		}
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(at), onTime)
	default:
		d.timer.Reset(time.Until(at))
	}
}

// rearm is for a timer that went off before a deadline that was moved, or by another clock.
func (d *deadline) rearm() {
	if !d.at.IsZero() && !d.passed() {
		d.timer.Reset(time.Until(d.at))
	}
}

func (d *deadline) stop() { d.set(time.Time{}, nil) }

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
