package fastway

import (
	"math/bits"
	"sync"
)

// chunk is a piece of memory in which whole frames wait, between read and written.
type chunk struct {
	mem         []byte
	read, wrote int
	next        *chunk
}

func (c *chunk) free() int { return len(c.mem) - c.wrote }

func (c *chunk) waiting() []byte { return c.mem[c.read:c.wrote] }

const (
	smallestChunk = 512
	// grownChunk is how far chunks of one queue double; only a larger run of messages gets a larger one.
	grownChunk = 64 * kib
)

// chunks gives out chunks and takes them back.
type chunks interface {
	get(size int) *chunk
	put(c *chunk)
}

// sharedChunks are the chunks of all endpoints without a pool of their own, by powers of two.
type sharedChunks struct{ classes [32]sync.Pool }

var shared sharedChunks

func (s *sharedChunks) get(size int) *chunk {
	class := bits.Len(uint(max(size, smallestChunk) - 1))
	if class >= len(s.classes) {
		return &chunk{mem: make([]byte, size)}
	}
	if kept, _ := s.classes[class].Get().(*chunk); kept != nil {
		return kept
	}
	return &chunk{mem: make([]byte, 1<<class)}
}

func (s *sharedChunks) put(c *chunk) {
	class := bits.Len(uint(len(c.mem) - 1))
	if class < len(s.classes) && len(c.mem) == 1<<class {
		c.read, c.wrote, c.next = 0, 0, nil
		s.classes[class].Put(c)
	}
}

// pooledChunks are made from a pool of the application.
type pooledChunks struct {
	pool    Pool
	headers sync.Pool
}

func (p *pooledChunks) get(size int) *chunk {
	c, _ := p.headers.Get().(*chunk)
	if c == nil {
		c = new(chunk)
	}
	c.mem = p.pool.Alloc(size)
	return c
}

func (p *pooledChunks) put(c *chunk) {
	p.pool.Free(c.mem)
	*c = chunk{}
	p.headers.Put(c)
}
