package fastway

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"
)

// The example of docs/protocol.md §1.2, byte by byte: what the original's programs and gateways exchange.
func TestTheBytesAreThoseOfTheProtocolPage(t *testing.T) {
	client, gateway := fakeClient(t)
	dialed := make(chan *Conn, 1)
	go func() {
		conn, err := client.DialConn(patient(t), 1)
		if err != nil {
			t.Error(err)
		}
		dialed <- conn
	}()
	expectBytes(t, gateway, "09 00 00 00  00 00 00 00  00  01 00 00 00")
	gateway.write(fromHex(t, "0d 00 00 00  00 00 00 00  01  37 25 00 00  01 00 00 00"))
	conn := <-dialed
	send(t, conn, "Hello")
	expectBytes(t, gateway, "09 00 00 00  37 25 00 00  48 65 6c 6c 6f")
	gateway.write(fromHex(t, "09 00 00 00  37 25 00 00  57 6f 72 6c 64"))
	expect(t, conn, "World")
	conn.Close()
	expectBytes(t, gateway, "09 00 00 00  00 00 00 00  04  37 25 00 00")
	gateway.write(fromHex(t, "09 00 00 00  00 00 00 00  04  37 25 00 00"))
	go client.Shutdown(patient(t))
	expectBytes(t, gateway, "05 00 00 00  00 00 00 00  05")
}

func fromHex(t *testing.T, digits string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func expectBytes(t *testing.T, gateway *fakeGateway, digits string) {
	t.Helper()
	want := fromHex(t, digits)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(gateway.conn, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the client wrote % x, want % x: %v", got, want, err)
	}
}
