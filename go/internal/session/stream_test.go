package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fastway/internal/chaostest"
)

// deadline is what a test waits at most for what must come, also on a busy machine.
const patience = 60 * time.Second

// TestMain fails the package when its tests leave goroutines behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leftGoroutines(); code == 0 && left != "" {
		fmt.Println("goroutines are left behind:\n" + left)
		code = 1
	}
	os.Exit(code)
}

func leftGoroutines() string {
	var ours []string
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		ours = nil
		for _, stack := range strings.Split(string(stacks), "\n\n")[1:] {
			if strings.Contains(stack, "session.") {
				ours = append(ours, stack)
			}
		}
		if len(ours) == 0 {
			return ""
		}
	}
	return strings.Join(ours, "\n\n")
}

func patient(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// way is a kind of session, and how it is set up.
type way struct {
	name   string
	listen ListenOptions
	open   func(ctx context.Context, conn net.Conn, opts Options) (*Stream, error)
}

func ways(tb testing.TB) []way {
	var private [keyBytes]byte
	_, _ = rand.Read(private[:])
	keys, err := NewKeyPair(private)
	if err != nil {
		tb.Fatal(err)
	}
	secure := func(gateway *PublicKey) func(context.Context, net.Conn, Options) (*Stream, error) {
		return func(ctx context.Context, conn net.Conn, opts Options) (*Stream, error) {
			s, err := OpenSecure(ctx, conn, gateway, opts)
			return s.Stream, err
		}
	}
	legacy := func(encrypt bool) func(context.Context, net.Conn, Options) (*Stream, error) {
		return func(ctx context.Context, conn net.Conn, opts Options) (*Stream, error) {
			return OpenLegacy(ctx, conn, encrypt, opts)
		}
	}
	return []way{
		{"secure", ListenOptions{Admits: SecureKind}, secure(nil)},
		{"secure, pinned", ListenOptions{Admits: SecureKind, Keys: keys}, secure(&keys.Public)},
		{"legacy", ListenOptions{Admits: LegacyKind}, legacy(false)},
		{"legacy, encrypted", ListenOptions{Admits: LegacyKind, Encrypt: true}, legacy(true)},
	}
}

// ends are both ends of a session through a proxy.
type ends struct {
	proxy            *chaostest.Proxy
	listener         *Listener
	client, acceptor *Stream
	events           chan Event
}

// legacyReplay is more than what sockets take: nobody acknowledges.
const legacyReplay = 16 << 20

func meet(tb testing.TB, w way, change ...func(*Options)) *ends {
	tb.Helper()
	base, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	e := &ends{events: make(chan Event, 10_000)}
	opts := Options{HandshakeTime: patience, OnEvent: func(event Event) { e.events <- event }}
	if w.listen.Admits == LegacyKind {
		opts.ReplayBytes = legacyReplay
	}
	opts.Dial = func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", e.proxy.Addr)
	}
	for _, change := range change {
		change(&opts)
	}
	w.listen.Options = Options{ReplayBytes: opts.ReplayBytes, HandshakeTime: patience, Wait: opts.Wait}
	e.listener = Listen(base, w.listen)
	tb.Cleanup(func() { e.listener.Close() })
	e.proxy = chaostest.Start(tb, base.Addr().String())
	conn, err := opts.Dial(patient(tb))
	if err != nil {
		tb.Fatal(err)
	}
	if e.client, err = w.open(patient(tb), conn, opts); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.client.Close() })
	if e.acceptor, err = e.listener.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.acceptor.Close() })
	return e
}

func (e *ends) expectEvent(tb testing.TB, want State) Event {
	tb.Helper()
	select {
	case event := <-e.events:
		if event.State != want {
			tb.Fatalf("the event is %+v, want %v", event, want)
		}
		return event
	case <-time.After(patience):
		tb.Fatalf("no event %v", want)
		panic("unreachable")
	}
}

func expectSaid(tb testing.TB, from, to *Stream, text string) {
	tb.Helper()
	if _, err := from.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	expectRead(tb, to, text)
}

func expectRead(tb testing.TB, s *Stream, text string) {
	tb.Helper()
	_ = s.SetReadDeadline(time.Now().Add(patience))
	read := make([]byte, len(text))
	if n, err := io.ReadFull(s, read); err != nil || string(read) != text {
		tb.Fatalf("read %q, %v; want %q", read[:n], err, text)
	}
}

func TestWhatIsWrittenIsReadOverSessionsOfAllKinds(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			e := meet(t, w)
			expectSaid(t, e.client, e.acceptor, "hello")
			expectSaid(t, e.acceptor, e.client, "world")
			expectSaid(t, e.client, e.acceptor, strings.Repeat("long", 5000))
		})
	}
}

// pattern is a stream of which each byte tells its place.
type pattern struct{ salt byte }

func (p pattern) at(place int) byte { return byte(uint64(place)*0x9e3779b97f4a7c15>>40) ^ p.salt }

func (p pattern) fill(block []byte, place int) {
	for i := range block {
		block[i] = p.at(place + i)
	}
}

// writeAll and readAll give an error, since they run on goroutines of their own.
func (p pattern) writeAll(s *Stream, total int) error {
	block := make([]byte, 5003)
	for done := 0; done < total; {
		piece := block[:min(len(block), total-done)]
		p.fill(piece, done)
		n, err := s.Write(piece)
		if done += n; err != nil {
			return fmt.Errorf("after %d bytes written: %w", done, err)
		}
	}
	return nil
}

func (p pattern) readAll(s *Stream, total int, read func(done int)) error {
	block, want := make([]byte, 40_000), make([]byte, 40_000)
	for done := 0; done < total; read(done) {
		n, err := s.Read(block[:min(len(block), total-done)])
		p.fill(want[:n], done)
		if !bytes.Equal(block[:n], want[:n]) {
			return fmt.Errorf("wrong bytes within %d behind %d", n, done)
		}
		if done += n; err != nil {
			return fmt.Errorf("after %d bytes read: %w", done, err)
		}
	}
	return nil
}

// readOn reads until the end, as most users do: so a cut is noticed at once.
func readOn(s *Stream) { _, _ = io.Copy(io.Discard, s) }

func TestFiftyCutsAndReconnectsLoseAndDoubleNothing(t *testing.T) {
	for _, w := range ways(t) {
		for name, interrupt := range map[string]func(e *ends){
			"cut":         func(e *ends) { e.proxy.Cut() },
			"reconnected": func(e *ends) { e.client.Reconnect() },
		} {
			t.Run(w.name+", "+name, func(t *testing.T) {
				e := meet(t, w)
				const total, times = 4 << 20, 50
				done := make(chan error, 4)
				go func() { done <- pattern{1}.writeAll(e.client, total) }()
				go func() { done <- pattern{2}.writeAll(e.acceptor, total) }()
				go func() {
					done <- pattern{2}.readAll(e.client, total, func(int) {})
					readOn(e.client)
				}()
				go func() {
					next := total / (times + 1)
					done <- pattern{1}.readAll(e.acceptor, total, func(place int) {
						if place >= next && place < total {
							next += total / (times + 1)
							interrupt(e)
							e.awaitResumed(done)
						}
					})
					readOn(e.acceptor)
				}()
				for range 4 {
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}
				if links := e.proxy.Links(); links < times {
					t.Errorf("only %d transports were used", links)
				}
			})
		}
	}
}

// The handlers of two transports take note at the same time, and the one that comes last began before the other.
func TestASessionIsFoundByItsNewestNameWhoeverTakesNoteOfItLast(t *testing.T) {
	e := meet(t, ways(t)[0])
	s, proto := e.acceptor, e.acceptor.proto.(*secure)
	for range 1000 {
		newest, err := newTicket(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		e.listener.mu.Lock()
		var older sync.WaitGroup
		older.Add(1)
		go func() {
			defer older.Done()
			e.listener.rename(s)
		}()
		for range 100 {
			runtime.Gosched()
		}
		s.mu.Lock()
		proto.acceptor.current = newest
		s.mu.Unlock()
		e.listener.mu.Unlock()
		e.listener.rename(s)
		older.Wait()
		e.listener.mu.Lock()
		found := e.listener.byName[newest.id]
		e.listener.mu.Unlock()
		if found != s {
			t.Fatal("the session is not found by its newest name")
		}
	}
}

func TestALegacyReconnectThatIsRepeatedKeepsNobodyOut(t *testing.T) {
	initiator := newLegacy(true, legacyReplay)
	h, dialed := sayHello(t, initiator)
	acceptor, reply, tr, err := acceptLegacy(h, true, legacyReplay, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	prove := func(tr, with *transport) error {
		_, err := acceptor.prove(tr, with.proof, time.Now())
		return err
	}
	agree := func(reply []byte) *transport {
		t.Helper()
		own, err := dialed.agree(reply, nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return own
	}
	if err := prove(tr, agree(reply)); err != nil {
		t.Fatal(err)
	}

	h, dialed = sayHello(t, initiator)
	var replies [][]byte
	var tried []*transport
	for range 41 {
		reply, tr, err := acceptor.resume(h, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		replies, tried = append(replies, reply), append(tried, tr)
	}
	const middle = 20
	own := agree(replies[middle])
	for i, tr := range tried {
		if err := prove(tr, own); i != middle && !errors.Is(err, ErrNotAuthentic) {
			t.Fatalf("the proof of another transport gave %v for transport %d before that", err, i)
		} else if i == middle && err != nil {
			t.Fatalf("whoever has the key is not let in: %v", err)
		} else if i == middle {
			break
		}
	}
	for _, i := range []int{middle - 1, middle, middle + 1} {
		if err := prove(tried[i], agree(replies[i])); !errors.Is(err, errReplaced) {
			t.Fatalf("the proof of transport %d came too late and gave %v", i, err)
		}
	}
}

// sayHello makes a first message and takes it apart.
func sayHello(t *testing.T, initiator *legacy) (*hello, answer) {
	t.Helper()
	message, dialed, err := initiator.hello(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHello(message)
	if err != nil {
		t.Fatal(err)
	}
	return h, dialed
}

func (e *ends) awaitResumed(failed chan<- error) {
	for {
		select {
		case event := <-e.events:
			if event.State == Resumed {
				return
			}
		case <-time.After(patience):
			failed <- errors.New("the session was not resumed")
			return
		}
	}
}

func TestAnEndIsToldFromACutOverASecureSession(t *testing.T) {
	e := meet(t, ways(t)[0])
	if _, err := e.client.Write([]byte("the last words")); err != nil {
		t.Fatal(err)
	}
	e.proxy.Cut()
	if err := (SecureStream{e.client}).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	expectRead(t, e.acceptor, "the last words")
	if _, err := e.acceptor.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("then %v", err)
	}
	expectSaid(t, e.acceptor, e.client, "and the other direction goes on")
	if err := (SecureStream{e.acceptor}).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.client.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("at last %v", err)
	}
}

func TestAnEndThatWasReadAheadIsKnownAtOnce(t *testing.T) {
	e := meet(t, ways(t)[0])
	s := e.client
	s.mu.Lock()
	s.ahead = true
	go s.readAhead()
	s.mu.Unlock()
	if err := (SecureStream{e.acceptor}).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for isClosed := false; !isClosed; runtime.Gosched() {
		s.mu.Lock()
		isClosed = s.proto.othersClosed()
		s.mu.Unlock()
	}
	_ = s.SetReadDeadline(time.Now().Add(patience))
	if _, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v", err)
	}
}

func TestCloseSendsWhatWasWrittenAndTellsTheOtherEnd(t *testing.T) {
	e := meet(t, ways(t)[1])
	text := strings.Repeat("last words", 10_000)
	if _, err := e.client.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	e.client.Close()
	if _, err := e.client.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after the close gave %v", err)
	}
	expectRead(t, e.acceptor, text)
	var aborted *AbortedError
	if _, err := e.acceptor.Read(make([]byte, 1)); !errors.As(err, &aborted) || aborted.Reason != AbortUnspecified {
		t.Fatalf("then %v", err)
	}
}

func TestTheReasonOfAnAbortIsTold(t *testing.T) {
	for reason, text := range map[AbortReason]string{
		AbortOverflow: "too much waited for this end", AbortOperator: "an operator decided so", 77: "reason 77",
	} {
		e := meet(t, ways(t)[0])
		e.acceptor.mu.Lock()
		e.acceptor.finish(net.ErrClosed, &parting{saysAll: true, aborts: true, reason: reason})
		e.acceptor.mu.Unlock()
		_, err := e.client.Read(make([]byte, 1))
		var aborted *AbortedError
		if !errors.As(err, &aborted) || aborted.Reason != reason || !strings.Contains(err.Error(), text) {
			t.Errorf("the session ended with %v, want reason %d: %s", err, reason, text)
		}
	}
}

// A legacy session's refusal has no reason in it, and must not be taken for one of the reasons that others give.
func TestTheRefusalOfALegacySessionSaysThatItHasNoReason(t *testing.T) {
	legacy := ways(t)[2]
	e, other := meet(t, legacy), meet(t, legacy)
	e.proxy.Retarget(other.listener.Addr().String())
	e.proxy.Cut()
	_, err := e.client.Read(make([]byte, 1))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != StatusUnknown || !strings.Contains(err.Error(), "without a reason") {
		t.Errorf("the session ended with %v", err)
	}

	// A secure acceptor refuses legacy sessions.
	secure := meet(t, ways(t)[0])
	conn, err := net.Dial("tcp", secure.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenLegacy(patient(t), conn, false, Options{})
	if !errors.As(err, &refused) || refused.Status != StatusNotAdmitted || !strings.Contains(err.Error(), "without a reason") {
		t.Errorf("the session was not opened for %v", err)
	}
}

func TestABlackHoleIsLeftWhenThisSideSaysSo(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			e := meet(t, w)
			expectSaid(t, e.client, e.acceptor, "hello")
			e.proxy.Freeze()
			for _, s := range []*Stream{e.client, e.acceptor} {
				if _, err := s.Write([]byte("into the hole")); err != nil {
					t.Fatal(err)
				}
			}
			e.client.Interrupt(errors.New("nothing comes"))
			expectRead(t, e.acceptor, "into the hole")
			expectRead(t, e.client, "into the hole")
			if event := e.expectEvent(t, Interrupted); event.Err.Error() != "nothing comes" {
				t.Errorf("%+v", event)
			}
			if event := e.expectEvent(t, Resumed); event.Attempts != 1 {
				t.Errorf("%+v", event)
			}
		})
	}
}

func TestAFlippedBitEndsTheTransportAndNotTheSession(t *testing.T) {
	e := meet(t, ways(t)[1])
	go readOn(e.client)
	expectSaid(t, e.client, e.acceptor, "hello")
	for range 5 {
		e.proxy.Flip()
		expectSaid(t, e.client, e.acceptor, "as it was said")
		e.expectEvent(t, Interrupted)
		e.expectEvent(t, Resumed)
	}
}

func TestAtTheBoundAWriterWaitsAndLosesNothing(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) { opts.ReplayBytes = 64 << 10 })
	e.proxy.Freeze()
	const total = 1 << 20
	block := make([]byte, total)
	pattern{3}.fill(block, 0)
	n, done := 0, make(chan error, 1)
	write := func() {
		taken, err := e.client.Write(block[n:])
		n += taken
		done <- err
	}
	go write()
	for waits := false; !waits; time.Sleep(time.Millisecond) {
		e.client.mu.Lock()
		waits = e.client.writersWait > 0
		e.client.mu.Unlock()
	}
	_ = e.client.SetWriteDeadline(time.Unix(1, 0))
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || n != 64<<10 {
		t.Fatalf("%d bytes were taken: %v", n, err)
	}
	_ = e.client.SetWriteDeadline(time.Time{})
	go write()
	if err := e.client.Reconnect(); err != nil {
		t.Fatal(err)
	}
	if err := (pattern{3}).readAll(e.acceptor, total, func(int) {}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Acknowledgements stand behind what is not read.
func TestTwoEndsThatWriteBeforeTheyReadDoNotWaitForEachOther(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) { opts.ReplayBytes = 64 << 10 })
	const total = 900 << 10
	done := make(chan error, 2)
	for _, s := range []*Stream{e.client, e.acceptor} {
		go func() {
			if err := (pattern{5}).writeAll(s, total); err != nil {
				done <- err
				return
			}
			done <- pattern{5}.readAll(s, total, func(int) {})
		}()
	}
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("they wait for each other")
		}
	}
}

// Acknowledgements stand behind whatever the other end sends, and it has no end.
func TestAWriterGoesOnHoweverMuchTheOtherEndSendsAndNobodyReads(t *testing.T) {
	const replay, total = 256 << 10, 4 << 20
	e := meet(t, ways(t)[0], func(opts *Options) { opts.ReplayBytes, opts.ReadAheadBytes = replay, replay })
	go func() { _ = pattern{7}.writeAll(e.acceptor, total) }()
	received, written := make(chan error, 1), make(chan error, 1)
	go func() { received <- pattern{8}.readAll(e.acceptor, total, func(int) {}) }()
	go func() { written <- pattern{8}.writeAll(e.client, total) }()
	for _, done := range []chan error{written, received} {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("the writer waits for an acknowledgement that it does not read")
		}
	}
	e.client.mu.Lock()
	ahead := len(e.client.plain)
	e.client.mu.Unlock()
	if ahead > 2*replay {
		t.Errorf("%d bytes were read ahead, more than %d may be acknowledged and the other end keeps", ahead, 2*replay)
	}
	if err := (pattern{7}).readAll(e.client, total, func(int) {}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasReadAheadIsReadWhileMoreIsWaitedFor(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) { opts.ReplayBytes = 64 << 10 })
	go func() { _, _ = e.client.Write(make([]byte, 16<<20)) }()
	if _, err := e.acceptor.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	for ahead := false; !ahead; time.Sleep(time.Millisecond) {
		e.client.mu.Lock()
		ahead = len(e.client.plain) > 0
		e.client.mu.Unlock()
	}
	got := make(chan string, 1)
	go func() {
		p := make([]byte, 9)
		n, _ := e.client.Read(p)
		got <- string(p[:n])
	}()
	select {
	case got := <-got:
		if got != "hello" {
			t.Fatalf("it was %q", got)
		}
	case <-time.After(patience):
		t.Fatal("it is there, and cannot be read")
	}
}

func TestADeadlineEndsAReadAndLosesNothing(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			e := meet(t, w)
			for range 3 {
				_ = e.acceptor.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
				if _, err := e.acceptor.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("the read gave %v", err)
				}
			}
			expectSaid(t, e.client, e.acceptor, "hello")
		})
	}
}

func TestASessionThatNobodyKnowsAnyMoreIsLostAfterFourRefusals(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			e := meet(t, w)
			other := meet(t, w)
			e.proxy.Retarget(other.listener.Addr().String())
			e.proxy.Cut()
			var refused *RefusedError
			if _, err := e.client.Read(make([]byte, 1)); !errors.As(err, &refused) || refused.Status != StatusUnknown {
				t.Fatalf("the session ended with %v", err)
			}
			e.expectEvent(t, Interrupted)
			if event := e.expectEvent(t, Lost); !errors.As(event.Err, &refused) {
				t.Errorf("%+v", event)
			}
			if links := e.proxy.Links(); links != 5 {
				t.Errorf("%d transports were tried, want the first and four more", links)
			}
		})
	}
}

func TestASessionWithoutATransportExpiresAtBothEnds(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			e := meet(t, w, func(opts *Options) {
				opts.Wait = time.Second
				opts.Pause = func(int) time.Duration { return 50 * time.Millisecond }
			})
			// Nobody listens there, nor will: a port that was free a moment ago may be another session's now.
			e.proxy.Retarget("127.0.0.1:1")
			e.proxy.Cut()
			ended := make(chan error, 2)
			for _, s := range []*Stream{e.client, e.acceptor} {
				go func() {
					_, err := s.Read(make([]byte, 1))
					ended <- err
				}()
			}
			for range 2 {
				if err := <-ended; err != ErrExpired {
					t.Errorf("the session ended with %v", err)
				}
			}
			if _, err := e.client.Write([]byte("too late")); err != ErrExpired {
				t.Errorf("a write gave %v", err)
			}
		})
	}
}

func TestOpeningFailsWithAReason(t *testing.T) {
	all := ways(t)
	pinned, unpinned, legacy := all[1], all[0], all[2]
	for _, c := range []struct {
		name         string
		opens, finds way
		want         Status
	}{
		{"with another key than the gateway's", pinned, ways(t)[1], StatusNotAuthentic},
		{"with a key that the gateway does not have", pinned, unpinned, StatusNotAdmitted},
		{"where another kind is admitted", unpinned, legacy, StatusNotAdmitted},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := meet(t, c.finds)
			conn, err := net.Dial("tcp", e.proxy.Addr)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.opens.open(patient(t), conn, Options{})
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Status != c.want {
				t.Fatalf("it failed with %v", err)
			}
		})
	}
}

func TestOpeningEndsWithItsContext(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error)
	go func() {
		_, err := OpenSecure(ctx, ours, nil, Options{})
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("it failed with %v", err)
	}
}

func TestQuickAnswersAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Log("not measured: the race detector allocates")
		return
	}
	for _, w := range ways(t) {
		e := meet(t, w)
		message, read := make([]byte, 64), make([]byte, 64)
		var err error
		work := func() {
			for _, way := range [][2]*Stream{{e.client, e.acceptor}, {e.acceptor, e.client}} {
				if _, err = way[0].Write(message); err == nil {
					_, err = io.ReadFull(way[1], read)
				}
			}
		}
		for range 1000 {
			work()
		}
		if allocs := testing.AllocsPerRun(5000, work); err != nil || allocs != 0 {
			t.Errorf("%s: %v allocations for a message there and back; %v", w.name, allocs, err)
		}
	}
}

func TestASessionHasNoGoroutineWhileATransportCarriesIt(t *testing.T) {
	e := meet(t, ways(t)[0])
	expectSaid(t, e.client, e.acceptor, "hello")
	expectSaid(t, e.acceptor, e.client, "hello")
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "session.(*Stream)") {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("there are goroutines:\n%s", stacks)
		}
	}
}

// resetConn takes nothing more.
type resetConn struct{ net.Conn }

func (resetConn) Write([]byte) (int, error) { return 0, syscall.ECONNRESET }

func TestTheLastWordsOfTheOtherEndAreReadThoughItTakesNoMore(t *testing.T) {
	for _, w := range ways(t) {
		for _, isReading := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, reading: %v", w.name, isReading), func(t *testing.T) {
				e := meet(t, w, func(opts *Options) { opts.Wait = time.Second })
				e.proxy.Retarget("127.0.0.1:1")
				e.client.WrapTransport(func(conn net.Conn) net.Conn { return resetConn{conn} })
				write := func() {
					if _, err := e.client.Write([]byte("nobody takes this")); err != nil {
						t.Error(err)
					}
				}
				if !isReading {
					write()
				}
				if _, err := e.acceptor.Write([]byte("the last words")); err != nil {
					t.Fatal(err)
				}
				if isReading {
					expectRead(t, e.client, "the l")
					write()
					expectRead(t, e.client, "ast words")
				} else {
					expectRead(t, e.client, "the last words")
				}
			})
		}
	}
}

func TestATransportThatTakesNoMoreIsReplacedThoughItsEndDoesNotShow(t *testing.T) {
	e := meet(t, ways(t)[0])
	e.client.WrapTransport(func(conn net.Conn) net.Conn { return resetConn{conn} })
	if _, err := e.client.Write([]byte("nobody takes this")); err != nil {
		t.Fatal(err)
	}
	if event := e.expectEvent(t, Interrupted); !errors.Is(event.Err, syscall.ECONNRESET) {
		t.Errorf("%+v", event)
	}
	e.expectEvent(t, Resumed)
	expectRead(t, e.acceptor, "nobody takes this")
}

// An echo that is written before it is read: each round waits for acknowledgements that stand behind what is not read.
func TestAWriterWaitsNoFixedTimeForWhatMakesRoom(t *testing.T) {
	const replay, rounds = 64 << 10, 100
	e := meet(t, ways(t)[0], func(opts *Options) { opts.ReplayBytes = replay })
	go func() { _, _ = io.Copy(e.acceptor, e.acceptor) }()
	began := time.Now()
	for range rounds {
		if err := (pattern{6}).writeAll(e.client, 2*replay); err != nil {
			t.Fatal(err)
		}
		if err := (pattern{6}).readAll(e.client, 2*replay, func(int) {}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > rounds*100*time.Millisecond {
		t.Errorf("%d rounds took %v, as if each had waited", rounds, took)
	}
}
