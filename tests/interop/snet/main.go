// Command snet is a second implementation of legacy sessions (docs/protocol.md §2), written from that page alone, with the
// ciphers of Go's standard library. The tests of crates/session run it as client and as server:
//
//	snet client ADDR BYTES CUTS ENCRYPT    dials, sends and reads BYTES, drops its connection CUTS times
//	snet server BYTES CUTS ENCRYPT         prints the address that it listens on, then does the same
//
// Both exit with 0 only if every byte of the other end came, once and in order.
package main

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"strconv"
	"time"
)

const (
	typeNew       = 0x00
	typeReconnect = 0xff
	replayBytes   = 16 << 20
	patience      = 60 * time.Second
	// refusalsBelieved is how many refusals in a row end a session.
	refusalsBelieved = 4
)

var (
	prime     = new(big.Int).SetUint64(0xffffffffffffffc5)
	generator = big.NewInt(5)
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("snet: ")
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	if len(args) < 1 {
		return errors.New("usage: snet client ADDR BYTES CUTS ENCRYPT | snet server BYTES CUTS ENCRYPT")
	}
	switch role, rest := args[0], args[1:]; {
	case role == "client" && len(rest) == 4:
		return client(rest[0], parse(rest[1:]))
	case role == "server" && len(rest) == 3:
		return server(parse(rest))
	}
	return fmt.Errorf("what does %q mean?", args)
}

// transfer is what is sent each way, and how often the connection is dropped meanwhile.
type transfer struct {
	bytes, cuts int
	encrypt     bool
}

func parse(args []string) transfer {
	number := func(word string) int {
		value, err := strconv.Atoi(word)
		if err != nil {
			log.Fatal(err)
		}
		return value
	}
	return transfer{bytes: number(args[0]), cuts: number(args[1]), encrypt: args[2] == "true"}
}

func client(addr string, t transfer) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	s, err := open(conn, t.encrypt)
	if err != nil {
		return err
	}
	redial := func() error {
		refusals := 0
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			if err = s.reconnect(conn); err == nil {
				return nil
			}
			conn.Close()
			if errors.Is(err, errRefused) {
				// The original refuses a session that it does not know yet: its end of a new one comes after ours.
				if refusals++; refusals == refusalsBelieved {
					return err
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		return errors.New("no connection within the patience")
	}
	return s.carry(t, redial)
}

func server(t transfer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Println(listener.Addr())
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	s, err := accept(conn, t.encrypt)
	if err != nil {
		return err
	}
	reaccept := func() error {
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			conn, err := listener.Accept()
			if err != nil {
				return err
			}
			if err = s.accepted(conn); err == nil {
				return nil
			}
			conn.Close()
		}
		return errors.New("no connection within the patience")
	}
	return s.carry(t, reaccept)
}

var errRefused = errors.New("the reconnect was refused")

// session is either end of a legacy session.
type session struct {
	id            uint64
	key           [8]byte
	encrypt       bool
	reader        *rc4.Cipher
	writer        *rc4.Cipher
	conn          net.Conn
	written, read uint64
	// sent holds the last bytes as they were on the wire, and again those of them that the next connection begins with.
	sent, again []byte
	server      bool
}

func newSession(id, secret uint64, encrypt bool) *session {
	s := &session{id: id, encrypt: encrypt}
	binary.LittleEndian.PutUint64(s.key[:], secret)
	s.reader, _ = rc4.NewCipher(s.key[:])
	s.writer, _ = rc4.NewCipher(s.key[:])
	return s
}

func keyPair() (private *big.Int, public uint64) {
	private, err := rand.Int(rand.Reader, prime)
	if err != nil {
		log.Fatal(err)
	}
	return private, new(big.Int).Exp(generator, private, prime).Uint64()
}

func secret(private *big.Int, public uint64) uint64 {
	return new(big.Int).Exp(new(big.Int).SetUint64(public), private, prime).Uint64()
}

func (s *session) digest(message []byte) []byte {
	sum := md5.Sum(append(append([]byte{}, message...), s.key[:]...))
	return sum[:]
}

func open(conn net.Conn, encrypt bool) (*session, error) {
	private, public := keyPair()
	if _, err := conn.Write(binary.LittleEndian.AppendUint64([]byte{typeNew}, public)); err != nil {
		return nil, err
	}
	var reply [24]byte
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		return nil, err
	}
	s := newSession(0, secret(private, binary.LittleEndian.Uint64(reply[:8])), encrypt)
	s.reader.XORKeyStream(reply[8:16], reply[8:16])
	s.id = binary.LittleEndian.Uint64(reply[8:16])
	s.conn = conn
	_, err := conn.Write(s.digest(reply[16:]))
	return s, err
}

func accept(conn net.Conn, encrypt bool) (*session, error) {
	var hello [9]byte
	if _, err := io.ReadFull(conn, hello[:]); err != nil {
		return nil, err
	}
	if hello[0] != typeNew {
		return nil, fmt.Errorf("the first byte is %#x", hello[0])
	}
	private, public := keyPair()
	s := newSession(7, secret(private, binary.LittleEndian.Uint64(hello[1:])), encrypt)
	s.server = true
	var reply [24]byte
	binary.LittleEndian.PutUint64(reply[:8], public)
	binary.LittleEndian.PutUint64(reply[8:16], s.id)
	s.writer.XORKeyStream(reply[8:16], reply[8:16])
	s.conn = conn
	return s, s.challenge(conn, reply[:])
}

// challenge draws the last 8 bytes of a reply, sends it and checks the proof.
func (s *session) challenge(conn net.Conn, reply []byte) error {
	if _, err := rand.Read(reply[16:]); err != nil {
		return err
	}
	if _, err := conn.Write(reply); err != nil {
		return err
	}
	var proof [16]byte
	if _, err := io.ReadFull(conn, proof[:]); err != nil {
		return err
	}
	if string(proof[:]) != string(s.digest(reply[16:])) {
		return errors.New("the proof is wrong")
	}
	return nil
}

func counts(numbers ...uint64) []byte {
	var bytes []byte
	for _, number := range numbers {
		bytes = binary.LittleEndian.AppendUint64(bytes, number)
	}
	return bytes
}

func (s *session) reconnect(conn net.Conn) error {
	message := counts(s.id, s.written, s.read)
	hello := append(append([]byte{typeReconnect}, message...), s.digest(message)...)
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	var reply [24]byte
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		return err
	}
	if reply == [24]byte{} {
		return errRefused
	}
	if _, err := conn.Write(s.digest(reply[16:])); err != nil {
		return err
	}
	return s.goOn(conn, binary.LittleEndian.Uint64(reply[8:16]))
}

func (s *session) accepted(conn net.Conn) error {
	var hello [41]byte
	if _, err := io.ReadFull(conn, hello[:]); err != nil {
		return err
	}
	if hello[0] != typeReconnect || string(hello[25:]) != string(s.digest(hello[1:25])) {
		return errors.New("this is no reconnect of ours")
	}
	reply := append(counts(s.written, s.read), make([]byte, 8)...)
	if err := s.challenge(conn, reply); err != nil {
		return err
	}
	return s.goOn(conn, binary.LittleEndian.Uint64(hello[17:25]))
}

// goOn checks that this end can send again what the other end, which has read so many bytes, lacks.
func (s *session) goOn(conn net.Conn, read uint64) error {
	lacks := s.written - read
	if lacks > uint64(len(s.sent)) {
		return fmt.Errorf("%d bytes are lacking, %d are kept", lacks, len(s.sent))
	}
	s.conn = conn
	s.again = s.sent[uint64(len(s.sent))-lacks:]
	return nil
}

// carry sends and reads everything, over one connection after the other. Each end says with a byte of its own, at the end,
// that it has read everything.
func (s *session) carry(t transfer, next func() error) error {
	own, others := byte(1), byte(2)
	if s.server {
		own, others = others, own
	}
	for cuts := 0; ; {
		target := t.bytes
		if cuts < t.cuts {
			target = t.bytes / (t.cuts + 1) * (cuts + 1)
		}
		read := make(chan error, 1)
		conn, allRead := s.conn, make(chan struct{})
		go func() { read <- s.readAll(conn, others, t.bytes, allRead) }()
		err := s.writeUpTo(conn, own, target)
		if err == nil && cuts < t.cuts {
			cuts++
			err = errors.New("this end cuts")
		}
		if err == nil {
			select {
			case <-allRead:
			case err = <-read:
				read <- err
			}
		}
		if err == nil {
			err = s.writeUpTo(conn, own, t.bytes+1)
		}
		if err != nil {
			conn.Close()
		}
		switch err := <-read; {
		case err == nil:
			return conn.Close()
		case errors.Is(err, errWrong):
			return err
		}
		if err := next(); err != nil {
			return err
		}
	}
}

var errWrong = errors.New("a byte is wrong")

// readAll reads and compares all bytes and the last one; it tells when only that is missing.
func (s *session) readAll(conn net.Conn, salt byte, total int, allRead chan<- struct{}) error {
	block := make([]byte, 16<<10)
	told := false
	for s.read <= uint64(total) {
		if !told && s.read == uint64(total) {
			told = true
			close(allRead)
		}
		n, err := conn.Read(block)
		if s.encrypt {
			s.reader.XORKeyStream(block[:n], block[:n])
		}
		for i, got := range block[:n] {
			if at := s.read + uint64(i); got != byteAt(salt, at) {
				return fmt.Errorf("%w: byte %d", errWrong, at)
			}
		}
		s.read += uint64(n)
		if err != nil && s.read <= uint64(total) {
			return err
		}
	}
	if !told {
		close(allRead)
	}
	return nil
}

// writeUpTo sends what the other end lacks, and then goes on with the stream until so many bytes of it are written.
func (s *session) writeUpTo(conn net.Conn, salt byte, target int) error {
	again := s.again
	s.again = nil
	if _, err := conn.Write(again); err != nil {
		return err
	}
	for s.written < uint64(target) {
		block := make([]byte, min(5003, target-int(s.written)))
		for i := range block {
			block[i] = byteAt(salt, s.written+uint64(i))
		}
		if s.encrypt {
			s.writer.XORKeyStream(block, block)
		}
		s.written += uint64(len(block))
		s.sent = append(s.sent, block...)
		s.sent = s.sent[max(0, len(s.sent)-replayBytes):]
		if _, err := conn.Write(block); err != nil {
			return err
		}
	}
	return nil
}

func byteAt(salt byte, at uint64) byte {
	return byte(at*0x9e3779b97f4a7c15>>40) ^ salt
}
