//! What the first message of a transport asks for, and how it is refused.

use std::time::Duration;

use crate::legacy::message as legacy;
use crate::secure::message::{self as secure, SecureResume};
use crate::{LinkKind, Pattern, SessionName, Status};

/// What the first message asks for.
#[derive(Debug)]
pub enum Request {
    /// A new session.
    Open(Open),
    /// To go on with one.
    Resume(Resume),
}

/// A wish for a new session.
#[derive(Debug)]
pub struct Open(pub(crate) OpenKind);

#[derive(Debug)]
pub(crate) enum OpenKind {
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

    pub(crate) fn secure(hello: Vec<u8>) -> Self {
        match secure::Hello::decode(&hello) {
            Ok(Some(secure::Hello::Resume { id, .. })) => Self::Resume(Resume(ResumeKind::Secure { id, hello })),
            _ => Self::Open(Open(OpenKind::Secure(hello))),
        }
    }

    pub(crate) fn legacy(hello: legacy::Hello) -> Self {
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
