// Package slab has the memory pools of github.com/funny/slab under their old names, for programs that were written for it.
// Any type with Alloc and Free serves as the MemPool of an EndPointCfg or a Config.
//
// The pools differ in where they keep memory:
//
//   - [AtomPool] and [LockPool] own a page of memory for each chunk size. A chunk that is freed twice panics.
//   - [ChanPool] begins with a page for each chunk size, and keeps any slice of such a size.
//   - [SyncPool] keeps freed slices in sync.Pools, so the garbage collector bounds them. New programs use this one.
//   - [NoPool] keeps nothing.
//
// All of them may be used by several goroutines at a time. A slice that is larger than the largest chunk, or that comes when
// all chunks of its size are in use, is made for its length alone and left to the garbage collector.
package slab

// Pool gives out memory and takes it back.
type Pool interface {
	// Alloc gives a slice of the given length. Its content is arbitrary.
	Alloc(size int) []byte
	// Free takes back a slice that Alloc gave. Nothing may use it afterwards.
	Free(mem []byte)
}

// NoPool leaves memory to the garbage collector.
type NoPool struct{}

var (
	_ Pool = (*NoPool)(nil)
	_ Pool = (*AtomPool)(nil)
	_ Pool = (*ChanPool)(nil)
	_ Pool = (*LockPool)(nil)
	_ Pool = (*SyncPool)(nil)
)

// Alloc makes a slice.
func (*NoPool) Alloc(size int) []byte { return make([]byte, size) }

// Free does nothing.
func (*NoPool) Free([]byte) {}

// chunkSizes are the sizes from minSize to maxSize, each a factor above the last. Values that would give no end of sizes are
// raised to the smallest that do.
func chunkSizes(minSize, maxSize, factor int) (sizes []int) {
	minSize, factor = max(minSize, 1), max(factor, 2)
	for size := minSize; size <= maxSize; size *= factor {
		sizes = append(sizes, size)
		if size > maxSize/factor {
			break
		}
	}
	return sizes
}

// class holds the chunks of one size.
type class interface {
	// chunkSize is the capacity of its chunks.
	chunkSize() int
	// take gives a chunk; nil when there is none.
	take() []byte
	// give takes a slice of that capacity back.
	give(mem []byte)
}

// alloc gives a slice of the smallest chunk that it fits into, or makes one.
func alloc[C class](classes []C, size int) []byte {
	for _, class := range classes {
		if class.chunkSize() < size {
			continue
		}
		if mem := class.take(); mem != nil {
			return mem[:size]
		}
		break
	}
	return make([]byte, size)
}

// free gives a slice to the class of its capacity, if there is one.
func free[C class](classes []C, mem []byte) {
	for _, class := range classes {
		if class.chunkSize() == cap(mem) {
			class.give(mem[:cap(mem)])
			return
		}
	}
}
