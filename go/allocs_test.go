package fastway

import (
	"context"
	"testing"
)

// Both ends are in this process, with their goroutines; what is left of a fraction is the garbage collector's.
func TestASendAndAReceiveAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Log("not measured: the race detector allocates")
		return
	}
	client, server := pair(t)
	message, buf, ctx := make([]byte, 64), make([]byte, 0, 64), context.Background()
	var err error
	work := func() {
		if err == nil {
			err = client.Send(ctx, message)
		}
		if err == nil {
			buf, err = server.ReceiveAppend(ctx, buf[:0])
		}
	}
	for range 1000 {
		work()
	}
	allocs := testing.AllocsPerRun(5000, work)
	if err != nil || allocs != 0 {
		t.Errorf("%v allocations for a message sent and received; %v", allocs, err)
	}
	conn, read := client, make([]byte, 64)
	work = func() {
		if _, err = conn.Write(message); err == nil {
			_, err = server.Read(read)
		}
	}
	if allocs := testing.AllocsPerRun(5000, work); err != nil || allocs != 0 {
		t.Errorf("%v allocations for a write and a read; %v", allocs, err)
	}
}
