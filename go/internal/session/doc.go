// Package session has byte streams that outlive their transports: secure sessions (docs/protocol.md §3) and legacy ones (§2).
//
// The protocols are state without I/O: bytes, times and randomness go in, bytes come out. A [Stream] runs one of them as a
// net.Conn over transport after transport. It begins at an initiator with [Open], which also dials what it resumes by, and
// at an acceptor with a [Listener].
//
//	transport ──▶ Read ──▶ protocol.open ──▶ the user's bytes
//	transport ◀── pump ◀── protocol.layOut ◀── replay buffer ◀── Write
//
// A stream has no goroutine while a transport carries it: whoever reads, reads the transport; whoever writes, writes to it.
package session
