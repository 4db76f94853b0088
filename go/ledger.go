package fastway

import "sync/atomic"

// ledger counts what waits to be received on all connections of a link, and what holds the link.
type ledger struct {
	bound int64
	bytes atomic.Int64
	// holds counts the queues that hold the link; all together count as one more.
	holds atomic.Int32
	// together: all together hold the link.
	together atomic.Bool
	// free: the link is closing, and never held again.
	free atomic.Bool
	// goOn has a token when the last hold has ended.
	goOn chan struct{}
}

func (l *ledger) init(bound int) {
	l.bound = int64(bound)
	l.goOn = make(chan struct{}, 1)
}

// add is true when that is too much.
func (l *ledger) add(bytes int) bool { return l.bytes.Add(int64(bytes)) > l.bound }

func (l *ledger) sub(bytes int) {
	if bytes == 0 {
		return
	}
	left := l.bytes.Add(-int64(bytes))
	if l.together.Load() && left <= l.bound/2 && l.together.CompareAndSwap(true, false) {
		l.unhold()
	}
}

func (l *ledger) isOver() bool { return l.bytes.Load() > l.bound }

func (l *ledger) isHeld() bool { return l.holds.Load() > 0 && !l.free.Load() }

// setFree ends all holds for good.
func (l *ledger) setFree() {
	l.free.Store(true)
	post(l.goOn)
}

func (l *ledger) hold() { l.holds.Add(1) }

// holdTogether is for when no queue can be blamed.
func (l *ledger) holdTogether() {
	if l.together.CompareAndSwap(false, true) {
		l.hold()
		// Who received meanwhile has not seen it.
		l.recheck()
	}
}

func (l *ledger) recheck() {
	if l.bytes.Load() <= l.bound/2 && l.together.CompareAndSwap(true, false) {
		l.unhold()
	}
}

func (l *ledger) unhold() {
	if l.holds.Add(-1) == 0 {
		post(l.goOn)
	}
}
