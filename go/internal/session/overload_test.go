package session

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// retryAfter300 is the refusal of an overloaded acceptor that wants to be asked again after 300 ms; an older one says only the
// first byte.
var retryAfter300 = []byte{byte(StatusOverloaded), 0x2c, 1}

// refusing is a transport whose acceptor answers the first message with a refusal, and says that it came.
func refusing(refusal []byte, came chan<- time.Time) net.Conn {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		if _, err := theirs.Read(make([]byte, maxMessage)); err == nil {
			came <- time.Now()
			_, _ = theirs.Write(refusal)
		}
	}()
	return ours
}

// refuseWith has the next attempts to get a transport refused with these bytes, until the session is admitted again. It gives
// the times at which they came.
func (e *ends) refuseWith(refusal []byte) (attempts <-chan time.Time, admit func()) {
	dial, came := e.client.opts.Dial, make(chan time.Time, 10_000)
	admitted := make(chan struct{})
	e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
		select {
		case <-admitted:
			return dial(ctx)
		default:
			return refusing(refusal, came), nil
		}
	}
	return came, func() { close(admitted) }
}

func TestAnOverloadedAcceptorIsAskedAgainNoEarlierThanItSaysAndTheSessionGoesOn(t *testing.T) {
	e := meet(t, ways(t)[0])
	attempts, admit := e.refuseWith(retryAfter300)
	e.client.Interrupt(net.ErrClosed)
	before := <-attempts
	for range 3 {
		now := <-attempts
		if pause := now.Sub(before); pause < 300*time.Millisecond {
			t.Errorf("it came again after %v", pause)
		}
		before = now
	}
	admit()
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestAnOverloadedAcceptorOfAnOlderVersionIsAskedAgainAsEver(t *testing.T) {
	e := meet(t, ways(t)[0])
	attempts, admit := e.refuseWith(retryAfter300[:1])
	e.client.Interrupt(net.ErrClosed)
	// More than are believed of those that would be final.
	for range 2 * refusalsBelieved {
		<-attempts
	}
	admit()
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestASessionThatAnOverloadedAcceptorKeptOutSaysSo(t *testing.T) {
	for name, refusal := range map[string][]byte{"with a time": retryAfter300, "without one": retryAfter300[:1]} {
		t.Run(name, func(t *testing.T) {
			e := meet(t, ways(t)[0], func(opts *Options) {
				opts.Wait = time.Second
				opts.Pause = func(int) time.Duration { return 50 * time.Millisecond }
			})
			came := make(chan time.Time, 1)
			e.client.opts.Dial = func(context.Context) (net.Conn, error) {
				if len(came) == 0 {
					return refusing(refusal, came), nil
				}
				// From then on the wait time runs.
				return nil, errors.New("no network")
			}
			e.client.Interrupt(net.ErrClosed)
			var refused *RefusedError
			_, err := e.client.Read(make([]byte, 1))
			if !errors.Is(err, ErrExpired) || !errors.As(err, &refused) || refused.Status != StatusOverloaded {
				t.Errorf("it ended with %v", err)
			}
			if !strings.Contains(err.Error(), "the gateway is overloaded") {
				t.Error(err)
			}
		})
	}
}

func TestARefusalForOverloadPutsOffTheEndOfTheWait(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) { opts.Wait = 2 * time.Second })
	attempts, _ := e.refuseWith(retryAfter300)
	e.client.Interrupt(net.ErrClosed)
	for began := time.Now(); time.Since(began) < 5*time.Second; {
		<-attempts
	}
	e.client.mu.Lock()
	defer e.client.mu.Unlock()
	if e.client.end != nil {
		t.Errorf("it ended with %v", e.client.end)
	}
}

func TestAfterAnOverloadThePauseIsAsLongAsTheAcceptorSaysAndUpToHalfLonger(t *testing.T) {
	p := pauses{grow: func(int) time.Duration { return time.Hour }, longest: 2 * time.Second}
	for told, least := range map[time.Duration]time.Duration{
		time.Millisecond: time.Millisecond, time.Second: time.Second, 65 * time.Second: 2 * time.Second,
	} {
		for range 100 {
			if pause := p.next(&RefusedError{Status: StatusOverloaded, RetryAfter: told}); pause < least || pause > least*3/2 {
				t.Errorf("%v after %v was told", pause, told)
			}
		}
	}
	if pause := p.next(&RefusedError{Status: StatusOverloaded}); pause != time.Hour {
		t.Errorf("%v where nothing was told", pause)
	}
}
