package session

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// afterHello is a connection of which the first message arrives, and what is written behind it only when it is let go; never if
// letGo is nil.
type afterHello struct {
	net.Conn
	writes atomic.Int32
	letGo  chan struct{}
}

func (c *afterHello) Write(p []byte) (int, error) {
	if c.writes.Add(1) > 1 {
		if c.letGo == nil {
			return len(p), nil
		}
		<-c.letGo
	}
	return c.Conn.Write(p)
}

// confirms has a stream be told of transports that are not confirmed. No attempt is given up while the test runs.
func confirms(opts *Options) { opts.HandshakeTime, opts.ConfirmTime = 10*patience, 10*patience }

// readAlong reads a stream, as the goroutine of a link does, until it ends.
func readAlong(t *testing.T, s *Stream) {
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		for p := make([]byte, 100); ; {
			if _, err := s.Read(p); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.Close()
		done.Wait()
	})
}

func TestATransportThatFallsSilentBehindTheReplyIsReplacedLongBeforeItCountsAsSilent(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			e := meet(t, w, confirms)
			dial := e.client.opts.Dial
			var dials atomic.Int32
			e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
				conn, err := dial(ctx)
				if err == nil && dials.Add(1) == 1 {
					return &afterHello{Conn: conn}, nil
				}
				return conn, err
			}
			readAlong(t, e.client)
			e.client.Interrupt(net.ErrClosed)
			expectSaid(t, e.client, e.acceptor, "hello")
			e.expectEvent(t, Interrupted)
			e.expectEvent(t, Resumed)
			if event := e.expectEvent(t, Interrupted); !errors.Is(event.Err, ErrUnconfirmed) {
				t.Errorf("%+v", event)
			}
			if event := e.expectEvent(t, Resumed); event.Attempts == 0 {
				t.Errorf("%+v", event)
			}
		})
	}
}

func TestATransportThatIsConfirmedLateGoesOnAndNothingWasInterrupted(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			e := meet(t, w, confirms)
			dial, letGo := e.client.opts.Dial, make(chan struct{})
			instead := make(chan context.Context, 100)
			var isConfirmed atomic.Bool
			var dials atomic.Int32
			e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
				if n := dials.Add(1); n > 1 && !isConfirmed.Load() {
					instead <- ctx
					return neverConnects(ctx)
				} else if n > 1 {
					return dial(ctx)
				}
				conn, err := dial(ctx)
				return &afterHello{Conn: conn, letGo: letGo}, err
			}
			readAlong(t, e.client)
			e.client.Interrupt(net.ErrClosed)
			e.expectEvent(t, Interrupted)
			e.expectEvent(t, Resumed)
			if _, err := e.client.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			attempt := <-instead
			close(letGo)
			expectRead(t, e.acceptor, "hello")
			if _, err := e.acceptor.Write([]byte("world")); err != nil {
				t.Fatal(err)
			}
			<-attempt.Done()
			isConfirmed.Store(true)
			if len(e.events) > 0 {
				t.Errorf("something happened: %+v", <-e.events)
			}

			e.client.Interrupt(net.ErrClosed)
			expectSaid(t, e.client, e.acceptor, "again")
			if event := e.expectEvent(t, Interrupted); !errors.Is(event.Err, net.ErrClosed) {
				t.Errorf("%+v", event)
			}
			e.expectEvent(t, Resumed)
		})
	}
}

func TestATransportThatIsLostWhileItIsToBeReplacedIsToldOfOnce(t *testing.T) {
	e := meet(t, ways(t)[0], confirms)
	dial, goOn := e.client.opts.Dial, make(chan struct{})
	instead := make(chan struct{}, 100)
	var dials atomic.Int32
	e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
		if dials.Add(1) > 1 {
			instead <- struct{}{}
			<-goOn
			return dial(ctx)
		}
		conn, err := dial(ctx)
		return &afterHello{Conn: conn}, err
	}
	readAlong(t, e.client)
	e.client.Interrupt(net.ErrClosed)
	<-instead
	e.expectEvent(t, Interrupted)
	e.expectEvent(t, Resumed)
	e.client.Interrupt(net.ErrClosed)
	if event := e.expectEvent(t, Interrupted); !errors.Is(event.Err, net.ErrClosed) {
		t.Errorf("%+v", event)
	}
	close(goOn)
	e.expectEvent(t, Resumed)
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestATransportIsNotReplacedWhereNobodyReadsOrNothingIsToBeConfirmed(t *testing.T) {
	late := func(s *Stream) (isReplaced, isWatched bool) {
		s.mu.Lock()
		c := s.live
		s.expectConfirmation(c)
		s.mu.Unlock()
		s.notConfirmed(c)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.redialing, c.late != nil
	}
	if isReplaced, _ := late(meet(t, ways(t)[0], confirms).client); isReplaced {
		t.Error("nobody reads, and it is replaced")
	}
	if _, isWatched := late(meet(t, ways(t)[0]).client); isWatched {
		t.Error("nothing is sent that would be confirmed, and it is replaced when it is not")
	}
}

func TestEachTransportInARowThatIsNotConfirmedHasTwiceAsLong(t *testing.T) {
	s := meet(t, ways(t)[0], confirms).client
	s.mu.Lock()
	defer s.mu.Unlock()
	for missing, least := range []time.Duration{connectedAgain, 2 * connectedAgain, 4 * connectedAgain} {
		s.missing, s.times = missing, answerTimes{reply: time.Millisecond}
		if drawn := s.timeToConfirm(); drawn < least || drawn > least*3/2 {
			t.Errorf("%v after %d that were not confirmed", drawn, missing)
		}
	}
	s.missing = 1 << 20
	if drawn := s.timeToConfirm(); drawn < s.opts.ConfirmTime || drawn > s.opts.ConfirmTime*3/2 {
		t.Errorf("%v and not %v at most", drawn, s.opts.ConfirmTime)
	}
}

func TestAReconnectWhileATransportIsToBeReplacedWaitsForNoPause(t *testing.T) {
	var waits atomic.Bool
	e := meet(t, ways(t)[0], confirms, func(opts *Options) {
		opts.Pause = func(int) time.Duration {
			if waits.Load() {
				return 24 * time.Hour
			}
			return 0
		}
	})
	dial, instead := e.client.opts.Dial, make(chan struct{}, 100)
	var dials atomic.Int32
	e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
		if dials.Add(1) > 1 && !waits.Load() {
			instead <- struct{}{}
			return neverConnects(ctx)
		}
		conn, err := dial(ctx)
		if waits.Load() {
			return conn, err
		}
		return &afterHello{Conn: conn}, err
	}
	readAlong(t, e.client)
	e.client.Interrupt(net.ErrClosed)
	<-instead
	waits.Store(true)
	if err := e.client.Reconnect(); err != nil {
		t.Fatal(err)
	}
	expectSaid(t, e.client, e.acceptor, "hello")
}
