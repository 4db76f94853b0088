//! The Noise handshakes of `docs/protocol.md` §3.1, by `snow`; their ciphers and hashes are ring's.

use rand_core::CryptoRng;
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::record::CipherKey;
use crate::sizes::KEY_BYTES;

/// Most bytes of a noise message in either direction.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024;

/// A handshake failed: a message of the other end is not authentic, or too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl From<snow::Error> for Failed {
    fn from(_: snow::Error) -> Self {
        Self
    }
}

/// The pattern of a handshake, with the keys of one side.
pub(crate) enum Pattern<'a> {
    /// Nobody proves anything.
    Nn,
    /// The responder proves that it has the private key; this is the initiator.
    NkInitiator { public: &'a [u8; KEY_BYTES] },
    /// The responder proves that it has the private key; this is the responder.
    NkResponder { private: &'a [u8; KEY_BYTES] },
    /// Both prove that they have the secret.
    NnPsk0 { secret: &'a [u8; KEY_BYTES] },
}

/// The keys of a transport.
pub(crate) struct TransportKeys {
    pub(crate) sealing: CipherKey,
    pub(crate) opening: CipherKey,
}

/// A handshake in progress.
pub(crate) struct Handshake(Box<HandshakeState>);

impl Handshake {
    /// The initiator's side.
    pub(crate) fn initiator(pattern: &Pattern<'_>, prologue: &[u8], rng: &mut impl CryptoRng) -> Result<Self, Failed> {
        Ok(Self(Box::new(builder(pattern, rng)?.prologue(prologue)?.build_initiator()?)))
    }

    /// The responder's side.
    pub(crate) fn responder(pattern: &Pattern<'_>, prologue: &[u8], rng: &mut impl CryptoRng) -> Result<Self, Failed> {
        Ok(Self(Box::new(builder(pattern, rng)?.prologue(prologue)?.build_responder()?)))
    }

    /// Writes the next message.
    pub(crate) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut message = vec![0; MAX_MESSAGE_BYTES];
        let written = self.0.write_message(payload, &mut message)?;
        message.truncate(written);
        Ok(message)
    }

    /// Reads the other end's message, and returns its payload.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let mut payload = Zeroizing::new(vec![0; message.len()]);
        let read = self.0.read_message(message, &mut payload)?;
        payload.truncate(read);
        Ok(payload)
    }

    /// The keys, once both messages are read.
    pub(crate) fn split(mut self) -> Result<TransportKeys, Failed> {
        if !self.0.is_handshake_finished() {
            return Err(Failed);
        }

        let (initiators, responders) = self.0.dangerously_get_raw_split();
        let [sealing, opening] = match self.0.is_initiator() {
            true => [initiators, responders],
            false => [responders, initiators],
        };

        Ok(TransportKeys { sealing: CipherKey::new(sealing), opening: CipherKey::new(opening) })
    }
}

fn builder<'a>(pattern: &Pattern<'a>, rng: &mut impl CryptoRng) -> Result<Builder<'a>, Failed> {
    let name = match pattern {
        Pattern::Nn => "Noise_NN_25519_ChaChaPoly_SHA256",
        Pattern::NkInitiator { .. } | Pattern::NkResponder { .. } => "Noise_NK_25519_ChaChaPoly_SHA256",
        Pattern::NnPsk0 { .. } => "Noise_NNpsk0_25519_ChaChaPoly_SHA256",
    };

    let params: NoiseParams = name.parse()?;

    let mut ephemeral = Zeroizing::new([0; KEY_BYTES]);
    rng.fill_bytes(&mut *ephemeral);
    let builder = Builder::with_resolver(params, Box::new(Resolver { ephemeral }));

    Ok(match *pattern {
        Pattern::Nn => builder,
        Pattern::NkInitiator { public } => builder.remote_public_key(public)?,
        Pattern::NkResponder { private } => builder.local_private_key(private)?,
        Pattern::NnPsk0 { secret } => builder.psk(0, secret)?,
    })
}

/// The public key that belongs to a private one.
pub(crate) fn public_key(private: &[u8; KEY_BYTES]) -> Option<[u8; KEY_BYTES]> {
    let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519)?;
    dh.set(private);
    dh.pubkey().try_into().ok()
}

/// Gives `snow` the randomness that the caller drew, so that a test owns it.
struct Resolver {
    ephemeral: Zeroizing<[u8; KEY_BYTES]>,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        RingResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        RingResolver.resolve_cipher(choice)
    }
}

/// Random bytes for one ephemeral key; asked for a second one, it fails rather than repeat itself.
struct Once(Option<Zeroizing<[u8; KEY_BYTES]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let bytes = self.0.take().ok_or(snow::Error::Rng)?;
        if dest.len() != bytes.len() {
            return Err(snow::Error::Rng);
        }
        dest.copy_from_slice(&*bytes);
        Ok(())
    }
}
