package slab_test

import (
	"sync"
	"testing"

	"fastway/slab"
)

const (
	smallest = 64
	largest  = 64 << 10
	pageSize = 1 << 20
)

func pools() map[string]slab.Pool {
	return map[string]slab.Pool{
		"atom": slab.NewAtomPool(smallest, largest, 2, pageSize),
		"chan": slab.NewChanPool(smallest, largest, 2, pageSize),
		"lock": slab.NewLockPool(smallest, largest, 2, pageSize),
		"sync": slab.NewSyncPool(smallest, largest, 2),
	}
}

func forEachPool(t *testing.T, try func(t *testing.T, pool slab.Pool)) {
	for name, pool := range pools() {
		t.Run(name, func(t *testing.T) { try(t, pool) })
	}
}

func TestASliceHasTheLengthThatIsAskedForAndTheCapacityOfAChunk(t *testing.T) {
	forEachPool(t, func(t *testing.T, pool slab.Pool) {
		for size, capacity := range map[int]int{
			0: 64, 1: 64, 63: 64, 64: 64, 65: 128, 1000: 1024, largest: largest, largest + 1: largest + 1,
		} {
			for range 3 {
				mem := pool.Alloc(size)
				if len(mem) != size {
					t.Fatalf("asked for %d, got %d", size, len(mem))
				}
				if cap(mem) < capacity || size <= largest && cap(mem) != capacity {
					t.Fatalf("asked for %d, got a capacity of %d", size, cap(mem))
				}
				pool.Free(mem)
			}
		}
	})
}

func TestSlicesInUseDoNotOverlap(t *testing.T) {
	forEachPool(t, func(t *testing.T, pool slab.Pool) {
		// More than a page has.
		const slices = pageSize/128 + 100
		seen := make(map[*byte]bool, slices)
		for range slices {
			mem := pool.Alloc(100)
			mem = append(mem, make([]byte, cap(mem)-len(mem))...)
			first := &mem[0]
			if seen[first] {
				t.Fatal("one piece was given out twice")
			}
			seen[first] = true
			if grown := append(mem, 1); &grown[0] == first {
				t.Fatal("an append reached the next chunk")
			}
		}
	})
}

func TestFreedChunksAreGivenOutAgain(t *testing.T) {
	forEachPool(t, func(t *testing.T, pool slab.Pool) {
		if _, is := pool.(*slab.SyncPool); is {
			t.Skip("a sync.Pool may drop what it keeps at any time")
		}
		first := takePage(pool)
		for _, mem := range first {
			pool.Free(mem)
		}
		for chunk := range takePage(pool) {
			if first[chunk] == nil {
				t.Fatal("memory was made although chunks were free")
			}
		}
	})
}

// takePage takes all chunks of 1,024 bytes that a pool begins with.
func takePage(pool slab.Pool) map[*byte][]byte {
	taken := make(map[*byte][]byte)
	for range pageSize / 1024 {
		mem := pool.Alloc(1024)
		taken[&mem[0]] = mem
	}
	return taken
}

func TestMemoryOfElsewhereIsNeverGivenOutTwice(t *testing.T) {
	forEachPool(t, func(t *testing.T, pool slab.Pool) {
		pool.Free(nil)
		pool.Free(make([]byte, 77))
		pool.Free(make([]byte, largest+1))
		stranger := make([]byte, 1024)
		pool.Free(stranger)
		taken := takePage(pool)
		if len(taken) != pageSize/1024 {
			t.Fatal("one piece was given out twice")
		}
	})
}

func TestAChunkThatIsFreedTwicePanics(t *testing.T) {
	for _, name := range []string{"atom", "lock"} {
		t.Run(name, func(t *testing.T) {
			pool := pools()[name]
			mem := pool.Alloc(100)
			pool.Free(mem)
			defer func() {
				if recover() == nil {
					t.Error("nothing panicked")
				}
			}()
			pool.Free(mem)
		})
	}
}

func TestAPoolBearsSeveralGoroutines(t *testing.T) {
	forEachPool(t, func(t *testing.T, pool slab.Pool) {
		var group sync.WaitGroup
		for worker := range 8 {
			group.Add(1)
			go func() {
				defer group.Done()
				for round := range 500 {
					mem := pool.Alloc(largest)
					mark := byte(worker + round)
					mem[0], mem[largest-1] = mark, mark
					if mem[0] != mark || mem[largest-1] != mark {
						t.Error("somebody else has written into it")
					}
					pool.Free(mem)
				}
			}()
		}
		group.Wait()
	})
}

func TestPoolsOfOddSizesWork(t *testing.T) {
	for _, pool := range []slab.Pool{
		&slab.NoPool{}, slab.NewSyncPool(0, 1000, 0), slab.NewAtomPool(0, 1000, 1, 100), slab.NewLockPool(100, 10, 2, 100),
		slab.NewChanPool(7, 1000, 3, 100),
	} {
		for _, size := range []int{0, 1, 7, 99, 100, 101, 1000, 2000} {
			mem := pool.Alloc(size)
			if len(mem) != size {
				t.Fatalf("%T: asked for %d, got %d", pool, size, len(mem))
			}
			pool.Free(mem)
		}
	}
}

func TestPoolsAllocateNothing(t *testing.T) {
	for name, pool := range pools() {
		if allocs := testing.AllocsPerRun(1000, func() { pool.Free(pool.Alloc(1000)) }); allocs > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations for a slice", name, allocs)
		}
	}
}

func BenchmarkAllocAndFree(b *testing.B) {
	for name, pool := range pools() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pool.Free(pool.Alloc(1000))
			}
		})
	}
}
