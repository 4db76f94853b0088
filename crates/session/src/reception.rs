//! The first bytes of a transport, at the acceptor.

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

use crate::legacy::{LegacySession, message as legacy};

use crate::secure::{SecureResume, SecureSession, message as secure};
use crate::{Dial, HelloError, KeyPair, Session, SessionName, Status};

/// What a link is, by its first byte (`docs/protocol.md` §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// The mux protocol, in the open.
    Plain,
    /// A secure session.
    Secure,
    /// A legacy session.
    Legacy,
}

impl LinkKind {
    /// What the first byte says.
    pub const fn of(first_byte: u8) -> Self {
        match first_byte {
            secure::OPEN | secure::RESUME => Self::Secure,
            legacy::NEW | legacy::RECONNECT => Self::Legacy,
            _ => Self::Plain,
        }
    }
}

/// Who proves what when a secure session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Nobody proves anything.
    Nn,
    /// The acceptor proves that it is the one whose public key the initiator knows.
    Nk,
}

impl Pattern {
    pub(crate) const fn to_byte(self) -> u8 {
        match self {
            Self::Nn => 0,
            Self::Nk => 1,
        }
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Nn),
            1 => Some(Self::Nk),
            _ => None,
        }
    }
}

/// Times and bounds of an acceptor's sessions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Within which a transport must be proven, after its reply was made.
    pub handshake_time: Duration,
    /// For how long a session waits without a transport.
    pub wait: Duration,
    /// What legacy sessions are told.
    pub legacy: LegacyConfig,
}

/// How a legacy session is spoken: both ends have to be set alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyConfig {
    /// Whether the stream is encrypted, and not just the session's number.
    pub encrypt: bool,
    /// How many of the last bytes sent are kept to be sent again.
    pub replay_bytes: usize,
}

/// Collects the first message of a transport. It keeps as much as has come, and never more than the longest message.
#[derive(Debug, Default)]
pub struct Reception {
    bytes: Vec<u8>,
}

/// What the first message asks for.
#[derive(Debug)]
pub enum Request {
    /// A new session.
    Open(Open),
    /// To go on with one.
    Resume(Resume),
}

impl Reception {
    /// Takes what came, and says what it asks for when all of it is there. Nobody can send more before the reply.
    ///
    /// # Errors
    /// It asks for nothing: close the transport.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Request>, HelloError> {
        self.bytes.extend_from_slice(bytes);
        let Some(first) = self.bytes.first() else { return Ok(None) };
        match LinkKind::of(*first) {
            LinkKind::Plain => Err(HelloError::NoSession(*first)),
            LinkKind::Secure => {
                let is_whole = secure::Hello::decode(&self.bytes)?.is_some();
                Ok(is_whole.then(|| Request::secure(std::mem::take(&mut self.bytes))))
            }
            LinkKind::Legacy => Ok(legacy::Hello::decode(&self.bytes)?.map(Request::legacy)),
        }
    }

    /// Bytes that wait for the rest.
    pub fn waiting_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// A wish for a new session.
#[derive(Debug)]
pub struct Open(OpenKind);

#[derive(Debug)]
enum OpenKind {
    Secure(Vec<u8>),
    Legacy { public: u64 },
}

/// A wish to go on with a session.
#[derive(Debug)]
pub struct Resume(ResumeKind);

#[derive(Debug)]
enum ResumeKind {
    Secure { id: crate::SessionId, hello: Vec<u8> },
    Legacy(legacy::Reconnect),
}

impl Request {
    /// The kind of the session.
    pub const fn kind(&self) -> LinkKind {
        match self {
            Self::Open(open) => open.kind(),
            Self::Resume(resume) => resume.kind(),
        }
    }

    fn secure(hello: Vec<u8>) -> Self {
        match secure::Hello::decode(&hello) {
            Ok(Some(secure::Hello::Resume { id, .. })) => Self::Resume(Resume(ResumeKind::Secure { id, hello })),
            _ => Self::Open(Open(OpenKind::Secure(hello))),
        }
    }

    fn legacy(hello: legacy::Hello) -> Self {
        match hello {
            legacy::Hello::New { public } => Self::Open(Open(OpenKind::Legacy { public })),
            legacy::Hello::Reconnect(reconnect) => Self::Resume(Resume(ResumeKind::Legacy(reconnect))),
        }
    }
}

impl Open {
    /// The kind of session asked for.
    pub const fn kind(&self) -> LinkKind {
        match self.0 {
            OpenKind::Secure(_) => LinkKind::Secure,
            OpenKind::Legacy { .. } => LinkKind::Legacy,
        }
    }

    /// The pattern asked for; none for legacy sessions, and where it is unknown.
    pub fn pattern(&self) -> Option<Pattern> {
        match &self.0 {
            OpenKind::Secure(hello) => hello.get(1).copied().and_then(Pattern::from_byte),
            OpenKind::Legacy { .. } => None,
        }
    }

    /// Makes the session, at the cost of two or three Diffie-Hellmans, which an acceptor should bound. The session
    /// exists for its user with [`crate::Event::Established`], when the initiator has proven to have read the reply;
    /// until then it is a handshake.
    ///
    /// # Errors
    /// What to refuse it with ([`Self::refusal`]).
    pub fn accept(
        &self,
        keys: Option<&KeyPair>,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(Session, Dial), Status> {
        match &self.0 {
            OpenKind::Legacy { public } => {
                let (session, dial) = LegacySession::accept(*public, limits, now, rng)?;
                Ok((session.into(), dial))
            }
            OpenKind::Secure(hello) => {
                let Ok(Some(secure::Hello::Open { pattern, head, message })) = secure::Hello::decode(hello) else {
                    return Err(Status::NotAuthentic);
                };
                let pattern = Pattern::from_byte(pattern).ok_or(Status::NotAdmitted)?;
                let (session, dial) = SecureSession::accept(pattern, head, message, keys, limits, now, rng)?;
                Ok((session.into(), dial))
            }
        }
    }

    /// What to send before the transport is closed.
    pub fn refusal(&self, status: Status) -> Vec<u8> {
        refusal(self.kind(), status, &[])
    }

    /// The same for [`Status::Overloaded`]; whoever opened may come again after that time.
    pub fn overloaded(&self, retry_after: Duration) -> Vec<u8> {
        overloaded(self.kind(), retry_after, &[])
    }
}

impl Resume {
    /// The kind of the session.
    pub const fn kind(&self) -> LinkKind {
        match self.0 {
            ResumeKind::Secure { .. } => LinkKind::Secure,
            ResumeKind::Legacy(_) => LinkKind::Legacy,
        }
    }

    /// Which session is meant.
    pub const fn name(&self) -> SessionName {
        match &self.0 {
            ResumeKind::Secure { id, .. } => SessionName::Secure(*id),
            ResumeKind::Legacy(reconnect) => SessionName::Legacy(reconnect.session),
        }
    }

    /// What to send before the transport is closed.
    pub fn refusal(&self, status: Status) -> Vec<u8> {
        refusal(self.kind(), status, &legacy::REFUSAL)
    }

    /// The same for [`Status::Overloaded`]; the initiator may come again after that time.
    pub fn overloaded(&self, retry_after: Duration) -> Vec<u8> {
        overloaded(self.kind(), retry_after, &legacy::REFUSAL)
    }

    pub(crate) fn as_secure(&self) -> Option<SecureResume<'_>> {
        let ResumeKind::Secure { hello, .. } = &self.0 else { return None };
        match secure::Hello::decode(hello) {
            Ok(Some(secure::Hello::Resume { id, attempt, head, message })) => {
                Some(SecureResume { id, attempt, head, message })
            }
            _ => None,
        }
    }

    pub(crate) const fn as_legacy(&self) -> Option<legacy::Reconnect> {
        match self.0 {
            ResumeKind::Legacy(reconnect) => Some(reconnect),
            ResumeKind::Secure { .. } => None,
        }
    }
}

/// A legacy refusal has no reason. One that is due to overload says when to come again.
fn refusal(kind: LinkKind, status: Status, legacy: &[u8]) -> Vec<u8> {
    match (kind, status) {
        (_, Status::Overloaded) => overloaded(kind, Duration::ZERO, legacy),
        (LinkKind::Legacy, _) => legacy.to_vec(),
        (LinkKind::Secure | LinkKind::Plain, status) => vec![status as u8],
    }
}

fn overloaded(kind: LinkKind, retry_after: Duration, legacy: &[u8]) -> Vec<u8> {
    match kind {
        LinkKind::Legacy => legacy.to_vec(),
        LinkKind::Secure | LinkKind::Plain => secure::overloaded(retry_after).to_vec(),
    }
}
