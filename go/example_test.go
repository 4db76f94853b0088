package fastway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"fastway"
)

// A game server that sends back what players send.
func ExampleConnectServer() {
	ctx := context.Background()
	server, err := fastway.ConnectServer(ctx, "10.0.0.1:10020", fastway.Config{ServerID: 1, AuthKey: "the key"})
	if err != nil {
		log.Fatal(err)
	}
	for {
		player, err := server.AcceptConn(ctx)
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer player.Close()
			for {
				message, err := player.Receive(ctx)
				if err != nil || player.Send(ctx, message) != nil {
					return // The player is gone.
				}
			}
		}()
	}
}

// A player that asks a game server something, and waits a second for the answer.
func ExampleConnectClient() {
	ctx := context.Background()
	client, err := fastway.ConnectClient(ctx, "gateway.example:10010", fastway.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Shutdown(ctx)
	server, err := client.DialConn(ctx, 1)
	if errors.Is(err, fastway.ErrRefused) {
		log.Fatal("the server is not there")
	} else if err != nil {
		log.Fatal(err)
	}
	if err := server.Send(ctx, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := server.Receive(soon)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", answer)
}

// A loop that receives into the same memory allocates nothing.
func ExampleConn_ReceiveAppend() {
	var conn *fastway.Conn // as DialConn or AcceptConn gave it
	var buf []byte
	var err error
	for {
		if buf, err = conn.ReceiveAppend(context.Background(), buf[:0]); err != nil {
			break
		}
		fmt.Println(len(buf), "bytes, good until the next call")
	}
	if !errors.Is(err, io.EOF) {
		log.Print("not closed by the other end: ", err)
	}
}

// A web server behind the gateway, and a client for it.
func ExampleEndPoint_Listener() {
	var server, player *fastway.EndPoint // as ConnectServer and ConnectClient gave them
	go http.Serve(server.Listener(), http.FileServer(http.Dir(".")))

	web := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return player.DialConn(ctx, 1) },
	}}
	_, _ = web.Get("http://game/index.html")
}

// A link that is kept: a client's loop. Servers use a ServerGroup.
func ExampleBackoff() {
	var backoff fastway.Backoff
	for {
		client, err := fastway.ConnectClient(context.Background(), "gateway.example:10010", fastway.Config{})
		if err != nil {
			log.Print(err)
		} else {
			since := time.Now()
			<-client.Done() // play
			backoff.AfterLink(time.Since(since))
		}
		time.Sleep(backoff.Next())
	}
}

// One game server behind all gateways that a name stands for.
func ExampleNewServerGroup() {
	group, err := fastway.NewServerGroup(fastway.DNS("gateways.internal", "10020"), fastway.GroupConfig{
		Server: fastway.Config{ServerID: 1, AuthKey: "the key"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for {
		player, err := group.Accept(context.Background())
		if err != nil {
			break
		}
		fmt.Println("client", player.RemoteID(), "came by", player.Gateway)
		player.Close()
	}
	for _, health := range group.Health() {
		fmt.Println(health.Gateway, health.State, health.Connects)
	}
}
