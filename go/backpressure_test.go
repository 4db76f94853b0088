package fastway

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
	"fastway/internal/wire"
)

func small(whenFull WhenFull) func(*Config) {
	return func(cfg *Config) {
		cfg.ReceiveMessages, cfg.WhenFull, cfg.ReadBufferBytes = 10, whenFull, kib
	}
}

func TestAFullQueueHoldsTheLinkUntilHalfWasReceivedAndLosesNothing(t *testing.T) {
	client, gateway := fakeClient(t, small(Hold))
	slow, other := gateway.open(client, 1), gateway.open(client, 2)
	const count = 5000
	gateway.writeLater(append(messages(1, count, 100), messages(2, 1, 0)...))
	eventually(t, "the link is held", func() bool { return client.Stats().ReadsHeld == 1 })
	if _, ok, err := other.TryReceiveAppend(nil); ok || err != nil {
		t.Fatalf("the other connection got its message through a held link: %v", err)
	}
	for i := range count {
		if _, err := slow.Receive(patient(t)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	expect(t, other, "")
	if stats := client.Stats(); stats.UnreadBytes != 0 || stats.ReadsHeld < 10 {
		t.Errorf("%+v", stats)
	}
}

func TestAFullQueueClosesItsConnectionAlone(t *testing.T) {
	client, gateway := fakeClient(t, small(CloseConn))
	slow, other := gateway.open(client, 1), gateway.open(client, 2)
	gateway.writeLater(messages(1, 1000, 100))
	gateway.expectCommand(wire.Command{Type: wire.Close, ConnID: 1})
	gateway.write(messages(2, 1, 0))
	expect(t, other, "")
	received := 0
	for {
		if _, err := slow.Receive(patient(t)); err != nil {
			expectError(t, err, ErrQueueFull)
			break
		}
		received++
	}
	if received < 10 || received > 30 {
		t.Errorf("%d messages could be received", received)
	}
	if stats := client.Stats(); stats.ClosedQueueFull != 1 || stats.Conns != 1 || stats.UnreadBytes != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestAConnectionThatNobodyAcceptedNeverHoldsTheLink(t *testing.T) {
	client, gateway := fakeClient(t, small(Hold))
	gateway.say(wire.Command{Type: wire.Connect, ConnID: 1, RemoteID: 1})
	gateway.writeLater(messages(1, 1000, 100))
	gateway.expectCommand(wire.Command{Type: wire.Close, ConnID: 1})
	conn, err := client.AcceptConn(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, conn, string(make([]byte, 100)))
}

func TestAllTogetherAreBoundedAndTheLargestLosesFirst(t *testing.T) {
	client, gateway := fakeClient(t, func(cfg *Config) {
		cfg.WhenFull, cfg.ReceiveTotalBytes, cfg.ReadBufferBytes = CloseConn, 10_000, kib
	})
	large, little := gateway.open(client, 1), gateway.open(client, 2)
	gateway.writeLater(append(messages(2, 10, 100), messages(1, 100, 100)...))
	gateway.expectCommand(wire.Command{Type: wire.Close, ConnID: 1})
	// It is closed first, and then loses what waits.
	eventually(t, "only the little one's messages wait", func() bool { return client.Stats().UnreadBytes == 10*(wire.HeaderBytes+100) })
	expectEnd(t, large, ErrQueueFull)
	for range 10 {
		expect(t, little, string(make([]byte, 100)))
	}
}

func TestAllTogetherHoldTheLinkWhereNoneMayBeClosed(t *testing.T) {
	client, gateway := fakeClient(t, func(cfg *Config) {
		cfg.WhenFull, cfg.ReceiveTotalBytes, cfg.ReadBufferBytes = Hold, 10_000, kib
	})
	conns := []*Conn{gateway.open(client, 1), gateway.open(client, 2)}
	gateway.writeLater(bytes.Repeat(append(messages(1, 10, 100), messages(2, 10, 100)...), 50))
	eventually(t, "the link is held", func() bool { return client.Stats().ReadsHeld > 0 })
	for range 500 {
		for _, conn := range conns {
			if _, err := conn.Receive(patient(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if stats := client.Stats(); stats.UnreadBytes != 0 || stats.ClosedQueueFull != 0 {
		t.Errorf("%+v", stats)
	}
}

// Who forgets to close connections that have ended must not stop its link for ever.
func TestWhatEndedConnectionsLeftIsLostBeforeTheLinkIsHeld(t *testing.T) {
	client, gateway := fakeClient(t, func(cfg *Config) {
		cfg.WhenFull, cfg.ReceiveTotalBytes, cfg.ReadBufferBytes = Hold, 10_000, kib
	})
	forgotten, other := gateway.open(client, 1), gateway.open(client, 2)
	gateway.write(messages(1, 80, 100))
	gateway.say(wire.Command{Type: wire.Close, ConnID: 1})
	gateway.writeLater(messages(2, 500, 100))
	eventually(t, "the link is held", func() bool { return client.Stats().ReadsHeld > 0 })
	expectEnd(t, forgotten, ErrQueueFull)
	for range 500 {
		if _, err := other.Receive(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClosingAConnectionReleasesTheLink(t *testing.T) {
	client, gateway := fakeClient(t, small(Hold))
	slow, other := gateway.open(client, 1), gateway.open(client, 2)
	gateway.writeLater(append(messages(1, 1000, 100), messages(2, 1, 0)...))
	eventually(t, "the link is held", func() bool { return client.Stats().ReadsHeld == 1 })
	slow.Close()
	expect(t, other, "")
	if stats := client.Stats(); stats.UnreadBytes != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestAHeldLinkCanBeShutDown(t *testing.T) {
	for _, total := range []int{1 << 20, 2000} {
		client, gateway := fakeClient(t, small(Hold), func(cfg *Config) { cfg.ReceiveTotalBytes = total })
		gateway.open(client, 1)
		gateway.writeLater(messages(1, 1000, 100))
		eventually(t, "the link is held", func() bool { return client.Stats().ReadsHeld > 0 })
		ended := make(chan error)
		go func() { ended <- client.Shutdown(patient(t)) }()
		gateway.expectCommand(wire.Command{Type: wire.Ping})
		gateway.say(wire.Command{Type: wire.Ping})
		gateway.conn.Close()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHeldLinkIsNotGivenUpAsSilent(t *testing.T) {
	client, gateway := fakeClient(t, small(Hold), func(cfg *Config) { cfg.PingInterval, cfg.DeadAfter = 10*time.Millisecond, 100 })
	slow := gateway.open(client, 1)
	gateway.write(messages(1, 20, 100))
	eventually(t, "the link is held", func() bool { return client.Stats().ReadsHeld > 0 })
	for range 150 {
		gateway.expectCommand(wire.Command{Type: wire.Ping})
	}
	if err := client.Err(); err != nil {
		t.Fatalf("the link has ended: %v", err)
	}
	slow.Close()
}

func TestASendWaitsForRoomInTheSendBuffer(t *testing.T) {
	client, gateway := stuckClient(t, func(cfg *Config) { cfg.SendBufferBytes = 10_000 })
	conn := gateway.open(client, 1)
	message := make([]byte, 1000)
	sent := 0
	for conn.TrySend(message) == nil {
		sent++
	}
	expectError(t, conn.TrySend(message), ErrHeldUp)

	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error)
	go func() { failed <- conn.Send(ctx, message) }()
	eventually(t, "the send waits", func() bool { return client.Stats().SendsHeldUp == 1 })
	cancel()
	expectError(t, <-failed, context.Canceled)

	conn.SetWriteDeadline(time.Now().Add(time.Millisecond))
	_, err := conn.Write(message)
	expectError(t, err, os.ErrDeadlineExceeded)
	conn.SetWriteDeadline(time.Time{})

	_, err = client.DialConn(ctx, 9)
	expectError(t, err, context.Canceled)
	// On a busy machine the deadline may have passed before the write had to wait.
	before := client.Stats().SendsHeldUp
	go func() { failed <- conn.Send(patient(t), message) }()
	eventually(t, "the send waits", func() bool { return client.Stats().SendsHeldUp == before+1 })
	for range sent + 1 {
		if id, payload := gateway.frame(); id != 1 || len(payload) != len(message) {
			t.Fatalf("connection %d, %d bytes", id, len(payload))
		}
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

func TestAClosedConnectionEndsItsWaitingSends(t *testing.T) {
	client, gateway := stuckClient(t, func(cfg *Config) { cfg.SendBufferBytes = 1000 })
	conn := gateway.open(client, 1)
	for conn.TrySend(make([]byte, 1000)) == nil {
		continue
	}
	const senders = 5
	failed := make(chan error)
	for range senders {
		go func() { failed <- conn.Send(context.Background(), nil) }()
	}
	eventually(t, "all wait", func() bool { return client.Stats().SendsHeldUp == senders })
	gateway.say(wire.Command{Type: wire.Close, ConnID: 1})
	for range senders {
		expectError(t, <-failed, io.EOF)
	}
}

func TestSeveralSendersOfOneConnectionAllGetTheirTurn(t *testing.T) {
	client, gateway := stuckClient(t, func(cfg *Config) { cfg.SendBufferBytes = 1000 })
	conn := gateway.open(client, 1)
	const senders, each = 8, 200
	failed := make(chan error)
	for range senders {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				err = conn.Send(patient(t), make([]byte, 500))
			}
			failed <- err
		}()
	}
	for range senders * each {
		gateway.frame()
	}
	for range senders {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFloodOfConnectionsWhoseClosesAreNotReadEndsTheLink(t *testing.T) {
	client, gateway := stuckClient(t, func(cfg *Config) { cfg.PendingAccepts = -1 })
	go func() {
		for id := uint32(1); ; id++ {
			if _, err := gateway.conn.Write(wire.AppendCommand(nil, wire.Command{Type: wire.Connect, ConnID: id})); err != nil {
				return
			}
		}
	}()
	select {
	case <-client.Done():
		expectError(t, client.Err(), ErrFlooded)
	case <-time.After(gatewaytest.Deadline):
		t.Fatal("the link lives on")
	}
}

func TestAsManyConnectionsThatNobodyWantsAsComeAreClosedWhereTheGatewayReads(t *testing.T) {
	client, gateway := fakeClient(t, func(cfg *Config) { cfg.PendingAccepts = -1 })
	const count, batch = 3 * unsentAnswers, 1024
	for first := uint32(1); first < count; first += batch {
		var connects []byte
		for id := first; id < first+batch; id++ {
			connects = wire.AppendCommand(connects, wire.Command{Type: wire.Connect, ConnID: id})
		}
		gateway.write(connects)
		for id := first; id < first+batch; id++ {
			gateway.expectCommand(wire.Command{Type: wire.Close, ConnID: id})
		}
	}
	if err := client.Err(); err != nil {
		t.Errorf("the link has ended: %v", err)
	}
}
