package wire

import (
	"bytes"
	"testing"
)

// FuzzFrames reads any bytes: what is read and what is left are the input again, and a cut at any place changes nothing.
func FuzzFrames(f *testing.F) {
	f.Add(AppendCommand(AppendData(nil, 7, []byte("hello")), Command{Type: Close, ConnID: 7}), uint(3))
	f.Add(AppendData(AppendData(nil, 7, nil), 7, []byte("hi")), uint(9))
	f.Add([]byte{3, 0, 0, 0, 1}, uint(0))
	f.Add([]byte{255, 255, 255, 255}, uint(2))
	f.Fuzz(func(t *testing.T, input []byte, cut uint) {
		const maxPacket = 1 << 10
		frames, rest, err := readFrames(input, maxPacket)
		var again []byte
		for _, frame := range frames {
			again = AppendData(again, frame.Conn, frame.Payload)
		}
		if again = append(again, rest...); !bytes.Equal(again, input) {
			t.Fatalf("read as % x", again)
		}
		if size, sizeErr := Size(rest, maxPacket); (sizeErr != nil) != (err != nil) || size != 0 && size <= len(rest) {
			t.Fatalf("stopped at % x with %v", rest, err)
		}
		vector := frameVector{MaxPacket: maxPacket, Bytes: input, Frames: frames, Error: nameOf(err)}
		expectSameInPieces(t, vector, int(cut%(uint(len(input))+1)))
	})
}

// FuzzCommand reads any payload: what makes sense can be written, and means the same then.
func FuzzCommand(f *testing.F) {
	for _, cmd := range []Command{{Type: Dial}, {Type: Accept, ConnID: 1, RemoteID: 2}, {Type: Ping}} {
		f.Add(AppendCommand(nil, cmd)[HeaderBytes:])
	}
	f.Add([]byte{4, 1, 2, 3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		cmd, err := ParseCommand(payload)
		if err != nil {
			expectFault(t, err, nameOf(err))
			return
		}
		again, err := ParseCommand(FirstPayload(AppendCommand(nil, cmd)))
		if err != nil || again != cmd {
			t.Fatalf("%+v became %+v, %v", cmd, again, err)
		}
	})
}

func nameOf(err error) string {
	switch unwrap := err.(type) {
	case *LengthError:
		err = unwrap.Err
	case *CommandError:
		err = unwrap.Err
	}
	for name, fault := range faults {
		if fault == err {
			return name
		}
	}
	return "an error that no vector has"
}
