//! Descriptions of links and connections.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use fastway_wire::{ConnId, ServerId};

use super::side::Side;
#[cfg(test)]
use super::wait::Wait;
use super::wait::{WaitReason, WaitReport};

/// The gateway's number for a physical link, never 0. A client's is its client ID on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u32);

/// The kind of a link's peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A player's link.
    Client,
    /// The link of the game server with this ID.
    Server(ServerId),
}

/// The state of a link when its worker was asked.
#[derive(Clone, Debug)]
pub struct LinkInfo {
    /// Its number.
    pub id: LinkId,
    /// The kind of its peer.
    pub role: Role,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Its transport, for instance `tcp`.
    pub transport: &'static str,
    /// Its protocol, for instance `plain`.
    pub protocol: &'static str,
    /// The worker that owns it, from 0.
    pub worker: usize,
    /// Whether it is being closed: it only gets its backlog.
    pub closing: bool,
    /// Whether its session has lost its transport and waits for the peer to resume it.
    pub interrupted: bool,
    /// Time since it was admitted.
    pub age: Duration,
    /// Time since bytes were received, or since reading was last paused on purpose, as of the worker's last check.
    pub silent: Duration,
    /// Number of its virtual connections.
    pub connections: usize,
    /// Its traffic so far.
    pub traffic: Traffic,
    /// Its backlog.
    pub waiting: Waiting,
    /// Bytes of a partially received frame.
    pub partial_bytes: usize,
    /// How often and how long it was held up, by [`WaitReason`].
    pub waits: WaitReport,
    /// What is congested, if the link is a paused source.
    pub paused_by: Option<PausedBy>,
}

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Open.
    Open,
    /// Its session has lost its transport and waits for a resume.
    Interrupted,
    /// Closing: its backlog is still sent.
    Closing,
}

/// The traffic of a link since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Whole frames received, including commands.
    pub received_frames: u64,
    /// Frames sent, including commands; a partially sent frame counts later.
    pub sent_frames: u64,
}

/// The backlog of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Bytes not yet accepted by the transport.
    pub bytes: usize,
    /// Packets; one that was sent in part counts until its chunk is sent.
    pub packets: usize,
    /// Those of the packets that answer requests of the link itself.
    pub answers: usize,
}

/// The bottleneck for which a link is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedBy {
    /// Room in the outbox of this server's link.
    Server(LinkId),
    /// Room in the queue to this worker.
    Worker(usize),
    /// Memory: too much is held for the links of all clients (`--max-buffered-bytes`).
    Memory,
}

/// Some of the links of a gateway.
#[derive(Clone, Debug)]
pub struct LinkPage {
    /// The links.
    pub links: Vec<LinkInfo>,
    /// Whether there may be more.
    pub more: bool,
}

/// A virtual connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its number.
    pub conn: ConnId,
    /// The client's link.
    pub client: LinkId,
    /// The server's link.
    pub server_link: LinkId,
    /// The ID of the server.
    pub server: ServerId,
}

/// Some of the virtual connections of a link.
#[derive(Clone, Debug)]
pub struct ConnectionPage {
    /// The connections in the order of their numbers.
    pub connections: Vec<ConnectionInfo>,
    /// The number after which the next page begins; `None` on the last page.
    pub next: Option<ConnId>,
}

impl LinkId {
    /// The link with this number.
    #[inline]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Role {
    /// The port that the link came in by.
    #[inline]
    pub const fn side(self) -> Side {
        match self {
            Self::Client => Side::Client,
            Self::Server(_) => Side::Server,
        }
    }

    /// The game server's ID; `None` for a player.
    #[inline]
    pub const fn server(self) -> Option<ServerId> {
        match self {
            Self::Client => None,
            Self::Server(id) => Some(id),
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl LinkState {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Interrupted => "interrupted",
            Self::Closing => "closing",
        }
    }
}

impl LinkInfo {
    /// Where it is in its life.
    pub const fn state(&self) -> LinkState {
        match (self.closing, self.interrupted) {
            (true, _) => LinkState::Closing,
            (false, true) => LinkState::Interrupted,
            (false, false) => LinkState::Open,
        }
    }

    /// The reasons for which it is held up now, and for how long it has been.
    pub fn held_up(&self) -> impl Iterator<Item = (WaitReason, Duration)> + '_ {
        self.waits.iter().filter_map(|(reason, wait)| Some((reason, wait.lasting?)))
    }
}

/// A link that has done nothing yet, for tests.
#[cfg(test)]
impl Default for LinkInfo {
    fn default() -> Self {
        Self {
            id: LinkId::new(1),
            role: Role::Client,
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            transport: "tcp",
            protocol: "plain",
            worker: 0,
            closing: false,
            interrupted: false,
            age: Duration::ZERO,
            silent: Duration::ZERO,
            connections: 0,
            traffic: Traffic::default(),
            waiting: Waiting::default(),
            partial_bytes: 0,
            waits: WaitReport::default(),
            paused_by: None,
        }
    }
}

/// A link that is held up for reasons, for tests.
#[cfg(test)]
impl LinkInfo {
    pub(crate) fn held_up_for(held_up: &[(WaitReason, Duration)]) -> WaitReport {
        let mut waits = WaitReport::default();
        for (reason, lasting) in held_up {
            waits[*reason] = Wait { count: 1, total: *lasting, lasting: Some(*lasting) };
        }
        waits
    }
}
