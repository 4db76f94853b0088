//! Layout and encryption of records (`docs/protocol.md` §3.2).
//!
//! The kind of a record is its last byte, not its first. So records can be opened in place, each at the end of the one
//! before, and the bytes of the stream end up side by side.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::sizes::KEY_BYTES;
use crate::{AbortReason, SessionError};

/// Bytes of the length in front of a ciphertext.
pub(crate) const LEN_BYTES: usize = 2;
/// Bytes of the authentication tag, at the end of a ciphertext.
pub(crate) const TAG_BYTES: usize = 16;
/// Most bytes of a ciphertext. A receiver must keep a record until all of it is there, as nothing can be decrypted
/// before.
pub const MAX_CIPHERTEXT_BYTES: usize = 16_384;
/// Fewest bytes of a ciphertext: the tag and the kind.
pub const MIN_CIPHERTEXT_BYTES: usize = TAG_BYTES + 1;
/// Most bytes of a record on the wire.
pub const MAX_RECORD_BYTES: usize = LEN_BYTES + MAX_CIPHERTEXT_BYTES;

const NONCE_BYTES: usize = 12;
const COUNT_BYTES: usize = 8;

const DATA: u8 = 0;
const ACK: u8 = 1;
const CLOSE: u8 = 2;
const ABORT: u8 = 3;

/// The key of one direction of one transport. ring's expanded key is 17 times as large, and takes a fifth of the time
/// of a small record to make. So it is made for each batch of records, and idle sessions do not keep it.
pub(crate) struct CipherKey {
    key: Zeroizing<[u8; KEY_BYTES]>,
    /// Nonces used so far; the next nonce.
    used: u64,
}

/// The last nonce is reserved by Noise.
const NONCES: u64 = u64::MAX;

impl CipherKey {
    pub(crate) fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key: Zeroizing::new(key), used: 0 }
    }

    /// Expands the key to seal or open several records. `None` means that ring refuses the key's length, which cannot
    /// happen.
    pub(crate) fn batch(&mut self) -> Option<Batch<'_>> {
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*self.key).ok()?);
        #[cfg(test)]
        let fingerprint = *self.key;
        Some(Batch {
            key,
            used: &mut self.used,
            #[cfg(test)]
            fingerprint,
        })
    }
}

/// A key in use. A nonce is counted before it is used, so none is used twice.
pub(crate) struct Batch<'a> {
    key: LessSafeKey,
    used: &'a mut u64,
    #[cfg(test)]
    fingerprint: [u8; KEY_BYTES],
}

/// A record could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordFault {
    /// It was altered, or is out of order.
    NotAuthentic,
    /// All nonces are used, or the plaintext is too long.
    WornOut,
}

impl Batch<'_> {
    fn nonce(&mut self) -> Result<Nonce, RecordFault> {
        let number = *self.used;
        if number == NONCES {
            return Err(RecordFault::WornOut);
        }

        *self.used = number + 1;
        let mut bytes = [0; NONCE_BYTES];
        if let Some(counter) = bytes.last_chunk_mut() {
            *counter = number.to_le_bytes();
        }

        Ok(Nonce::assume_unique_for_key(bytes))
    }

    /// Appends a record to `out`: `bytes` bytes of the stream, written by `fill`, and a trailer.
    pub(crate) fn seal(
        &mut self,
        out: &mut Vec<u8>,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]),
        trailer: Trailer,
    ) -> Result<(), RecordFault> {
        let (trailer, trailer_bytes) = trailer.encode();
        let start = begin(out, bytes + trailer_bytes)?;

        out.resize(start + bytes, 0);
        fill(out.get_mut(start..).unwrap_or_default());
        out.extend_from_slice(trailer.get(..trailer_bytes).unwrap_or_default());

        self.finish(out, start)
    }

    #[cfg(test)]
    pub(crate) fn seal_plaintext(&mut self, out: &mut Vec<u8>, plaintext: &[u8]) -> Result<(), RecordFault> {
        let start = begin(out, plaintext.len())?;
        out.extend_from_slice(plaintext);
        self.finish(out, start)
    }

    /// Encrypts the plaintext from `start` on, and appends the tag.
    fn finish(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), RecordFault> {
        let nonce = self.nonce()?;
        #[cfg(test)]
        crate::tests::ledger::sealed(&self.fingerprint, *self.used - 1);
        let plaintext = out.get_mut(start..).unwrap_or_default();
        #[cfg(test)]
        let copy = plaintext.to_vec();
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), plaintext);
        let tag = sealed.map_err(|_| RecordFault::WornOut)?;
        #[cfg(test)]
        crate::tests::ledger::keep(tag.as_ref(), copy);
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Decrypts `place[start..]` to the front of `place`. Returns the length of the plaintext.
    pub(crate) fn open(&mut self, place: &mut [u8], start: usize) -> Result<usize, RecordFault> {
        let nonce = self.nonce()?;
        let opened = self.key.open_within(nonce, Aad::empty(), place, start..);
        opened.map(|plaintext| plaintext.len()).map_err(|_| RecordFault::NotAuthentic)
    }
}

/// Appends the length of a record. Returns where its plaintext begins.
fn begin(out: &mut Vec<u8>, plaintext_bytes: usize) -> Result<usize, RecordFault> {
    let ciphertext_bytes = plaintext_bytes + TAG_BYTES;
    let len = u16::try_from(ciphertext_bytes).map_err(|_| RecordFault::WornOut)?;
    out.reserve(LEN_BYTES + ciphertext_bytes);
    out.extend_from_slice(&len.to_le_bytes());
    Ok(out.len())
}

/// The end of a plaintext: what the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trailer {
    /// The bytes before it belong to the stream.
    Data,
    /// Count of received bytes. Bytes of the stream may precede it.
    Ack { received: u64 },
    /// The stream of this direction ends.
    Close,
    /// The session is over.
    Abort(AbortReason),
}

const MAX_TRAILER_BYTES: usize = COUNT_BYTES + 1;

impl Trailer {
    fn encode(self) -> ([u8; MAX_TRAILER_BYTES], usize) {
        match self {
            Self::Data => ([DATA, 0, 0, 0, 0, 0, 0, 0, 0], 1),
            Self::Ack { received } => {
                let [r0, r1, r2, r3, r4, r5, r6, r7] = received.to_le_bytes();
                ([r0, r1, r2, r3, r4, r5, r6, r7, ACK], MAX_TRAILER_BYTES)
            }
            Self::Close => ([CLOSE, 0, 0, 0, 0, 0, 0, 0, 0], 1),
            Self::Abort(reason) => ([reason.to_byte(), ABORT, 0, 0, 0, 0, 0, 0, 0], 2),
        }
    }

    /// The trailer of a plaintext, and the number of the stream's bytes before it.
    pub(crate) fn decode(plaintext: &[u8]) -> Result<(Self, usize), SessionError> {
        let bad = SessionError::BadRecord { bytes: plaintext.len() };
        let (kind, body) = plaintext.split_last().ok_or(bad)?;
        // An empty data record has no purpose and could be sent without end, so it is an error.
        match (*kind, body) {
            (DATA, [_, ..]) => Ok((Self::Data, body.len())),
            (ACK, _) => {
                let (bytes, count) = body.split_last_chunk::<COUNT_BYTES>().ok_or(bad)?;
                Ok((Self::Ack { received: u64::from_le_bytes(*count) }, bytes.len()))
            }
            (CLOSE, []) => Ok((Self::Close, 0)),
            (ABORT, [reason]) => Ok((Self::Abort(AbortReason::from_byte(*reason)), 0)),
            _ => Err(bad),
        }
    }
}

/// Most bytes of the stream in one record.
pub(crate) const fn most_stream_bytes(with_ack: bool) -> usize {
    MAX_CIPHERTEXT_BYTES - TAG_BYTES - if with_ack { MAX_TRAILER_BYTES } else { 1 }
}

/// A length in front of a ciphertext that is out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength(pub(crate) u16);

/// Bytes of the ciphertext at the front of `input`; `None` until its length is there.
pub(crate) fn ciphertext_bytes(input: &[u8]) -> Result<Option<usize>, BadLength> {
    let Some(len) = input.first_chunk() else { return Ok(None) };
    let len = u16::from_le_bytes(*len);
    match usize::from(len) {
        bytes @ MIN_CIPHERTEXT_BYTES..=MAX_CIPHERTEXT_BYTES => Ok(Some(bytes)),
        _ => Err(BadLength(len)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CipherKey {
        CipherKey::new(rand::random())
    }

    fn with_key(key: &CipherKey) -> CipherKey {
        CipherKey::new(*key.key)
    }

    #[test]
    fn records_open_in_place_one_behind_the_other() {
        let mut sealing = key();
        let mut opening = with_key(&sealing);
        let mut wire = Vec::new();
        let mut batch = sealing.batch().unwrap();
        batch.seal(&mut wire, 5, |to| to.copy_from_slice(b"hello"), Trailer::Ack { received: 7 }).unwrap();
        let first = wire.len();
        batch.seal(&mut wire, 6, |to| to.copy_from_slice(b" world"), Trailer::Data).unwrap();

        let mut batch = opening.batch().unwrap();
        let opened = batch.open(&mut wire[..first], LEN_BYTES).unwrap();
        assert_eq!(Trailer::decode(&wire[..opened]), Ok((Trailer::Ack { received: 7 }, 5)));
        let opened = batch.open(&mut wire[5..], first - 5 + LEN_BYTES).unwrap();
        assert_eq!(Trailer::decode(&wire[5..5 + opened]), Ok((Trailer::Data, 6)));
        assert_eq!(&wire[..11], b"hello world");
    }

    #[test]
    fn a_record_opens_only_at_its_place() {
        let mut sealing = key();
        let mut wire = Vec::new();
        sealing.batch().unwrap().seal(&mut wire, 1, |_| (), Trailer::Data).unwrap();
        let mut opening = with_key(&sealing);
        assert!(opening.batch().unwrap().open(&mut wire.clone(), LEN_BYTES).is_ok());
        assert_eq!(opening.batch().unwrap().open(&mut wire, LEN_BYTES), Err(RecordFault::NotAuthentic));
    }

    #[test]
    fn a_key_wears_out_before_a_nonce_repeats() {
        let mut worn = CipherKey { used: NONCES, ..key() };
        let mut out = Vec::new();
        assert_eq!(worn.batch().unwrap().seal(&mut out, 0, |_| (), Trailer::Close), Err(RecordFault::WornOut));
        assert_eq!(worn.batch().unwrap().open(&mut [0; 40], LEN_BYTES), Err(RecordFault::WornOut));
        assert_eq!(worn.used, NONCES);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for bad in [&[][..], &[DATA], &[0; 8], &[1, CLOSE], &[ABORT], &[0, 0, ABORT], &[4], &[1, 0xff], &[1, ACK]] {
            let verdict = Trailer::decode(bad);
            let makes_sense = bad == [0; 8];
            assert_eq!(verdict.is_ok(), makes_sense, "{bad:?}: {verdict:?}");
        }
    }

    #[test]
    fn lengths_have_bounds() {
        let of = |len: u16| ciphertext_bytes(&len.to_le_bytes());
        assert_eq!(of(16), Err(BadLength(16)));
        assert_eq!(of(17), Ok(Some(17)));
        assert_eq!(of(16_384), Ok(Some(16_384)));
        assert_eq!(of(16_385), Err(BadLength(16_385)));
        assert_eq!(ciphertext_bytes(&[0xff]), Ok(None));
    }

    #[test]
    fn the_largest_record_is_as_large_as_it_may_be() {
        for (trailer, with_ack) in [(Trailer::Data, false), (Trailer::Ack { received: u64::MAX }, true)] {
            let mut out = Vec::new();
            key().batch().unwrap().seal(&mut out, most_stream_bytes(with_ack), |_| (), trailer).unwrap();
            assert_eq!(out.len(), MAX_RECORD_BYTES);
            assert_eq!(ciphertext_bytes(&out), Ok(Some(MAX_CIPHERTEXT_BYTES)));
        }
    }
}
