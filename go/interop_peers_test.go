package fastway

import (
	"bufio"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
)

// rustPeer is the program of tests/interop/rust: what FASTWAY_PEER_BIN names, or the debug build of this repository.
func rustPeer(t *testing.T) string {
	t.Helper()
	path := os.Getenv("FASTWAY_PEER_BIN")
	if path == "" {
		path = filepath.Join("..", "target", "debug", "fastway-interop-peer")
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("there is no Rust peer: build it with `cargo build -p fastway-interop-peer`, or name it in FASTWAY_PEER_BIN: %v", err)
	}
	return path
}

func startRustPeer(t *testing.T, role role, gateway *gatewaytest.Gateway, link sessionWay) {
	args := []string{"client", gateway.Client, link.argument()}
	if role == serverRole {
		args = []string{"server", gateway.Server, gatewaytest.Key, link.argument()}
	}
	cmd := exec.Command(rustPeer(t), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the peer said:\n%s", stderr.String())
		}
	})
	if role != serverRole {
		return
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the peer said %q: %v", line, err)
	}
}

// framePeer is a peer that knows nothing but docs/protocol.md: bytes by hand, no code of the SDK. It does what the page
// says of the original's programs: one dial at a time, a goroutine that writes each frame by itself, and every Close of
// the gateway answered by one of its own.
type framePeer struct {
	conn    net.Conn
	toWrite chan []byte
	// remotes are the connections, with who is at the other end; the reader's own, as the rest.
	remotes map[uint32]uint32
	// asked is the connection on which a dial was asked for.
	asked uint32
}

func startFramePeer(t *testing.T, role role, gateway *gatewaytest.Gateway, _ sessionWay) {
	t.Helper()
	address := gateway.Client
	if role == serverRole {
		address = gateway.Server
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &framePeer{conn: conn, toWrite: make(chan []byte, 20_000), remotes: make(map[uint32]uint32)}
	if role == serverRole {
		p.shakeHands(t)
	}
	go p.writeLoop()
	go p.readLoop()
	if role == clientRole {
		p.write(0, []byte{0, 1, 0, 0, 0})
	}
}

// shakeHands proves the key, and waits for the answer to a ping.
func (p *framePeer) shakeHands(t *testing.T) {
	t.Helper()
	challenge := make([]byte, 8)
	if _, err := io.ReadFull(p.conn, challenge); err != nil {
		t.Fatal(err)
	}
	proof := md5.Sum(append(challenge, gatewaytest.Key...))
	p.conn.Write(append(proof[:], 1, 0, 0, 0))
	ping := []byte{5, 0, 0, 0, 0, 0, 0, 0, 5}
	p.conn.Write(ping)
	answer := make([]byte, len(ping))
	if _, err := io.ReadFull(p.conn, answer); err != nil || string(answer) != string(ping) {
		t.Fatalf("the ping was answered by % x: %v", answer, err)
	}
}

func (p *framePeer) write(connID uint32, payload []byte) {
	frame := make([]byte, 8+len(payload))
	binary.LittleEndian.PutUint32(frame[0:], uint32(4+len(payload)))
	binary.LittleEndian.PutUint32(frame[4:], connID)
	copy(frame[8:], payload)
	p.toWrite <- frame
}

func (p *framePeer) writeLoop() {
	pings := time.NewTicker(100 * time.Millisecond)
	defer pings.Stop()
	for {
		frame := []byte{5, 0, 0, 0, 0, 0, 0, 0, 5}
		select {
		case frame = <-p.toWrite:
		case <-pings.C:
		}
		if _, err := p.conn.Write(frame); err != nil {
			return
		}
	}
}

func (p *framePeer) readLoop() {
	reader := bufio.NewReader(p.conn)
	for {
		header := make([]byte, 8)
		if _, err := io.ReadFull(reader, header); err != nil {
			return
		}
		payload := make([]byte, binary.LittleEndian.Uint32(header)-4)
		if _, err := io.ReadFull(reader, payload); err != nil {
			return
		}
		if connID := binary.LittleEndian.Uint32(header[4:]); connID != 0 {
			p.obey(connID, string(payload))
		} else {
			p.command(payload)
		}
	}
}

func (p *framePeer) command(payload []byte) {
	args := payload[1:]
	switch payload[0] {
	case 1, 2: // Accept, Connect
		connID := binary.LittleEndian.Uint32(args)
		p.remotes[connID] = binary.LittleEndian.Uint32(args[4:])
		if payload[0] == 1 && p.asked != 0 {
			p.write(p.asked, []byte("dialed"))
		}
	case 3: // Refuse
		p.write(p.asked, []byte("refused"))
	case 4: // Close
		p.close(binary.LittleEndian.Uint32(args))
	}
}

func (p *framePeer) close(connID uint32) {
	if _, open := p.remotes[connID]; open {
		delete(p.remotes, connID)
		p.write(0, binary.LittleEndian.AppendUint32([]byte{4}, connID))
	}
}

func (p *framePeer) obey(connID uint32, message string) {
	remoteID, count := p.remotes[connID], 0
	if n, _ := fmt.Sscanf(message, "!count %d", &count); n == 1 {
		for i := range count {
			p.write(connID, fmt.Append(nil, i))
		}
		return
	}
	if n, _ := fmt.Sscanf(message, "!dial %d", &remoteID); n == 1 || message == "!dial" {
		p.asked = connID
		p.write(0, binary.LittleEndian.AppendUint32([]byte{0}, remoteID))
		return
	}
	switch message {
	case "!close":
		p.write(connID, []byte("bye"))
		p.close(connID)
	case "!abort":
		p.conn.Close()
	default:
		p.write(connID, []byte(message))
	}
}
