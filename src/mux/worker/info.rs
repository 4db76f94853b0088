//! What a worker answers about itself.

use std::net::SocketAddr;
use std::time::Duration;

use fastway_wire::{ConnId, ServerId};

use crate::mux::accept::acceptor::AcceptorInfo;
use crate::mux::accept::pending::HandshakeInfo;
use crate::mux::link::{Traffic, WaitReason, WaitReport, Waiting};
use crate::mux::routing::{Ends, LinkId, PerSide, Role};

/// A link as its worker saw it when it was asked.
#[derive(Clone, Debug)]
pub struct LinkInfo {
    /// Its number.
    pub id: LinkId,
    /// Whose link it is.
    pub role: Role,
    /// The peer's address.
    pub peer: SocketAddr,
    /// What carries its bytes, for instance `tcp`.
    pub transport: &'static str,
    /// What these bytes are: `plain`, `legacy` or `secure`.
    pub protocol: &'static str,
    /// The worker that owns it, from 0.
    pub worker: usize,
    /// Whether it is being closed: it only gets what waits for it.
    pub closing: bool,
    /// Whether its session has lost its transport and waits for the peer to come back.
    pub interrupted: bool,
    /// Time since it was admitted.
    pub age: Duration,
    /// Time since the sweep that last found something received, or the link not read on purpose.
    pub silent: Duration,
    /// Its virtual connections.
    pub connections: usize,
    /// What went over it.
    pub traffic: Traffic,
    /// What waits to be sent on it.
    pub waiting: Waiting,
    /// Bytes of a frame that it has received in part.
    pub partial_bytes: usize,
    /// How often and how long it was held up, by [`WaitReason`].
    pub waits: WaitReport,
    /// What is congested, if the link is a paused source.
    pub paused_by: Option<PausedBy>,
}

/// What a paused source waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedBy {
    /// Room in the outbox of this server's link.
    Server(LinkId),
    /// Room on the way to this worker.
    Worker(usize),
    /// Memory: too much is held for the links of all clients (`--max-buffered-bytes`).
    Memory,
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
    /// What the server is registered as.
    pub server: ServerId,
}

/// What a worker does beside its links.
#[derive(Clone, Debug)]
pub struct TasksInfo {
    /// Which worker, from 0.
    pub worker: usize,
    /// Time since it started.
    pub age: Duration,
    /// Time since it last looked at all of its links for those that are idle, stuck or slow.
    pub swept: Duration,
    /// The ports that it accepts from.
    pub acceptors: Vec<AcceptorInfo>,
    /// The handshakes in progress.
    pub handshakes: Vec<HandshakeInfo>,
    /// How often and how long links that are closed by now were held up.
    pub past_waits: PerSide<WaitReport>,
}

/// Links of one worker, from one slot on.
#[derive(Debug)]
pub(crate) struct LinksAt {
    /// Those that were wanted, in the order of their slots.
    pub(crate) links: Vec<LinkInfo>,
    /// Where to go on; `None`: these were the last.
    pub(crate) next: Option<usize>,
}

impl LinkInfo {
    /// Where it is in its life, in one word.
    pub fn state(&self) -> &'static str {
        match (self.closing, self.interrupted) {
            (true, _) => "closing",
            (false, true) => "interrupted",
            (false, false) => "open",
        }
    }

    /// The reasons for which it is held up now, and for how long it has been.
    pub fn held_up(&self) -> impl Iterator<Item = (WaitReason, Duration)> + '_ {
        self.waits.iter().filter_map(|(reason, wait)| Some((reason, wait.lasting?)))
    }
}

impl ConnectionInfo {
    pub(super) fn new(conn: ConnId, ends: Ends) -> Self {
        Self { conn, client: ends.client.id, server_link: ends.server.id, server: ends.server_id }
    }
}
