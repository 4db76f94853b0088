//! `commands.json`: what a receiver makes of the payload of a frame with ConnID 0, and what a sender writes.

use fastway_wire::{Command, CommandError, ConnId, HEADER_BYTES};
use serde::{Deserialize, Serialize};

use crate::Hex;

#[derive(Serialize, Deserialize)]
pub(crate) struct CommandVector {
    name: String,
    payload: Hex,
    #[serde(flatten)]
    expected: Expected,
}

/// A command and the whole frame that a sender writes for it, or the name of the error.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Expected {
    Good { command: Fields, frame: Hex },
    Bad { error: String },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Fields {
    Dial { remote: u32 },
    Accept { conn: u32, remote: u32 },
    Connect { conn: u32, remote: u32 },
    Refuse { remote: u32 },
    Close { conn: u32 },
    Ping,
}

pub(crate) fn vectors() -> Vec<CommandVector> {
    [original_examples(), edge_values(), trailing_bytes(), bad_payloads()].into_iter().flatten().collect()
}

pub(crate) fn check(vector: &CommandVector) {
    let expected = match Command::decode(&vector.payload.0) {
        Ok(command) => Expected::Good { command: fields(command), frame: Hex(command.encode().to_vec()) },
        Err(error) => Expected::Bad { error: error_name(error).to_owned() },
    };
    assert_eq!(expected, vector.expected, "{}", vector.name);
}

fn fields(command: Command) -> Fields {
    match command {
        Command::Dial { remote } => Fields::Dial { remote },
        Command::Accept { conn, remote } => Fields::Accept { conn: conn.get(), remote },
        Command::Connect { conn, remote } => Fields::Connect { conn: conn.get(), remote },
        Command::Refuse { remote } => Fields::Refuse { remote },
        Command::Close { conn } => Fields::Close { conn: conn.get() },
        Command::Ping => Fields::Ping,
    }
}

fn error_name(error: CommandError) -> &'static str {
    match error {
        CommandError::Empty => "Empty",
        CommandError::Unknown { .. } => "Unknown",
        CommandError::ShortArgs { .. } => "ShortArgs",
    }
}

/// The conversation in the original's README, whose Close is misprinted there as type 5.
fn original_examples() -> Vec<CommandVector> {
    let conn = ConnId::new(9527);
    vec![
        good("dial server 1", Command::Dial { remote: 1 }, b""),
        good("accept connection 9527 to server 1", Command::Accept { conn, remote: 1 }, b""),
        good("connect connection 9527 to remote 1", Command::Connect { conn, remote: 1 }, b""),
        good("close connection 9527", Command::Close { conn }, b""),
        good("refuse remote 1", Command::Refuse { remote: 1 }, b""),
        good("ping", Command::Ping, b""),
    ]
}

fn edge_values() -> Vec<CommandVector> {
    let (conn, remote) = (ConnId::new(0x0102_0304), 0x0506_0708);
    let last = ConnId::new(u32::MAX);
    vec![
        good("dial server 0, an ID like any other", Command::Dial { remote: 0 }, b""),
        good("dial the largest ID", Command::Dial { remote: u32::MAX }, b""),
        good("byte order of dial", Command::Dial { remote }, b""),
        good("byte order of accept", Command::Accept { conn, remote }, b""),
        good("byte order of connect", Command::Connect { conn, remote }, b""),
        good("byte order of refuse", Command::Refuse { remote }, b""),
        good("byte order of close", Command::Close { conn }, b""),
        good("accept the largest IDs", Command::Accept { conn: last, remote: u32::MAX }, b""),
        good("close ConnID 0, which no connection has", Command::Close { conn: ConnId::COMMAND }, b""),
    ]
}

fn trailing_bytes() -> Vec<CommandVector> {
    let (conn, remote) = (ConnId::new(9527), 1);
    vec![
        good("dial with bytes behind it", Command::Dial { remote }, b"\xff"),
        good("accept with bytes behind it", Command::Accept { conn, remote }, b"\0\0\0\0"),
        good("connect with bytes behind it", Command::Connect { conn, remote }, b"token"),
        good("refuse with bytes behind it", Command::Refuse { remote }, b"why"),
        good("close with bytes behind it", Command::Close { conn }, b"\x04\x37\x25\0\0"),
        good("ping with bytes behind it", Command::Ping, b"\x01\0\0\0extension"),
    ]
}

fn bad_payloads() -> Vec<CommandVector> {
    vec![
        bad("no type", b"", "Empty"),
        bad("first unknown type", b"\x06", "Unknown"),
        bad("unknown type with args", b"\x07\x37\x25\0\0\x01\0\0\0", "Unknown"),
        bad("type 127", b"\x7f\x01\0\0\0", "Unknown"),
        bad("type 128, negative where it is read as signed", b"\x80\x01\0\0\0", "Unknown"),
        bad("type 255", b"\xff", "Unknown"),
        bad("dial without args", b"\0", "ShortArgs"),
        bad("dial, 3 of 4 bytes", b"\0\x01\0\0", "ShortArgs"),
        bad("accept without args", b"\x01", "ShortArgs"),
        bad("accept without RemoteID", b"\x01\x37\x25\0\0", "ShortArgs"),
        bad("accept, 7 of 8 bytes", b"\x01\x37\x25\0\0\x01\0\0", "ShortArgs"),
        bad("connect without args", b"\x02", "ShortArgs"),
        bad("connect, 7 of 8 bytes", b"\x02\x37\x25\0\0\x01\0\0", "ShortArgs"),
        bad("refuse without args", b"\x03", "ShortArgs"),
        bad("refuse, 3 of 4 bytes", b"\x03\x01\0\0", "ShortArgs"),
        bad("close without args", b"\x04", "ShortArgs"),
        bad("close, 3 of 4 bytes", b"\x04\x37\x25\0", "ShortArgs"),
    ]
}

fn good(name: &str, command: Command, behind: &[u8]) -> CommandVector {
    let frame = command.encode();
    let payload = Hex([frame.get(HEADER_BYTES..).unwrap(), behind].concat());
    let expected = Expected::Good { command: fields(command), frame: Hex(frame.to_vec()) };
    CommandVector { name: name.to_owned(), payload, expected }
}

fn bad(name: &str, payload: &[u8], error: &str) -> CommandVector {
    let expected = Expected::Bad { error: error.to_owned() };
    CommandVector { name: name.to_owned(), payload: Hex(payload.to_vec()), expected }
}
