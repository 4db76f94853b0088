//! Faults of a peer that are not faults of the network: what carries them was authentic.

/// How an authentic message breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The plaintext of a record is none of those in `docs/protocol.md` §3.2.
    #[error("a record of {bytes} bytes makes no sense")]
    BadRecord {
        /// Bytes of its plaintext.
        bytes: usize,
    },
    /// A count is not within what was acknowledged and what was sent.
    #[error("it counts {count} bytes as received, of {acknowledged} acknowledged and {sent} sent")]
    BadCount {
        /// The count.
        count: u64,
        /// What it had acknowledged before.
        acknowledged: u64,
        /// What was sent to it.
        sent: u64,
    },
    /// Something follows a close.
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
    /// They begin no session.
    #[error("a session does not begin with the byte {0:#04x}")]
    NoSession(u8),
    /// The first message claims a length that none has.
    #[error("the first message claims {len} bytes")]
    BadLength {
        /// The length.
        len: u16,
    },
    /// Something follows the first message, which nobody can send before the reply.
    #[error("{bytes} bytes follow the first message before its reply")]
    Early {
        /// How many bytes.
        bytes: usize,
    },
}
