package fastway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"fastway/internal/gatewaytest"
)

// benchConn is one end of a connection as the benchmarks see it.
type benchConn interface {
	send(message []byte) error
	// receive gives a message that is good until the next one.
	receive() ([]byte, error)
}

// implementations are measured side by side: the SDK, and the shape that the original has.
var implementations = []struct {
	name string
	// open makes connections of one client with one server.
	open func(b *testing.B, gateway *gatewaytest.Gateway, connections int) (dialed, accepted []benchConn)
}{
	{"sdk", openOurs},
	{"channels", openChannels},
}

// BenchmarkEcho sends 64 bytes there and back on 100 connections of one link at a time.
func BenchmarkEcho(b *testing.B) {
	for _, implementation := range implementations {
		b.Run(implementation.name, func(b *testing.B) {
			gateway := gatewaytest.Start(b, "--client-max-conn", "0", "--client-send-chan-size", "100000")
			dialed, accepted := implementation.open(b, gateway, 100)
			for _, conn := range accepted {
				go func() { _ = echo(conn) }()
			}
			measure(b, 2*b.N, func() error { return pingPong(dialed, b.N, make([]byte, 64)) })
		})
	}
}

// BenchmarkStream sends messages of 64 bytes and 1 KiB one way on one connection.
func BenchmarkStream(b *testing.B) {
	for _, size := range []int{64, 1024} {
		for _, implementation := range implementations {
			b.Run(fmt.Sprintf("%s/%d", implementation.name, size), func(b *testing.B) {
				gateway := gatewaytest.Start(b)
				dialed, accepted := implementation.open(b, gateway, 1)
				b.SetBytes(int64(size))
				measure(b, b.N, func() error { return stream(dialed[0], accepted[0], b.N, size) })
			})
		}
	}
}

// measure runs work and reports the CPU time of this process, which holds both ends, per message.
func measure(b *testing.B, messages int, work func() error) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	if err := work(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(messages), "cpu-ns/msg")
	b.StopTimer()
}

func echo(conn benchConn) error {
	for {
		message, err := conn.receive()
		if err != nil {
			return err
		}
		if err := conn.send(message); err != nil {
			return err
		}
	}
}

// pingPong shares count round trips among the connections.
func pingPong(conns []benchConn, count int, message []byte) error {
	failed := make(chan error)
	for i, conn := range conns {
		go func() {
			var err error
			for j := i; j < count && err == nil; j += len(conns) {
				err = roundTrip(conn, message)
			}
			failed <- err
		}()
	}
	var errs []error
	for range conns {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

func roundTrip(conn benchConn, message []byte) error {
	if err := conn.send(message); err != nil {
		return err
	}
	answer, err := conn.receive()
	if err == nil && !bytes.Equal(answer, message) {
		err = fmt.Errorf("sent % x, got % x", message, answer)
	}
	return err
}

// stream sends count messages one way. The receiver grants a window at a time, two of which are below its queue's bound.
func stream(from, to benchConn, count, size int) error {
	window := min(2000, 256*kib/size)
	failed, grants := make(chan error, 1), make(chan struct{}, count/window+2)
	grants <- struct{}{}
	go func() {
		defer close(grants)
		failed <- receiveAll(to, count, size, window, grants)
	}()
	message := make([]byte, size)
	for i := range count {
		if i%window == 0 {
			<-grants
		}
		if err := from.send(message); err != nil {
			return err
		}
	}
	return <-failed
}

func receiveAll(conn benchConn, count, size, window int, grants chan<- struct{}) error {
	for i := range count {
		message, err := conn.receive()
		if err != nil || len(message) != size {
			return fmt.Errorf("message %d has %d bytes: %w", i, len(message), err)
		}
		if i%window == 0 {
			grants <- struct{}{}
		}
	}
	return nil
}

// ours is a connection of the SDK, with the memory that messages are received into.
type ours struct {
	*Conn
	buf []byte
}

func (c *ours) send(message []byte) error { return c.Send(context.Background(), message) }

func (c *ours) receive() (message []byte, err error) {
	c.buf, err = c.ReceiveAppend(context.Background(), c.buf[:0])
	return c.buf, err
}

func openOurs(b *testing.B, gateway *gatewaytest.Gateway, connections int) (dialed, accepted []benchConn) {
	server, client := connectServer(b, gateway, 7), connectClient(b, gateway)
	for range connections {
		from, to := openConn(b, client, server, 7)
		dialed, accepted = append(dialed, &ours{Conn: from}), append(accepted, &ours{Conn: to})
	}
	return dialed, accepted
}
