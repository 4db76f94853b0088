// Interoppeer is a player or a game server of this SDK that does what the other end says: for the suites of other SDKs. What
// it obeys is in tests/interop/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"fastway"
)

const serverID = 1

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) >= 3 && args[0] == "server":
		return serve(args[1], args[2], args[3:])
	case len(args) >= 2 && args[0] == "client":
		return play(args[1], args[2:])
	default:
		return errors.New("usage: server ADDRESS KEY [LINK], or client ADDRESS [LINK]")
	}
}

func serve(gateway, key string, link []string) error {
	cfg, err := config(link)
	if err != nil {
		return err
	}
	cfg.ServerID, cfg.AuthKey = serverID, key
	server, err := fastway.ConnectServer(context.Background(), gateway, cfg)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return obeyAll(server)
}

func play(gateway string, link []string) error {
	cfg, err := config(link)
	if err != nil {
		return err
	}
	client, err := fastway.ConnectClient(context.Background(), gateway, cfg)
	if err != nil {
		return err
	}
	conn, err := client.DialConn(context.Background(), serverID)
	if err != nil {
		return err
	}
	go obey(conn)
	return obeyAll(client)
}

// config pings often, and does not take a machine that is busy for a third of a second for a lost gateway.
func config(link []string) (fastway.Config, error) {
	cfg := fastway.Config{PingInterval: 100 * time.Millisecond, DeadAfter: -1, WhenFull: fastway.Hold}
	if len(link) == 0 {
		return cfg, nil
	}
	var err error
	cfg.Session, err = session(link[0])
	return cfg, err
}

// session is what carries the connections.
func session(link string) (fastway.SessionConfig, error) {
	switch link {
	case "plain":
		return fastway.SessionConfig{}, nil
	case "legacy":
		return fastway.SessionConfig{Protocol: fastway.LegacySession}, nil
	case "legacy-encrypted":
		return fastway.SessionConfig{Protocol: fastway.LegacySession, Encrypt: true}, nil
	case "secure":
		return fastway.SessionConfig{Protocol: fastway.SecureSession}, nil
	}
	digits, ok := strings.CutPrefix(link, "secure:")
	if !ok {
		return fastway.SessionConfig{}, fmt.Errorf("no kind of link: %q", link)
	}
	key, err := fastway.ParseGatewayKey(digits)
	return fastway.SessionConfig{GatewayKey: key}, err
}

func obeyAll(ep *fastway.EndPoint) error {
	for {
		conn, err := ep.AcceptConn(context.Background())
		if err != nil {
			fmt.Println(err)
			return nil
		}
		go obey(conn)
	}
}

func obey(conn *fastway.Conn) {
	defer conn.Close()
	for {
		message, err := conn.Receive(context.Background())
		if err != nil || obeyOne(conn, string(message)) != nil {
			return
		}
	}
}

var errTold = errors.New("told to close")

func obeyOne(conn *fastway.Conn, message string) error {
	count, remoteID := 0, conn.RemoteID()
	if n, _ := fmt.Sscanf(message, "!count %d", &count); n == 1 {
		return sendNumbers(conn, count)
	}
	if n, _ := fmt.Sscanf(message, "!dial %d", &remoteID); n == 1 || message == "!dial" {
		return say(conn, dial(conn, remoteID))
	}
	switch message {
	case "!close":
		return errors.Join(say(conn, "bye"), errTold)
	case "!abort":
		os.Exit(1)
	}
	return say(conn, message)
}

func sendNumbers(conn *fastway.Conn, count int) error {
	for number := range count {
		if err := say(conn, fmt.Sprint(number)); err != nil {
			return err
		}
	}
	return nil
}

func dial(conn *fastway.Conn, remoteID uint32) string {
	dialed, err := conn.EndPoint().DialConn(context.Background(), remoteID)
	switch {
	case errors.Is(err, fastway.ErrRefused):
		return "refused"
	case err != nil:
		return err.Error()
	}
	go obey(dialed)
	return "dialed"
}

func say(conn *fastway.Conn, message string) error {
	return conn.Send(context.Background(), []byte(message))
}
