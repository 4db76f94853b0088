//! Layout of the handshake messages of secure sessions (`docs/protocol.md` §3.1).

use std::time::Duration;

use zeroize::Zeroizing;

use super::noise::MAX_MESSAGE_BYTES;
use crate::sizes::{KEY_BYTES, SESSION_ID_BYTES};
use crate::{HelloError, SessionError, SessionId, Status};

/// First byte of a transport that opens a session.
pub(crate) const OPEN: u8 = 0x01;
/// First byte of a transport that resumes one.
pub(crate) const RESUME: u8 = 0x02;

const LABEL: &[u8] = b"fastway session 1";
const LEN_BYTES: usize = 2;
/// `0x01 | pattern | len`
const OPEN_HEAD_BYTES: usize = 2 + LEN_BYTES;
/// `0x02 | session id | attempt | len`
const RESUME_HEAD_BYTES: usize = 1 + SESSION_ID_BYTES + 4 + LEN_BYTES;
/// `status | len`
const REPLY_HEAD_BYTES: usize = 1 + LEN_BYTES;
/// `status | retry-after`
const OVERLOADED_BYTES: usize = 1 + 2;

/// The credentials for one resume.
#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) id: SessionId,
    pub(crate) secret: Zeroizing<[u8; KEY_BYTES]>,
}

const TICKET_BYTES: usize = SESSION_ID_BYTES + KEY_BYTES;

impl Ticket {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&*self.secret);
    }

    fn decode(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (ticket, rest) = payload.split_first_chunk::<TICKET_BYTES>()?;
        let (id, secret) = ticket.split_first_chunk::<SESSION_ID_BYTES>()?;
        let secret = Zeroizing::new(secret.try_into().ok()?);
        Some((Self { id: SessionId::new(*id), secret }, rest))
    }
}

/// The first message of a resume.
#[derive(Debug)]
pub(crate) struct SecureResume<'a> {
    pub(crate) id: SessionId,
    pub(crate) attempt: u32,
    pub(crate) head: &'a [u8],
    pub(crate) message: &'a [u8],
}

/// The bytes before noise message 1 of an open.
pub(crate) fn open_head(pattern: u8, message_bytes: u16) -> [u8; OPEN_HEAD_BYTES] {
    let [l0, l1] = message_bytes.to_le_bytes();
    [OPEN, pattern, l0, l1]
}

/// The bytes before noise message 1 of a resume.
pub(crate) fn resume_head(id: SessionId, attempt: u32, message_bytes: u16) -> Vec<u8> {
    let head = [&[RESUME][..], id.as_bytes(), &attempt.to_le_bytes(), &message_bytes.to_le_bytes()].concat();
    debug_assert_eq!(head.len(), RESUME_HEAD_BYTES, "the layout has a fixed length");
    head
}

/// The prologue of a handshake.
pub(crate) fn prologue(head: &[u8]) -> Vec<u8> {
    [LABEL, head].concat()
}

/// The first message of a transport, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hello<'a> {
    Open { pattern: u8, head: &'a [u8], message: &'a [u8] },
    Resume { id: SessionId, attempt: u32, head: &'a [u8], message: &'a [u8] },
}

impl<'a> Hello<'a> {
    /// Decodes the first message; `None` while it is incomplete.
    pub(crate) fn decode(input: &'a [u8]) -> Result<Option<Self>, HelloError> {
        let Some(kind) = input.first() else { return Ok(None) };
        let head_bytes = match *kind {
            OPEN => OPEN_HEAD_BYTES,
            RESUME => RESUME_HEAD_BYTES,
            other => return Err(HelloError::NoSession(other)),
        };

        let Some((head, rest)) = input.split_at_checked(head_bytes) else { return Ok(None) };
        let [.., l0, l1] = *head else { return Ok(None) };
        let len = u16::from_le_bytes([l0, l1]);
        if usize::from(len) > MAX_MESSAGE_BYTES {
            return Err(HelloError::BadLength { len });
        }

        match rest.split_at_checked(usize::from(len)) {
            None => Ok(None),
            Some((message, [])) => Ok(Self::of(head, message)),
            Some((_, early)) => Err(HelloError::Early { bytes: early.len() }),
        }
    }

    fn of(head: &'a [u8], message: &'a [u8]) -> Option<Self> {
        match head {
            [OPEN, pattern, ..] => Some(Self::Open { pattern: *pattern, head, message }),
            [_, fields @ ..] => {
                let (id, fields) = fields.split_first_chunk()?;
                let attempt = u32::from_le_bytes(*fields.first_chunk()?);
                Some(Self::Resume { id: SessionId::new(*id), attempt, head, message })
            }
            [] => None,
        }
    }
}

/// A reply that goes on with a handshake.
pub(crate) fn reply(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).unwrap_or_default().to_le_bytes();
    [&[Status::OK][..], &len, message].concat()
}

/// The refusal that says when to come again; at most 65 s from now.
pub(crate) fn overloaded(retry_after: Duration) -> [u8; OVERLOADED_BYTES] {
    let millis = u16::try_from(retry_after.as_millis()).unwrap_or(u16::MAX);
    let [m0, m1] = millis.to_le_bytes();
    [Status::Overloaded as u8, m0, m1]
}

/// The acceptor's reply, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// The handshake goes on; `taken` bytes of the input were the reply.
    Message {
        message: &'a [u8],
        taken: usize,
    },
    Refused(u8),
    /// A refusal that says when to come again.
    Overloaded {
        retry_after: Duration,
    },
}

impl<'a> Reply<'a> {
    /// Decodes the reply at the front of `input`; `None` while it is incomplete. The error is a length out of bounds.
    pub(crate) fn decode(input: &'a [u8]) -> Result<Option<Self>, u16> {
        let Some(status) = input.first() else { return Ok(None) };

        if Self::is_overloaded(input) {
            let Some(([_, m0, m1], _)) = input.split_first_chunk::<OVERLOADED_BYTES>() else { return Ok(None) };
            let retry_after = Duration::from_millis(u16::from_le_bytes([*m0, *m1]).into());
            return Ok(Some(Self::Overloaded { retry_after }));
        }

        if *status != Status::OK {
            return Ok(Some(Self::Refused(*status)));
        }

        let Some(([_, l0, l1], rest)) = input.split_first_chunk::<REPLY_HEAD_BYTES>() else { return Ok(None) };
        let len = u16::from_le_bytes([*l0, *l1]);
        if usize::from(len) > MAX_MESSAGE_BYTES {
            return Err(len);
        }

        let message = rest.get(..usize::from(len));
        Ok(message.map(|message| Self::Message { message, taken: REPLY_HEAD_BYTES + message.len() }))
    }

    /// Whether a reply that may be there in part says that the acceptor is overloaded. One of an older version ends there,
    /// and does not say when to come again.
    pub(crate) fn is_overloaded(input: &[u8]) -> bool {
        input.first() == Some(&(Status::Overloaded as u8))
    }
}

/// Payload of the reply to an open.
pub(crate) struct Opened {
    pub(crate) ticket: Ticket,
    pub(crate) wait_seconds: u32,
}

impl Opened {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut payload = Zeroizing::new(Vec::with_capacity(TICKET_BYTES + 4));
        self.ticket.encode(&mut payload);
        payload.extend_from_slice(&self.wait_seconds.to_le_bytes());
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, SessionError> {
        let short = SessionError::ShortPayload { bytes: payload.len() };
        let (ticket, rest) = Ticket::decode(payload).ok_or(short)?;
        let wait_seconds = u32::from_le_bytes(*rest.first_chunk().ok_or(short)?);
        Ok(Self { ticket, wait_seconds })
    }
}

/// Payload of the reply to a resume.
pub(crate) struct Resumed {
    pub(crate) ticket: Ticket,
    pub(crate) received: u64,
}

impl Resumed {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut payload = Zeroizing::new(Vec::with_capacity(TICKET_BYTES + 8));
        self.ticket.encode(&mut payload);
        payload.extend_from_slice(&self.received.to_le_bytes());
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, SessionError> {
        let short = SessionError::ShortPayload { bytes: payload.len() };
        let (ticket, rest) = Ticket::decode(payload).ok_or(short)?;
        Ok(Self { ticket, received: decode_received(rest).map_err(|_| short)? })
    }
}

/// Payload of noise message 1 of a resume.
pub(crate) fn decode_received(payload: &[u8]) -> Result<u64, SessionError> {
    let received = payload.first_chunk().ok_or(SessionError::ShortPayload { bytes: payload.len() })?;
    Ok(u64::from_le_bytes(*received))
}
