package slab

import "sync"

// LockPool owns a page of memory for each chunk size, and hands chunks out under a lock.
type LockPool struct{ classes []*lockClass }

// NewLockPool makes a pool of chunks from minSize to maxSize bytes, each size a factor above the last. pageSize is how much
// memory there is for each of them; it is taken at once.
func NewLockPool(minSize, maxSize, factor, pageSize int) *LockPool {
	pool := new(LockPool)
	for _, page := range pages(minSize, maxSize, factor, pageSize) {
		pool.classes = append(pool.classes, newLockClass(page))
	}
	return pool
}

// Alloc gives a slice of the smallest chunk that it fits into. When there is none left, one is made.
func (p *LockPool) Alloc(size int) []byte { return alloc(p.classes, size) }

// Free takes back a slice of this pool; one of elsewhere is left to the garbage collector. It panics when the slice was freed
// already.
func (p *LockPool) Free(mem []byte) { free(p.classes, mem) }

type lockClass struct {
	page
	mu sync.Mutex
	// unused are the chunks that can be taken.
	unused []int
	inUse  []bool
}

func newLockClass(page page) *lockClass {
	c := &lockClass{page: page, inUse: make([]bool, page.chunks())}
	for i := page.chunks() - 1; i >= 0; i-- {
		c.unused = append(c.unused, i)
	}
	return c
}

func (c *lockClass) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unused) == 0 {
		return nil
	}
	last := len(c.unused) - 1
	i := c.unused[last]
	c.unused = c.unused[:last]
	c.inUse[i] = true
	return c.chunk(i)
}

func (c *lockClass) give(mem []byte) {
	i, ours := c.indexOf(mem)
	if !ours {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.inUse[i] {
		panic("slab.LockPool: Double Free")
	}
	c.inUse[i] = false
	c.unused = append(c.unused, i)
}
