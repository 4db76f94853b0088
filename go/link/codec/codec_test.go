package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"fastway/link"
	"fastway/link/codec"
)

type move struct {
	X, Y int
}

type chat struct {
	Text string
}

func messages() *codec.JsonProtocol {
	protocol := codec.Json()
	protocol.Register(move{})
	protocol.RegisterName("chat", &chat{})
	return protocol
}

// connection gives back the bytes that were written, and counts writes and closes.
type connection struct {
	bytes.Buffer
	writes int
	closed int
}

func (c *connection) Write(p []byte) (int, error) {
	c.writes++
	return c.Buffer.Write(p)
}

func (c *connection) Close() error {
	c.closed++
	return errors.New("closed")
}

func codecOver(t *testing.T, protocol link.Protocol, rw io.ReadWriter) link.Codec {
	t.Helper()
	codec, err := protocol.NewCodec(rw)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func TestEveryStackOfProtocolsCarriesMessages(t *testing.T) {
	stacks := map[string]link.Protocol{
		"json":         messages(),
		"buffered":     codec.Bufio(messages(), 1024, 1024),
		"not buffered": codec.Bufio(messages(), 0, 0),
		"fixlen 1":     codec.FixLen(messages(), 1, binary.LittleEndian, 255, 255),
		"fixlen 2":     codec.FixLen(messages(), 2, binary.BigEndian, 1024, 1024),
		"fixlen 4":     codec.FixLen(messages(), 4, binary.LittleEndian, 1024, 1024),
		"fixlen 8":     codec.FixLen(messages(), 8, binary.BigEndian, 1024, 1024),
		"all":          codec.Bufio(codec.FixLen(messages(), 2, binary.LittleEndian, 64<<10, 64<<10), 1024, 1024),
	}
	for name, protocol := range stacks {
		t.Run(name, func(t *testing.T) {
			var conn connection
			codec := codecOver(t, protocol, &conn)
			for _, test := range []struct{ sent, received any }{
				{&move{1, 2}, &move{1, 2}},
				{chat{"hello"}, &chat{"hello"}},
				{map[string]move{"a": {1, 2}}, map[string]any{"a": map[string]any{"X": 1.0, "Y": 2.0}}},
				{"text", "text"},
				{nil, nil},
			} {
				writes := conn.writes
				if err := codec.Send(test.sent); err != nil {
					t.Fatal(err)
				}
				if conn.writes != writes+1 {
					t.Errorf("%v took %d writes", test.sent, conn.writes-writes)
				}
				received, err := codec.Receive()
				if err != nil || !reflect.DeepEqual(received, test.received) {
					t.Fatalf("sent %#v, received %#v, %v", test.sent, received, err)
				}
			}
			if _, err := codec.Receive(); err != io.EOF {
				t.Errorf("at the end came %v", err)
			}
			if err := codec.Close(); err == nil || conn.closed == 0 {
				t.Errorf("the connection was closed %d times: %v", conn.closed, err)
			}
		})
	}
}

// The bytes are those that the original's codecs write.
func TestTheBytesOnTheWireAreTheOriginals(t *testing.T) {
	for _, test := range []struct {
		protocol link.Protocol
		message  any
		wire     string
	}{
		{messages(), &move{1, 2}, `{"Head":"fastway/link/codec_test/move","Body":{"X":1,"Y":2}}` + "\n"},
		{messages(), chat{"<hello>"}, `{"Head":"chat","Body":{"Text":"\u003chello\u003e"}}` + "\n"},
		{messages(), 7, `{"Head":"","Body":7}` + "\n"},
		{codec.FixLen(messages(), 1, binary.LittleEndian, 99, 99), 7, "\x15" + `{"Head":"","Body":7}` + "\n"},
		{codec.FixLen(messages(), 2, binary.BigEndian, 99, 99), 7, "\x00\x15" + `{"Head":"","Body":7}` + "\n"},
		{codec.FixLen(messages(), 4, binary.LittleEndian, 99, 99), 7, "\x15\x00\x00\x00" + `{"Head":"","Body":7}` + "\n"},
		{codec.FixLen(messages(), 8, binary.LittleEndian, 99, 99), 7, "\x15\x00\x00\x00\x00\x00\x00\x00" + `{"Head":"","Body":7}` + "\n"},
	} {
		var conn connection
		if err := codecOver(t, test.protocol, &conn).Send(test.message); err != nil {
			t.Fatal(err)
		}
		if wire := conn.String(); wire != test.wire {
			t.Errorf("%v is %q, want %q", test.message, wire, test.wire)
		}
	}
}

func TestWhatIsNoMessageIsAnError(t *testing.T) {
	for _, wire := range []string{
		`{`, `7`, `{"Head":"chat"}`, `{"Head":"chat","Body":7}`, `{"Head":7,"Body":7}`, "\x00",
	} {
		conn := &connection{Buffer: *bytes.NewBufferString(wire)}
		if message, err := codecOver(t, messages(), conn).Receive(); err == nil {
			t.Errorf("%q is %v", wire, message)
		}
	}
	conn := &connection{Buffer: *bytes.NewBufferString(`{"Head":"chat","Body":null}`)}
	if message, err := codecOver(t, messages(), conn).Receive(); message != nil || err != nil {
		t.Errorf("no body is %v, %v", message, err)
	}
}

func TestAMessageAboveTheBoundIsNotReceived(t *testing.T) {
	for _, test := range []struct {
		head, maxRecv int
		wire          string
	}{
		{1, 19, "\x14"}, {2, 1024, "\x01\x04"}, {4, 1024, "\xff\xff\xff\xff"},
		{8, 1024, "\xff\xff\xff\xff\xff\xff\xff\xff"}, {2, -1, "\x00\x00"},
	} {
		protocol := codec.FixLen(messages(), test.head, binary.LittleEndian, test.maxRecv, 0)
		conn := &connection{Buffer: *bytes.NewBufferString(test.wire + strings.Repeat(" ", 1<<16))}
		message, err := codecOver(t, protocol, conn).Receive()
		if test.maxRecv >= 0 && err != codec.ErrTooLargePacket || err == nil {
			t.Errorf("a head of %d: %v, %v", test.head, message, err)
		}
	}
}

// The original truncates the length to the size of the head, and the other end loses its place.
func TestAMessageThatItsHeadCannotTellIsNotSent(t *testing.T) {
	var conn connection
	one := codecOver(t, codec.FixLen(messages(), 1, binary.LittleEndian, 255, 255), &conn)
	if err := one.Send(strings.Repeat("x", 300)); err != codec.ErrTooLargePacket {
		t.Errorf("got %v", err)
	}
	if conn.Len() != 0 {
		t.Errorf("%d bytes were sent", conn.Len())
	}
	// Above maxSend, which the original does not look at either.
	if err := codecOver(t, codec.FixLen(messages(), 2, binary.LittleEndian, 16, 16), &conn).Send(strings.Repeat("x", 300)); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestAHeadOfAnotherSizePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it did not")
		}
	}()
	codec.FixLen(messages(), 3, binary.LittleEndian, 1, 1)
}

func TestACodecThatCannotBeMadeIsAnError(t *testing.T) {
	wrong := errors.New("no codec")
	base := link.ProtocolFunc(func(io.ReadWriter) (link.Codec, error) { return nil, wrong })
	for _, protocol := range []link.Protocol{
		codec.Bufio(base, 1, 1), codec.FixLen(base, 1, binary.LittleEndian, 1, 1),
	} {
		if made, err := protocol.NewCodec(&connection{}); made != nil || err != wrong {
			t.Errorf("%v, %v", made, err)
		}
	}
}
