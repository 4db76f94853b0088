package fastway

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/flynn/noise"

	"fastway/internal/gatewaytest"
	"fastway/internal/session"
	"fastway/internal/wire"
)

// stoppingGateway is a port for secure sessions that is played by the test. It answers pings, and nothing else.
type stoppingGateway struct {
	tb       testing.TB
	listener net.Listener
	// challenges: it is a server port.
	challenges bool
	running    sync.WaitGroup

	mu     sync.Mutex
	drains bool
	// drainsProven: it stops when a server has answered its challenge.
	drainsProven bool
	refused      int
	sessions     []*scriptedSession
}

// scriptedSession is the gateway's end of a session, without what it needs to be resumed.
type scriptedSession struct {
	conn     net.Conn
	in, out  *noise.CipherState
	received uint64
	mu       sync.Mutex
}

func startStopping(tb testing.TB, challenges bool) *stoppingGateway {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	g := &stoppingGateway{tb: tb, listener: listener, challenges: challenges}
	g.running.Add(1)
	go g.run()
	tb.Cleanup(func() {
		listener.Close()
		g.cut()
		g.running.Wait()
	})
	return g
}

func (g *stoppingGateway) addr() string { return g.listener.Addr().String() }

func (g *stoppingGateway) run() {
	defer g.running.Done()
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.running.Add(1)
		go func() {
			defer g.running.Done()
			defer conn.Close()
			if s := g.open(conn); s != nil {
				g.serve(s)
			}
		}()
	}
}

// open answers the first message; nil when it has refused.
func (g *stoppingGateway) open(conn net.Conn) *scriptedSession {
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head[:1]); err != nil {
		return nil
	}
	g.mu.Lock()
	refuses := g.drains || head[0] != 1
	g.mu.Unlock()
	if refuses {
		g.refuse(conn)
		return nil
	}
	if _, err := io.ReadFull(conn, head[1:]); err != nil {
		return nil
	}
	message := make([]byte, binary.LittleEndian.Uint16(head[2:]))
	if _, err := io.ReadFull(conn, message); err != nil {
		return nil
	}
	suite := noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)
	shake, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: suite, Pattern: noise.HandshakeNN, Prologue: append([]byte("fastway session 1"), head...),
	})
	if err != nil {
		panic(err)
	}
	if _, _, _, err := shake.ReadMessage(nil, message); err != nil {
		panic(err)
	}
	const idSecretAndWait = 16 + 32 + 4
	payload := make([]byte, idSecretAndWait)
	payload[idSecretAndWait-4] = 60
	answer, in, out, err := shake.WriteMessage(nil, payload)
	if err != nil {
		panic(err)
	}
	s := &scriptedSession{conn: conn, in: in, out: out}
	g.mu.Lock()
	g.sessions = append(g.sessions, s)
	g.mu.Unlock()
	reply := binary.LittleEndian.AppendUint16([]byte{0}, uint16(len(answer)))
	if _, err := conn.Write(append(reply, answer...)); err != nil {
		return nil
	}
	return s
}

// refuse waits until the initiator has gone: a reset could overtake the status.
func (g *stoppingGateway) refuse(conn net.Conn) {
	_, _ = conn.Write([]byte{byte(session.StatusDraining)})
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	g.mu.Lock()
	g.refused++
	g.mu.Unlock()
}

// serve answers pings.
func (g *stoppingGateway) serve(s *scriptedSession) {
	var unread int
	if g.challenges {
		s.data(make([]byte, wire.ChallengeBytes))
		unread = wire.ResponseBytes
	}
	ping := wire.AppendCommand(nil, wire.Command{Type: wire.Ping})
	var stream int
	for {
		count, err := s.record()
		if err != nil {
			return
		}
		first := min(count, unread)
		unread -= first
		stream += count - first
		if first > 0 && unread == 0 && g.isToDrain() {
			g.drain()
			continue
		}
		for ; stream >= len(ping); stream -= len(ping) {
			s.data(ping)
		}
	}
}

// record reads one, and gives how many bytes of the stream it holds.
func (s *scriptedSession) record() (int, error) {
	var head [2]byte
	if _, err := io.ReadFull(s.conn, head[:]); err != nil {
		return 0, err
	}
	sealed := make([]byte, binary.LittleEndian.Uint16(head[:]))
	if _, err := io.ReadFull(s.conn, sealed); err != nil {
		return 0, err
	}
	plain, err := s.in.Decrypt(nil, nil, sealed)
	if err != nil || len(plain) == 0 {
		return 0, errors.New("a record that cannot be read")
	}
	count := len(plain) - 1
	if plain[count] == 1 {
		count -= 8
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += uint64(count)
	return count, nil
}

func (s *scriptedSession) data(bytes []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plain := binary.LittleEndian.AppendUint64(append([]byte(nil), bytes...), s.received)
	s.seal(append(plain, 1))
}

// seal writes a record; the lock is held.
func (s *scriptedSession) seal(plain []byte) {
	sealed, err := s.out.Encrypt(nil, nil, plain)
	if err != nil {
		panic(err)
	}
	_, _ = s.conn.Write(append(binary.LittleEndian.AppendUint16(nil, uint16(len(sealed))), sealed...))
}

// drain has the gateway stop: its sessions end with the reason, and nobody opens or resumes one.
func (g *stoppingGateway) drain() {
	g.refuseAll()
	for _, s := range g.takeSessions() {
		s.mu.Lock()
		s.seal([]byte{byte(session.AbortShutdown), 3})
		s.mu.Unlock()
	}
}

func (g *stoppingGateway) refuseAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drains = true
}

// drainWhenProven has the gateway stop when a server has answered its challenge.
func (g *stoppingGateway) drainWhenProven() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drainsProven = true
}

func (g *stoppingGateway) isToDrain() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.drainsProven
}

// admit has the next process take the address.
func (g *stoppingGateway) admit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drains = false
}

func (g *stoppingGateway) cut() {
	for _, s := range g.takeSessions() {
		s.conn.Close()
	}
}

func (g *stoppingGateway) takeSessions() []*scriptedSession {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.sessions
	g.sessions = nil
	return all
}

func (g *stoppingGateway) timesRefused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// overASession is a patient link over a secure session, without pings of its own.
func overASession() Config {
	cfg := patientConfig()
	cfg.PingInterval = -1
	cfg.Session.Protocol = SecureSession
	cfg.Session.Backoff = Backoff{First: time.Millisecond, Longest: 20 * time.Millisecond}
	return cfg
}

func TestAClientWhoseGatewayDrainsComesToTheOtherGatewayOfItsList(t *testing.T) {
	first, second := startStopping(t, false), startStopping(t, false)
	gateways := Gateways{Addresses: []string{first.addr(), second.addr()}, DrainJitter: -1}
	client, err := ConnectClient(patient(t), gateways.Address(), overASession())
	if err != nil {
		t.Fatal(err)
	}
	first.drain()
	<-client.Done()
	expectError(t, client.Err(), ErrDraining)
	_, err = client.AcceptConn(patient(t))
	expectError(t, err, ErrDraining)

	if wait := gateways.Next(client.Err(), 0); wait != shortestDelay {
		t.Errorf("the pause is %v", wait)
	}
	client, err = ConnectClient(patient(t), gateways.Address(), overASession())
	if err != nil || gateways.Address() != second.addr() {
		t.Fatalf("at %s: %v", gateways.Address(), err)
	}
	closeAtEnd(client)
	<-client.Done()
}

func TestAnOpenThatIsAnsweredWithDrainingIsToldFromFailures(t *testing.T) {
	first := startStopping(t, false)
	first.drain()
	_, err := ConnectClient(patient(t), first.addr(), overASession())
	expectError(t, err, ErrDraining)
	var refused *SessionError
	if !errors.As(err, &refused) || refused.Status != 6 {
		t.Errorf("the error is %v", err)
	}
	if other := (&SessionError{End: SessionRefused, Status: uint8(session.StatusUnknown)}); errors.Is(other, ErrDraining) {
		t.Error("a session that is not known is taken for a drain")
	}
}

func TestResumesThatAreAnsweredWithDrainingEndTheSessionWithTheReason(t *testing.T) {
	gateway := startStopping(t, false)
	client, err := ConnectClient(patient(t), gateway.addr(), overASession())
	if err != nil {
		t.Fatal(err)
	}
	gateway.refuseAll()
	gateway.cut()
	select {
	case <-client.Done():
	case <-time.After(gatewaytest.Deadline):
		t.Fatal("the session does not end")
	}
	expectError(t, client.Err(), ErrDraining)
	// One answer may be forged.
	eventually(t, "four resumes were refused", func() bool { return gateway.timesRefused() == 4 })
}

func TestAServerWhoseGatewayStopsAsItRegistersHasNoWrongKey(t *testing.T) {
	gateway := startStopping(t, true)
	cfg := overASession()
	cfg.ServerID, cfg.AuthKey = 7, gatewaytest.Key
	gateway.drainWhenProven()
	_, err := ConnectServer(patient(t), gateway.addr(), cfg)
	expectError(t, err, ErrDraining)
	if errors.Is(err, ErrWrongKey) {
		t.Error(err)
	}
}

func TestAGroupKeepsItsOtherLinksAndComesBackToTheGatewayThatDrained(t *testing.T) {
	first, second := startStopping(t, true), startStopping(t, true)
	cfg := groupConfig()
	cfg.Server.PingInterval, cfg.Server.Session = -1, overASession().Session
	// The gateways of this test agree to no close.
	cfg.Server.CloseGrace, cfg.DrainJitter = time.Millisecond, -1
	events := make(chan GroupEvent, 1000)
	cfg.OnEvent = func(event GroupEvent) { events <- event }
	group := newGroup(t, StaticList(first.addr(), second.addr()), cfg)
	expectUp(t, group, first.addr(), second.addr())

	first.drain()
	eventually(t, "it was tried again, and refused", func() bool { return group.health(first.addr()).Drains >= 4 })
	first.admit()
	expectUp(t, group, first.addr())
	health := group.health(first.addr())
	if health.Failures != 0 || health.Connects != 2 {
		t.Errorf("the first: %+v", health)
	}
	health = group.health(second.addr())
	if health.State != GatewayUp || health.Connects != 1 || health.Drains != 0 || health.Failures != 0 {
		t.Errorf("the second: %+v", health)
	}
	for event := range events {
		if event.State == GatewayWaiting {
			expectError(t, event.Err, ErrDraining)
			break
		}
	}
}

func TestClientsOfAGatewayThatIsStoppedComeToTheOtherOneWithoutAnError(t *testing.T) {
	file, key := sessionKey(t)
	flags := []string{"--client-link", "plain,secure", "--session-key", file}
	secure := patientConfig()
	secure.Session.GatewayKey = key
	for _, c := range []struct {
		name   string
		cfg    Config
		isTold bool
	}{{"secure", secure, true}, {"plain", patientConfig(), false}} {
		t.Run(c.name, func(t *testing.T) {
			const clients = 20
			first, second := gatewaytest.Start(t, flags...), gatewaytest.Start(t, flags...)
			cfg := groupConfig()
			cfg.DrainJitter = -1
			group := newGroup(t, StaticList(first.Server, second.Server), cfg)
			expectUp(t, group, first.Server, second.Server)

			linked := make(chan *Gateways, 2*clients)
			for range clients {
				gateways := &Gateways{Addresses: []string{first.Client, second.Client}, DrainJitter: 100 * time.Millisecond}
				client, err := ConnectClient(patient(t), gateways.Address(), c.cfg)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					<-client.Done()
					if why := client.Err(); errors.Is(why, ErrDraining) != c.isTold || !errors.Is(why, io.EOF) {
						t.Errorf("the link has ended: %v", why)
					}
					time.Sleep(gateways.Next(client.Err(), 0))
					client, err := ConnectClient(patient(t), gateways.Address(), c.cfg)
					if err != nil {
						t.Errorf("at %s: %v", gateways.Address(), err)
					} else {
						t.Cleanup(func() { closeAtEnd(client) })
					}
					linked <- gateways
				}()
			}
			first.Stop(t)
			for range clients {
				if gateways := <-linked; gateways.Address() != second.Client {
					t.Errorf("a client is at %s", gateways.Address())
				}
			}
			if health := group.health(second.Server); health.State != GatewayUp || health.Connects != 1 || health.Failures != 0 {
				t.Errorf("the second: %+v", health)
			}
		})
	}
}
