//! What a worker answers about itself: its links, their connections, how it stands.

use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_wire::{ConnId, ServerId};
use rustc_hash::FxHashMap;

use super::core::Core;
use super::gates::GateKey;
use super::question::Pending;
use super::report::WorkerReport;
use super::shared::Shared;
use crate::clock::Millis;
use crate::link::{CloseReason, Link, State, Traffic, WaitReason, WaitReport, Waiting};
use crate::routing::{Ends, LinkAddr, LinkId, Role, Side, Slot, WorkerId};

/// Places that a worker looks at for one question about links. Between two such questions it serves its links.
pub(crate) const SLOTS_PER_QUESTION: usize = 1000;

/// Links whose round-trip times a worker asks the system for in one question: a system call for each.
pub(crate) const ROUND_TRIPS_PER_QUESTION: usize = 64;

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
    /// What is full, if the link is a paused source.
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
    /// How often and how long links that are closed by now were held up, clients' and then servers'.
    pub past_waits: [(Side, WaitReport); 2],
}

/// A task that accepts links.
#[derive(Clone, Copy, Debug)]
pub struct AcceptorInfo {
    /// Whose port.
    pub side: Side,
    /// Whether it pauses because accepting failed.
    pub pausing: bool,
    /// For how long it has been so.
    pub lasting: Duration,
}

/// A peer that has not proved yet who it is.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeInfo {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Time since it was accepted.
    pub age: Duration,
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
        WaitReason::ALL.into_iter().zip(&self.waits).filter_map(|(reason, wait)| Some((reason, wait.lasting?)))
    }
}

impl Shared {
    /// Asks a worker for its links from slot `from` on: at most `most` that are `wanted`.
    pub(crate) fn ask_links(
        &self,
        worker: WorkerId,
        from: usize,
        most: usize,
        wanted: impl Fn(&LinkInfo) -> bool + Send + 'static,
    ) -> Pending<LinksAt> {
        self.ask(worker, move |core| core.links_at(from, most, wanted))
    }

    /// Asks a worker for connections of a link: at most `most`, in order, those above `after`.
    pub(crate) fn ask_connections(&self, link: LinkAddr, after: ConnId, most: usize) -> Pending<Vec<ConnectionInfo>> {
        self.ask(link.worker, move |core| core.connections_of(link, after, most))
    }

    /// Asks a worker for the round-trip times of links, as far as they are known.
    pub(crate) fn ask_round_trips(&self, worker: WorkerId, links: Vec<LinkAddr>) -> Pending<Vec<(LinkId, Duration)>> {
        self.ask(worker, move |core| core.round_trips(&links))
    }

    /// Asks a worker to close a link; what was closed, if it was there.
    pub(crate) fn ask_to_kick(&self, link: LinkAddr) -> Pending<Option<LinkInfo>> {
        self.ask(link.worker, move |core| core.kick(link))
    }

    /// Asks a worker what it does beside its links.
    pub(crate) fn ask_tasks(&self, worker: WorkerId) -> Pending<TasksInfo> {
        self.ask(worker, |core| core.tasks())
    }

    /// Asks a worker how it stands. It publishes its answer: a count that somebody has seen must not go down when the
    /// worker is late for the next question.
    pub(crate) fn ask_report(&self, worker: WorkerId) -> Pending<WorkerReport> {
        self.ask(worker, |core| core.publish())
    }
}

impl Core {
    fn links_at(&self, from: usize, most: usize, wanted: impl Fn(&LinkInfo) -> bool) -> LinksAt {
        let (now, paused) = (Instant::now(), self.paused());
        let end = self.links.capacity().min(from.saturating_add(SLOTS_PER_QUESTION));
        let mut links = Vec::new();
        for index in from..end {
            let info = self.links.get(index).map(|link| self.describe(link, now, &paused));
            links.extend(info.filter(&wanted));
            if links.len() >= most {
                return LinksAt { links, next: Some(index + 1) };
            }
        }
        LinksAt { links, next: (end < self.links.capacity()).then_some(end) }
    }

    fn describe(&self, link: &Link, now: Instant, paused: &FxHashMap<LinkAddr, PausedBy>) -> LinkInfo {
        let age = now.saturating_duration_since(link.opened);
        LinkInfo {
            id: link.addr.id,
            role: link.role,
            peer: link.peer,
            transport: link.transport().name(),
            worker: self.me.index(),
            closing: link.state != State::Open,
            interrupted: link.is_interrupted(),
            age,
            // It is counted in whole milliseconds.
            silent: self.at(now).since(link.watch.last_heard).min(age),
            connections: self.router.connections_of(link.addr.slot).len(),
            traffic: link.traffic,
            waiting: link.waiting(),
            partial_bytes: link.inbox.received(),
            waits: link.waits.report(now),
            paused_by: paused.get(&link.addr).copied(),
        }
    }

    /// Who waits before which gate.
    fn paused(&self) -> FxHashMap<LinkAddr, PausedBy> {
        let by = |key| match key {
            GateKey::Server(link) => PausedBy::Server(link.id),
            GateKey::Worker(worker) => PausedBy::Worker(worker.index()),
            GateKey::Memory => PausedBy::Memory,
        };
        self.gates.waiting().map(|(link, key)| (link, by(key))).collect()
    }

    /// A set knows no order: one walk keeps the lowest that are above `after`.
    fn connections_of(&self, link: LinkAddr, after: ConnId, most: usize) -> Vec<ConnectionInfo> {
        let mut lowest = BinaryHeap::new();
        let conns = self.links.get(link.slot.index()).filter(|there| there.addr == link);
        let conns = conns.into_iter().flat_map(|_| self.router.connections_of(link.slot));
        for &conn in conns.filter(|conn| **conn > after) {
            lowest.push(conn);
            if lowest.len() > most {
                lowest.pop();
            }
        }
        let known = lowest.into_sorted_vec().into_iter();
        known.filter_map(|conn| Some(ConnectionInfo::new(conn, self.router.ends(conn)?))).collect()
    }

    fn round_trips(&self, links: &[LinkAddr]) -> Vec<(LinkId, Duration)> {
        let there = links.iter().filter_map(|addr| self.links.get(addr.slot.index()).filter(|link| link.addr == *addr));
        there.filter_map(|link| Some((link.addr.id, link.round_trip()?))).collect()
    }

    fn tasks(&self) -> TasksInfo {
        let now = Instant::now();
        TasksInfo {
            worker: self.me.index(),
            age: self.at(now).since(Millis::default()),
            swept: self.at(now).since(self.swept),
            acceptors: self.acceptors.iter().map(|door| door.info(self.at(now))).collect(),
            handshakes: self.pending.infos(now).collect(),
            past_waits: [Side::Client, Side::Server].map(|side| (side, self.past_waits(side))),
        }
    }

    fn kick(&mut self, addr: LinkAddr) -> Option<LinkInfo> {
        let paused = self.paused();
        let link = self.link(addr).filter(|link| link.state == State::Open).map(|link| link.addr.slot)?;
        let info = self.links.get(link.index()).map(|link| self.describe(link, Instant::now(), &paused));
        self.close(Slot::from_index(link.index()), &CloseReason::Kicked);
        info
    }
}

impl ConnectionInfo {
    fn new(conn: ConnId, ends: Ends) -> Self {
        Self { conn, client: ends.client.id, server_link: ends.server.id, server: ends.server_id }
    }
}
