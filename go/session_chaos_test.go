package fastway

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
)

// pieceBytes and window keep what is in flight below half of the player's bound: 500 messages, 2 MiB.
const (
	pieceBytes = 16 * kib
	window     = 100
)

// piece is a message of a transfer, which tells its place.
func piece(place int) []byte {
	message := make([]byte, pieceBytes)
	for i := 0; i < pieceBytes; i += 8 {
		binary.LittleEndian.PutUint64(message[i:], uint64(place)*0x9e3779b97f4a7c15+uint64(i))
	}
	return message
}

// transfer sends pieces and receives as many, and lets no more than a window be in flight: each received one is a word of
// the other end that one more may come. They give errors, since they run on goroutines of their own.
type transfer struct {
	conn   *Conn
	credit chan struct{}
}

func newTransfer(conn *Conn) *transfer {
	t := &transfer{conn, make(chan struct{}, window)}
	for range window {
		t.credit <- struct{}{}
	}
	return t
}

func (t *transfer) send(ctx context.Context, pieces int) error {
	for place := range pieces {
		select {
		case <-t.credit:
		case <-ctx.Done():
			return fmt.Errorf("no credit for piece %d", place)
		}
		if err := t.conn.Send(ctx, piece(place)); err != nil {
			return fmt.Errorf("piece %d was not sent: %w", place, err)
		}
	}
	return nil
}

// receive takes pieces and words of credit, which are empty.
func (t *transfer) receive(ctx context.Context, pieces int, received func(place int)) error {
	var buf []byte
	var err error
	for place, words := 0, 0; place < pieces || words < pieces; {
		if buf, err = t.conn.ReceiveAppend(ctx, buf[:0]); err != nil {
			return fmt.Errorf("after %d pieces and %d words: %w", place, words, err)
		}
		if len(buf) == 0 {
			words++
			t.credit <- struct{}{}
			continue
		}
		if !bytes.Equal(buf, piece(place)) {
			return fmt.Errorf("piece %d came otherwise, or at another place", place)
		}
		if err := t.conn.Send(ctx, nil); err != nil {
			return fmt.Errorf("no word after %d pieces: %w", place, err)
		}
		place++
		received(place)
	}
	return nil
}

// chaosBytes is what goes each way over a secure session, and twice what does over a legacy one.
const chaosBytes = 50 << 20

func TestTwoHundredCutsInATransferBothWaysLoseAndDoubleNothing(t *testing.T) {
	ways := sessionWays(t)
	for _, way := range []sessionWay{ways[1], ways[3]} {
		t.Run(way.name, func(t *testing.T) {
			const wanted = 200
			pieces := chaosBytes / pieceBytes
			if way.cfg.Protocol == LegacySession {
				pieces /= 2
			}
			p := meetOverSessions(t, way)
			ctx, cancel := context.WithTimeout(context.Background(), 3*gatewaytest.Deadline)
			defer cancel()
			done := make(chan error, 4)
			ends := []*transfer{newTransfer(p.client), newTransfer(p.server)}
			go func() { done <- ends[0].receive(ctx, pieces, func(int) {}) }()
			cuts, last := 0, 0
			go func() {
				done <- ends[1].receive(ctx, pieces, func(place int) {
					if cuts < wanted && place >= last+pieces/wanted/2 && p.cut(cuts) > 0 {
						cuts, last = cuts+1, place
					}
				})
			}()
			for _, end := range ends {
				go func() { done <- end.send(ctx, pieces) }()
			}
			for range 4 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if cuts != wanted {
				t.Errorf("%d cuts, want %d", cuts, wanted)
			}
			resumes := p.client.EndPoint().Stats().Resumes + p.server.EndPoint().Stats().Resumes
			t.Logf("%d cuts, %d resumes, %d physical connections", cuts, resumes, p.clients.Links()+p.servers.Links())
		})
	}
}

// cut cuts the client's side or the server's, as soon as there is something to cut. It does not wait for long: nobody may see
// the last cut before more is received.
func (p *sessionPair) cut(turn int) (links int) {
	proxy := p.clients
	if turn%2 == 1 {
		proxy = p.servers
	}
	for late := time.Now().Add(100 * time.Millisecond); links == 0 && time.Now().Before(late); {
		if links = proxy.Cut(); links == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return links
}

// The client's new connection carries both ways at once, whatever the old one looks like.
func TestAfterABlackHoleAReconnectDoesNotWaitForTheOldConnection(t *testing.T) {
	for _, way := range sessionWays(t) {
		t.Run(way.name, func(t *testing.T) {
			p := meetOverSessions(t, way)
			send(t, p.client, "hello")
			expect(t, p.server, "hello")
			p.clients.Freeze()
			send(t, p.client, "into the hole")
			send(t, p.server, "out of it")
			began := time.Now()
			if err := p.client.EndPoint().Reconnect(); err != nil {
				t.Fatal(err)
			}
			expect(t, p.server, "into the hole")
			expect(t, p.client, "out of it")
			// No timeout of the old connection is below ten seconds.
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestALinkWaitsForAGatewayThatIsGoneForAWhile(t *testing.T) {
	p := meetOverSessions(t, sessionWays(t)[1])
	p.clients.Retarget("127.0.0.1:1")
	p.clients.Cut()
	p.expectEvent(t, SessionInterrupted)
	send(t, p.client, "said while nobody was there")
	eventually(t, "it is tried again", func() bool { return p.client.EndPoint().Err() == nil && p.clients.Refused() > 5 })
	p.clients.Retarget(p.gateway.Client)
	expect(t, p.server, "said while nobody was there")
	if event := p.expectEvent(t, SessionResumed); event.Attempts < 5 {
		t.Errorf("%+v", event)
	}
}
