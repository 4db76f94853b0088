package session

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// LongestAbsence bounds the pause while nobody listens: whoever restarts a gateway wants its players back at once, and
	// an attempt costs its machine next to nothing.
	LongestAbsence = 400 * time.Millisecond
	// longestRefusal bounds the pause after a refusal that would be final, so that it is soon known.
	longestRefusal = 100 * time.Millisecond
	// leastLife is how long a transport that was not confirmed has to live to have been of use.
	leastLife = 100 * time.Millisecond
)

// pauses are the pauses before the attempts to get a transport. They grow until one was of use.
type pauses struct {
	// grow draws the pause before the n-th attempt in a row.
	grow func(n int) time.Duration
	// longest bounds what an acceptor may ask for.
	longest time.Duration
	// failed counts what may get worse with more attempts; absent counts those that found nobody.
	failed, absent int
	// last was drawn last.
	last time.Duration
}

// next draws the pause after an attempt, or a transport, that ended so.
func (p *pauses) next(why error) time.Duration {
	var refused *RefusedError
	switch {
	case errors.As(why, &refused) && refused.RetryAfter > 0:
		p.last = AfterOverload(refused.RetryAfter, p.longest)
	case errors.As(why, &refused) && refused.Status.wouldBeFinal():
		p.last = jittered(longestRefusal)
	case NobodyListens(why):
		p.absent++
		p.last = min(p.grow(p.absent+1), jittered(LongestAbsence))
	default:
		p.failed++
		p.last = p.grow(p.failed)
	}
	return p.last
}

// lost takes note of the end of a transport. One was of use when the other end had confirmed it, or when it outlived the pause
// before it: an acceptor may let everybody in and drop them at once.
func (p *pauses) lost(isConfirmed bool, lived time.Duration) {
	if isConfirmed || lived >= max(p.last, leastLife) {
		p.reset()
	}
}

func (p *pauses) reset() { p.failed, p.absent, p.last = 0, 0, 0 }

// AfterOverload draws the pause after an overloaded acceptor has said when to come again: never shorter than that, but that
// is bounded by longest, and up to half of it more, so that not everybody comes back in one moment.
func AfterOverload(retryAfter, longest time.Duration) time.Duration {
	return upToHalfLonger(min(retryAfter, longest))
}

func upToHalfLonger(least time.Duration) time.Duration { return least + rand.N(least/2+1) }

// jittered draws from the upper half: those who lost the same gateway do not come back in one moment.
func jittered(longest time.Duration) time.Duration { return longest/2 + rand.N(longest/2+1) }
