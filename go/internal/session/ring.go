package session

// ring holds the bytes of a stream that may have to be sent again. It has a bound, takes memory as it fills, and keeps
// little while it is empty.
type ring struct {
	mem         []byte
	start, size int
	bound       int
}

const (
	firstRing = 1 << 10
	// keptRing is what an empty ring keeps, so that quick answers allocate nothing.
	keptRing = 16 << 10
)

func (r *ring) len() int { return r.size }

func (r *ring) room() int { return r.bound - r.size }

// push takes as much of p as there is room for.
func (r *ring) push(p []byte) int {
	p = p[:min(len(p), r.room())]
	r.grow(r.size + len(p))
	r.size += len(p)
	r.write(r.size-len(p), p)
	return len(p)
}

// write replaces bytes from the from-th on.
func (r *ring) write(from int, p []byte) {
	first, second := r.parts(from, len(p))
	copy(second, p[copy(first, p):])
}

// copyTo copies the bytes from the from-th on.
func (r *ring) copyTo(p []byte, from int) {
	first, second := r.parts(from, len(p))
	copy(p[copy(p, first):], second)
}

// parts are the two places of so many bytes from the from-th on.
func (r *ring) parts(from, count int) (first, second []byte) {
	if count == 0 {
		return nil, nil
	}
	at := (r.start + from) % len(r.mem)
	end := at + count
	if end <= len(r.mem) {
		return r.mem[at:end], nil
	}
	return r.mem[at:], r.mem[:end-len(r.mem)]
}

// release drops the oldest bytes.
func (r *ring) release(count int) {
	r.size -= count
	if r.size > 0 {
		r.start = (r.start + count) % len(r.mem)
		return
	}
	r.start = 0
	if len(r.mem) > keptRing {
		r.mem = nil
	}
}

func (r *ring) grow(needed int) {
	if needed <= len(r.mem) {
		return
	}
	mem := make([]byte, min(max(needed, 2*len(r.mem), firstRing), r.bound))
	r.copyTo(mem[:r.size], 0)
	r.mem, r.start = mem, 0
}
