package slab_test

import (
	"testing"

	"fastway/slab"
)

func TestPoolsGiveTheLengthThatIsAskedFor(t *testing.T) {
	for name, pool := range map[string]slab.Pool{
		"atom": slab.NewAtomPool(64, 64<<10, 2, 1<<20),
		"chan": slab.NewChanPool(64, 64<<10, 2, 1<<20),
		"sync": slab.NewSyncPool(64, 64<<10, 2),
		"none": &slab.NoPool{},
		"odd":  slab.NewSyncPool(0, 1000, 0),
	} {
		for _, size := range []int{0, 1, 63, 64, 65, 1000, 64 << 10, 64<<10 + 1} {
			for range 3 {
				mem := pool.Alloc(size)
				if len(mem) != size {
					t.Fatalf("%s: asked for %d, got %d", name, size, len(mem))
				}
				pool.Free(mem)
			}
		}
		pool.Free(nil)
		pool.Free(make([]byte, 77))
	}
}

func TestSlicesOfAPoolDoNotOverlap(t *testing.T) {
	pool := slab.NewSyncPool(64, 1024, 2)
	seen := map[*byte]bool{}
	for range 100 {
		mem := pool.Alloc(100)
		if first := &mem[:cap(mem)][0]; seen[first] {
			t.Fatal("one piece was given out twice")
		} else {
			seen[first] = true
		}
	}
}

func BenchmarkAllocAndFree(b *testing.B) {
	pool := slab.NewAtomPool(64, 64<<10, 2, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		pool.Free(pool.Alloc(1000))
	}
}
