package fastway

import "sync/atomic"

// budget counts what waits to be received on all connections of a link, and what holds the link.
type budget struct {
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

func (b *budget) init(bound int) {
	b.bound = int64(bound)
	b.goOn = make(chan struct{}, 1)
}

// add is true when that is too much.
func (b *budget) add(bytes int) bool { return b.bytes.Add(int64(bytes)) > b.bound }

func (b *budget) sub(bytes int) {
	if bytes == 0 {
		return
	}
	left := b.bytes.Add(-int64(bytes))
	if b.together.Load() && left <= b.bound/2 && b.together.CompareAndSwap(true, false) {
		b.unhold()
	}
}

func (b *budget) isOver() bool { return b.bytes.Load() > b.bound }

func (b *budget) isHeld() bool { return b.holds.Load() > 0 && !b.free.Load() }

// setFree ends all holds for good.
func (b *budget) setFree() {
	b.free.Store(true)
	post(b.goOn)
}

func (b *budget) hold() { b.holds.Add(1) }

// holdTogether is for when no queue can be blamed.
func (b *budget) holdTogether() {
	if b.together.CompareAndSwap(false, true) {
		b.hold()
		// Who received meanwhile has not seen it.
		b.recheck()
	}
}

func (b *budget) recheck() {
	if b.bytes.Load() <= b.bound/2 && b.together.CompareAndSwap(true, false) {
		b.unhold()
	}
}

func (b *budget) unhold() {
	if b.holds.Add(-1) == 0 {
		post(b.goOn)
	}
}
