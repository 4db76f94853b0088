// A player and a game server written for the original Go SDK: chat messages in JSON, dials both ways, and an end.
//
// The test that runs it changes the import paths of a copy, and nothing else.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"time"

	fastway "github.com/funny/fastway/go"
	"github.com/funny/link"
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
	play(client)

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

func play(client *fastway.EndPoint) {
	session, err := client.Dial(10086)
	check(err)
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
	}
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
