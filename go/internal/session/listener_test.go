package session

import (
	"net"
	"testing"
	"time"
)

// dialFrom connects from an address of this host, of which there are many where all of 127.0.0.0/8 is.
func dialFrom(t *testing.T, address string, to net.Addr) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
	conn, err := dialer.Dial("tcp", to.String())
	if err != nil && address != "127.0.0.1" {
		t.Skipf("this host cannot connect from %s: %v", address, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestAnAddressThatTakesAllHandshakesKeepsNoOtherOut(t *testing.T) {
	for _, w := range ways(t)[1:3] {
		t.Run(w.name, func(t *testing.T) {
			w.listen.maxHandshakes = 4
			e := meet(t, w)
			var silent []net.Conn
			for range w.listen.maxHandshakes {
				silent = append(silent, dialFrom(t, "127.0.0.1", e.listener.Addr()))
			}
			for range 3 {
				client, err := w.open(patient(t), dialFrom(t, "127.0.0.2", e.listener.Addr()), Options{})
				if err != nil {
					t.Fatalf("another address was kept out: %v", err)
				}
				t.Cleanup(func() { client.Close() })
				acceptor, err := e.listener.Accept()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { acceptor.Close() })
				expectSaid(t, client, acceptor, "hello")
			}
			_ = silent[0].SetReadDeadline(time.Now().Add(patience))
			if _, err := silent[0].Read(make([]byte, 1)); isTimeout(err) {
				t.Error("nobody gave way")
			}
		})
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
