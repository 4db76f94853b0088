package session

import (
	"crypto/ecdh"
	"io"

	"github.com/flynn/noise"
)

// keyBytes is the length of a key, public, private or shared.
const keyBytes = 32

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

// PublicKey is a gateway's, which its clients pin.
type PublicKey [keyBytes]byte

// KeyPair is a gateway's own.
type KeyPair struct {
	Private [keyBytes]byte
	Public  PublicKey
}

// NewKeyPair is the pair that belongs to a private key.
func NewKeyPair(private [keyBytes]byte) (*KeyPair, error) {
	key, err := ecdh.X25519().NewPrivateKey(private[:])
	if err != nil {
		return nil, err
	}
	return &KeyPair{private, PublicKey(key.PublicKey().Bytes())}, nil
}

// Patterns of an open, as on the wire.
const (
	patternNN byte = iota
	patternNK
)

// handshake is one end's handshake in progress.
type handshake struct{ state *noise.HandshakeState }

func newHandshake(cfg noise.Config, random io.Reader, head []byte) (*handshake, error) {
	cfg.CipherSuite, cfg.Random, cfg.Prologue = suite, random, append([]byte(label), head...)
	state, err := noise.NewHandshakeState(cfg)
	if err != nil {
		return nil, err
	}
	return &handshake{state}, nil
}

func nn() noise.Config { return noise.Config{Pattern: noise.HandshakeNN} }

func nkInitiator(gateway *PublicKey) noise.Config {
	return noise.Config{Pattern: noise.HandshakeNK, PeerStatic: gateway[:]}
}

func nkResponder(keys *KeyPair) noise.Config {
	pair := noise.DHKey{Private: keys.Private[:], Public: keys.Public[:]}
	return noise.Config{Pattern: noise.HandshakeNK, StaticKeypair: pair}
}

func nnPsk0(secret *[keyBytes]byte) noise.Config {
	return noise.Config{Pattern: noise.HandshakeNN, PresharedKey: secret[:], PresharedKeyPlacement: 0}
}

func initiating(cfg noise.Config) noise.Config {
	cfg.Initiator = true
	return cfg
}

// write makes the next message; keys are there after the last.
func (h *handshake) write(payload []byte) (message []byte, keys *transportKeys, err error) {
	message, initiators, responders, err := h.state.WriteMessage(nil, payload)
	if err != nil {
		return nil, nil, err
	}
	// Whoever writes the last message is the responder.
	return message, split(responders, initiators), nil
}

// read gives the payload of the other end's message; keys are there after the last.
func (h *handshake) read(message []byte) (payload []byte, keys *transportKeys, err error) {
	payload, initiators, responders, err := h.state.ReadMessage(nil, message)
	if err != nil {
		return nil, nil, ErrNotAuthentic
	}
	return payload, split(initiators, responders), nil
}

// transportKeys are those of one transport, as one end needs them.
type transportKeys struct{ sealing, opening *cipherKey }

func split(own, others *noise.CipherState) *transportKeys {
	if own == nil {
		return nil
	}
	return &transportKeys{newCipherKey(own.UnsafeKey()), newCipherKey(others.UnsafeKey())}
}
