// Chat is a room: what one player says, all others hear.
//
//	chat server 127.0.0.1:10020       runs the room
//	chat join 127.0.0.1:10010 ann     says each line of its input, and prints what the others say
//
// What others say comes by a connection that the server dials. The server's key is in FASTWAY_SERVER_AUTH_KEY.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync"
	"unicode"

	"fastway"
)

// serverID differs from those of the other examples: all of them may run beside each other.
const serverID = 2

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
	case len(args) == 2 && args[0] == "server":
		return serve(ctx, args[1])
	case len(args) == 3 && args[0] == "join":
		return join(ctx, args[1], args[2])
	default:
		return errors.New("usage: chat server ADDRESS, or chat join ADDRESS NAME")
	}
}

// room holds the connections by which players hear.
type room struct {
	server *fastway.EndPoint
	mu     sync.Mutex
	ears   map[*fastway.Conn]bool
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
	fmt.Println("the room is open")
	r := &room{server: server, ears: make(map[*fastway.Conn]bool)}
	for {
		player, err := server.AcceptConn(ctx)
		if err != nil {
			return err
		}
		go r.host(ctx, player)
	}
}

// host takes what a player says; the first message is the name.
func (r *room) host(ctx context.Context, player *fastway.Conn) {
	defer player.Close()
	name, err := player.Receive(ctx)
	if err != nil {
		return
	}
	ear, err := r.server.DialConn(ctx, player.RemoteID())
	if err != nil {
		return
	}
	defer ear.Close()
	r.enter(ear, name)
	for {
		words, err := player.Receive(ctx)
		if err != nil {
			break
		}
		r.say(ear, "%s: %s", name, words)
	}
	r.leave(ear, name)
}

// enter tells those who are in the room already: of two who come at once, one hears of the other.
func (r *room) enter(ear *fastway.Conn, name []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell(ear, "%s is here", name)
	r.ears[ear] = true
}

func (r *room) leave(ear *fastway.Conn, name []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ears, ear)
	r.tell(ear, "%s is gone", name)
}

func (r *room) say(speaker *fastway.Conn, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell(speaker, format, args...)
}

// tell lets all but the speaker hear; the caller holds mu. TrySend does not wait, so that is for a moment only: when the
// room's own link is held up, words are lost rather than late.
func (r *room) tell(speaker *fastway.Conn, format string, args ...any) {
	words := fmt.Appendf(nil, format, args...)
	for ear := range r.ears {
		if ear != speaker {
			_ = ear.TrySend(words)
		}
	}
}

func join(ctx context.Context, gateway, name string) error {
	client, err := fastway.ConnectClient(ctx, gateway, fastway.Config{})
	if err != nil {
		return err
	}
	mouth, err := client.DialConn(ctx, serverID)
	if err != nil {
		return err
	}
	if err := mouth.Send(ctx, []byte(name)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "you are in the room: type a line and press Enter; Ctrl-D leaves")
	go listen(ctx, client)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := mouth.Send(ctx, lines.Bytes()); err != nil {
			return err
		}
	}
	return client.Shutdown(ctx)
}

// listen prints what the others say.
func listen(ctx context.Context, client *fastway.EndPoint) {
	ear, err := client.AcceptConn(ctx)
	if err != nil {
		return
	}
	for {
		words, err := ear.Receive(ctx)
		if errors.Is(err, io.EOF) {
			fmt.Println("the room is closed")
		}
		if err != nil {
			return
		}
		fmt.Println(printable(words))
	}
}

// printable is what strangers say, as text that is safe to print: a terminal obeys control characters.
func printable(words []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, string(words))
}
