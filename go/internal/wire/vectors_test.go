package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"fastway/internal/vectortest"
)

var faults = map[string]error{
	"":         nil,
	"TooShort": ErrTooShort, "TooLong": ErrTooLong,
	"Empty": ErrEmptyCommand, "Unknown": ErrUnknownCommand, "ShortArgs": ErrShortArgs,
}

func expectFault(t *testing.T, err error, name string) {
	t.Helper()
	want, known := faults[name]
	if !known {
		t.Fatalf("the vectors have a new error %q", name)
	}
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

type frameVector struct {
	Name      string
	MaxPacket uint32 `json:"max_packet"`
	Bytes     vectortest.Bytes
	Frames    []frame
	Rest      vectortest.Bytes
	Error     string
}

type frame struct {
	Conn    uint32
	Payload vectortest.Bytes
}

// readFrames takes what is whole, and says what is left and why.
func readFrames(buf []byte, maxPacket uint32) (frames []frame, rest []byte, err error) {
	for {
		run, err := NextRun(buf, maxPacket)
		if err != nil || run.Messages == 0 {
			return frames, buf, err
		}
		buf = buf[len(run.Bytes):]
		for range run.Messages {
			payload := FirstPayload(run.Bytes)
			frames = append(frames, frame{run.ConnID, payload})
			run.Bytes = run.Bytes[HeaderBytes+len(payload):]
		}
	}
}

func TestFramesOfTheVectorsAreReadWholeAndInPieces(t *testing.T) {
	for _, vector := range vectortest.Read[frameVector](t, "frames.json") {
		t.Run(vector.Name, func(t *testing.T) {
			frames, rest, err := readFrames(vector.Bytes, vector.MaxPacket)
			expectFault(t, err, vector.Error)
			expectFrames(t, frames, vector.Frames)
			if !bytes.Equal(rest, vector.Rest) {
				t.Errorf("rest % x, want % x", rest, vector.Rest)
			}
			for cut := range vector.Bytes {
				expectSameInPieces(t, vector, cut)
			}
		})
	}
}

func expectSameInPieces(t *testing.T, vector frameVector, cut int) {
	t.Helper()
	first, rest, err := readFrames(vector.Bytes[:cut], vector.MaxPacket)
	if err == nil {
		var more []frame
		more, _, err = readFrames(append(bytes.Clone(rest), vector.Bytes[cut:]...), vector.MaxPacket)
		first = append(first, more...)
	}
	expectFault(t, err, vector.Error)
	expectFrames(t, first, vector.Frames)
}

func expectFrames(t *testing.T, got, want []frame) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Conn != want[i].Conn || !bytes.Equal(got[i].Payload, want[i].Payload) {
			t.Errorf("frame %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestFramesOfTheVectorsAreWritten(t *testing.T) {
	for _, vector := range vectortest.Read[frameVector](t, "frames.json") {
		var written []byte
		for _, frame := range vector.Frames {
			written = AppendData(written, frame.Conn, frame.Payload)
		}
		if written = append(written, vector.Rest...); !bytes.Equal(written, vector.Bytes) {
			t.Errorf("%s: % x, want % x", vector.Name, written, vector.Bytes)
		}
	}
}

type commandVector struct {
	Name    string
	Payload vectortest.Bytes
	Command struct {
		Type         string
		Conn, Remote uint32
	}
	Frame vectortest.Bytes
	Error string
}

var types = map[string]Type{
	"Dial": Dial, "Accept": Accept, "Connect": Connect, "Refuse": Refuse, "Close": Close, "Ping": Ping,
}

func TestCommandsOfTheVectorsAreReadAndWritten(t *testing.T) {
	for _, vector := range vectortest.Read[commandVector](t, "commands.json") {
		t.Run(vector.Name, func(t *testing.T) {
			cmd, err := ParseCommand(vector.Payload)
			expectFault(t, err, vector.Error)
			if err != nil {
				return
			}
			want := Command{types[vector.Command.Type], vector.Command.Conn, vector.Command.Remote}
			if cmd != want {
				t.Errorf("%+v, want %+v", cmd, want)
			}
			if frame := AppendCommand(nil, cmd); !bytes.Equal(frame, vector.Frame) {
				t.Errorf("written as % x, want % x", frame, vector.Frame)
			}
		})
	}
}

type handshakeVector struct {
	Name      string
	Challenge vectortest.Bytes
	Key       vectortest.Bytes
	Server    uint32
	Response  vectortest.Bytes
	Error     string
}

func TestHandshakesOfTheVectorsAreAnsweredAsAGatewayWantsThem(t *testing.T) {
	for _, vector := range vectortest.Read[handshakeVector](t, "handshake.json") {
		t.Run(vector.Name, func(t *testing.T) {
			if id := binary.LittleEndian.Uint32(vector.Response[ResponseBytes-4:]); id != vector.Server {
				t.Errorf("the response names server %d, want %d", id, vector.Server)
			}
			response := Response([ChallengeBytes]byte(vector.Challenge), string(vector.Key), vector.Server)
			if right := bytes.Equal(response[:], vector.Response); right != (vector.Error == "") {
				t.Errorf("answered with % x; the vector has % x and the error %q", response, vector.Response, vector.Error)
			}
		})
	}
}
