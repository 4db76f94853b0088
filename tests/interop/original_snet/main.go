// A player and a game server written for the original Go SDK, each over the original's snet, and a stream from snet to snet.
//
// The test that runs it changes the import paths of a copy, and nothing else.
package main

import (
	"io"
	"log"
	"net"
	"os"
	"time"

	fastway "github.com/funny/fastway/go"
	"github.com/funny/link"
	"github.com/funny/slab"
	"github.com/funny/snet/go"
)

// Bytes is for messages that are bytes already.
type Bytes struct{}

func (Bytes) EncodeMessage(msg interface{}) ([]byte, error) { return msg.([]byte), nil }

func (Bytes) DecodeMessage(msg []byte) (interface{}, error) { return append([]byte(nil), msg...), nil }

func config(encrypt bool) snet.Config {
	return snet.Config{
		EnableCrypt:        encrypt,
		HandshakeTimeout:   10 * time.Second,
		RewriterBufferSize: 1024 * 1024,
		ReconnWaitTimeout:  time.Minute,
	}
}

func main() {
	log.SetFlags(0)
	stream()

	cfg := fastway.EndPointCfg{
		MemPool:      slab.NewSyncPool(64, 64*1024, 2),
		MaxPacket:    512 * 1024,
		BufferSize:   64 * 1024,
		SendChanSize: 10000,
		RecvChanSize: 10000,
		PingInterval: 10 * time.Second,
		PingTimeout:  10 * time.Second,
		ServerID:     10086,
		AuthKey:      os.Getenv("KEY"),
		MsgFormat:    Bytes{},
	}
	// Not encrypted: the original's snet encrypts what it is given in place, so that its gateway does not know its own challenge
	// of a server any more.
	server, err := fastway.NewServer(dial(os.Getenv("SERVER_ADDR"), false), cfg)
	check(err)
	below := dial(os.Getenv("CLIENT_ADDR"), true)
	client := fastway.NewClient(below, cfg)

	ours := dialServer(client)
	theirs, err := server.Accept()
	check(err)
	go tick(theirs)
	go hearTicks(ours)
	for _, text := range []string{"hello", "after a reconnect", "goodbye"} {
		check(ours.Send([]byte(text)))
		message, err := theirs.Receive()
		check(err)
		if string(message.([]byte)) != text {
			log.Fatalf("received %q, want %q", message, text)
		}
		below.(*snet.Conn).TryReconn()
	}
	client.Close()
	server.Close()
	log.Println("all is well")
}

// dialServer tries again while the gateway does not know the server yet: the original's NewServer does not wait for that.
func dialServer(client *fastway.EndPoint) *link.Session {
	for {
		session, err := client.Dial(10086)
		if err != fastway.ErrRefused {
			check(err)
			return session
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tick has something come all the time: after a reconnect the original writes nothing before it has read something.
func tick(session *link.Session) {
	for session.Send([]byte("tick")) == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

func hearTicks(session *link.Session) {
	for {
		message, err := session.Receive()
		if err != nil {
			return
		}
		if string(message.([]byte)) != "tick" {
			log.Fatalf("received %q, want a tick", message)
		}
	}
}

func dial(addr string, encrypt bool) net.Conn {
	conn, err := snet.Dial(config(encrypt), func() (net.Conn, error) { return net.Dial("tcp", addr) })
	check(err)
	return conn
}

// stream is snet without fastway.
func stream() {
	listener, err := snet.Listen(config(false), func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	check(err)
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		check(err)
		io.Copy(conn, conn)
	}()
	conn, err := snet.Dial(config(false), func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) })
	check(err)
	defer conn.Close()
	for _, text := range []string{"once", "and again"} {
		_, err = conn.Write([]byte(text))
		check(err)
		read := make([]byte, len(text))
		_, err = io.ReadFull(conn, read)
		check(err)
		if string(read) != text {
			log.Fatalf("read %q, want %q", read, text)
		}
		conn.(*snet.Conn).TryReconn()
	}
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}
