package fastway

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// keepalive pings, and finds a gateway that is gone without a word. It has a timer and no goroutine.
type keepalive struct {
	// heard: something came since the last tick.
	heard atomic.Bool
	// ticks counts, for a write to see that it has lasted over one. There are so many between two pings, at most: a gateway that
	// has said nothing from one to the next is pinged.
	ticks        atomic.Uint64
	ticksPerPing int
	tickInterval time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	silent  int
	stopped bool
}

func (k *keepalive) start(ep *EndPoint) {
	if ep.cfg.PingInterval <= 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ticksPerPing = ep.cfg.looksPerPing()
	k.tickInterval = ep.cfg.PingInterval / time.Duration(k.ticksPerPing)
	k.timer = time.AfterFunc(k.tickInterval, ep.tick)
}

func (k *keepalive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// tick is called every ping interval, or several times in one; one at a time.
func (ep *EndPoint) tick() {
	silent, stopped := ep.keep.count(ep.unread.isHeld())
	if stopped {
		return
	}
	if ep.cfg.DeadAfter > 0 && silent >= ep.cfg.DeadAfter*ep.keep.ticksPerPing {
		silence := time.Duration(silent) * ep.keep.tickInterval
		why := fmt.Errorf("%w for %v", ErrSilent, silence)
		if ep.session == nil {
			ep.finish(&LinkError{End: LinkSilent, Err: why})
			return
		}
		ep.session.Interrupt(why)
		ep.keep.startAgain()
	}
	before := ep.counters.receivedBytes.Load()
	if silent > 0 || ep.keep.isPingDue() {
		ep.out.ping()
	}
	if ep.cfg.silence.goOn != nil {
		ep.checkLater(before, ep.cfg.silence.after)
		return
	}
	ep.keep.again(ep.keep.tickInterval)
}

// silenceCheck is what an EndPointCfg says of a gateway that does not answer.
type silenceCheck struct {
	after time.Duration
	// goOn tells whether the gateway is to be pinged again; false stops the keepalive for good.
	goOn func() bool
}

// checkLater looks whether anything comes after the ping, before which so many bytes had come, in the time that is left for
// it. With an answer the next ping comes after PingInterval, also where PingTimeout is longer.
func (ep *EndPoint) checkLater(before uint64, left time.Duration) {
	interval := ep.cfg.PingInterval
	wait := min(left, interval)
	time.AfterFunc(wait, func() {
		silent := ep.counters.receivedBytes.Load() == before && !ep.unread.isHeld()
		switch {
		case ep.end.Load() != nil:
			return
		case silent && left > wait:
			ep.checkLater(before, left-wait)
			return
		case silent && !ep.cfg.silence.goOn():
			ep.keep.stop()
		}
		ep.keep.again(max(interval-ep.cfg.silence.after, 0))
	})
}

// count gives the number of ticks in a row between which no byte came. While nobody listens, silence means nothing.
func (k *keepalive) count(held bool) (silent int, stopped bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ticks.Add(1)
	if k.heard.Swap(false) || held {
		k.silent = 0
	} else if k.pinged() {
		k.silent++
	}
	return k.silent, k.stopped
}

// startAgain is for a new physical connection, on which nothing was silent yet.
func (k *keepalive) startAgain() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.silent = 0
}

// pinged tells whether there was a ping to answer.
func (k *keepalive) pinged() bool { return k.ticks.Load() > 1 }

// isPingDue tells whether the time between two pings is over.
func (k *keepalive) isPingDue() bool { return k.ticks.Load()%uint64(k.ticksPerPing) == 0 }

func (k *keepalive) again(interval time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.timer.Reset(interval)
	}
}
