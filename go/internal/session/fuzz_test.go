package session

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"fastway/internal/vectortest"
)

// FuzzHello reads any first bytes of a link: a cut at any place changes nothing, and memory is bounded.
func FuzzHello(f *testing.F) {
	for _, vector := range vectortest.Read[helloVector](f, "session-hellos.json") {
		f.Add([]byte(vector.Bytes), uint(len(vector.Bytes)/2))
	}
	f.Fuzz(func(t *testing.T, input []byte, cut uint) {
		h, err := parseHello(input)
		if len(input) > resumeHeadBytes+maxMessage && h == nil && err == nil {
			t.Fatalf("%d bytes are no first message, and no fault", len(input))
		}
		piece := input[:cut%(uint(len(input))+1)]
		if early, fault := parseHello(piece); len(piece) < len(input) && (early != nil && !errors.Is(err, errEarly)) ||
			fault != nil && err == nil {
			t.Fatalf("% x gives %v, %v, and % x %v, %v", piece, early, fault, input, h, err)
		}
		if h != nil && h.kind != kindOf(input[0]) {
			t.Fatalf("% x is of kind %v", input, h.kind)
		}
	})
}

// FuzzReply reads any reply: what comes behind it is left, and no length makes it take more than a message.
func FuzzReply(f *testing.F) {
	for _, vector := range vectortest.Read[transportVector](f, "session-transports.json") {
		f.Add([]byte(vector.Reply))
	}
	f.Add([]byte{byte(StatusDraining)})
	f.Add([]byte{0, 255, 255})
	f.Fuzz(func(t *testing.T, input []byte) {
		reader := bytes.NewReader(input)
		message, err := readSecureReply(reader)
		if err == nil && !bytes.Equal(secureReply(message), input[:len(input)-reader.Len()]) {
			t.Fatalf("% x was read as % x", input, message)
		}
		s := newSecure(nil, 1<<16)
		if _, err := s.agreed(message); err == nil && len(message) < ticketBytes+4 {
			t.Fatalf("a payload of %d bytes is enough", len(message))
		}
	})
}

// FuzzPlaintext reads any plaintext: what makes sense can be written, and a session obeys it without doubling a byte.
func FuzzPlaintext(f *testing.F) {
	for _, vector := range vectortest.Read[plaintextVector](f, "session-plaintexts.json") {
		f.Add([]byte(vector.Plaintext), uint64(3))
	}
	f.Fuzz(func(t *testing.T, plaintext []byte, position uint64) {
		stream, said, err := parsePlaintext(plaintext)
		if err == nil && !bytes.Equal(said.appendTo(bytes.Clone(stream)), plaintext) {
			t.Fatalf("% x was read as % x, %+v", plaintext, stream, said)
		}
		s, over := newSecure(nil, 1<<16), &transport{position: position % 8, keys: nil}
		s.in.received = 4
		fresh, err := s.obey(over, plaintext, time.Now())
		if err == nil && (len(fresh) > len(stream) || !bytes.HasSuffix(stream, fresh)) {
			t.Fatalf("of % x % x is new", stream, fresh)
		}
		if s.in.received < 4 {
			t.Fatalf("%d bytes were received", s.in.received)
		}
	})
}

// FuzzRecords reads any bytes of a transport, at any cuts: nothing that is not authentic gets through.
func FuzzRecords(f *testing.F) {
	for _, vector := range vectortest.Read[transportVector](f, "session-transports.json") {
		f.Add([]byte(vector.Records[0].Wire), uint8(7))
	}
	f.Add([]byte{16, 0}, uint8(1))
	f.Add([]byte{1, 64}, uint8(1))
	f.Fuzz(func(t *testing.T, input []byte, step uint8) {
		over := &transport{keys: &transportKeys{newCipherKey([keyBytes]byte{1}), newCipherKey([keyBytes]byte{2})}}
		s, in, p := newSecure(nil, 1<<16), new(inBuffer), make([]byte, maxPlaintext)
		for rest := input; len(rest) > 0; {
			n := copy(in.room(), rest[:min(len(rest), int(step)+1)])
			in.wrote += n
			rest = rest[n:]
			got, err := s.open(over, in, p, time.Now())
			if got > 0 {
				t.Fatalf("% x gives % x", input, p[:got])
			}
			if err != nil {
				return
			}
		}
	})
}
