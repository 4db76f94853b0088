// A player and a game server written for the original Go SDK: chat messages in JSON, dials both ways, and an end; and a link.Server
// that tells everybody of what is said.
//
// The test that runs it changes the import paths of a copy, and nothing else.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"time"

	fastway "github.com/funny/fastway/go"
	"github.com/funny/link"
	"github.com/funny/link/codec"
	"github.com/funny/slab"
)

// Message is what the two talk in.
type Message struct {
	From, Text string
}

// JSONFormat makes JSON of messages.
type JSONFormat struct{}

func (JSONFormat) EncodeMessage(msg interface{}) ([]byte, error) { return json.Marshal(msg) }

func (JSONFormat) DecodeMessage(msg []byte) (interface{}, error) {
	var message Message
	err := json.Unmarshal(msg, &message)
	return &message, err
}

var pool slab.Pool = slab.NewAtomPool(64, 64*1024, 2, 1024*1024)

func config() fastway.EndPointCfg {
	return fastway.EndPointCfg{
		MemPool:         pool,
		MaxPacket:       512 * 1024,
		BufferSize:      1024,
		SendChanSize:    10000,
		RecvChanSize:    10000,
		PingInterval:    time.Second,
		PingTimeout:     time.Second,
		TimeoutCallback: func() bool { log.Println("the gateway is late"); return false },
		ServerID:        10086,
		AuthKey:         os.Getenv("KEY"),
		MsgFormat:       JSONFormat{},
	}
}

func main() {
	log.SetFlags(0)
	server, err := fastway.DialServer("tcp", os.Getenv("SERVER_ADDR"), config())
	check(err)
	go serve(server)

	conn, err := net.Dial("tcp", os.Getenv("CLIENT_ADDR"))
	check(err)
	client := fastway.NewClient(conn, config())
	refused(client)
	play(client, newNews())

	client.Close()
	_, err = client.Accept()
	expect(err == io.EOF, "a closed endpoint accepts nothing: %v", err)
	_, err = client.Dial(10086)
	expect(err != nil, "a closed endpoint dials nobody")
	server.Close()
	log.Println("all is well")
}

func refused(client *fastway.EndPoint) {
	_, err := client.Dial(4711)
	expect(err == fastway.ErrRefused, "a dial of nobody gave %v", err)
}

// dialServer tries again while the gateway does not know the server yet: the original's DialServer does not wait for that.
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

func serve(server *fastway.EndPoint) {
	for {
		session, err := server.Accept()
		if err != nil {
			return
		}
		go answer(server, session)
	}
}

// answer says everything twice: where it was asked, and over a connection of its own.
func answer(server *fastway.EndPoint, session *link.Session) {
	info := session.State.(*fastway.ConnInfo)
	expect(info.ConnID() != 0, "a connection has an ID")
	back, err := server.Dial(info.RemoteID())
	check(err)
	defer back.Close()
	for {
		msg, err := session.Receive()
		if err != nil {
			return
		}
		message := msg.(*Message)
		check(session.Send(&Message{From: "server", Text: message.Text}))
		check(back.Send(&Message{From: "dialed", Text: message.Text}))
	}
}

// news is a server beside the gateway, whose listeners hear of what is said.
type news struct {
	server    *link.Server
	listeners *link.Channel
	// reader is one of them.
	reader *link.Session
}

func newNews() *news {
	messages := codec.Json()
	messages.Register(Message{})
	protocol := codec.Bufio(codec.FixLen(messages, 2, binary.LittleEndian, 64*1024, 64*1024), 1024, 1024)

	n := &news{listeners: link.NewChannel()}
	joined := make(chan struct{})
	server, err := link.Listen("tcp", "127.0.0.1:0", protocol, 1000, link.HandlerFunc(func(session *link.Session) {
		n.listeners.Put(session.ID(), session)
		close(joined)
		_, err := session.Receive()
		expect(err != nil, "a listener says nothing")
	}))
	check(err)
	n.server = server
	go n.server.Serve()

	n.reader, err = link.DialTimeout("tcp", n.server.Listener().Addr().String(), time.Minute, protocol, 0)
	check(err)
	<-joined
	return n
}

func (n *news) tell(text string) {
	n.listeners.Fetch(func(session *link.Session) { check(session.Send(&Message{From: "news", Text: text})) })
	say(n.reader, "news", text)
}

func (n *news) end() {
	n.server.Stop()
	_, err := n.reader.Receive()
	expect(err != nil, "a stopped server has closed its sessions")
	expect(n.listeners.Len() == 0, "who is gone has left the channel")
	n.reader.Close()
}

func play(client *fastway.EndPoint, news *news) {
	session := dialServer(client)
	dialed, err := client.Accept()
	check(err)
	expect(dialed.State.(*fastway.ConnInfo).RemoteID() == 10086, "server 10086 dialed")
	expect(client.GetSession(session.ID()) == session, "a session is found by its ID")

	closed := make(chan struct{})
	dialed.AddCloseCallback(client, "play", func() { close(closed) })
	for _, text := range []string{"hello", "is anybody there?", "goodbye"} {
		check(session.Send(&Message{From: "player", Text: text}))
		say(session, "server", text)
		say(dialed, "dialed", text)
		news.tell(text)
	}
	news.end()
	check(session.Close())
	expect(session.IsClosed(), "a closed session says so")
	expect(errors.Is(session.Send(&Message{}), link.SessionClosedError), "a closed session sends nothing")
	_, err = session.Receive()
	expect(err != nil, "a closed session receives nothing")
	// The server closes its own when the player has gone.
	<-closed
	select {
	case <-fastway.EndPointTimer.After(time.Minute):
		log.Fatal("no end came")
	case <-received(dialed):
	}
	expect(dialed.Codec() != nil && client.GetSession(dialed.ID()) == nil, "a session that has ended is not found")
}

func received(session *link.Session) <-chan struct{} {
	end := make(chan struct{})
	go func() {
		_, err := session.Receive()
		expect(err == io.EOF, "the other end closed: %v", err)
		close(end)
	}()
	return end
}

func say(session *link.Session, from, text string) {
	msg, err := session.Receive()
	check(err)
	message := msg.(*Message)
	expect(message.From == from && message.Text == text, "received %v", message)
	log.Printf("%s: %s", message.From, message.Text)
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func expect(is bool, format string, args ...interface{}) {
	if !is {
		log.Fatalf(format, args...)
	}
}
