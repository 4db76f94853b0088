package fastway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"fastway/internal/gatewaytest"
)

func hold(cfg *Config) { cfg.WhenFull = Hold }

// serveHTTP runs an HTTP server over the endpoint, and ends it with the test.
func serveHTTP(t *testing.T, server *EndPoint, handler http.Handler) *http.Server {
	t.Helper()
	web := &http.Server{Handler: handler}
	served := make(chan error)
	go func() { served <- web.Serve(server.Listener()) }()
	t.Cleanup(func() {
		_ = web.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the server ended with %v", err)
		}
	})
	return web
}

func httpClient(t *testing.T, client *EndPoint) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return client.DialConn(ctx, 7)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestHTTPRunsOverConnections(t *testing.T) {
	gateway := gatewaytest.Start(t)
	server, client := connectServer(t, gateway, 7, hold), connectClient(t, gateway)
	serveHTTP(t, server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s: %s", r.Method, r.URL.Path, body)
	}))
	web := httpClient(t, client)
	body := bytes.Repeat([]byte("a large body "), 100_000)
	for range 3 {
		response, err := web.Post("http://seven/echo", "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !bytes.Equal(answer, append([]byte("POST /echo: "), body...)) {
			t.Fatalf("%d bytes: %v", len(answer), err)
		}
	}
	if conns := client.Stats().Conns; conns != 1 {
		t.Errorf("%d connections for three requests in a row", conns)
	}
}

func TestAnHTTPServerThatShutsDownLeavesTheLink(t *testing.T) {
	gateway := gatewaytest.Start(t)
	server, client := connectServer(t, gateway, 7), connectClient(t, gateway)
	web := serveHTTP(t, server, http.NotFoundHandler())
	response, err := httpClient(t, client).Get("http://seven/")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if err := web.Shutdown(patient(t)); err != nil {
		t.Fatal(err)
	}
	if err := server.Err(); err != nil {
		t.Fatalf("the link has ended: %v", err)
	}
	conn, err := client.DialConn(patient(t), 7)
	if err != nil {
		t.Fatal(err)
	}
	expectEnd(t, conn, io.EOF)
}

func TestTLSRunsOverConnections(t *testing.T) {
	gateway := gatewaytest.Start(t)
	server, client := connectServer(t, gateway, 7, hold), connectClient(t, gateway)
	certificate, roots := selfSigned(t)
	listener := tls.NewListener(server.Listener(), &tls.Config{Certificates: []tls.Certificate{certificate}})
	failed := make(chan error)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = io.Copy(conn, conn)
			conn.Close()
		}
		failed <- err
	}()
	conn, err := client.DialConn(patient(t), 7)
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "seven"})
	words := bytes.Repeat([]byte("nobody in between can read it; "), 10_000)
	go func() {
		secure.Write(words)
		secure.CloseWrite()
	}()
	answer, err := io.ReadAll(secure)
	if err != nil || !bytes.Equal(answer, words) {
		t.Fatalf("%d of %d bytes: %v", len(answer), len(words), err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	secure.Close()
}

// An acknowledgement for what the echo has sent stands behind all that comes in.
func TestABurstThatIsLargerThanAllBuffersIsEchoedOverSessions(t *testing.T) {
	// What comes waits in the gateway, in the sockets, and as far as ReceiveTotalBytes: less than this.
	const burst = 32 * mib
	gateway := gatewaytest.Start(t, "--client-link=secure", "--server-link=secure", "--client-send-bytes=3M",
		"--server-send-bytes=3M", "--client-slow-grace=1h")
	session := func(cfg *Config) {
		cfg.WhenFull, cfg.ReceiveTotalBytes, cfg.Session = Hold, 8*mib, SessionConfig{Protocol: SecureSession}
	}
	server, client := connectServer(t, gateway, 7, session), connectClient(t, gateway, session)
	for _, serverEchoes := range []bool{false, true} {
		sender, echoer := openConn(t, client, server, 7)
		if !serverEchoes {
			sender, echoer = echoer, sender
		}
		go func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{echoer}, struct{ io.Reader }{echoer}, make([]byte, kib))
		}()
		sent := make(chan error, 1)
		go func() {
			var err error
			for n := 0; n < burst && err == nil; n += kib {
				_, err = sender.Write(make([]byte, kib))
			}
			sent <- err
		}()
		_ = sender.SetReadDeadline(time.Now().Add(gatewaytest.Deadline))
		if n, err := io.CopyN(io.Discard, sender, burst); err != nil {
			t.Fatalf("%d of %d bytes came back (the server echoes: %v): %v", n, burst, serverEchoes, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		sender.Close()
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"seven"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
