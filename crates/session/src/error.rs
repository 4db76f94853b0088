//! Errors in the bytes of the other end.

/// A violation of the protocol in an authentic message. It ends the session, since no attacker can have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The plaintext of a record is none of those in `docs/protocol.md` §3.2.
    #[error("a record of {bytes} bytes makes no sense")]
    BadRecord {
        /// Bytes of its plaintext.
        bytes: usize,
    },
    /// A count is below the acknowledged one, or above the sent one.
    #[error("it counts {count} bytes as received, of {acknowledged} acknowledged and {sent} sent")]
    BadCount {
        /// The count.
        count: u64,
        /// The count acknowledged before.
        acknowledged: u64,
        /// The count sent to it.
        sent: u64,
    },
    /// Something follows the close of the stream.
    #[error("something follows its close")]
    AfterClose,
    /// The payload of a handshake message is too short.
    #[error("the payload of a handshake message has {bytes} bytes")]
    ShortPayload {
        /// Bytes of the payload.
        bytes: usize,
    },
}

/// What is wrong with the first bytes of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The first byte begins no session.
    #[error("a session does not begin with the byte {0:#04x}")]
    NoSession(u8),
    /// The first message has a length out of bounds.
    #[error("the first message claims {len} bytes")]
    BadLength {
        /// The length.
        len: u16,
    },
    /// Something follows the first message, before the reply.
    #[error("{bytes} bytes follow the first message before its reply")]
    Early {
        /// How many bytes.
        bytes: usize,
    },
}
