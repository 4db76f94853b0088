// Package slab has memory pools under the names that the original's package of that name has. Any type with Alloc and
// Free will do for an EndPointCfg; so will none.
package slab

import (
	"math/bits"
	"sync"
)

// Pool gives out memory and takes it back.
type Pool interface {
	// Alloc gives a slice of the given length.
	Alloc(size int) []byte
	// Free takes a slice back that Alloc gave.
	Free(mem []byte)
}

// NoPool leaves memory to the garbage collector.
type NoPool struct{}

var _ Pool = (*NoPool)(nil)

// Alloc makes a slice.
func (*NoPool) Alloc(size int) []byte { return make([]byte, size) }

// Free does nothing.
func (*NoPool) Free([]byte) {}

// SizedPool keeps memory by sizes from a smallest to a largest chunk, each a factor above the last.
type SizedPool struct {
	classes []class
}

// AtomPool, ChanPool and SyncPool are one here: what they differ in, the runtime does well today.
type (
	AtomPool = SizedPool
	ChanPool = SizedPool
	SyncPool = SizedPool
)

type class struct {
	size int
	kept sync.Pool
}

// NewSyncPool makes a pool of chunks from minSize to maxSize.
func NewSyncPool(minSize, maxSize, factor int) *SyncPool {
	minSize, factor = max(minSize, 1), max(factor, 2)
	pool := &SizedPool{classes: make([]class, 0, bits.UintSize)}
	for size := minSize; size <= maxSize; size *= factor {
		pool.classes = append(pool.classes, class{size: size})
	}
	return pool
}

// NewAtomPool is NewSyncPool. The size of a page has no meaning here: the garbage collector bounds what is kept.
func NewAtomPool(minSize, maxSize, factor, _ int) *AtomPool {
	return NewSyncPool(minSize, maxSize, factor)
}

// NewChanPool is NewSyncPool. The size of a page has no meaning here: the garbage collector bounds what is kept.
func NewChanPool(minSize, maxSize, factor, _ int) *ChanPool {
	return NewSyncPool(minSize, maxSize, factor)
}

// Alloc gives a slice of the smallest chunk that it fits into; a larger one is made.
func (p *SizedPool) Alloc(size int) []byte {
	class := p.classFor(size)
	if class == nil {
		return make([]byte, size)
	}
	if kept, _ := class.kept.Get().(*[]byte); kept != nil {
		mem := *kept
		*kept = nil
		headers.Put(kept)
		return mem[:size]
	}
	return make([]byte, size, class.size)
}

// Free keeps a chunk of one of the pool's sizes.
func (p *SizedPool) Free(mem []byte) {
	class := p.classFor(cap(mem))
	if class == nil || class.size != cap(mem) {
		return
	}
	kept, _ := headers.Get().(*[]byte)
	if kept == nil {
		kept = new([]byte)
	}
	*kept = mem
	class.kept.Put(kept)
}

// headers are what slices are kept in, so that keeping one allocates nothing.
var headers sync.Pool

func (p *SizedPool) classFor(size int) *class {
	for i := range p.classes {
		if p.classes[i].size >= size {
			return &p.classes[i]
		}
	}
	return nil
}
