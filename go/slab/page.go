package slab

import "unsafe"

// page is memory that is cut into chunks of one size.
type page struct {
	mem  []byte
	size int
}

// pages are the pages of a pool, by chunk sizes; a chunk is never larger than a page.
func pages(minSize, maxSize, factor, pageSize int) (all []page) {
	for _, size := range chunkSizes(minSize, min(maxSize, pageSize), factor) {
		all = append(all, page{make([]byte, pageSize), size})
	}
	return all
}

func (p *page) chunkSize() int { return p.size }

func (p *page) chunks() int { return len(p.mem) / p.size }

// chunk gives the i-th one. An append to it never reaches the next one.
func (p *page) chunk(i int) []byte {
	begin, end := i*p.size, (i+1)*p.size
	return p.mem[begin:end:end]
}

// indexOf tells which chunk a slice of a chunk's capacity is; false when it is memory of elsewhere.
func (p *page) indexOf(mem []byte) (i int, ours bool) {
	// Only the addresses are compared, and both slices are in use: nothing is read or kept through them.
	offset := uintptr(unsafe.Pointer(unsafe.SliceData(mem))) - uintptr(unsafe.Pointer(unsafe.SliceData(p.mem)))
	return int(offset / uintptr(p.size)), offset < uintptr(len(p.mem))
}
