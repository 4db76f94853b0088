//! Commands: the payload of frames with ConnID 0 (`docs/protocol.md` §1.2).
//!
//! ```text
//! 0         1             5             9
//! | type u8 | first  u32  | second u32  |
//!   0 Dial    RemoteID                       a client or a server -> gateway
//!   1 Accept  ConnID        RemoteID         gateway -> the dialer
//!   2 Connect ConnID        RemoteID         gateway -> the dialed side
//!   3 Refuse  RemoteID                       gateway -> the dialer
//!   4 Close   ConnID                         anyone
//!   5 Ping                                   a client or a server; the gateway answers the same
//! ```

use std::ops::Deref;

use crate::{ConnId, HEADER_BYTES, LEN_BYTES};

const KIND_BYTES: usize = 1;
const ARG_BYTES: usize = 4;
const MAX_ARGS: usize = 2;

/// One command. A `remote` is a server ID on a client's link and a client ID on a server's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Requests a virtual connection.
    Dial {
        /// The ID to connect to.
        remote: u32,
    },
    /// The gateway has opened the connection that the receiver dialed.
    Accept {
        /// The new connection.
        conn: ConnId,
        /// The dialed ID.
        remote: u32,
    },
    /// The gateway has opened a connection to the receiver.
    Connect {
        /// The new connection.
        conn: ConnId,
        /// The ID of the dialer.
        remote: u32,
    },
    /// The gateway has refused a dial of the receiver.
    Refuse {
        /// The dialed ID.
        remote: u32,
    },
    /// Closes a connection, or reports that it has closed.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// Keeps a link from being idle. The gateway answers with another one.
    Ping,
}

impl Command {
    /// Bytes of the longest frame of [`Command::encode`].
    pub const MAX_FRAME_BYTES: usize = HEADER_BYTES + KIND_BYTES + MAX_ARGS * ARG_BYTES;

    /// Reads the payload of a frame with ConnID 0. Bytes after the args are ignored.
    ///
    /// Whether the peer may send the command is for the caller to check.
    ///
    /// # Errors
    /// The payload is empty, has an unknown type, or is shorter than its type requires.
    pub fn decode(payload: &[u8]) -> Result<Self, CommandError> {
        let (&kind, args) = payload.split_first().ok_or(CommandError::Empty)?;
        let kind = CommandKind::try_from(kind)?;

        match kind {
            CommandKind::Dial => read_args(kind, args).map(|[remote]| Self::Dial { remote }),
            CommandKind::Accept => {
                read_args(kind, args).map(|[conn, remote]| Self::Accept { conn: ConnId::new(conn), remote })
            }
            CommandKind::Connect => {
                read_args(kind, args).map(|[conn, remote]| Self::Connect { conn: ConnId::new(conn), remote })
            }
            CommandKind::Refuse => read_args(kind, args).map(|[remote]| Self::Refuse { remote }),
            CommandKind::Close => read_args(kind, args).map(|[conn]| Self::Close { conn: ConnId::new(conn) }),
            CommandKind::Ping => Ok(Self::Ping),
        }
    }

    /// The whole frame, with its header.
    pub fn encode(self) -> EncodedCommand {
        match self {
            Self::Dial { remote } => EncodedCommand::new(CommandKind::Dial, [remote]),
            Self::Accept { conn, remote } => EncodedCommand::new(CommandKind::Accept, [conn.get(), remote]),
            Self::Connect { conn, remote } => EncodedCommand::new(CommandKind::Connect, [conn.get(), remote]),
            Self::Refuse { remote } => EncodedCommand::new(CommandKind::Refuse, [remote]),
            Self::Close { conn } => EncodedCommand::new(CommandKind::Close, [conn.get()]),
            Self::Ping => EncodedCommand::new(CommandKind::Ping, []),
        }
    }
}

fn read_args<const N: usize>(kind: CommandKind, args: &[u8]) -> Result<[u32; N], CommandError> {
    let (fields, _) = args.as_chunks::<ARG_BYTES>();
    match fields.first_chunk::<N>() {
        Some(fields) => Ok(fields.map(u32::from_le_bytes)),
        None => Err(CommandError::ShortArgs { kind, need: N * ARG_BYTES, got: args.len() }),
    }
}

/// The type byte of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is described once, at the variant of Command with the same name")]
pub enum CommandKind {
    Dial = 0,
    Accept = 1,
    Connect = 2,
    Refuse = 3,
    Close = 4,
    Ping = 5,
}

impl TryFrom<u8> for CommandKind {
    type Error = CommandError;

    fn try_from(kind: u8) -> Result<Self, CommandError> {
        Ok(match kind {
            0 => Self::Dial,
            1 => Self::Accept,
            2 => Self::Connect,
            3 => Self::Refuse,
            4 => Self::Close,
            5 => Self::Ping,
            _ => return Err(CommandError::Unknown { kind }),
        })
    }
}

/// A payload on ConnID 0 that is not a command. The receiver closes the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no type byte.
    #[error("the peer sent a frame with ConnID 0 and no payload; a command starts with its type byte")]
    Empty,
    /// The type byte is unknown.
    #[error("the peer sent a command of type {kind}; known types are 0 to 5")]
    Unknown {
        /// The type byte received.
        kind: u8,
    },
    /// The payload is shorter than the args.
    #[error("the peer sent a {kind:?} command with {got} bytes of args; it needs {need}")]
    ShortArgs {
        /// The type of the command.
        kind: CommandKind,
        /// Bytes of args that the type needs.
        need: usize,
        /// Bytes of args received.
        got: usize,
    },
}

/// The frame of a command, held inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedCommand {
    bytes: [u8; Command::MAX_FRAME_BYTES],
    len: usize,
}

impl EncodedCommand {
    fn new<const N: usize>(kind: CommandKind, args: [u32; N]) -> Self {
        const { assert!(N <= MAX_ARGS) };
        let len = HEADER_BYTES + KIND_BYTES + N * ARG_BYTES;
        #[expect(clippy::cast_possible_truncation, reason = "MAX_ARGS keeps it below 17")]
        let packet_len = (len - LEN_BYTES) as u32;

        // The ConnID between len and kind stays 0: the frame is a command.
        let mut bytes = [0; Command::MAX_FRAME_BYTES];
        let [l0, l1, l2, l3, _, _, _, _, kind_byte, arg_bytes @ ..] = &mut bytes;
        [*l0, *l1, *l2, *l3] = packet_len.to_le_bytes();
        *kind_byte = kind as u8;
        for (field, arg) in arg_bytes.as_chunks_mut::<ARG_BYTES>().0.iter_mut().zip(args) {
            *field = arg.to_le_bytes();
        }

        Self { bytes, len }
    }
}

impl Deref for EncodedCommand {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for EncodedCommand {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_frame;

    const CONN: ConnId = ConnId::new(9527);
    const FRAMES: [(Command, &[u8]); 6] = [
        (Command::Dial { remote: 1 }, b"\x09\0\0\0\0\0\0\0\0\x01\0\0\0"),
        (Command::Accept { conn: CONN, remote: 1 }, b"\x0d\0\0\0\0\0\0\0\x01\x37\x25\0\0\x01\0\0\0"),
        (Command::Connect { conn: CONN, remote: 1 }, b"\x0d\0\0\0\0\0\0\0\x02\x37\x25\0\0\x01\0\0\0"),
        (Command::Refuse { remote: 1 }, b"\x09\0\0\0\0\0\0\0\x03\x01\0\0\0"),
        (Command::Close { conn: CONN }, b"\x09\0\0\0\0\0\0\0\x04\x37\x25\0\0"),
        (Command::Ping, b"\x05\0\0\0\0\0\0\0\x05"),
    ];

    #[test]
    fn every_command_has_its_bytes() {
        for (command, bytes) in FRAMES {
            assert_eq!(&*command.encode(), bytes, "{command:?}");
        }
    }

    #[test]
    fn every_command_is_read_back_with_and_without_bytes_behind_it() {
        for (command, bytes) in FRAMES {
            let (frame, _) = split_frame(bytes, 13).unwrap().unwrap();
            assert!(frame.conn().is_command());
            assert_eq!(Command::decode(frame.payload()), Ok(command));
            assert_eq!(Command::decode(&[frame.payload(), b"tail"].concat()), Ok(command));
        }
    }

    #[test]
    fn what_is_not_a_command_has_a_name() {
        assert_eq!(Command::decode(b""), Err(CommandError::Empty));
        for kind in 6..=u8::MAX {
            assert_eq!(Command::decode(&[kind; 9]), Err(CommandError::Unknown { kind }));
        }
    }

    #[test]
    fn short_args_say_how_much_is_missing() {
        for (command, bytes) in FRAMES {
            let payload = &bytes[HEADER_BYTES..];
            let need = payload.len() - KIND_BYTES;
            for got in 0..need {
                let short = CommandError::ShortArgs { kind: CommandKind::try_from(payload[0]).unwrap(), need, got };
                assert_eq!(Command::decode(&payload[..KIND_BYTES + got]), Err(short), "{command:?}");
            }
        }
    }

    #[test]
    fn errors_name_the_fault_and_the_value() {
        let text = Command::decode(b"\x04\x01\x02").unwrap_err().to_string();
        assert_eq!(text, "the peer sent a Close command with 2 bytes of args; it needs 4");
        let text = CommandError::Unknown { kind: 77 }.to_string();
        assert!(text.contains("type 77"), "{text}");
    }
}
