//! `frames.json`: what a receiver makes of the bytes of a stream.

use fastway_wire::{Command, ConnId, FrameError, HEADER_BYTES, encode_data, split_frame};
use serde::{Deserialize, Serialize};

use crate::Hex;

/// The gateway's default.
const DEFAULT_MAX_PACKET: u32 = 512 << 10;

#[derive(Serialize, Deserialize)]
pub(crate) struct FrameVector {
    name: String,
    max_packet: u32,
    bytes: Hex,
    frames: Vec<FrameFields>,
    rest: Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FrameFields {
    conn: u32,
    payload: Hex,
}

pub(crate) fn vectors() -> Vec<FrameVector> {
    [conversations(), sizes(), incomplete(), bad_lens()].into_iter().flatten().collect()
}

pub(crate) fn check(vector: &FrameVector) {
    let name = &vector.name;
    let (frames, rest, error) = receive(&vector.bytes.0, vector.max_packet);
    assert_eq!(frames, vector.frames, "{name}");
    assert_eq!(rest, vector.rest.0, "{name}");
    assert_eq!(error.map(error_name), vector.error.as_deref(), "{name}");
    assert_eq!([send(&vector.frames), rest].concat(), vector.bytes.0, "{name}");
}

fn receive(mut input: &[u8], max_packet: u32) -> (Vec<FrameFields>, Vec<u8>, Option<FrameError>) {
    let mut frames = Vec::new();
    loop {
        match split_frame(input, max_packet) {
            Ok(Some((frame, rest))) => {
                frames.push(FrameFields { conn: frame.conn().get(), payload: Hex(frame.payload().to_vec()) });
                input = rest;
            }
            Ok(None) => return (frames, input.to_vec(), None),
            Err(error) => return (frames, input.to_vec(), Some(error)),
        }
    }
}

fn send(frames: &[FrameFields]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        encode_data(ConnId::new(frame.conn), &frame.payload.0, &mut out).unwrap();
    }
    out
}

fn error_name(error: FrameError) -> &'static str {
    match error {
        FrameError::TooShort { .. } => "TooShort",
        FrameError::TooLong { .. } => "TooLong",
    }
}

fn conversations() -> Vec<FrameVector> {
    let conn = ConnId::new(9527);
    let dial = command(Command::Dial { remote: 1 });
    let accept = command(Command::Accept { conn, remote: 1 });
    let connect = command(Command::Connect { conn, remote: 1 });
    let close = || command(Command::Close { conn });
    let hello = || data(9527, b"Hello");
    vec![
        received("player dials server 1, says Hello on connection 9527, closes it", [dial, hello(), close()]),
        received("gateway accepts the dial and later confirms the close", [accept, close()]),
        received("server learns of connection 9527, gets Hello, then the close", [connect, hello(), close()]),
        received("ping with bytes behind it", [data(0, b"\x05extension")]),
        received("payload that looks like a frame", [data(7, b"\x05\0\0\0\0\0\0\0\x05")]),
    ]
}

fn sizes() -> Vec<FrameVector> {
    vec![
        received("nothing", []),
        received("payload of 0 bytes", [data(1, b"")]),
        received("payload of 0 bytes on ConnID 0: a frame, though not a command", [data(0, b"")]),
        received("payload of 1 byte", [data(1, b"\xff")]),
        received("largest ConnID", [data(u32::MAX, b"x")]),
        received("payload of max_packet - 4 bytes", [data(0x0102_0304, b"twelve bytes")]).within(16),
        received("max_packet 4 leaves room for empty payloads", [data(1, b""), data(2, b"")]).within(4),
        received("many in one read", (0..10_u8).map(|n| data(u32::from(n) + 1, &vec![n; usize::from(n)]))),
    ]
}

fn incomplete() -> Vec<FrameVector> {
    vec![
        received("1 byte of len", []).then(&[9]),
        received("3 bytes of len, which would be too short a len", []).then(&[0, 0, 0]),
        received("len alone", []).then(&[9, 0, 0, 0]),
        received("half a ConnID", []).then(&[9, 0, 0, 0, 0x37, 0x25]),
        received("last byte missing", []).then(b"\x09\0\0\0\x37\x25\0\0Hell"),
        received("len of max_packet, nothing behind it", []).then(&DEFAULT_MAX_PACKET.to_le_bytes()),
        received("len 0xFFFFFFFF where it is allowed", []).then(&[0xff; 4]).within(u32::MAX),
        received("a whole frame, then half a len", [data(1, b"x")]).then(&[4, 0]),
    ]
}

fn bad_lens() -> Vec<FrameVector> {
    let len = |len: u32| received(&format!("len {len}"), []).then(&len.to_le_bytes());
    let named = |name, len: u32| received(name, []).then(&len.to_le_bytes());
    vec![
        len(0).then(b"\x01\0\0\0").fails("TooShort"),
        len(1).then(b"\x01\0\0\0").fails("TooShort"),
        len(2).then(b"\x01\0\0\0").fails("TooShort"),
        len(3).then(b"\x01\0\0\0").fails("TooShort"),
        named("len 3 and nothing behind it", 3).fails("TooShort"),
        received("good frame, then len 0", [data(1, b"good")]).then(&[0; 8]).fails("TooShort"),
        named("len of max_packet + 1 and nothing behind it", DEFAULT_MAX_PACKET + 1).fails("TooLong"),
        named("one byte above a small max_packet", 17).then(b"\x01\0\0\0thirteen byte").within(16).fails("TooLong"),
        named("len 0x80000000, negative where it is read as signed", 1 << 31).fails("TooLong"),
        named("len 0xFFFFFFFF", u32::MAX).then(b"\x01\0\0\0x").fails("TooLong"),
        named("len 5 in the wrong byte order", 5_u32.swap_bytes()).then(b"\0\0\0\0\x05").fails("TooLong"),
        received("good frame, then a len too long", [data(1, b"good")]).then(&[0xff; 4]).fails("TooLong"),
    ]
}

fn data(conn: u32, payload: &[u8]) -> FrameFields {
    FrameFields { conn, payload: Hex(payload.to_vec()) }
}

fn command(command: Command) -> FrameFields {
    data(0, command.encode().get(HEADER_BYTES..).unwrap())
}

/// A stream of whole frames.
fn received(name: &str, frames: impl IntoIterator<Item = FrameFields>) -> FrameVector {
    let frames: Vec<_> = frames.into_iter().collect();
    let (bytes, rest) = (Hex(send(&frames)), Hex(Vec::new()));
    FrameVector { name: name.to_owned(), max_packet: DEFAULT_MAX_PACKET, bytes, frames, rest, error: None }
}

impl FrameVector {
    fn then(mut self, rest: &[u8]) -> Self {
        self.bytes.0.extend_from_slice(rest);
        self.rest.0.extend_from_slice(rest);
        self
    }

    fn within(self, max_packet: u32) -> Self {
        Self { max_packet, ..self }
    }

    fn fails(self, error: &str) -> Self {
        Self { error: Some(error.to_owned()), ..self }
    }
}
