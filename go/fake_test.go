package fastway

import (
	"io"
	"net"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
	"fastway/internal/wire"
)

// fakeGateway is a test's end of a link, which says what no gateway would.
type fakeGateway struct {
	tb   testing.TB
	conn net.Conn
}

// fakeClient is a client with a gateway that is played by the test, over TCP.
func fakeClient(tb testing.TB, change ...func(*Config)) (*EndPoint, *fakeGateway) {
	tb.Helper()
	ours, theirs := tcpPair(tb)
	return fakeClientOver(tb, ours, theirs, change...)
}

// stuckClient is a fakeClient whose bytes go nowhere until the test reads them.
func stuckClient(tb testing.TB, change ...func(*Config)) (*EndPoint, *fakeGateway) {
	tb.Helper()
	ours, theirs := net.Pipe()
	theirs.SetDeadline(time.Now().Add(gatewaytest.Deadline))
	return fakeClientOver(tb, ours, theirs, change...)
}

func fakeClientOver(tb testing.TB, ours, theirs net.Conn, change ...func(*Config)) (*EndPoint, *fakeGateway) {
	tb.Helper()
	cfg := patientConfig()
	cfg.PingInterval = -1
	for _, change := range change {
		change(&cfg)
	}
	cfg, err := clientRole.with(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	client := start(clientRole, ours, cfg)
	tb.Cleanup(func() {
		theirs.Close()
		<-client.Done()
	})
	return client, &fakeGateway{tb, theirs}
}

func tcpPair(tb testing.TB) (ours, theirs net.Conn) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	if ours, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if theirs, err = listener.Accept(); err != nil {
		tb.Fatal(err)
	}
	theirs.SetDeadline(time.Now().Add(gatewaytest.Deadline))
	return ours, theirs
}

func (g *fakeGateway) write(bytes []byte) {
	g.tb.Helper()
	if _, err := g.conn.Write(bytes); err != nil {
		g.tb.Fatal(err)
	}
}

// writeLater writes in the background, for as long as the client takes it: what the test waits for shows that it came.
func (g *fakeGateway) writeLater(bytes []byte) {
	go func() { _, _ = g.conn.Write(bytes) }()
}

func (g *fakeGateway) say(cmd wire.Command) {
	g.tb.Helper()
	g.write(wire.AppendCommand(nil, cmd))
}

// expect reads a frame and gives its ConnID and payload.
func (g *fakeGateway) frame() (uint32, []byte) {
	g.tb.Helper()
	var header [wire.HeaderBytes]byte
	if _, err := io.ReadFull(g.conn, header[:]); err != nil {
		g.tb.Fatal(err)
	}
	size, err := wire.Size(header[:], 1<<20)
	if err != nil {
		g.tb.Fatal(err)
	}
	payload := make([]byte, size-wire.HeaderBytes)
	if _, err := io.ReadFull(g.conn, payload); err != nil {
		g.tb.Fatal(err)
	}
	return wire.ConnID(header[:]), payload
}

func (g *fakeGateway) expectCommand(want wire.Command) {
	g.tb.Helper()
	connID, payload := g.frame()
	cmd, err := wire.ParseCommand(payload)
	if connID != 0 || err != nil || cmd != want {
		g.tb.Fatalf("connection %d, %+v, %v; want %+v", connID, cmd, err, want)
	}
}

// open has somebody dial the client, which accepts.
func (g *fakeGateway) open(client *EndPoint, id uint32) *Conn {
	g.tb.Helper()
	g.say(wire.Command{Type: wire.Connect, ConnID: id, RemoteID: 1})
	conn, err := client.AcceptConn(patient(g.tb))
	if err != nil {
		g.tb.Fatal(err)
	}
	return conn
}

// fakeConn has a gateway that is played by the test open a connection.
func fakeConn(tb testing.TB, client *EndPoint, gateway net.Conn) *Conn {
	tb.Helper()
	return (&fakeGateway{tb, gateway}).open(client, 1)
}

func messages(id uint32, count, size int) (frames []byte) {
	for range count {
		frames = wire.AppendData(frames, id, make([]byte, size))
	}
	return frames
}
