package slab

import "sync/atomic"

// AtomPool owns a page of memory for each chunk size, and hands chunks out without a lock.
type AtomPool struct{ classes []*atomClass }

// NewAtomPool makes a pool of chunks from minSize to maxSize bytes, each size a factor above the last. pageSize is how much
// memory there is for each of them; it is taken at once.
func NewAtomPool(minSize, maxSize, factor, pageSize int) *AtomPool {
	pool := new(AtomPool)
	for _, page := range pages(minSize, maxSize, factor, pageSize) {
		pool.classes = append(pool.classes, newAtomClass(page))
	}
	return pool
}

// Alloc gives a slice of the smallest chunk that it fits into. When there is none left, one is made.
func (p *AtomPool) Alloc(size int) []byte { return alloc(p.classes, size) }

// Free takes back a slice of this pool; one of elsewhere is left to the garbage collector. It panics when the slice was freed
// already.
func (p *AtomPool) Free(mem []byte) { free(p.classes, mem) }

// atomClass is a stack of the chunks that are free, linked by their numbers.
type atomClass struct {
	page
	// head is the number of the uppermost chunk, from 1 on, below a count of the changes: a head that was taken and put
	// back in between is not mistaken for the one that was seen.
	head atomic.Uint64
	// next is, for each chunk, the number of the one below it.
	next  []atomic.Uint32
	inUse []atomic.Bool
}

const (
	numberBits = 32
	oneChange  = 1 << numberBits
)

func newAtomClass(page page) *atomClass {
	c := &atomClass{page: page, next: make([]atomic.Uint32, page.chunks()), inUse: make([]atomic.Bool, page.chunks())}
	for i := range c.next {
		if i+1 < len(c.next) {
			c.next[i].Store(uint32(i + 2))
		}
	}
	c.head.Store(1)
	return c
}

func (c *atomClass) take() []byte {
	for {
		head := c.head.Load()
		number := uint32(head)
		if number == 0 {
			return nil
		}
		i := int(number - 1)
		if c.head.CompareAndSwap(head, changed(head, c.next[i].Load())) {
			c.inUse[i].Store(true)
			return c.chunk(i)
		}
	}
}

func (c *atomClass) give(mem []byte) {
	i, ours := c.indexOf(mem)
	if !ours {
		return
	}
	if !c.inUse[i].CompareAndSwap(true, false) {
		panic("slab.AtomPool: Double Free")
	}
	for {
		head := c.head.Load()
		c.next[i].Store(uint32(head))
		if c.head.CompareAndSwap(head, changed(head, uint32(i+1))) {
			return
		}
	}
}

// changed is the head that follows on another one.
func changed(head uint64, number uint32) uint64 {
	return (head+oneChange)>>numberBits<<numberBits | uint64(number)
}
