package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Type says what a command is.
type Type uint8

// The commands, with the numbers that they have on the wire.
const (
	Dial Type = iota
	Accept
	Connect
	Refuse
	Close
	Ping
)

const (
	typeBytes = 1
	argBytes  = 4
)

// MaxCommandBytes is the size of the longest command's frame.
const MaxCommandBytes = HeaderBytes + typeBytes + 2*argBytes

// Faults of a command. A CommandError wraps one of them.
var (
	ErrEmptyCommand   = errors.New("it has no type")
	ErrUnknownCommand = errors.New("its type is unknown")
	ErrShortArgs      = errors.New("its arguments are incomplete")
)

// CommandError is a command that cannot be read.
type CommandError struct {
	// Payload is the beginning of the command.
	Payload []byte
	// Err is ErrEmptyCommand, ErrUnknownCommand or ErrShortArgs.
	Err error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("bad command % x: %v", e.Payload, e.Err)
}

func (e *CommandError) Unwrap() error { return e.Err }

// Command is what a frame with ConnID 0 says.
type Command struct {
	Type Type
	// ConnID is the connection, for Accept, Connect and Close.
	ConnID uint32
	// RemoteID is who is at the other end, for Dial, Accept, Connect and Refuse.
	RemoteID uint32
}

// args tells which arguments a type has; they come in this order.
func (t Type) args() (connID, remoteID, known bool) {
	switch t {
	case Dial, Refuse:
		return false, true, true
	case Accept, Connect:
		return true, true, true
	case Close:
		return true, false, true
	case Ping:
		return false, false, true
	default:
		return false, false, false
	}
}

// ParseCommand reads the payload of a frame with ConnID 0. Bytes behind the arguments are ignored.
func ParseCommand(payload []byte) (Command, error) {
	if len(payload) == 0 {
		return Command{}, &CommandError{Err: ErrEmptyCommand}
	}
	cmd, rest := Command{Type: Type(payload[0])}, payload[typeBytes:]
	hasConnID, hasRemoteID, known := cmd.Type.args()
	if !known {
		return Command{}, badCommand(payload, ErrUnknownCommand)
	}
	whole := true
	if hasConnID {
		cmd.ConnID, rest, whole = takeArg(rest)
	}
	if hasRemoteID && whole {
		cmd.RemoteID, _, whole = takeArg(rest)
	}
	if !whole {
		return Command{}, badCommand(payload, ErrShortArgs)
	}
	return cmd, nil
}

func takeArg(args []byte) (arg uint32, rest []byte, whole bool) {
	if len(args) < argBytes {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint32(args), args[argBytes:], true
}

// badCommand keeps a copy of the beginning: the payload is a part of a buffer that will be read into again.
func badCommand(payload []byte, fault error) error {
	shown := payload[:min(len(payload), MaxCommandBytes-HeaderBytes)]
	return &CommandError{Payload: append([]byte(nil), shown...), Err: fault}
}

// AppendCommand appends the frame of a command.
func AppendCommand(dst []byte, cmd Command) []byte {
	begin := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(cmd.Type))
	hasConnID, hasRemoteID, _ := cmd.Type.args()
	if hasConnID {
		dst = binary.LittleEndian.AppendUint32(dst, cmd.ConnID)
	}
	if hasRemoteID {
		dst = binary.LittleEndian.AppendUint32(dst, cmd.RemoteID)
	}
	binary.LittleEndian.PutUint32(dst[begin:], uint32(len(dst)-begin-LenBytes))
	return dst
}
