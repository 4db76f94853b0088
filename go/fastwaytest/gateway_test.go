package fastwaytest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fastway"
	"fastway/fastwaytest"
	"fastway/internal/gatewaytest"
)

// named has FASTWAY_BIN name the gateway of this repository.
func named(t *testing.T) (binary string) {
	t.Helper()
	binary, err := gatewaytest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FASTWAY_BIN", binary)
	return binary
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), gatewaytest.Deadline)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, gateway *fastwaytest.Gateway) (client, server *fastway.EndPoint) {
	t.Helper()
	server, err := fastway.ConnectServer(patient(t), gateway.ServerAddr, fastway.Config{
		ServerID: 1, AuthKey: gateway.AuthKey, ConnectTimeout: gatewaytest.Deadline,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err = fastway.ConnectClient(patient(t), gateway.ClientAddr, fastway.Config{ConnectTimeout: gatewaytest.Deadline})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, server
}

func TestAClientAndAServerMeetThroughAStartedGateway(t *testing.T) {
	named(t)
	gateway := fastwaytest.Start(t)
	client, server := connect(t, gateway)
	ours, err := client.DialConn(patient(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := server.AcceptConn(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := ours.Send(patient(t), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if message, err := theirs.Receive(patient(t)); err != nil || string(message) != "hello" {
		t.Fatalf("%q, %v", message, err)
	}
	if !strings.Contains(gateway.Log(), "server registered") {
		t.Errorf("the log is %q", gateway.Log())
	}
}

func TestFlagsAreTheGateways(t *testing.T) {
	named(t)
	client, _ := connect(t, fastwaytest.Start(t, "--client-max-conn", "1"))
	if _, err := client.DialConn(patient(t), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DialConn(patient(t), 1); !errors.Is(err, fastway.ErrRefused) {
		t.Errorf("a second dial gave %v", err)
	}
}

func TestAStoppedGatewayHasEndedItsLinks(t *testing.T) {
	named(t)
	gateway := fastwaytest.Start(t)
	client, server := connect(t, gateway)
	gateway.Stop()
	for _, ep := range []*fastway.EndPoint{client, server} {
		select {
		case <-ep.Done():
		case <-patient(t).Done():
			t.Fatal("a link lives on")
		}
		var end *fastway.LinkError
		if !errors.As(ep.Err(), &end) || end.End != fastway.LinkGateway {
			t.Errorf("a link ended with %v", ep.Err())
		}
	}
	gateway.Stop()
}

func TestTheGatewayIsFoundInPath(t *testing.T) {
	binary := named(t)
	t.Setenv("FASTWAY_BIN", "")
	bin := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(bin, "fastway")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	gateway, err := fastwaytest.Run()
	if err != nil {
		t.Fatal(err)
	}
	gateway.Close()
	gateway.Close()
}

func TestAGatewayLeavesNothingBehind(t *testing.T) {
	named(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	gateway, err := fastwaytest.Run()
	if err != nil {
		t.Fatal(err)
	}
	gateway.Close()
	if _, err := fastwaytest.Run("--no-such-flag"); err == nil {
		t.Error("a gateway with a flag that does not exist runs")
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestWhatCannotBeRunIsExplained(t *testing.T) {
	binary := named(t)
	for _, c := range []struct {
		name, named, path string
		flags             []string
		says              []string
	}{
		{"nothing is there", "", t.TempDir(), nil, []string{"FASTWAY_BIN is not set", "in PATH", "cargo install"}},
		{"FASTWAY_BIN is wrong", "/no/such/gateway", filepath.Dir(binary), nil, []string{"FASTWAY_BIN", "/no/such/gateway"}},
		{"a flag is wrong", binary, "", []string{"--no-such-flag"}, []string{binary, "--no-such-flag"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("FASTWAY_BIN", c.named)
			t.Setenv("PATH", c.path)
			gateway, err := fastwaytest.Run(c.flags...)
			if err == nil {
				gateway.Close()
				t.Fatal("a gateway runs")
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		})
	}
}
