// Matchmaker brings players together in pairs, whichever gateways they come by, and dials both for their match.
//
//	matchmaker server 127.0.0.1:10020 127.0.0.2:10020      serves the players of two gateways
//	matchmaker play 127.0.0.1:10010 ann                    waits for an opponent, and plays a round
//
// The server's key is in FASTWAY_SERVER_AUTH_KEY.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"fastway"
)

const serverID = 4

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "server":
		return serve(ctx, args[1:])
	case len(args) == 3 && args[0] == "play":
		return play(ctx, args[1], args[2])
	default:
		return errors.New("usage: matchmaker server ADDRESS…, or matchmaker play ADDRESS NAME")
	}
}

// player waits for a match. The connection by which it came is how it is known to be there still.
type player struct {
	fastway.Accepted
	name string
}

func serve(ctx context.Context, gateways []string) error {
	group, err := fastway.NewServerGroup(fastway.StaticList(gateways...), fastway.GroupConfig{
		Server: fastway.Config{ServerID: serverID, AuthKey: os.Getenv("FASTWAY_SERVER_AUTH_KEY")},
		OnEvent: func(event fastway.GroupEvent) {
			fmt.Println(event.Gateway, "is", event.State)
		},
	})
	if err != nil {
		return err
	}
	defer group.Shutdown(context.Background())
	lobby := make(chan player)
	go pairUp(ctx, group, lobby)
	for {
		accepted, err := group.Accept(ctx)
		if err != nil {
			return err
		}
		go enter(ctx, accepted, lobby)
	}
}

// enter takes a newcomer's name into the lobby.
func enter(ctx context.Context, accepted fastway.Accepted, lobby chan<- player) {
	name, err := accepted.Receive(ctx)
	if err != nil {
		accepted.Close()
		return
	}
	select {
	case lobby <- player{accepted, string(name)}:
	case <-ctx.Done():
	}
}

func pairUp(ctx context.Context, group *fastway.ServerGroup, lobby <-chan player) {
	var waiting *player
	for {
		select {
		case newcomer := <-lobby:
			if waiting == nil || waiting.Err() != nil {
				waiting = &newcomer
				continue
			}
			go match(ctx, group, *waiting, newcomer)
			waiting = nil
		case <-ctx.Done():
			return
		}
	}
}

// match dials both players and carries what they say.
func match(ctx context.Context, group *fastway.ServerGroup, a, b player) {
	defer a.Close()
	defer b.Close()
	toA, err := group.Dial(ctx, a.Gateway, a.RemoteID())
	if err != nil {
		return
	}
	defer toA.Close()
	toB, err := group.Dial(ctx, b.Gateway, b.RemoteID())
	if err != nil {
		return
	}
	defer toB.Close()
	if toA.Send(ctx, []byte(b.name)) != nil || toB.Send(ctx, []byte(a.name)) != nil {
		return
	}
	over := make(chan struct{}, 2)
	go carry(ctx, toA, toB, over)
	go carry(ctx, toB, toA, over)
	<-over
	<-over
}

// carry hands on one move.
func carry(ctx context.Context, from, to *fastway.Conn, over chan<- struct{}) {
	defer func() { over <- struct{}{} }()
	if move, err := from.Receive(ctx); err == nil {
		_ = to.Send(ctx, move)
	}
}

func play(ctx context.Context, gateway, name string) error {
	client, err := fastway.ConnectClient(ctx, gateway, fastway.Config{})
	if err != nil {
		return err
	}
	lobby, err := client.DialConn(ctx, serverID)
	if err != nil {
		return err
	}
	if err := lobby.Send(ctx, []byte(name)); err != nil {
		return err
	}
	match, err := client.AcceptConn(ctx)
	if err != nil {
		return err
	}
	opponent, err := match.Receive(ctx)
	if err != nil {
		return err
	}
	if err := match.Send(ctx, []byte("good game, "+string(opponent))); err != nil {
		return err
	}
	words, err := match.Receive(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s says: %s\n", opponent, words)
	return client.Shutdown(ctx)
}
