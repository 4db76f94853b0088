package slab

import "sync"

// SyncPool keeps chunks in a sync.Pool for each size.
type SyncPool struct{ classes []*syncClass }

// NewSyncPool makes a pool of chunks from minSize to maxSize bytes, each size a factor above the last.
func NewSyncPool(minSize, maxSize, factor int) *SyncPool {
	pool := new(SyncPool)
	for _, size := range chunkSizes(minSize, maxSize, factor) {
		pool.classes = append(pool.classes, &syncClass{size: size})
	}
	return pool
}

// Alloc gives a slice of the smallest chunk that it fits into, which is made when none is kept.
func (p *SyncPool) Alloc(size int) []byte { return alloc(p.classes, size) }

// Free keeps a slice that has the capacity of a chunk.
func (p *SyncPool) Free(mem []byte) { free(p.classes, mem) }

type syncClass struct {
	size int
	kept sync.Pool
}

func (c *syncClass) chunkSize() int { return c.size }

func (c *syncClass) take() []byte {
	kept, _ := c.kept.Get().(*[]byte)
	if kept == nil {
		return make([]byte, c.size)
	}
	mem := *kept
	*kept = nil
	headers.Put(kept)
	return mem
}

func (c *syncClass) give(mem []byte) {
	kept, _ := headers.Get().(*[]byte)
	if kept == nil {
		kept = new([]byte)
	}
	*kept = mem
	c.kept.Put(kept)
}

// headers hold the kept slices, so that keeping one allocates nothing.
var headers sync.Pool
