package fastway

import (
	"math/rand/v2"
	"time"

	"fastway/internal/session"
)

// Backoff gives growing, jittered delays between attempts to reach a gateway. The n-th is drawn evenly from the upper
// half of First·2ⁿ, Longest at most: thousands of clients that lost the same gateway do not come back in one moment.
//
// The zero value goes from 100 ms to 10 s. It is for one goroutine.
type Backoff struct {
	// First and Longest bound the delays. Defaults 100 ms and 10 s; both are at least 1 ms.
	First, Longest time.Duration
	next           time.Duration
}

// shortestDelay keeps settings from making a busy loop.
const shortestDelay = time.Millisecond

// Next draws the next delay.
func (b *Backoff) Next() time.Duration {
	first, longest := b.bounds()
	ceiling := min(max(b.next, first), longest)
	b.next = min(2*ceiling, longest)
	half := ceiling / 2
	return half + rand.N(ceiling-half+1)
}

// longest is the longest delay.
func (b *Backoff) longest() time.Duration {
	_, longest := b.bounds()
	return longest
}

func (b *Backoff) bounds() (first, longest time.Duration) {
	first, longest = b.First, b.Longest
	orElse(&first, 100*time.Millisecond)
	orElse(&longest, 10*time.Second)
	longest = max(longest, shortestDelay)
	return min(max(first, shortestDelay), longest), longest
}

// nth draws the delay before the n-th attempt in a row, from 1 on.
func (b Backoff) nth(n int) time.Duration {
	b.Reset()
	for range min(n-1, 32) {
		b.Next()
	}
	return b.Next()
}

// whileAbsent is for attempts that find nobody who listens: so a gateway that is being restarted looks, and its machine
// hardly notices them.
func (b Backoff) whileAbsent() Backoff {
	b.Longest = min(b.longest(), session.LongestAbsence)
	return b
}

// AfterLink takes note that a link has lived so long, and is gone. Only after one that outlived the longest delay the
// delays start again: a gateway may take every link and drop it at once.
func (b *Backoff) AfterLink(lived time.Duration) {
	if lived > b.longest() {
		b.Reset()
	}
}

// Reset starts again with the first delay, for when there is reason to hope.
func (b *Backoff) Reset() { b.next = 0 }
