//! Requests: the first messages of transports, as an acceptor sees them, and their refusals (`docs/protocol.md` §2,
//! §3.1).

use std::time::Duration;

use crate::legacy::message as legacy;
use crate::secure::message::{self as secure, SecureResume};
use crate::{Pattern, Protocol, SessionName, Status};

/// The request in the first message of a transport.
#[derive(Debug)]
pub enum Request {
    /// Open a new session.
    Open(Open),
    /// Resume a session.
    Resume(Resume),
}

/// A request to open a session.
#[derive(Debug)]
pub struct Open(pub(crate) OpenKind);

#[derive(Debug)]
pub(crate) enum OpenKind {
    Secure(Vec<u8>),
    Legacy { public: u64 },
}

/// A request to resume a session.
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

    /// The requested pattern; `None` for legacy sessions and for unknown patterns.
    pub fn pattern(&self) -> Option<Pattern> {
        match &self.0 {
            OpenKind::Secure(hello) => hello.get(1).copied().and_then(Pattern::from_byte),
            OpenKind::Legacy { .. } => None,
        }
    }

    /// The bytes that refuse the request. Send them, then close the transport.
    pub fn refusal(&self, status: Status) -> Vec<u8> {
        refusal(self.protocol(), status, &[])
    }

    /// The refusal with [`Status::Overloaded`]. The initiator may retry after `retry_after`, 65 s at most.
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

    /// The session that the request names.
    pub const fn name(&self) -> SessionName {
        match &self.0 {
            ResumeKind::Secure { id, .. } => SessionName::Secure(*id),
            ResumeKind::Legacy(reconnect) => SessionName::Legacy(reconnect.session),
        }
    }

    /// The bytes that refuse the request. Send them, then close the transport.
    pub fn refusal(&self, status: Status) -> Vec<u8> {
        refusal(self.protocol(), status, &legacy::REFUSAL)
    }

    /// The refusal with [`Status::Overloaded`]. The initiator may retry after `retry_after`, 65 s at most.
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
