package fastway

import (
	"context"
	"net"
)

// Listener gives the endpoint as a net.Listener, for net/http, gRPC, TLS and whatever else takes one: each connection
// that the other side opens is one of the listener's.
//
// Closing it, as a server that shuts down does, takes no more connections for good; those that are there live on, and
// so does the link.
func (ep *EndPoint) Listener() net.Listener { return listener{ep} }

type listener struct{ ep *EndPoint }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.ep.AcceptConn(context.Background())
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: "fastway", Addr: l.Addr(), Err: err}
	}
	return conn, nil
}

func (l listener) Close() error {
	l.ep.stopAccepting(net.ErrClosed)
	return nil
}

func (l listener) Addr() net.Addr { return Addr{Role: l.ep.role.String(), RemoteID: l.ep.cfg.ServerID} }
