//! Layout of legacy handshake messages (`docs/protocol.md` §2).

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::rc4::KEY_BYTES;
use crate::HelloError;

/// First byte of a transport that opens a session.
pub(crate) const NEW: u8 = 0x00;
/// First byte of a transport that resumes a session.
pub(crate) const RECONNECT: u8 = 0xff;
/// `0x00 | public key`
const NEW_BYTES: usize = 1 + 8;
/// `session | written | read`, which the digest covers.
const COUNTS_BYTES: usize = 24;
/// Bytes of a digest.
pub(crate) const DIGEST_BYTES: usize = 16;
/// `0xff | session | written | read | digest`
const RECONNECT_BYTES: usize = 1 + COUNTS_BYTES + DIGEST_BYTES;
/// Bytes of either reply: three numbers.
pub(crate) const REPLY_BYTES: usize = 24;
/// The refusal of a reconnect.
pub(crate) const REFUSAL: [u8; REPLY_BYTES] = [0; REPLY_BYTES];

/// The first message of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    New { public: u64 },
    Reconnect(Reconnect),
}

/// A request to resume a session, with the counts of the initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reconnect {
    pub(crate) session: u64,
    pub(crate) written: u64,
    pub(crate) read: u64,
    digest: [u8; DIGEST_BYTES],
}

impl Hello {
    pub(crate) fn decode(input: &[u8]) -> Result<Option<Self>, HelloError> {
        let needed = match input.first() {
            None => return Ok(None),
            Some(&NEW) => NEW_BYTES,
            Some(&RECONNECT) => RECONNECT_BYTES,
            Some(other) => return Err(HelloError::NoSession(*other)),
        };
        match input.split_at_checked(needed) {
            None => Ok(None),
            Some(([_, fields @ ..], [])) => Ok(Self::of(fields)),
            Some((_, early)) => Err(HelloError::Early { bytes: early.len() }),
        }
    }

    fn of(fields: &[u8]) -> Option<Self> {
        match fields.split_first_chunk() {
            Some((counts, digest)) => {
                let [session, written, read] = decode_numbers(*counts);
                let digest = digest.try_into().ok()?;
                Some(Self::Reconnect(Reconnect { session, written, read, digest }))
            }
            None => fields.first_chunk().map(|public| Self::New { public: u64::from_le_bytes(*public) }),
        }
    }
}

impl Reconnect {
    pub(crate) fn new(session: u64, written: u64, read: u64, key: [u8; KEY_BYTES]) -> Self {
        Self { session, written, read, digest: digest(&encode_numbers(session, written, read), key) }
    }

    /// Whether the digest was made with the session's key. The comparison takes constant time.
    pub(crate) fn is_made_with(&self, key: [u8; KEY_BYTES]) -> bool {
        Self::new(self.session, self.written, self.read, key).digest.ct_eq(&self.digest).into()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&[RECONNECT][..], &encode_numbers(self.session, self.written, self.read), &self.digest].concat()
    }
}

pub(crate) fn new_session(public: u64) -> Vec<u8> {
    [&[NEW][..], &public.to_le_bytes()].concat()
}

/// The answer to a challenge.
pub(crate) fn proof(challenge: u64, key: [u8; KEY_BYTES]) -> [u8; DIGEST_BYTES] {
    digest(&challenge.to_le_bytes(), key)
}

fn digest(message: &[u8], key: [u8; KEY_BYTES]) -> [u8; DIGEST_BYTES] {
    Md5::new().chain_update(message).chain_update(key).finalize().into()
}

/// Three numbers, the layout of both replies.
pub(crate) fn encode_numbers(first: u64, second: u64, third: u64) -> [u8; REPLY_BYTES] {
    let mut bytes = [0; REPLY_BYTES];
    let (fields, _) = bytes.as_chunks_mut::<8>();
    for (field, number) in fields.iter_mut().zip([first, second, third]) {
        *field = number.to_le_bytes();
    }
    bytes
}

pub(crate) fn decode_numbers(bytes: [u8; REPLY_BYTES]) -> [u64; 3] {
    let (numbers, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|at| numbers.get(at).map_or(0, |number| u64::from_le_bytes(*number)))
}
