// Package codec has protocols for the sessions of package link, under the names and with the bytes on the wire that
// github.com/funny/link/codec has:
//
//   - [Json]: a message is a JSON object that names its type.
//   - [FixLen]: a head of fixed size before each message tells its length.
//   - [Bufio]: buffers the reads and writes of another protocol.
//
// They stack; a link.Server or a link.Dial gets the outermost:
//
//	protocol := codec.Bufio(codec.FixLen(codec.Json(), 2, binary.LittleEndian, 1024, 1024), 4096, 4096)
package codec
