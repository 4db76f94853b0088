package slab

// ChanPool keeps the chunks of each size in a channel, which a page of memory fills at first.
type ChanPool struct{ classes []*chanClass }

// NewChanPool makes a pool of chunks from minSize to maxSize bytes, each size a factor above the last. pageSize is how much
// memory there is for each of them; it is taken at once.
func NewChanPool(minSize, maxSize, factor, pageSize int) *ChanPool {
	pool := new(ChanPool)
	for _, page := range pages(minSize, maxSize, factor, pageSize) {
		pool.classes = append(pool.classes, newChanClass(page))
	}
	return pool
}

// Alloc gives a slice of the smallest chunk that it fits into. When there is none left, one is made.
func (p *ChanPool) Alloc(size int) []byte { return alloc(p.classes, size) }

// Free keeps a slice that has the capacity of a chunk, while fewer than a page of them are kept. Nothing notices a slice that
// is freed twice: it would be given out twice.
func (p *ChanPool) Free(mem []byte) { free(p.classes, mem) }

type chanClass struct {
	size int
	kept chan []byte
}

func newChanClass(page page) *chanClass {
	c := &chanClass{page.chunkSize(), make(chan []byte, page.chunks())}
	for i := range page.chunks() {
		c.kept <- page.chunk(i)
	}
	return c
}

func (c *chanClass) chunkSize() int { return c.size }

func (c *chanClass) take() []byte {
	select {
	case mem := <-c.kept:
		return mem
	default:
		return nil
	}
}

func (c *chanClass) give(mem []byte) {
	select {
	case c.kept <- mem:
	default:
	}
}
