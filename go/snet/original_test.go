package snet_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"fastway/snet"
)

func TestTheFirstByteSaysWhatATCPConnectionIsFor(t *testing.T) {
	_, _, proxy := meet(t, false)
	first := make(chan byte, 2)
	client, err := snet.Dial(config(false), func() (net.Conn, error) {
		conn, err := net.Dial("tcp", proxy.Addr)
		return &firstByte{Conn: conn, to: first}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if b := <-first; b != snet.TYPE_NEWCONN {
		t.Errorf("a new connection begins with %#x", b)
	}
	client.(*snet.Conn).TryReconn()
	if b := <-first; b != snet.TYPE_RECONN {
		t.Errorf("one that goes on begins with %#x", b)
	}
}

// firstByte tells the first byte that is written.
type firstByte struct {
	net.Conn
	to    chan<- byte
	wrote bool
}

func (c *firstByte) Write(p []byte) (int, error) {
	if !c.wrote {
		c.wrote = true
		c.to <- p[0]
	}
	return c.Conn.Write(p)
}

func TestAConnectionWaitsToGoOnForTheTimeThatItWasGiven(t *testing.T) {
	client, server, proxy := meet(t, true)
	go echo(server)
	expectEcho(t, client)
	// Long enough to go on, as before.
	client.SetReconnWaitTimeout(patience)
	client.TryReconn()
	expectEcho(t, client)
	// Nothing is there to go on with: without the change this would take a minute.
	proxy.Retarget("127.0.0.1:1")
	client.SetReconnWaitTimeout(time.Millisecond)
	server.SetReconnWaitTimeout(time.Millisecond)
	proxy.Cut()
	began := time.Now()
	for _, conn := range []net.Conn{client, server} {
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("something came")
		}
	}
	if took := time.Since(began); took >= patience/2 {
		t.Errorf("it took %v", took)
	}
}

// counting counts the bytes of a TCP connection.
type counting struct {
	net.Conn
	read, written *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

func TestATestCanWrapTheTCPConnection(t *testing.T) {
	client, server, _ := meet(t, true)
	go func() { _, _ = io.Copy(server, server) }()
	expectEcho(t, client)
	var read, written atomic.Int64
	var wrapped *counting
	client.WrapBaseForTest(func(base net.Conn) net.Conn {
		wrapped = &counting{base, &read, &written}
		return wrapped
	})
	expectEcho(t, client)
	if read.Load() == 0 || written.Load() != read.Load() {
		t.Errorf("%d bytes were read by it, %d written", read.Load(), written.Load())
	}
	client.WrapBaseForTest(func(base net.Conn) net.Conn {
		if base != net.Conn(wrapped) {
			t.Error("another TCP connection is in use")
		}
		return base
	})
	// The next one is not wrapped. A test disturbs it, and the stream goes on.
	client.TryReconn()
	expectEcho(t, client)
	client.WrapBaseForTest(func(base net.Conn) net.Conn {
		if base == net.Conn(wrapped) {
			t.Error("the TCP connection is the one before")
		}
		base.Close()
		return base
	})
	expectEcho(t, client)
}
