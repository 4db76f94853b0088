package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// onlyTheFirst is a back-off that no test outlives: a second attempt in a row that waits for it never comes.
func onlyTheFirst(n int) time.Duration {
	if n == 1 {
		return 0
	}
	return 24 * time.Hour
}

func TestPausesBeginAnewAfterATransportThatWasConfirmed(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			e := meet(t, w, func(opts *Options) { opts.Pause = onlyTheFirst })
			for cut := range 20 {
				expectSaid(t, e.client, e.acceptor, fmt.Sprint("ping ", cut))
				expectSaid(t, e.acceptor, e.client, fmt.Sprint("pong ", cut))
				e.proxy.Cut()
			}
			expectSaid(t, e.client, e.acceptor, "goodbye")
			if links := e.proxy.Links(); links != 21 {
				t.Errorf("%d transports were used, want the first and one for each cut", links)
			}
		})
	}
}

var errConnRefused = &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

// A gateway that was restarted knows none of its sessions: nobody listens for a while, and then it refuses them.
func TestTheRestartOfAnAcceptorIsKnownWithoutTheBackOffForFailures(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			absences := 3
			restarted := meet(t, w)
			e := meet(t, w, func(opts *Options) { opts.Pause = onlyTheFirst })
			dial := e.client.opts.Dial
			e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
				if absences--; absences >= 0 {
					return nil, errConnRefused
				}
				return dial(ctx)
			}
			e.proxy.Retarget(restarted.listener.Addr().String())
			e.proxy.Cut()
			var refused *RefusedError
			if _, err := e.client.Read(make([]byte, 1)); !errors.As(err, &refused) || refused.Status != StatusUnknown {
				t.Fatalf("the session ended with %v", err)
			}
		})
	}
}

func TestPausesGrowByWhatTheAttemptsSay(t *testing.T) {
	var counted []int
	p := pauses{grow: func(n int) time.Duration {
		counted = append(counted, n)
		return time.Duration(n) * time.Hour
	}}
	overloaded, unknown := &RefusedError{Status: StatusOverloaded}, &RefusedError{Status: StatusUnknown}
	for _, step := range []struct {
		why               error
		shortest, longest time.Duration
	}{
		{io.EOF, time.Hour, time.Hour},
		{io.EOF, 2 * time.Hour, 2 * time.Hour},
		{overloaded, 3 * time.Hour, 3 * time.Hour},
		{errConnRefused, 200 * time.Millisecond, 400 * time.Millisecond},
		{errConnRefused, 200 * time.Millisecond, 400 * time.Millisecond},
		{unknown, 50 * time.Millisecond, 100 * time.Millisecond},
		{unknown, 50 * time.Millisecond, 100 * time.Millisecond},
		// What nobody heard has not made the gateway's load worse.
		{overloaded, 4 * time.Hour, 4 * time.Hour},
	} {
		if pause := p.next(step.why); pause < step.shortest || pause > step.longest {
			t.Errorf("after %v: %v, want %v to %v", step.why, pause, step.shortest, step.longest)
		}
	}
	if want := []int{1, 2, 3, 2, 3, 4}; fmt.Sprint(counted) != fmt.Sprint(want) {
		t.Errorf("attempts were counted as %v, want %v", counted, want)
	}
}

func TestATransportThatWasOfNoUseDoesNotEndTheBackOff(t *testing.T) {
	for _, c := range []struct {
		isConfirmed bool
		lived       time.Duration
		next        time.Duration
	}{
		{true, 0, time.Second},
		{false, 0, 3 * time.Second},
		{false, leastLife, 3 * time.Second},
		{false, 2 * time.Second, time.Second},
	} {
		p := pauses{grow: func(n int) time.Duration { return time.Duration(n) * time.Second }}
		p.next(io.EOF)
		p.next(io.EOF)
		p.lost(c.isConfirmed, c.lived)
		if next := p.next(io.EOF); next != c.next {
			t.Errorf("after a transport that was confirmed (%v) and lived for %v: %v, want %v", c.isConfirmed, c.lived, next, c.next)
		}
	}
}

// An acceptor sends what waits behind its reply, and may go on by another transport all the same.
func TestATransportThatBroughtSomethingAndWasNotConfirmedDoesNotEndTheBackOff(t *testing.T) {
	for _, isConfirmed := range []bool{false, true} {
		e := meet(t, ways(t)[0], func(opts *Options) { opts.Pause = func(int) time.Duration { return 24 * time.Hour } })
		s := e.client
		if isConfirmed {
			expectSaid(t, s, e.acceptor, "hello")
		}
		expectSaid(t, e.acceptor, s, "world")
		s.mu.Lock()
		s.pauses.failed, s.pauses.last = 5, time.Hour
		s.lost(s.live, io.EOF)
		failed := s.pauses.failed
		s.mu.Unlock()
		if isEnded := failed == 0; isEnded != isConfirmed {
			t.Errorf("%d failures after a transport that was confirmed (%v)", failed, isConfirmed)
		}
	}
}
