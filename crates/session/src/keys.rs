//! Keys of the gateway, ids of sessions, and what an end is told at its start.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::secure::noise::public_key;
use crate::sizes::{KEY_BYTES, SESSION_ID_BYTES};

/// The gateway's public key, which initiators pin.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// Wraps the bytes.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// A text that is no key: a key is written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has {} hexadecimal digits, and nothing else", 2 * KEY_BYTES)]
pub struct BadKey;

/// Reads what its `Display` writes.
impl std::str::FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(BadKey) };
        let pairs: &[_; KEY_BYTES] = pairs.try_into().map_err(|_| BadKey)?;
        let mut key = [0; KEY_BYTES];
        for (byte, [high, low]) in key.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(key))
    }
}

fn digit(text: u8) -> Result<u8, BadKey> {
    let value = char::from(text).to_digit(16).ok_or(BadKey)?;
    u8::try_from(value).map_err(|_| BadKey)
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The gateway's key pair. The private half is wiped when it is dropped, and never shown.
#[derive(Clone)]
pub struct KeyPair {
    private: Zeroizing<[u8; KEY_BYTES]>,
    public: PublicKey,
}

impl KeyPair {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut private = Zeroizing::new([0; KEY_BYTES]);
        rng.fill_bytes(&mut *private);
        Self::from_private(*private)
    }

    /// The one with this private key: any 32 bytes are one.
    pub fn from_private(private: [u8; KEY_BYTES]) -> Self {
        let public = PublicKey(public_key(&private).unwrap_or_default());
        Self { private: Zeroizing::new(private), public }
    }

    /// The half to give away.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// The half to keep.
    pub fn private_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.private
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// What an initiator demands of the acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nothing: whoever answers is believed. It helps against listeners only.
    Anyone,
    /// That it has the private key to this one.
    Pinned(PublicKey),
}

/// The id of a secure session, for one resume.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; SESSION_ID_BYTES]);

impl SessionId {
    /// Wraps the bytes.
    pub const fn new(bytes: [u8; SESSION_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; SESSION_ID_BYTES] {
        &self.0
    }
}

/// The first four bytes: enough to find it in a log, too little to resume.
impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "…")
    }
}

/// How a resume names a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionName {
    /// By the id of a ticket.
    Secure(SessionId),
    /// By the number that it was given.
    Legacy(u64),
}

/// The names by which a session can be resumed now. They change with each resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names([Option<SessionName>; 2]);

impl Names {
    /// Those of a session that cannot be resumed from outside.
    pub(crate) const NONE: Self = Self([None; 2]);

    /// The name that counts now, and the one that the next resume makes valid.
    pub const fn new(current: SessionName, next: Option<SessionName>) -> Self {
        Self([Some(current), next])
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = SessionName> + '_ {
        self.0.iter().flatten().copied()
    }

    /// Whether this is one of them.
    pub fn contains(&self, name: SessionName) -> bool {
        self.iter().any(|one| one == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_read_as_it_is_written_and_nothing_else_is() {
        let key = KeyPair::from_private([9; KEY_BYTES]).public();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse(), Ok(key));
        let text = key.to_string();
        for wrong in ["", &text[1..], &format!("{text}00"), &text.replacen(&text[..1], "+", 1), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(BadKey), "{wrong}");
        }
    }
}
