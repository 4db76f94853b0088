// Roaming is a player that survives: cuts, another network, a gateway that does not answer. Its game server is the echo example.
//
//	roaming 127.0.0.1:10010 KEY      sends each line of its input, and prints the answers and what happens below
//
// KEY is what `fastway keygen` has printed; the gateway needs --session-key and --client-link secure. The line !reconnect
// does what a phone does when its network has changed. When the gateway has lost the session, the player begins a new one.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"fastway"
)

const serverID = 1

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 3 {
		log.Fatal("usage: roaming ADDRESS KEY")
	}
	key, err := fastway.ParseGatewayKey(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if err := play(ctx, os.Args[1], key); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// play goes on with new sessions until its input ends.
func play(ctx context.Context, gateway string, key fastway.GatewayKey) error {
	fmt.Fprintln(os.Stderr, "type a line and press Enter; !reconnect changes the network, Ctrl-D ends")
	lines := read(ctx)
	var backoff fastway.Backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := playSession(ctx, gateway, key, lines)
		var wrong *fastway.ConnectError
		if err == nil || errors.As(err, &wrong) && errors.Is(err, fastway.ErrWrongGateway) {
			return err
		}
		fmt.Println("a new session is needed:", err)
		backoff.AfterLink(time.Since(began))
		time.Sleep(backoff.Next())
	}
	return ctx.Err()
}

func read(ctx context.Context) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
			select {
			case lines <- input.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// playSession outlives every connection below; its error says why the session is over.
func playSession(ctx context.Context, gateway string, key fastway.GatewayKey, lines <-chan string) error {
	client, err := fastway.ConnectClient(ctx, gateway, fastway.Config{
		Session: fastway.SessionConfig{GatewayKey: key, OnEvent: tell},
	})
	if err != nil {
		return err
	}
	defer client.Close()
	server, err := client.DialConn(ctx, serverID)
	if err != nil {
		return err
	}
	for {
		select {
		case <-client.Done():
			return client.Err()
		case line, more := <-lines:
			if !more {
				return client.Shutdown(ctx)
			}
			if err := say(ctx, client, server, line); err != nil {
				return err
			}
		}
	}
}

func say(ctx context.Context, client *fastway.EndPoint, server *fastway.Conn, line string) error {
	if line == "!reconnect" {
		return client.Reconnect()
	}
	if err := server.Send(ctx, []byte(line)); err != nil {
		return err
	}
	answer, err := server.Receive(ctx)
	if err == nil {
		fmt.Printf("%s\n", answer)
	}
	return err
}

// tell leaves the loss of the session to the error that ends it.
func tell(event fastway.SessionEvent) {
	switch event.State {
	case fastway.SessionInterrupted:
		fmt.Println("interrupted:", event.Err)
	case fastway.SessionResumed:
		fmt.Println("resumed")
	}
}
