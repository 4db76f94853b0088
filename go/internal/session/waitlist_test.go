package session

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestOfTooManySessionsThatWaitTheOldestEnd(t *testing.T) {
	for _, w := range ways(t)[1:3] {
		t.Run(w.name, func(t *testing.T) {
			w.listen.MaxWaiting = 2
			e := meet(t, w, func(opts *Options) { opts.Wait = time.Hour })
			var ended []<-chan error
			for range 4 {
				left := e.visit(t, w, "127.0.0.1")
				ended = append(ended, readToEnd(left))
				expectWaiting(t, e.listener, left, true)
			}
			for place, end := range ended[:2] {
				select {
				case err := <-end:
					if err != ErrExpired {
						t.Errorf("session %d ended with %v", place, err)
					}
				case <-time.After(patience):
					t.Fatalf("session %d lives on", place)
				}
			}
			for place, end := range ended[2:] {
				select {
				case err := <-end:
					t.Errorf("session %d ended with %v", place+2, err)
				default:
				}
			}
			expectSaid(t, e.client, e.acceptor, "who has a transport is let alone")
		})
	}
}

func TestAnAddressThatLeavesTooManySessionsEndsItsOwn(t *testing.T) {
	for _, w := range ways(t)[1:3] {
		t.Run(w.name, func(t *testing.T) {
			w.listen.MaxWaiting = 3
			e := meet(t, w, func(opts *Options) { opts.Wait = time.Hour })
			others := e.visit(t, w, "127.0.0.2")
			readToEnd(others)
			expectWaiting(t, e.listener, others, true)
			for range 4 {
				left := e.visit(t, w, "127.0.0.1")
				readToEnd(left)
				expectWaiting(t, e.listener, left, true)
			}
			if !e.listener.waiting.has(others) {
				t.Error("a session ended for those of another address")
			}
		})
	}
}

func TestASessionThatIsResumedWaitsNoMore(t *testing.T) {
	for _, w := range ways(t)[1:3] {
		t.Run(w.name, func(t *testing.T) {
			e := meet(t, w, func(opts *Options) { opts.Pause = func(int) time.Duration { return 10 * time.Millisecond } })
			readToEnd(e.acceptor)
			e.proxy.Retarget("127.0.0.1:1")
			if err := e.client.Reconnect(); err != nil {
				t.Fatal(err)
			}
			expectWaiting(t, e.listener, e.acceptor, true)
			e.proxy.Retarget(e.listener.Addr().String())
			expectWaiting(t, e.listener, e.acceptor, false)
		})
	}
}

// visit is one more session, whose client is gone without a word.
func (e *ends) visit(t *testing.T, w way, from string) *Stream {
	t.Helper()
	conn := dialFrom(t, from, e.listener.Addr())
	nobody := func(context.Context) (net.Conn, error) { return nil, errors.New("nobody there") }
	client, err := w.open(patient(t), conn, Options{Dial: nobody, Pause: func(int) time.Duration { return time.Hour }})
	if err != nil {
		t.Fatal(err)
	}
	acceptor, err := e.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		acceptor.Close()
	})
	conn.Close()
	return acceptor
}

// readToEnd reads in the background, which notices a lost transport, and gives the end.
func readToEnd(s *Stream) <-chan error {
	end := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = s.Read(make([]byte, 9))
		}
		end <- err
	}()
	return end
}

func expectWaiting(t *testing.T, l *Listener, s *Stream, want bool) {
	t.Helper()
	for late := time.Now().Add(patience); l.waiting.has(s) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("it waits: %v", !want)
		}
	}
}

func (w *waitList) has(s *Stream) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places.has(s)
}
