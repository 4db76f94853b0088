package fastway

import (
	"context"
	"net"
	"slices"
	"time"
)

// Resolver knows the gateways of a ServerGroup.
type Resolver interface {
	// Resolve gives the addresses of the server ports of now, "host:port". With an error the group keeps those it has.
	Resolve(ctx context.Context) ([]string, error)
}

// ResolverFunc is a function as a Resolver.
type ResolverFunc func(ctx context.Context) ([]string, error)

// Resolve calls the function.
func (f ResolverFunc) Resolve(ctx context.Context) ([]string, error) { return f(ctx) }

// StaticList is a Resolver with the same gateways always.
func StaticList(addresses ...string) Resolver {
	addresses = slices.Clone(addresses)
	return ResolverFunc(func(context.Context) ([]string, error) { return addresses, nil })
}

// DNS is a Resolver that looks up a name, each of whose addresses is a gateway.
func DNS(host, port string) Resolver {
	return ResolverFunc(func(ctx context.Context) ([]string, error) {
		hosts, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return nil, err
		}
		for i := range hosts {
			hosts[i] = net.JoinHostPort(hosts[i], port)
		}
		return hosts, nil
	})
}

// GroupConfig tells a ServerGroup what it may do. The zero value is a good one.
type GroupConfig struct {
	// Server is for the link to each gateway. Its PendingAccepts bounds what waits for the group's Accept, too.
	Server Config
	// Backoff is for the attempts to reach each gateway. While nobody listens at its address, which is how a gateway looks
	// that is being restarted, the delays stay below 400 ms, and the link after that begins with the first delay again.
	Backoff Backoff
	// DrainJitter bounds what is added to the delay after a gateway has drained, drawn from the whole range: all servers were
	// told at the same moment. Default 1 s. Negative: nothing.
	DrainJitter time.Duration
	// ResolveEvery is how often the Resolver is asked. Default 30 s. Negative: once.
	ResolveEvery time.Duration
	// OnEvent is told what happens to the links. It is called on a goroutine of the gateway's, and must not block.
	OnEvent func(GroupEvent)
}
