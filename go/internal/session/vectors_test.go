package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/flynn/noise"

	"fastway/internal/vectortest"
)

type hexBytes = vectortest.Bytes

func expectBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: % x, want % x", what, got, want)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

type plaintextVector struct {
	Name      string
	Plaintext hexBytes
	Kind      string
	Bytes     hexBytes
	Received  uint64
	Reason    AbortReason
	Error     string
}

var kinds = map[string]kind{"data": dataRecord, "ack": ackRecord, "close": closeRecord, "abort": abortRecord}

func TestPlaintextsOfTheVectorsAreReadAndWritten(t *testing.T) {
	for _, vector := range vectortest.Read[plaintextVector](t, "session-plaintexts.json") {
		t.Run(vector.Name, func(t *testing.T) {
			bytes, said, err := parsePlaintext(vector.Plaintext)
			var broken *ProtocolError
			if isBad := errors.As(endOf(err), &broken); isBad || vector.Error != "" {
				if !isBad || vector.Error != "BadRecord" {
					t.Fatalf("%v, want %q", err, vector.Error)
				}
				return
			}
			want := trailer{kinds[vector.Kind], vector.Received, vector.Reason}
			if said != want {
				t.Errorf("%+v, want %+v", said, want)
			}
			expectBytes(t, "bytes", bytes, vector.Bytes)
			expectBytes(t, "written", said.appendTo(bytes[:len(bytes):len(bytes)]), vector.Plaintext)
		})
	}
}

type helloVector struct {
	Name    string
	Bytes   hexBytes
	Link    string
	Asks    string
	Pattern *byte
	Session hexBytes
	Error   string
}

var linkKinds = map[string]Kind{"plain": Plain, "secure": SecureKind, "legacy": LegacyKind}

func TestFirstMessagesOfTheVectorsAreReadWholeAndInPieces(t *testing.T) {
	for _, vector := range vectortest.Read[helloVector](t, "session-hellos.json") {
		t.Run(vector.Name, func(t *testing.T) {
			if kind := kindOf(vector.Bytes[0]); kind != linkKinds[vector.Link] {
				t.Errorf("the link is %v, want %s", kind, vector.Link)
			}
			h, err := parseHello(vector.Bytes)
			expectHelloFault(t, err, vector.Error)
			expectHello(t, h, &vector)
			for cut := range len(vector.Bytes) - 1 {
				if h, err := parseHello(vector.Bytes[:cut]); vector.Error == "" && (h != nil || err != nil) {
					t.Errorf("the first %d bytes are %v, %v", cut, h, err)
				}
			}
		})
	}
}

func expectHelloFault(t *testing.T, err error, name string) {
	t.Helper()
	var length *LengthError
	got := ""
	switch {
	case errors.Is(err, errNoSession):
		got = "NoSession"
	case errors.Is(err, errEarly):
		got = "Early"
	case errors.As(err, &length):
		got = "BadLength"
	case err != nil:
		got = err.Error()
	}
	if got != name {
		t.Errorf("the error is %q, want %q", got, name)
	}
}

func expectHello(t *testing.T, h *hello, vector *helloVector) {
	t.Helper()
	if h == nil || vector.Asks == "" {
		if h != nil || vector.Asks != "" {
			t.Errorf("it asks for %v, want %q", h, vector.Asks)
		}
		return
	}
	if h.resumes != (vector.Asks == "resume") || h.kind != linkKinds[vector.Link] {
		t.Errorf("it asks for %+v, want %q", h, vector.Asks)
	}
	expectBytes(t, "session", []byte(h.id), vector.Session)
	if vector.Pattern != nil && h.pattern != *vector.Pattern {
		t.Errorf("pattern %d, want %d", h.pattern, *vector.Pattern)
	}
}

type transportVector struct {
	Name           string
	Pattern        *byte
	GatewayPrivate hexBytes `json:"gateway_private"`
	GatewayPublic  hexBytes `json:"gateway_public"`
	Wait           uint32
	Resumes        *struct{ Session, Secret hexBytes }
	Attempt        uint32
	InitiatorHas   uint64   `json:"initiator_received"`
	AcceptorHas    uint64   `json:"acceptor_received"`
	InitiatorDraws hexBytes `json:"initiator_ephemeral"`
	AcceptorDraws  hexBytes `json:"acceptor_ephemeral"`
	Gives          struct{ Session, Secret hexBytes }
	Hello, Reply   hexBytes
	Records        []struct {
		By              string
		Plaintext, Wire hexBytes
	}
}

func TestTransportsOfTheVectorsAreMadeByAnInitiator(t *testing.T) {
	for _, vector := range vectortest.Read[transportVector](t, "session-transports.json") {
		t.Run(vector.Name, func(t *testing.T) {
			s := newSecure(nil, 1<<16)
			if len(vector.GatewayPublic) > 0 {
				s.gateway = (*PublicKey)(vector.GatewayPublic)
			}
			if vector.Resumes != nil {
				s.ticket = &ticket{string(vector.Resumes.Session), [keyBytes]byte(vector.Resumes.Secret)}
				s.attempt, s.in.received, s.out.sent = vector.Attempt-1, vector.InitiatorHas, vector.AcceptorHas
			}
			message, answer, err := s.hello(bytes.NewReader(vector.InitiatorDraws))
			if err != nil {
				t.Fatal(err)
			}
			expectBytes(t, "hello", message, vector.Hello)
			reply, err := answer.read(bytes.NewReader(append(vector.Reply[:len(vector.Reply):len(vector.Reply)], 7)))
			transport, err := answer.agree(reply, err, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if transport.cursor != vector.AcceptorHas || transport.position != vector.InitiatorHas {
				t.Errorf("it goes on at %d and %d", transport.cursor, transport.position)
			}
			if vector.Wait != 0 && s.wait() != time.Duration(vector.Wait)*time.Second {
				t.Errorf("the session is kept for %v", s.wait())
			}
			expectBytes(t, "session", []byte(s.ticket.id), vector.Gives.Session)
			expectBytes(t, "secret", s.ticket.secret[:], vector.Gives.Secret)
			expectRecords(t, &vector, "initiator", transport.keys)
		})
	}
}

func TestTransportsOfTheVectorsAreMadeByAnAcceptor(t *testing.T) {
	for _, vector := range vectortest.Read[transportVector](t, "session-transports.json") {
		t.Run(vector.Name, func(t *testing.T) {
			h := must[*hello](t)(parseHello(vector.Hello))
			gives := append(vector.Gives.Session[:idBytes:idBytes], vector.Gives.Secret...)
			var reply []byte
			var transport *transport
			var err error
			if vector.Resumes == nil {
				var keys *KeyPair
				if len(vector.GatewayPrivate) > 0 {
					keys = must[*KeyPair](t)(NewKeyPair([keyBytes]byte(vector.GatewayPrivate)))
					expectBytes(t, "public key", keys.Public[:], vector.GatewayPublic)
				}
				draws := bytes.NewReader(append(gives, vector.AcceptorDraws...))
				_, reply, transport, err = acceptSecure(h, keys, time.Duration(vector.Wait)*time.Second, 1<<16, draws)
			} else {
				s := newSecure(nil, 1<<16)
				s.in.received, s.out.sent = vector.AcceptorHas, vector.InitiatorHas
				s.acceptor.current = &ticket{string(vector.Resumes.Session), [keyBytes]byte(vector.Resumes.Secret)}
				reply, transport, err = s.resume(h, bytes.NewReader(append(gives, vector.AcceptorDraws...)))
			}
			if err != nil {
				t.Fatal(err)
			}
			expectBytes(t, "reply", reply, vector.Reply)
			expectRecords(t, &vector, "acceptor", transport.keys)
		})
	}
}

// expectRecords has one end seal what it sends, and open what it receives.
func expectRecords(t *testing.T, vector *transportVector, end string, keys *transportKeys) {
	t.Helper()
	for i, record := range vector.Records {
		if record.By == end {
			sealed := binary.LittleEndian.AppendUint16(nil, uint16(len(record.Plaintext)+tagBytes))
			sealed = append(append(sealed, record.Plaintext...), make([]byte, tagBytes)...)
			if err := keys.sealing.seal(sealed); err != nil {
				t.Fatal(err)
			}
			expectBytes(t, "sealed", sealed, record.Wire)
			continue
		}
		whole, err := nextRecord(record.Wire)
		if err != nil || len(whole) != len(record.Wire) {
			t.Fatalf("record %d: %v", i, err)
		}
		opened, err := keys.opening.open(make([]byte, len(whole)), whole[lenBytes:])
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		expectBytes(t, "opened", opened, record.Plaintext)
	}
}

type legacyVector struct {
	Name               string
	Encrypt            bool
	InitiatorPrivate   hexBytes `json:"initiator_private"`
	AcceptorPrivate    hexBytes `json:"acceptor_private"`
	Session, Challenge hexBytes
	Hello, Reply       hexBytes
	InitiatorSends     hexBytes `json:"initiator_sends"`
	AcceptorSends      hexBytes `json:"acceptor_sends"`
	AcceptorReads      hexBytes `json:"acceptor_reads"`
	InitiatorReads     hexBytes `json:"initiator_reads"`
}

// legacyEnds are both ends of the session that a pair of vectors is about.
type legacyEnds struct{ initiator, acceptor *legacy }

func TestLegacyTransportsOfTheVectorsAreMadeByBothEnds(t *testing.T) {
	var ends *legacyEnds
	for _, vector := range vectortest.Read[legacyVector](t, "session-legacy.json") {
		t.Run(vector.Name, func(t *testing.T) {
			isNew := vector.Hello[0] == newByte
			if isNew {
				ends = &legacyEnds{initiator: newLegacy(vector.Encrypt, 1<<16)}
			} else {
				ends.lose(1)
			}
			ends.meet(t, &vector, isNew)
		})
	}
}

// lose has each end send some bytes that do not arrive.
func (e *legacyEnds) lose(count int) {
	for end, filler := range map[*legacy]byte{e.initiator: '<', e.acceptor: '>'} {
		over := &transport{cursor: end.written}
		end.push(bytes.Repeat([]byte{filler}, count), over)
		end.layOut(over, nil, 1<<16, time.Now())
	}
}

func (e *legacyEnds) meet(t *testing.T, vector *legacyVector, isNew bool) {
	message, answer, err := e.initiator.hello(bytes.NewReader(vector.InitiatorPrivate))
	if err != nil {
		t.Fatal(err)
	}
	expectBytes(t, "hello", message, vector.Hello)
	h := must[*hello](t)(parseHello(message))
	var reply []byte
	var theirs *transport
	if isNew {
		draws := io.MultiReader(
			bytes.NewReader(vector.AcceptorPrivate), bytes.NewReader(vector.Session), bytes.NewReader(vector.Challenge))
		e.acceptor, reply, theirs, err = acceptLegacy(h, vector.Encrypt, 1<<16, draws)
	} else {
		reply, theirs, err = e.acceptor.resume(h, bytes.NewReader(vector.Challenge))
	}
	if err != nil {
		t.Fatal(err)
	}
	expectBytes(t, "reply", reply, vector.Reply)
	ours := must[*transport](t)(answer.agree(reply, nil, time.Now()))
	said := map[bool][2]string{true: {"Hello", "World"}, false: {"again", "there"}}[isNew]
	sent := e.send(t, e.initiator, ours, said[0])
	expectBytes(t, "the initiator sends", sent, vector.InitiatorSends)
	if _, err := e.acceptor.prove(theirs, sent[:digestBytes], time.Now()); err != nil {
		t.Fatal(err)
	}
	e.expectRead(t, e.acceptor, theirs, sent[digestBytes:], vector.AcceptorReads)
	sent = e.send(t, e.acceptor, theirs, said[1])
	expectBytes(t, "the acceptor sends", sent, vector.AcceptorSends)
	e.expectRead(t, e.initiator, ours, sent, vector.InitiatorReads)
}

func (e *legacyEnds) send(t *testing.T, end *legacy, over *transport, text string) []byte {
	t.Helper()
	if pushed := end.push([]byte(text), over); pushed != len(text) {
		t.Fatalf("%d bytes were taken", pushed)
	}
	return end.layOut(over, nil, 1<<16, time.Now())
}

func (e *legacyEnds) expectRead(t *testing.T, end *legacy, over *transport, sent, want []byte) {
	t.Helper()
	in, read := &inBuffer{mem: bytes.Clone(sent), wrote: len(sent)}, make([]byte, 64)
	n := must[int](t)(end.open(over, in, read, time.Now()))
	expectBytes(t, "read", read[:n], want)
}

func TestTheNoiseVectorsPass(t *testing.T) {
	type vector struct {
		Name               string
		Prologue, Psk      hexBytes
		Static             hexBytes `json:"responder_static"`
		Public             hexBytes `json:"responder_public"`
		InitiatorEphemeral hexBytes `json:"initiator_ephemeral"`
		ResponderEphemeral hexBytes `json:"responder_ephemeral"`
		Messages           []struct{ Payload, Ciphertext hexBytes }
	}
	for _, v := range vectortest.Read[vector](t, "noise.json") {
		t.Run(v.Name, func(t *testing.T) {
			ours, theirs := nn(), nn()
			switch {
			case len(v.Psk) > 0:
				ours = nnPsk0((*[keyBytes]byte)(v.Psk))
				theirs = ours
			case len(v.Static) > 0:
				keys := must[*KeyPair](t)(NewKeyPair([keyBytes]byte(v.Static)))
				expectBytes(t, "public key", keys.Public[:], v.Public)
				ours, theirs = nkInitiator(&keys.Public), nkResponder(keys)
			}
			initiator := published(t, initiating(ours), v.InitiatorEphemeral, v.Prologue)
			responder := published(t, theirs, v.ResponderEphemeral, v.Prologue)
			if len(v.Messages) < 4 {
				t.Fatal("nothing is said after the handshake")
			}
			sent, _, err := initiator.write(v.Messages[0].Payload)
			expectBytes(t, "message 1", sent, v.Messages[0].Ciphertext)
			read, _, err2 := responder.read(sent)
			expectBytes(t, "its payload", read, v.Messages[0].Payload)
			sent, keys2, err3 := responder.write(v.Messages[1].Payload)
			expectBytes(t, "message 2", sent, v.Messages[1].Ciphertext)
			read, keys1, err4 := initiator.read(sent)
			expectBytes(t, "its payload", read, v.Messages[1].Payload)
			if err := errors.Join(err, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
			for i, message := range v.Messages[2:] {
				sealing, opening := keys1.sealing, keys2.opening
				if i%2 == 1 {
					sealing, opening = keys2.sealing, keys1.opening
				}
				record := binary.LittleEndian.AppendUint16(nil, uint16(len(message.Payload)+tagBytes))
				record = append(append(record, message.Payload...), make([]byte, tagBytes)...)
				if err := sealing.seal(record); err != nil {
					t.Fatal(err)
				}
				expectBytes(t, "ciphertext", record[lenBytes:], message.Ciphertext)
				opened, err := opening.open(make([]byte, len(record)), record[lenBytes:])
				if err != nil {
					t.Fatal(err)
				}
				expectBytes(t, "payload", opened, message.Payload)
			}
		})
	}
}

// published is a handshake with the prologue of the published vectors instead of ours.
func published(t *testing.T, cfg noise.Config, ephemeral, prologue []byte) *handshake {
	t.Helper()
	cfg.CipherSuite, cfg.Random, cfg.Prologue = suite, bytes.NewReader(ephemeral), prologue
	return &handshake{must[*noise.HandshakeState](t)(noise.NewHandshakeState(cfg))}
}
