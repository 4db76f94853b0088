package link_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"fastway/link"
)

// echo sends messages back until the session ends.
func echo(session *link.Session) {
	defer session.Close()
	for {
		message, err := session.Receive()
		if err != nil || session.Send(message) != nil {
			return
		}
	}
}

func TestManyClientsExchangeMessagesWithAServer(t *testing.T) {
	for _, sendChanSize := range []int{0, 64} {
		t.Run(fmt.Sprint("queue of ", sendChanSize), func(t *testing.T) {
			server, _ := serve(t, lengths, sendChanSize, echo)
			var clients sync.WaitGroup
			for client := range 20 {
				session := dial(t, server, sendChanSize)
				clients.Add(1)
				go func() {
					defer clients.Done()
					for i := range 100 {
						sent := bytes.Repeat([]byte{byte(client)}, i)
						if err := session.Send(sent); err != nil {
							t.Error(err)
							return
						}
						received, err := session.Receive()
						if err != nil || !bytes.Equal(received.([]byte), sent) {
							t.Errorf("%v, %v", received, err)
							return
						}
					}
				}()
			}
			clients.Wait()
		})
	}
}

func TestSendsOfSeveralGoroutinesDoNotMixInASession(t *testing.T) {
	server, _ := serve(t, lengths, 0, echo)
	session := dial(t, server, 0)
	const senders, each = 8, 200
	for sender := range senders {
		go func() {
			for range each {
				if err := session.Send(bytes.Repeat([]byte{byte(sender)}, 10+sender)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range senders * each {
		received, err := session.Receive()
		if err != nil {
			t.Fatal(err)
		}
		message := received.([]byte)
		if sender := message[0]; !bytes.Equal(message, bytes.Repeat([]byte{sender}, 10+int(sender))) {
			t.Fatalf("received %v", message)
		}
	}
}

func TestAServerFindsItsSessionsWhileTheyLive(t *testing.T) {
	sessions := make(chan *link.Session)
	server, _ := serve(t, lengths, 0, func(session *link.Session) { sessions <- session })
	client := dial(t, server, 0)
	theirs := await(t, "the server has a session", sessions)
	if server.GetSession(theirs.ID()) != theirs {
		t.Error("a session is not found")
	}
	client.Close()
	if _, err := theirs.Receive(); err == nil {
		t.Error("something came")
	}
	eventually(t, "a session that has ended is forgotten", func() bool { return server.GetSession(theirs.ID()) == nil })
}

func TestAStoppedServerHasClosedItsSessionsAndTheirCallbacksHaveReturned(t *testing.T) {
	sessions := make(chan *link.Session)
	server, ended := serve(t, lengths, 16, func(session *link.Session) { sessions <- session })
	var mu sync.Mutex
	called := 0
	for range 5 {
		dial(t, server, 0)
		await(t, "the server has a session", sessions).AddCloseCallback(t, "count", func() {
			mu.Lock()
			defer mu.Unlock()
			called++
		})
	}
	server.Stop()
	mu.Lock()
	defer mu.Unlock()
	if called != 5 {
		t.Errorf("%d callbacks were called", called)
	}
	if err := await(t, "Serve returns", ended); err != io.EOF {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := link.Dial("tcp", server.Listener().Addr().String(), lengths, 0); err == nil {
		t.Error("a stopped server accepts connections")
	}
}

func TestAConnectionWhoseCodecCannotBeMadeIsClosed(t *testing.T) {
	server, _ := serve(t, none, 0, func(*link.Session) { t.Error("there is a session") })
	conn, err := net.Dial("tcp", server.Listener().Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("something came")
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	session, err := link.Dial("tcp", listener.Addr().String(), none, 0)
	if session != nil || err != errNoCodec {
		t.Errorf("%v, %v", session, err)
	}
	theirs, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if n, err := theirs.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestWhatCannotBeDialedOrListenedToIsAnError(t *testing.T) {
	if session, err := link.Dial("tcp", "no address", lengths, 0); session != nil || err == nil {
		t.Errorf("%v, %v", session, err)
	}
	if server, err := link.Listen("tcp", "no address", lengths, 0, nil); server != nil || err == nil {
		t.Errorf("%v, %v", server, err)
	}
}

// failing gives errors before the connections of the listener under it.
type failing struct {
	net.Listener
	errs []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return l.Listener.Accept()
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}

type passing struct{ error }

func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

func TestAcceptGoesOnAfterErrorsThatPass(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ours, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	busy, broken := passing{errors.New("too many open files")}, errors.New("broken")
	conn, err := link.Accept(&failing{listener, []error{busy, busy}})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := link.Accept(&failing{listener, []error{busy, broken}}); err != broken {
		t.Errorf("got %v", err)
	}
	listener.Close()
	if _, err := link.Accept(listener); err != io.EOF {
		t.Errorf("a closed listener gave %v", err)
	}
}
