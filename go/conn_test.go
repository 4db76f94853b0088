package fastway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
)

func TestAClientDialsAServerAndTheServerDialsTheClient(t *testing.T) {
	gateway := gatewaytest.Start(t)
	server, client := connectServer(t, gateway, 7), connectClient(t, gateway)
	ours, theirs := openConn(t, client, server, 7)
	send(t, ours, "hello", "", "goodbye")
	expect(t, theirs, "hello", "", "goodbye")
	send(t, theirs, "World")
	expect(t, ours, "World")

	back, here := openConn(t, server, client, theirs.RemoteID())
	send(t, back, "you are dialed")
	expect(t, here, "you are dialed")
	if here.RemoteID() != 7 {
		t.Errorf("the server is %d", here.RemoteID())
	}
}

func TestTenThousandMessagesArriveInOrderBothWays(t *testing.T) {
	client, server := pair(t, hold)
	const count = 10_000
	failed := make(chan error, 1)
	go func() { failed <- echoAll(server, count) }()
	go func() {
		for i := range count {
			if err := client.Send(context.Background(), fmt.Appendf(nil, "message %d", i)); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range count {
		expect(t, client, fmt.Sprintf("message %d", i))
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

func echoAll(conn *Conn, count int) (err error) {
	var buf []byte
	for range count {
		if buf, err = conn.ReceiveAppend(context.Background(), buf[:0]); err != nil {
			return err
		}
		if err := conn.Send(context.Background(), buf); err != nil {
			return err
		}
	}
	return nil
}

func TestTheLargestMessageArrivesAndALargerOneIsRefused(t *testing.T) {
	client, server := pair(t)
	largest := bytes.Repeat([]byte("0123456789abcdef"), 32<<10)[:512<<10-4]
	var tooLarge *TooLargeError
	err := client.Send(patient(t), append(largest, 'x'))
	if !errors.Is(err, ErrTooLargePacket) || !errors.As(err, &tooLarge) {
		t.Fatalf("a message that is too large: %v", err)
	}
	if tooLarge.Bytes != 512<<10-3 || tooLarge.Most != 512<<10-4 || !strings.Contains(err.Error(), "524285") || !strings.Contains(err.Error(), "524284") {
		t.Errorf("the error does not name the sizes: %v", err)
	}
	send(t, client, string(largest), "and on")
	expect(t, server, string(largest), "and on")
}

func TestACloseReachesBothEndsBehindTheMessages(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			closing, other := pair(t)
			if who == "server" {
				closing, other = other, closing
			}
			send(t, closing, "the last words")
			closing.Close()
			expect(t, other, "the last words")
			expectEnd(t, other, io.EOF)
			expectEnd(t, closing, net.ErrClosed)
			expectError(t, other.Send(patient(t), nil), io.EOF)
			expectError(t, closing.Send(patient(t), nil), net.ErrClosed)
			var ended *CloseError
			if !errors.As(other.Err(), &ended) || ended.Reason != ClosedRemotely {
				t.Errorf("the other end was told %v", other.Err())
			}
		})
	}
}

func TestADialOfNobodyIsRefused(t *testing.T) {
	client := connectClient(t, gatewaytest.Start(t))
	_, err := client.DialConn(patient(t), 99)
	expectError(t, err, ErrRefused)
	var failed *DialError
	if !errors.As(err, &failed) || failed.RemoteID != 99 {
		t.Errorf("the error is %v", err)
	}
}

func TestManyDialsAtATimeGetEachItsOwnAnswer(t *testing.T) {
	gateway := gatewaytest.Start(t, "--client-max-conn", "0")
	client := connectClient(t, gateway)
	for id := range uint32(5) {
		connectServer(t, gateway, id)
	}
	results := make(chan error)
	for i := range 200 {
		go func() {
			remoteID := uint32(i % 10)
			conn, err := client.DialConn(patient(t), remoteID)
			switch {
			case remoteID < 5 && err == nil && conn.RemoteID() != remoteID:
				err = fmt.Errorf("dialed %d, got %d", remoteID, conn.RemoteID())
			case remoteID >= 5 && errors.Is(err, ErrRefused):
				err = nil
			case remoteID >= 5:
				err = fmt.Errorf("the dial of %d gave %v", remoteID, err)
			}
			results <- err
		}()
	}
	for range 200 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestWaitsEndWithTheirContextAndLoseNothing(t *testing.T) {
	client, server := pair(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("no longer wanted")
	received := make(chan error)
	go func() {
		_, err := server.Receive(ctx)
		received <- err
	}()
	cancel(why)
	expectError(t, <-received, why)
	if _, err := server.EndPoint().AcceptConn(ctx); !errors.Is(err, why) {
		t.Errorf("AcceptConn gave %v", err)
	}
	if _, err := client.EndPoint().DialConn(ctx, 7); !errors.Is(err, why) {
		t.Errorf("DialConn gave %v", err)
	}
	send(t, client, "still there")
	expect(t, server, "still there")
	eventually(t, "a dial that was given up leaves nothing", func() bool {
		return client.EndPoint().Stats().Conns == 1 && server.EndPoint().Stats().Conns == 1
	})
}

func TestDeadlinesEndReadsAndCanBeMoved(t *testing.T) {
	client, server := pair(t)
	failed := make(chan error)
	read := func() {
		_, err := server.Read(make([]byte, 1))
		failed <- err
	}
	go read()
	server.SetReadDeadline(time.Now().Add(time.Millisecond))
	expectError(t, <-failed, os.ErrDeadlineExceeded)
	go read()
	expectError(t, <-failed, os.ErrDeadlineExceeded)

	server.SetReadDeadline(time.Now().Add(time.Hour))
	go read()
	server.SetReadDeadline(time.Unix(1, 0))
	expectError(t, <-failed, os.ErrDeadlineExceeded)
	var timeout net.Error
	if _, err := server.Receive(patient(t)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no time-out", err)
	}
	server.SetDeadline(time.Time{})
	send(t, client, "x")
	expect(t, server, "x")
}

func TestSeveralReceiversGetEachMessageOnce(t *testing.T) {
	client, server := pair(t)
	const receivers, each = 8, 500
	got := make(chan string, receivers*each)
	ended := make(chan error)
	for range receivers {
		go func() {
			for {
				message, err := server.Receive(context.Background())
				if err != nil {
					ended <- err
					return
				}
				got <- string(message)
			}
		}()
	}
	for i := range receivers * each {
		send(t, client, fmt.Sprint(i))
	}
	seen := make(map[string]bool)
	for range receivers * each {
		message := <-got
		if seen[message] {
			t.Fatalf("%q came twice", message)
		}
		seen[message] = true
	}
	client.Close()
	for range receivers {
		expectError(t, <-ended, io.EOF)
	}
}

func TestAStreamOfBytesGoesThroughWhole(t *testing.T) {
	client, server := pair(t, func(cfg *Config) { cfg.WhenFull = Hold })
	sent := bytes.Repeat([]byte("all of it, in order; "), 50_000)
	go func() {
		if n, err := client.Write(sent); n != len(sent) || err != nil {
			t.Errorf("wrote %d: %v", n, err)
		}
		client.Close()
	}()
	received, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(received, sent) {
		t.Fatalf("%d of %d bytes: %v", len(received), len(sent), err)
	}
}

func TestReadAndReceiveShareAMessageWithoutLosingAByte(t *testing.T) {
	client, server := pair(t)
	send(t, client, "abcdef", "", "ghi")
	part := make([]byte, 2)
	if _, err := io.ReadFull(server, part); err != nil || string(part) != "ab" {
		t.Fatalf("%q, %v", part, err)
	}
	expect(t, server, "cdef", "", "ghi")
}

func TestABatchIsSentWhole(t *testing.T) {
	client, server := pair(t)
	if n, err := client.SendBatch(patient(t), []byte("a"), []byte("b"), []byte("c")); n != 3 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	expect(t, server, "a", "b", "c")
	if message, ok, err := server.TryReceiveAppend(nil); ok || err != nil {
		t.Fatalf("%q, %v", message, err)
	}
}
