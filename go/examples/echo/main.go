// Echo is the smallest game server and the smallest player.
//
//	echo server 127.0.0.1:10020      sends back what players send
//	echo client 127.0.0.1:10010      sends each line of its input, and prints the answers
//
// The server's key is in FASTWAY_SERVER_AUTH_KEY.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"fastway"
)

const serverID = 1

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 3 {
		log.Fatal("usage: echo server|client ADDRESS")
	}
	run := map[string]func(context.Context, string) error{"server": serve, "client": play}[os.Args[1]]
	if run == nil {
		log.Fatalf("%q is neither server nor client", os.Args[1])
	}
	if err := run(ctx, os.Args[2]); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, gateway string) error {
	server, err := fastway.ConnectServer(ctx, gateway, fastway.Config{
		ServerID: serverID,
		AuthKey:  os.Getenv("FASTWAY_SERVER_AUTH_KEY"),
	})
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Println("ready as server", serverID)
	for {
		player, err := server.AcceptConn(ctx)
		if err != nil {
			return err
		}
		go echo(ctx, player)
	}
}

func echo(ctx context.Context, player *fastway.Conn) {
	defer player.Close()
	var message []byte
	var err error
	for {
		if message, err = player.ReceiveAppend(ctx, message[:0]); err != nil {
			return // The player is gone.
		}
		if player.Send(ctx, message) != nil {
			return
		}
	}
}

func play(ctx context.Context, gateway string) error {
	client, err := fastway.ConnectClient(ctx, gateway, fastway.Config{})
	if err != nil {
		return err
	}
	server, err := client.DialConn(ctx, serverID)
	if err != nil {
		return err
	}
	// Not where the answers go, which may be another program's input.
	fmt.Fprintln(os.Stderr, "connected: type a line and press Enter; Ctrl-D ends")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := server.Send(ctx, lines.Bytes()); err != nil {
			return err
		}
		answer, err := server.Receive(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", answer)
	}
	return client.Shutdown(ctx)
}
