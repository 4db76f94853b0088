package session

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// deaf is a listener that accepts connections and says nothing on them; it holds them until the test is over.
func deaf(tb testing.TB) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var held []net.Conn
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			held = append(held, conn)
		}
	}()
	tb.Cleanup(func() {
		lis.Close()
		done.Wait()
		for _, conn := range held {
			conn.Close()
		}
	})
	return lis.Addr().String()
}

// detour has the next dial go to an address, and those after it where they go otherwise.
type detour struct {
	mu   sync.Mutex
	next string
}

func (d *detour) take(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = address
}

// changes has a stream dial by the detour. No attempt is given up while the test runs.
func (d *detour) changes(opts *Options) {
	opts.HandshakeTime = 10 * patience
	dial := opts.Dial
	opts.Dial = func(ctx context.Context) (net.Conn, error) {
		d.mu.Lock()
		address := d.next
		d.next = ""
		d.mu.Unlock()
		if address == "" {
			return dial(ctx)
		}
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", address)
	}
}

func TestAResumeThatNobodyAnswersGetsAnotherAttemptBesideIt(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var d detour
			e := meet(t, w, d.changes)
			d.take(deaf(t))
			e.proxy.Cut()
			expectSaid(t, e.client, e.acceptor, "hello")
			expectSaid(t, e.acceptor, e.client, "world")
			e.expectEvent(t, Interrupted)
			if resumed := e.expectEvent(t, Resumed); resumed.Attempts < 2 {
				t.Errorf("it was resumed by %d attempts", resumed.Attempts)
			}
		})
	}
}

func TestAnOpenThatNobodyAnswersGetsAnotherAttemptBesideIt(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var d detour
			d.take(deaf(t))
			e := meet(t, w, d.changes)
			expectSaid(t, e.client, e.acceptor, "hello")
			expectSaid(t, e.acceptor, e.client, "world")
		})
	}
}

func TestNoAttemptIsMadeBesideOthersBeforeTheTimeThatAnOverloadedAcceptorHasNamed(t *testing.T) {
	e := meet(t, ways(t)[0])
	// More than the delays after which an attempt without an answer gets another one beside it.
	attempts, admit := e.refuseWith([]byte{byte(StatusOverloaded), 0xd0, 7})
	e.client.Interrupt(net.ErrClosed)
	before := <-attempts
	now := <-attempts
	if pause := now.Sub(before); pause < 2*time.Second {
		t.Errorf("it came again after %v", pause)
	}
	admit()
	expectSaid(t, e.client, e.acceptor, "hello")
}
