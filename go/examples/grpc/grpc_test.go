// Package grpc_test shows gRPC over virtual connections. It is a module of its own, so that the SDK needs no other.
package grpc_test

import (
	"context"
	"net"
	"testing"
	"time"

	"fastway"
	"fastway/internal/gatewaytest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestGRPCRunsOverConnections(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	gateway := gatewaytest.Start(t)

	// A busy machine may take longer than the defaults.
	patient := fastway.Config{ConnectTimeout: time.Minute, DialTimeout: time.Minute, CloseGrace: time.Minute}
	registered := patient
	registered.ServerID, registered.AuthKey, registered.WhenFull = 7, gatewaytest.Key, fastway.Hold
	endpoint, err := fastway.ConnectServer(ctx, gateway.Server, registered)
	if err != nil {
		t.Fatal(err)
	}
	defer endpoint.Close()
	server, status := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, status)
	served := make(chan error)
	go func() { served <- server.Serve(endpoint.Listener()) }()

	player, err := fastway.ConnectClient(ctx, gateway.Client, patient)
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()
	client, err := grpc.NewClient("passthrough:///seven",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return player.DialConn(ctx, 7) }))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	checks := grpc_health_v1.NewHealthClient(client)
	for range 100 {
		answer, err := checks.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err != nil || answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Fatalf("%v, %v", answer, err)
		}
	}
	watch, err := checks.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{
		grpc_health_v1.HealthCheckResponse_SERVING, grpc_health_v1.HealthCheckResponse_NOT_SERVING,
	} {
		answer, err := watch.Recv()
		if err != nil || answer.Status != want {
			t.Fatalf("%v, %v; want %v", answer, err, want)
		}
		status.Shutdown()
	}
	server.Stop()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if err := endpoint.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
}
