//! Keys of gateways, ids and names of sessions.

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

/// A text that is not a public key of 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has {} hexadecimal digits, and nothing else", 2 * KEY_BYTES)]
pub struct BadKey;

/// Parses the text that `Display` writes.
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

/// A gateway's key pair. The private half is wiped on drop, and `Debug` does not show it.
#[derive(Clone)]
pub struct KeyPair {
    private: Zeroizing<[u8; KEY_BYTES]>,
    public: PublicKey,
}

impl KeyPair {
    /// Generates a new key pair.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut private = Zeroizing::new([0; KEY_BYTES]);
        rng.fill_bytes(&mut *private);
        Self::from_private(*private)
    }

    /// The key pair of a private key: any 32 bytes are one.
    pub fn from_private(private: [u8; KEY_BYTES]) -> Self {
        let public = PublicKey(public_key(&private).unwrap_or_default());
        Self { private: Zeroizing::new(private), public }
    }

    /// The public half.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// The private half. Keep it secret.
    pub fn private_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.private
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The proof of identity that an initiator demands of the acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// None: any acceptor is believed. This protects against passive listeners only.
    Anyone,
    /// The acceptor has the private key of this public key.
    Pinned(PublicKey),
}

/// The id of a secure session, valid for one resume.
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

/// Shows the first four bytes: enough to find the session in a log, too few to resume it.
impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "…")
    }
}

/// The name by which a resume refers to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionName {
    /// The id of its ticket.
    Secure(SessionId),
    /// The ConnID of a legacy session.
    Legacy(u64),
}

/// The names by which a session can be resumed now. Each resume changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names([Option<SessionName>; 2]);

impl Names {
    /// The names of a session that cannot be resumed.
    pub(crate) const NONE: Self = Self([None; 2]);

    /// The current name, and the one in the reply to the next resume.
    pub const fn new(current: SessionName, next: Option<SessionName>) -> Self {
        Self([Some(current), next])
    }

    /// All names, at most two.
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
