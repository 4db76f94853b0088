//! Errors, and what to do about them.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use fastway_session::{Fault as SessionFault, PublicKey, Status as SessionStatus};
use fastway_wire::ServerId;

use crate::{CloseReason, LinkEnd, ProtocolFault, Remote};

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} is {value}; it has to be at least {least}")]
pub struct ConfigError {
    /// Name of the field of [`LinkConfig`](crate::LinkConfig).
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// The smallest value that works.
    pub least: String,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A setting that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Called outside of a tokio runtime, which the link's task needs.
    #[error("there is no tokio runtime here; call it from one, with I/O and time enabled")]
    NoRuntime,
    /// The address could not be resolved.
    #[error("the gateway's address {addr:?} cannot be resolved (host:port is needed): {source}")]
    Address {
        /// The address as it was given.
        addr: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The port is closed, or the network does not reach it.
    #[error("no connection to the gateway at {addr}: {source}")]
    Unreachable {
        /// The address as it was given.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// Connecting took longer than `connect_timeout`. The step shows the cause.
    #[error("no link after {after:?}: {step}")]
    TimedOut {
        /// The time-out.
        after: Duration,
        /// The step that did not complete.
        step: ConnectStep,
    },
    /// The gateway closed the link after the answer to its challenge.
    #[error(
        "the gateway turned server {server} away: give both the same key (its ServerAuthKey); if they have, it is being \
         stopped or has too many handshakes, and its log says which"
    )]
    WrongKey {
        /// The ID of this server.
        server: ServerId,
    },
    /// The link ended before the gateway had sent anything.
    #[error(
        "turned away before the gateway said anything: it is at its limit of links (its log says so), is being stopped, \
         or this is not its {port} ({end})"
    )]
    TurnedAway {
        /// The port that was dialed.
        port: GatewayPort,
        /// How the link ended.
        end: LinkEnd,
    },
    /// The gateway admits only sessions on that port.
    #[error(
        "the gateway's {port} admits no plain links, but sessions (its --{}-link): set `session` in the link's config", link_flag(*port)
    )]
    SessionNeeded {
        /// The port that was dialed.
        port: GatewayPort,
    },
    /// The peer does not have the private half of the pinned key, so it may be an attacker. Nothing was sent to it.
    #[error(
        "what answers is not the gateway with the key {key}: if the gateway has a new key, take that one; if not, \
         somebody is in between"
    )]
    WrongGatewayKey {
        /// The key that is pinned.
        key: PublicKey,
    },
    /// The gateway refused to open a session.
    #[error("no session with what should be a gateway's {port}: {}", Refusal(*port, *fault))]
    NoSession {
        /// The port that was dialed.
        port: GatewayPort,
        /// Its answer; `None` if it closed the connection.
        fault: Option<SessionFault>,
        /// The time after which to retry, if it is overloaded and gave one.
        retry_after: Option<Duration>,
    },
    /// A session was configured over a stream of the application: it could never be resumed.
    #[error("a session needs an address to come back to: use `connect`, or take the session out of the config")]
    SessionNeedsAddress,
    /// The peer does not speak the protocol of that port.
    #[error("what listens there is not a gateway's {port}; check the address and its port ({fault})")]
    NotAGateway {
        /// The port that was dialed.
        port: GatewayPort,
        /// The fault in its first bytes.
        fault: ProtocolFault,
    },
}

impl ConnectError {
    /// The time to wait before the next attempt, if the gateway is overloaded and gave one (at most 65 s). Add a random
    /// part, so that clients with the same time do not return at once.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoSession { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A step on the way to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectStep {
    /// The look-up of the address.
    LookUp,
    /// The TCP connection.
    Tcp,
    /// The challenge, with which a gateway's server port begins.
    Challenge,
    /// The reply to the opening of a session.
    Session,
    /// The answer to the first ping.
    Ping(GatewayPort),
}

/// The two ports of a gateway, with different protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayPort {
    /// For a [`Client`](crate::Client).
    Client,
    /// For a [`Server`](crate::Server).
    Server,
}

/// Shows why there is no session, and what to do.
struct Refusal(GatewayPort, Option<SessionFault>);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(port, fault) = self;
        let flag = link_flag(*port);
        match fault {
            None => write!(
                f,
                "it ended the connection without an answer; does it admit this kind of sessions there (its --{flag}-link)?"
            ),
            Some(SessionFault::Refused(SessionStatus::NotAdmitted)) => write!(
                f,
                "it does not admit this kind of session there (its --{flag}-link): plain links alone, another kind, or \
                 sessions that pin its key; or it has no key (--session-key) though one is pinned",
            ),
            Some(SessionFault::Refused(status)) => write!(f, "{status}; try again later"),
            Some(fault) => write!(
                f,
                "{fault}; it may be no gateway, the other port of one, or a port for plain links alone (its --{flag}-link)"
            ),
        }
    }
}

/// The port in the name of the gateway's flag.
const fn link_flag(port: GatewayPort) -> &'static str {
    match port {
        GatewayPort::Client => "client",
        GatewayPort::Server => "server",
    }
}

impl fmt::Display for ConnectStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LookUp => f.write_str("the look-up of the address gave no answer"),
            Self::Tcp => f.write_str("nothing answers at the address; check it, and the firewalls on the way"),
            Self::Challenge => f.write_str(
                "what listens there sent no challenge; is it the gateway's server port, and not its client port or one for sessions \
                 (its --server-link)?",
            ),
            Self::Session => f.write_str(
                "what listens there did not reply to the opening of a session; is it a gateway that admits them (its --client-link \
                 or --server-link)?",
            ),
            Self::Ping(port) => write!(f, "what listens there answered no ping; is it a gateway's {port}?"),
        }
    }
}

impl fmt::Display for GatewayPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client port",
            Self::Server => "server port",
        })
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The gateway refused the dial.
    #[error("the gateway refused the dial: {remote} is not there, or a limit of connections is reached")]
    Refused {
        /// The dialed ID.
        remote: Remote,
    },
    /// The gateway did not answer in time. If it does later, that connection is closed at once.
    #[error("no answer to the dial of {remote} within {after:?}")]
    TimedOut {
        /// The dialed ID.
        remote: Remote,
        /// The time-out.
        after: Duration,
    },
    /// The link ended first.
    #[error(transparent)]
    LinkClosed(#[from] LinkEnd),
}

/// Why a message was not sent. No part of it was queued.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended.
    #[error(transparent)]
    Closed(#[from] CloseReason),
    /// The message exceeds `max_packet`, so the gateway would close the link.
    #[error("a message of {bytes} bytes is too long; at most {max} fit into max_packet")]
    TooLong {
        /// Length of the message.
        bytes: usize,
        /// Longest message.
        max: usize,
    },
}

/// Why a message was not sent at once, or not in time. No part of it was queued.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// More than `send_buffer_bytes` are queued for the socket. The message is returned.
    #[error("the link is held up: more than send_buffer_bytes wait for the socket")]
    HeldUp(Bytes),
    /// It cannot be sent later either.
    #[error(transparent)]
    Failed(#[from] SendError),
}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match &error {
            SendError::Closed(_) => io::ErrorKind::BrokenPipe,
            SendError::TooLong { .. } => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
