//! The handshake on the server port, before the first frame (`docs/protocol.md`, "Server handshake").
//!
//! ```text
//! gateway -> server   | challenge, 8 random bytes |
//!                     0                           16             20
//! server -> gateway   | MD5(challenge, then key)  | ServerID u32 |
//! ```

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::ServerId;

/// Bytes of the challenge, which the gateway sends first.
pub const CHALLENGE_BYTES: usize = 8;
/// Bytes of the proof at the front of a response.
pub const DIGEST_BYTES: usize = 16;
/// Bytes of a server's response: the proof and its ServerID.
pub const RESPONSE_BYTES: usize = DIGEST_BYTES + 4;

/// The gateway's challenge on one link of the server port. Its bytes must be random, and used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge([u8; CHALLENGE_BYTES]);

impl Challenge {
    /// Wraps the bytes that were drawn (gateway) or received (server).
    pub const fn new(bytes: [u8; CHALLENGE_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to send.
    pub const fn as_bytes(&self) -> &[u8; CHALLENGE_BYTES] {
        &self.0
    }

    /// The server's response: a proof that it knows `key`, and its ID.
    pub fn respond(&self, key: &[u8], server: ServerId) -> [u8; RESPONSE_BYTES] {
        let mut response = [0; RESPONSE_BYTES];
        let [digest @ .., s0, s1, s2, s3] = &mut response;
        *digest = self.digest(key);
        [*s0, *s1, *s2, *s3] = server.get().to_le_bytes();
        response
    }

    /// The gateway's check of a response. The comparison takes constant time.
    ///
    /// The proof does not cover the ServerID: a server with the key may register with any ID.
    ///
    /// # Errors
    /// The proof was made with another key or for another challenge.
    pub fn verify(&self, key: &[u8], response: &[u8; RESPONSE_BYTES]) -> Result<ServerId, HandshakeError> {
        let [digest @ .., s0, s1, s2, s3] = response;
        let server = ServerId::new(u32::from_le_bytes([*s0, *s1, *s2, *s3]));
        match bool::from(self.digest(key).ct_eq(digest)) {
            true => Ok(server),
            false => Err(HandshakeError::WrongKey { claimed: server }),
        }
    }

    fn digest(&self, key: &[u8]) -> [u8; DIGEST_BYTES] {
        Md5::new().chain_update(self.0).chain_update(key).finalize().into()
    }
}

/// The reason to refuse a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The proof does not match the gateway's key.
    #[error(
        "the peer, which calls itself server {claimed}, has another server key; give it and the gateway the same one"
    )]
    WrongKey {
        /// The ServerID in the response. It is not authenticated.
        claimed: ServerId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: Challenge = Challenge::new([1, 2, 3, 4, 5, 6, 7, 8]);

    /// `printf '\1\2\3\4\5\6\7\10secret' | md5sum`
    const DIGEST: [u8; DIGEST_BYTES] =
        [0xad, 0xcf, 0xa1, 0x21, 0x16, 0x93, 0xe4, 0x37, 0x4b, 0x11, 0x14, 0x06, 0xc6, 0x21, 0x70, 0xc5];

    #[test]
    fn the_answer_is_the_digest_and_the_server_id() {
        let response = CHALLENGE.respond(b"secret", ServerId::new(0x0403_0201));
        assert_eq!(response, *[&DIGEST[..], &[1, 2, 3, 4]].concat());
    }

    #[test]
    fn the_same_key_is_let_in() {
        for server in [0, 1, u32::MAX].map(ServerId::new) {
            assert_eq!(CHALLENGE.verify(b"", &CHALLENGE.respond(b"", server)), Ok(server));
        }
    }

    #[test]
    fn another_key_or_challenge_is_not() {
        let response = CHALLENGE.respond(b"secret", ServerId::new(7));
        let refused = Err(HandshakeError::WrongKey { claimed: ServerId::new(7) });
        assert_eq!(CHALLENGE.verify(b"Secret", &response), refused);
        assert_eq!(CHALLENGE.verify(b"", &response), refused);
        assert_eq!(Challenge::new([0; 8]).verify(b"secret", &response), refused);
    }

    #[test]
    fn every_bit_of_the_proof_counts() {
        for bit in 0..DIGEST_BYTES * 8 {
            let mut response = CHALLENGE.respond(b"secret", ServerId::new(7));
            response[bit / 8] ^= 1 << (bit % 8);
            assert!(CHALLENGE.verify(b"secret", &response).is_err(), "bit {bit}");
        }
    }
}
