// Http is a web server behind a game gateway, and a browser of sorts for it.
//
//	http server 127.0.0.1:10020            serves a page
//	http get 127.0.0.1:10010 /hello        prints it
//
// The server's key is in FASTWAY_SERVER_AUTH_KEY.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"fastway"
)

const serverID = 3

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "server":
		return serve(ctx, args[1])
	case len(args) == 3 && args[0] == "get":
		return get(ctx, args[1], args[2])
	default:
		return errors.New("usage: http server ADDRESS, or http get ADDRESS PATH")
	}
}

func serve(ctx context.Context, gateway string) error {
	endpoint, err := fastway.ConnectServer(ctx, gateway, fastway.Config{
		ServerID: serverID,
		AuthKey:  os.Getenv("FASTWAY_SERVER_AUTH_KEY"),
		WhenFull: fastway.Hold, // A request that is read slowly is no reason to close its connection.
	})
	if err != nil {
		return err
	}
	defer endpoint.Close()
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(page)}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("ready as server", serverID)
	if err := server.Serve(endpoint.Listener()); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func page(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "you asked for %s, and are %s\n", r.URL.Path, r.RemoteAddr)
}

func get(ctx context.Context, gateway, path string) error {
	endpoint, err := fastway.ConnectClient(ctx, gateway, fastway.Config{})
	if err != nil {
		return err
	}
	defer endpoint.Close()
	// The host of the URL means nothing here: every connection goes to the game server.
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return endpoint.DialConn(ctx, serverID) },
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://game"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
