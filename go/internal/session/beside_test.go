package session

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// silentListener is a listener that accepts connections and says nothing on them; it holds them until the test is over.
func silentListener(tb testing.TB) string {
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
			d.take(silentListener(t))
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
			d.take(silentListener(t))
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

// held is a connection that gives nothing of what came before it is let go.
type held struct {
	net.Conn
	letGo chan struct{}
}

func (h held) Read(p []byte) (int, error) {
	<-h.letGo
	return h.Conn.Read(p)
}

func hold(tb testing.TB, conn net.Conn) (h held, letGo func()) {
	h = held{conn, make(chan struct{})}
	letGo = sync.OnceFunc(func() { close(h.letGo) })
	tb.Cleanup(letGo)
	return h, letGo
}

// refusedBy is a transport whose acceptor refuses.
func refusedBy(status Status) net.Conn {
	return refusing([]byte{byte(status), 1, 0}, make(chan time.Time, 1))
}

// opened is what came of an open.
type opened struct {
	s   *Stream
	err error
}

// openHeld opens a session by conn, of which nothing is read before letGo. The attempt beside it was refused for overload, and
// is over, before this returns.
func openHeld(t *testing.T, w way, conn net.Conn) (result <-chan opened, letGo func(), dials *atomic.Int32) {
	t.Helper()
	first, letGo := hold(t, conn)
	dials = new(atomic.Int32)
	attempts := make(chan context.Context, 100)
	dial := func(ctx context.Context) (net.Conn, error) {
		dials.Add(1)
		attempts <- ctx
		return refusedBy(StatusOverloaded), nil
	}
	results := make(chan opened, 1)
	go func() {
		s, err := w.open(patient(t), first, Options{HandshakeTime: patience, Dial: dial})
		results <- opened{s, err}
	}()
	<-(<-attempts).Done()
	return results, letGo, dials
}

func TestAnOpenGoesOnAfterARefusalWhileAnotherAttemptIsUnderWay(t *testing.T) {
	base, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := ways(t)[0]
	listener := Listen(base, w.listen)
	t.Cleanup(func() { listener.Close() })
	conn, err := net.Dial("tcp", base.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	result, letGo, dials := openHeld(t, w, conn)
	letGo()
	open := <-result
	if open.err != nil {
		t.Fatal(open.err)
	}
	t.Cleanup(func() { open.s.Close() })
	acceptor, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { acceptor.Close() })
	expectSaid(t, open.s, acceptor, "hello")
	if n := dials.Load(); n != 1 {
		t.Errorf("%d attempts were begun beside the first", n)
	}
}

func TestAnOpenOfWhichAllAttemptsFailGivesTheFirstFailure(t *testing.T) {
	result, letGo, _ := openHeld(t, ways(t)[0], refusedBy(StatusDraining))
	letGo()
	var refused *RefusedError
	if open := <-result; !errors.As(open.err, &refused) || refused.Status != StatusOverloaded {
		t.Errorf("the open gave %v", open.err)
	}
}

func TestRefusalsOfAnOlderTicketDoNotEndASession(t *testing.T) {
	s := newSecure(nil, 1<<16)
	unknown := &RefusedError{Status: StatusUnknown}
	refuse := func(answers []answer) (last error) {
		for _, answer := range answers {
			_, last = answer.agree(nil, unknown, time.Now())
		}
		return last
	}
	attempts := func() (made []answer) {
		for range refusalsBelieved {
			_, answer, err := s.hello(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, answer)
		}
		return made
	}
	opens := attempts()
	s.ticket = &ticket{}
	older := attempts()
	s.ticket = &ticket{}
	for name, answers := range map[string][]answer{"opens": opens, "an older ticket": older} {
		if err := refuse(answers); endOf(err) != nil {
			t.Errorf("it ended by refusals of %s: %v", name, err)
		}
	}
	if err := refuse(attempts()); endOf(err) == nil {
		t.Errorf("it lives after %d refusals: %v", refusalsBelieved, err)
	}
}

// neverConnects dials what drops all packets.
func neverConnects(ctx context.Context) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// dialsPeer has a stream dial the peer that it knows as it did before; before that, dial is asked.
func dialsPeer(dial func(ctx context.Context, n int) (conn net.Conn, err error, isDone bool)) func(*Options) {
	return func(opts *Options) {
		opts.HandshakeTime = 10 * patience
		n := 0
		var mu sync.Mutex
		opts.DialPeer = func(ctx context.Context, peer net.Addr) (net.Conn, error) {
			mu.Lock()
			n++
			now := n
			mu.Unlock()
			if conn, err, isDone := dial(ctx, now); isDone {
				return conn, err
			}
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", peer.String())
		}
	}
}

// leadAstray has the name of the acceptor lead to another one, and counts how often.
func (e *ends) leadAstray() *atomic.Int32 {
	times := new(atomic.Int32)
	e.client.opts.Dial = func(context.Context) (net.Conn, error) {
		times.Add(1)
		return refusedBy(StatusUnknown), nil
	}
	return times
}

// silent is a connection to an acceptor that says nothing.
func silent(t *testing.T) net.Conn {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	go func() { _, _ = theirs.Read(make([]byte, maxMessage)) }()
	return ours
}

func TestAnAcceptorThatIsSilentIsAskedAgainAndNotAnotherOneBehindItsName(t *testing.T) {
	e := meet(t, ways(t)[0], dialsPeer(func(_ context.Context, n int) (net.Conn, error, bool) {
		return silent(t), nil, n <= 2
	}))
	byName := e.leadAstray()
	e.client.Interrupt(net.ErrClosed)
	expectSaid(t, e.client, e.acceptor, "hello")
	if n := byName.Load(); n != 0 {
		t.Errorf("%d attempts went where the name leads", n)
	}
}

func TestAnAttemptBesideOneWithoutAConnectionGoesWhereTheNameLeads(t *testing.T) {
	e := meet(t, ways(t)[0], dialsPeer(func(ctx context.Context, _ int) (net.Conn, error, bool) {
		conn, err := neverConnects(ctx)
		return conn, err, true
	}))
	e.client.Interrupt(net.ErrClosed)
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestAnAttemptGoesWhereTheNameLeadsAfterThePeerWasNotReached(t *testing.T) {
	e := meet(t, ways(t)[0], dialsPeer(func(context.Context, int) (net.Conn, error, bool) {
		return nil, errors.New("no route"), true
	}))
	e.client.Interrupt(net.ErrClosed)
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestANameThatLeadsToAnotherAcceptorIsLeftAloneForAWhile(t *testing.T) {
	e := meet(t, ways(t)[0], dialsPeer(func(_ context.Context, n int) (net.Conn, error, bool) {
		return nil, errors.New("no route"), n <= 3*refusalsBelieved
	}))
	byName := e.leadAstray()
	e.client.Interrupt(net.ErrClosed)
	expectSaid(t, e.client, e.acceptor, "hello")
	// A machine that stands still for long may ask once more.
	if n := byName.Load(); n >= refusalsBelieved {
		t.Errorf("%d attempts went where the name leads", n)
	}
}

func TestAnAttemptThatHasAConnectionIsAloneForASecond(t *testing.T) {
	began, ctx := time.Now(), patient(t)
	ctx, giveUp := context.WithCancel(ctx)
	dial := func(context.Context) (net.Conn, error) {
		if alone := time.Since(began); alone < time.Second {
			t.Errorf("another one was begun after %v", alone)
		}
		giveUp()
		return nil, context.Canceled
	}
	if s, err := ways(t)[0].open(ctx, silent(t), Options{HandshakeTime: 10 * patience, Dial: dial}); err == nil {
		s.Close()
		t.Error("nobody has answered")
	}
}

func TestDelaysBeginAgainAfterAnAttemptThatWasCutAndNotAfterSilence(t *testing.T) {
	s := meet(t, ways(t)[0]).client
	first := s.delays()
	for _, c := range []struct {
		why   error
		again bool
	}{
		{io.EOF, true},
		{errConnRefused, true},
		{&RefusedError{Status: StatusUnknown}, true},
		{context.DeadlineExceeded, false},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, false},
	} {
		w := &wayBack{delays: first}
		w.delays.next(time.Now())
		grown := w.delays
		s.failed(w, tried{err: c.why})
		if again := w.delays == first; again != c.again || !again && w.delays != grown {
			t.Errorf("after %v: %+v, after %+v", c.why, w.delays, grown)
		}
	}
}

func TestAttemptsWithoutAConnectionAreGivenUpForTheFirstThatGetsOne(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) {
		opts.HandshakeTime = 10 * patience
		// None is begun but by hand.
		opts.Pause = func(int) time.Duration { return time.Hour }
	})
	hanging, dial := make(chan context.Context, 1), e.client.opts.Dial
	var dials atomic.Int32
	e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
		if dials.Add(1) == 1 {
			hanging <- ctx
			return neverConnects(ctx)
		}
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		// Whoever is answered gives older ones up for that.
		unanswered, _ := hold(t, conn)
		return unanswered, nil
	}
	e.client.Interrupt(net.ErrClosed)
	e.expectEvent(t, Interrupted)
	e.client.begin(e.client.ctx, nil)
	first := <-hanging
	e.client.begin(e.client.ctx, nil)
	expectDone(t, first)
}

func TestAnAttemptThatIsLedToAnotherAcceptorGivesUpNoOther(t *testing.T) {
	hanging := make(chan context.Context, 100)
	e := meet(t, ways(t)[0], dialsPeer(func(ctx context.Context, _ int) (net.Conn, error, bool) {
		hanging <- ctx
		conn, err := neverConnects(ctx)
		return conn, err, true
	}))
	e.client.opts.Dial = func(context.Context) (net.Conn, error) { return silent(t), nil }
	e.client.Interrupt(net.ErrClosed)
	first := <-hanging
	// It comes beside those two, and its delay has counted from the connection.
	<-hanging
	if first.Err() != nil {
		t.Error("the first was given up")
	}
}

func TestAnOpenIsOverThoughSomeOfItsAttemptsWereGivenUp(t *testing.T) {
	first, letGo := hold(t, refusedBy(StatusDraining))
	hanging := make(chan context.Context, 1)
	var dials atomic.Int32
	dial := func(ctx context.Context) (net.Conn, error) {
		if dials.Add(1) == 1 {
			hanging <- ctx
			return neverConnects(ctx)
		}
		return silent(t), nil
	}
	failed := make(chan error, 1)
	ctx, giveUp := context.WithCancel(context.Background())
	t.Cleanup(giveUp)
	go func() {
		s, err := ways(t)[0].open(ctx, first, Options{HandshakeTime: 10 * patience, Dial: dial})
		if err == nil {
			s.Close()
		}
		failed <- err
	}()
	expectDone(t, <-hanging)
	letGo()
	giveUp()
	select {
	case err := <-failed:
		if err == nil {
			t.Error("nobody has answered")
		}
	case <-time.After(patience):
		t.Error("it goes on without an attempt")
	}
}

// expectDone waits until an attempt is over.
func expectDone(t *testing.T, attempt context.Context) {
	t.Helper()
	select {
	case <-attempt.Done():
	case <-time.After(patience):
		t.Fatal("an attempt is not given up")
	}
}

func TestTheNewerAttemptIsWaitedForWhenTheAnsweredOneIsLost(t *testing.T) {
	s := meet(t, ways(t)[0], func(opts *Options) { opts.Pause = func(int) time.Duration { return 0 } }).client
	for _, isOnTrial := range []bool{false, true} {
		if isOnTrial {
			now := time.Now()
			s.mu.Lock()
			s.tries = append(s.tries, &try{cancel: func() {}, began: now, connected: now})
			s.mu.Unlock()
		}
		w := s.setOut()
		s.interrupted(w, io.EOF)
		if wait := s.waitFor(w.nextDue); wait > 0 != isOnTrial {
			t.Errorf("on trial: %v; the next attempt begins in %v", isOnTrial, wait)
		}
	}
}

func TestAFourthResumeTakesThePlaceOfTheOldest(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) { opts.HandshakeTime = 10 * patience })
	dial := e.client.opts.Dial
	var mu sync.Mutex
	var hanging []context.Context
	e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
		mu.Lock()
		older := hanging
		hanging = append(hanging, ctx)
		mu.Unlock()
		if len(older) < mostTries {
			return neverConnects(ctx)
		}
		if older[0].Err() == nil || older[1].Err() != nil {
			t.Errorf("the oldest two were given up: %v, %v", older[0].Err(), older[1].Err())
		}
		return dial(ctx)
	}
	e.client.Interrupt(net.ErrClosed)
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestAReconnectGivesUpAsManyAttemptsAsMayBe(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) { opts.HandshakeTime = 10 * patience })
	dial, hanging := e.client.opts.Dial, make(chan struct{}, 100)
	var dials atomic.Int32
	e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
		if dials.Add(1) > mostTries {
			return dial(ctx)
		}
		hanging <- struct{}{}
		return neverConnects(ctx)
	}
	e.client.Interrupt(net.ErrClosed)
	for range mostTries {
		<-hanging
	}
	if err := e.client.Reconnect(); err != nil {
		t.Fatal(err)
	}
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestAFailureFromBeforeAReconnectDoesNotPutItOff(t *testing.T) {
	e := meet(t, ways(t)[0], func(opts *Options) { opts.Pause = func(int) time.Duration { return time.Hour } })
	e.client.Interrupt(net.ErrClosed)
	e.expectEvent(t, Interrupted)
	e.client.mu.Lock()
	for range cap(e.client.outcomes) {
		e.client.outcomes <- tried{err: errors.New("no route")}
	}
	e.client.reconnect <- struct{}{}
	e.client.mu.Unlock()
	expectSaid(t, e.client, e.acceptor, "hello")
}

func TestAnAttemptThatWasGivenUpDoesNotReplaceTheTransport(t *testing.T) {
	e := meet(t, ways(t)[0])
	dial, asking := e.client.opts.Dial, make(chan func(), 1)
	var dials atomic.Int32
	e.client.opts.Dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil || dials.Add(1) > 1 {
			return conn, err
		}
		first, letGo := hold(t, conn)
		asking <- letGo
		return first, nil
	}
	e.client.Interrupt(net.ErrClosed)
	letGo := <-asking
	if err := e.client.Reconnect(); err != nil {
		t.Fatal(err)
	}
	expectSaid(t, e.client, e.acceptor, "hello")
	letGo()
	expectSaid(t, e.client, e.acceptor, "again")
	expectSaid(t, e.acceptor, e.client, "world")
	e.expectEvent(t, Interrupted)
	e.expectEvent(t, Resumed)
	if more := len(e.events); more > 0 {
		t.Errorf("%d more events", more)
	}
}

func TestAnAttemptThatIsNotNeededTeachesNothing(t *testing.T) {
	e := meet(t, ways(t)[0])
	s := e.client
	state := func() (answerTimes, net.Addr) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.times, s.remote
	}
	times, remote := state()
	s.begin(s.ctx, nil)
	if over := <-s.outcomes; !errors.Is(over.err, errReplaced) || s.isInformative(over.err) {
		t.Errorf("it gave %v", over.err)
	}
	if nowTimes, nowRemote := state(); nowTimes != times || nowRemote != remote {
		t.Errorf("answers take %v and not %v, by %v and not %v", nowTimes, times, nowRemote, remote)
	}
	expectSaid(t, e.client, e.acceptor, "hello")
	if len(e.events) > 0 {
		t.Errorf("something happened: %v", <-e.events)
	}
}
