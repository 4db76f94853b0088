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
	"github.com/funny/snet/go"
)

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
		MaxPacket:    512 * 1024,
		SendChanSize: 10000,
		RecvChanSize: 10000,
		PingInterval: time.Second,
		ServerID:     10086,
		AuthKey:      os.Getenv("KEY"),
	}
	server, err := fastway.NewServer(dial(os.Getenv("SERVER_ADDR")), cfg)
	check(err)
	below := dial(os.Getenv("CLIENT_ADDR"))
	client := fastway.NewClient(below, cfg)

	ours, err := client.Dial(10086)
	check(err)
	theirs, err := server.Accept()
	check(err)
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

func dial(addr string) net.Conn {
	conn, err := snet.Dial(config(true), func() (net.Conn, error) { return net.Dial("tcp", addr) })
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
