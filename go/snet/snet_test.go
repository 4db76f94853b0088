package snet_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"fastway/internal/chaostest"
	"fastway/snet"
)

const patience = 60 * time.Second

func config(encrypt bool) snet.Config {
	return snet.Config{
		EnableCrypt: encrypt, HandshakeTimeout: patience, RewriterBufferSize: 16 << 20, ReconnWaitTimeout: patience,
	}
}

// meet is both ends of a connection through a proxy.
func meet(t *testing.T, encrypt bool) (client, server *snet.Conn, proxy *chaostest.Proxy) {
	t.Helper()
	listener, err := snet.Listen(config(encrypt), func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	proxy = chaostest.Start(t, listener.Addr().String())
	ours, err := snet.Dial(config(encrypt), func() (net.Conn, error) { return net.Dial("tcp", proxy.Addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	theirs, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours.(*snet.Conn), theirs.(*snet.Conn), proxy
}

// echo sends back what comes, until the connection ends.
func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

func inBothModes(t *testing.T, try func(t *testing.T, encrypt bool)) {
	t.Run("in the open", func(t *testing.T) { try(t, false) })
	t.Run("encrypted", func(t *testing.T) { try(t, true) })
}

func TestAnEchoOutlivesFiftyForcedReconnects(t *testing.T) {
	inBothModes(t, func(t *testing.T, encrypt bool) {
		client, server, proxy := meet(t, encrypt)
		go echo(server)
		for range 50 {
			carried := proxy.Links()
			expectEcho(t, client)
			client.TryReconn()
			expectEcho(t, client)
			if proxy.Links() == carried {
				t.Fatal("it went on by the same TCP connection")
			}
		}
	})
}

func expectEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	said, heard := make([]byte, 1+rand.IntN(20_000)), make([]byte, 20_000)
	for i := range said {
		said[i] = byte(rand.IntN(256))
	}
	if _, err := conn.Write(said); err != nil {
		t.Fatal(err)
	}
	heard = heard[:len(said)]
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(conn, heard); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(said, heard) {
		t.Fatal("other bytes came back")
	}
}

// In the original the older connection has to fail before the next one can take over.
func TestAHalfOpenConnectionDoesNotKeepTheNextOneOut(t *testing.T) {
	inBothModes(t, func(t *testing.T, encrypt bool) {
		client, server, proxy := meet(t, encrypt)
		go echo(server)
		expectEcho(t, client)
		proxy.Freeze()
		client.TryReconn()
		expectEcho(t, client)
	})
}

func TestAListenerEndsWithoutThoseWhoWereNotAccepted(t *testing.T) {
	listener, err := snet.Listen(config(true), func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	client, err := snet.Dial(config(true), func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// As in the original.
	if _, err := listener.Accept(); err != os.ErrInvalid {
		t.Errorf("a closed listener gave %v", err)
	}
}

func TestConnectionsEndWithTheirTCPConnectionWhenTheListenerIsClosed(t *testing.T) {
	for _, cutFirst := range []bool{true, false} {
		// So that no wait time can end them while the test waits.
		forEver := config(true)
		forEver.ReconnWaitTimeout = 24 * time.Hour
		listener, err := snet.Listen(forEver, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
		if err != nil {
			t.Fatal(err)
		}
		proxy := chaostest.Start(t, listener.Addr().String())
		client, err := snet.Dial(forEver, func() (net.Conn, error) { return net.Dial("tcp", proxy.Addr) })
		if err != nil {
			t.Fatal(err)
		}
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := io.Copy(server, server)
			ended <- err
		}()
		expectEcho(t, client)
		if cutFirst {
			proxy.Retarget("127.0.0.1:1")
			proxy.Cut()
		}
		listener.Close()
		if !cutFirst {
			expectEcho(t, client)
			client.Close()
		}
		select {
		case err := <-ended:
			if err == nil {
				t.Error("a lost connection looks like the end of its stream")
			}
		case <-time.After(patience):
			t.Fatalf("the accepted connection did not end (cut first: %v)", cutFirst)
		}
		client.Close()
	}
}

func TestWhatCannotBeDialedOrListenedToIsAnError(t *testing.T) {
	refused := errors.New("nobody there")
	if conn, err := snet.Dial(snet.Config{}, func() (net.Conn, error) { return nil, refused }); conn != nil || err != refused {
		t.Errorf("%v, %v", conn, err)
	}
	if l, err := snet.Listen(snet.Config{}, func() (net.Listener, error) { return nil, refused }); l != nil || err != refused {
		t.Errorf("%v, %v", l, err)
	}
}
