//! What the first message of a transport asks for, and how it is refused.

use std::time::Duration;

use crate::legacy::message as legacy;
use crate::secure::message::{self as secure, SecureResume};
use crate::{Pattern, Protocol, SessionName, Status};

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
    /// The protocol of the session.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Open(open) => open.protocol(),
            Self::Resume(resume) => resume.protocol(),
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
    /// The protocol of the session asked for.
    pub const fn protocol(&self) -> Protocol {
        match self.0 {
            OpenKind::Secure(_) => Protocol::Secure,
            OpenKind::Legacy { .. } => Protocol::Legacy,
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
        refusal(self.protocol(), status, &[])
    }

    /// The same for [`Status::Overloaded`]; whoever opened may come again after that time.
    pub fn overloaded(&self, retry_after: Duration) -> Vec<u8> {
        overloaded(self.protocol(), retry_after, &[])
    }
}

impl Resume {
    /// The protocol of the session.
    pub const fn protocol(&self) -> Protocol {
        match self.0 {
            ResumeKind::Secure { .. } => Protocol::Secure,
            ResumeKind::Legacy(_) => Protocol::Legacy,
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
        refusal(self.protocol(), status, &legacy::REFUSAL)
    }

    /// The same for [`Status::Overloaded`]; the initiator may come again after that time.
    pub fn overloaded(&self, retry_after: Duration) -> Vec<u8> {
        overloaded(self.protocol(), retry_after, &legacy::REFUSAL)
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
fn refusal(protocol: Protocol, status: Status, legacy: &[u8]) -> Vec<u8> {
    match (protocol, status) {
        (_, Status::Overloaded) => overloaded(protocol, Duration::ZERO, legacy),
        (Protocol::Legacy, _) => legacy.to_vec(),
        (Protocol::Secure | Protocol::Plain, status) => vec![status as u8],
    }
}

fn overloaded(protocol: Protocol, retry_after: Duration, legacy: &[u8]) -> Vec<u8> {
    match protocol {
        Protocol::Legacy => legacy.to_vec(),
        Protocol::Secure | Protocol::Plain => secure::overloaded(retry_after).to_vec(),
    }
}
