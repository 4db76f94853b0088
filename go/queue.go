package fastway

import (
	"context"
	"sync"
)

// queue holds what waits to be accepted.
type queue[T any] struct {
	mu      sync.Mutex
	waiting []T
	bound   int
	// end is why nothing more comes; what waits comes before.
	end     error
	waiters waiters
}

// push is false when there is no room, or nothing comes any more.
func (q *queue[T]) push(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil || len(q.waiting) >= q.bound {
		return false
	}
	q.waiting = append(q.waiting, item)
	q.waiters.wake()
	return true
}

// pop waits for the oldest.
func (q *queue[T]) pop(ctx context.Context) (item T, err error) {
	for waited := false; ; waited = true {
		item, token, err := q.take(waited)
		if token == nil {
			return item, err
		}
		if err := await(ctx, token); err != nil {
			q.giveUp()
			return item, err
		}
	}
}

// take gives the oldest. Without one and without an end it gives a token to wait for; waited tells that it did before.
func (q *queue[T]) take(waited bool) (item T, token <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if waited {
		q.waiters.leave()
	}
	switch {
	case len(q.waiting) > 0:
		var gone T
		item, q.waiting[0] = q.waiting[0], gone
		q.waiting = q.waiting[1:]
	case q.end != nil:
		err = q.end
	default:
		return item, q.waiters.join(), nil
	}
	q.waiters.wake()
	return item, nil, err
}

// giveUp undoes a wait that has ended otherwise.
func (q *queue[T]) giveUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiters.leave()
	q.waiters.wake()
}

// finish says that nothing more comes; with drop set it gives what waited, which then does not come either.
func (q *queue[T]) finish(why error, drop bool) (dropped []T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end == nil {
		q.end = why
	}
	if drop {
		dropped, q.waiting = q.waiting, nil
	}
	q.waiters.wake()
	return dropped
}
