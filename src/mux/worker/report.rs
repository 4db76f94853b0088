//! What a worker counts and publishes.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use fastway_service::{Counts, PerKind};
use fastway_session::Protocol;
use tikv_jemalloc_ctl::thread;

use super::histogram::{Batches, RoundTrips};
use crate::mux::accept::refusal::RefusalKind;
use crate::mux::accept::rejection_counts::RejectionCounts;
use crate::mux::accept::resume_end::ResumeEnd;
use crate::mux::link::{CloseKind, Link, TransportKind, WaitReason, WaitReport};
use crate::mux::routing::{PerSide, RouterStats};

/// Counts since the worker started. One thread writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The links of each port.
    pub sides: PerSide<SideStats>,
    /// Times that a link was paused because what it feeds was congested.
    pub sources_paused: u64,
    /// Streams that did not become a link, nor went on with a session.
    pub rejections: RejectionCounts,
    /// Times that accepting failed, for instance for want of descriptors.
    pub accept_errors: u64,
    /// Times that accepting paused, since as many were accepted as may be in a second.
    pub accept_pauses: u64,
    /// Sessions.
    pub sessions: SessionStats,
    /// What the gateway had for peers that did not take it before it ended.
    pub undelivered: Undelivered,
}

/// What the end of the gateway has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Links that were cut off with something left for their peers.
    pub links: u64,
    /// Bytes that were left for them.
    pub bytes: u64,
}

/// Counts for sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Secure ones opened.
    pub opened_secure: u64,
    /// Legacy ones opened.
    pub opened_legacy: u64,
    /// Times that one lost its transport.
    pub interrupted: u64,
    /// Resumes, by [`ResumeEnd`].
    pub resumes: Counts<ResumeEnd>,
    /// Opens and resumes refused, by [`RefusalKind`].
    pub refused: Counts<RefusalKind>,
}

impl SessionStats {
    fn add(&mut self, other: &Self) {
        let Self { opened_secure, opened_legacy, interrupted, resumes, refused } = other;
        self.opened_secure += opened_secure;
        self.opened_legacy += opened_legacy;
        self.interrupted += interrupted;
        self.resumes += resumes;
        self.refused += refused;
    }
}

/// Counts for the links of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideStats {
    /// Links admitted.
    pub opened: u64,
    /// Links closed, by [`CloseKind`].
    pub closed: Counts<CloseKind>,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Data frames received and forwarded.
    pub forwarded: u64,
    /// Reads by the frames that they completed, commands among them.
    pub reads: Batches,
    /// Flushes by the frames that they sent, commands among them.
    pub writes: Batches,
    /// Round-trip times in microseconds, as each sweep found them with a few links.
    pub round_trips: RoundTrips,
}

impl SideStats {
    /// Links that are there now.
    pub fn links(&self) -> u64 {
        self.opened - self.closed.total()
    }
}

/// Adds what another worker counted.
impl AddAssign<&Self> for SideStats {
    fn add_assign(&mut self, other: &Self) {
        let Self { opened, closed, received_bytes, sent_bytes, forwarded, reads, writes, round_trips } = other;
        self.opened += opened;
        self.closed += closed;
        self.received_bytes += received_bytes;
        self.sent_bytes += sent_bytes;
        self.forwarded += forwarded;
        self.reads.add(reads);
        self.writes.add(writes);
        self.round_trips.add(round_trips);
    }
}

impl Stats {
    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Self) {
        let Self { sides, sources_paused, rejections, accept_errors, accept_pauses, sessions, undelivered } = other;
        self.sides += sides;
        self.sources_paused += sources_paused;
        self.rejections.add(rejections);
        self.accept_errors += accept_errors;
        self.accept_pauses += accept_pauses;
        self.sessions.add(sessions);
        self.undelivered.links += undelivered.links;
        self.undelivered.bytes += undelivered.bytes;
    }
}

/// How a worker stands, or stood when it last said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// What it counted.
    pub stats: Stats,
    /// What its router counted.
    pub routing: RouterStats,
    /// Virtual connections of clients of this worker.
    pub connections: usize,
    /// Server handshakes in progress, on a port without sessions.
    pub server_handshakes: usize,
    /// Handshakes in progress on ports with sessions.
    pub session_handshakes: PerSide<usize>,
    /// Its links on each port.
    pub sides: PerSide<SideReport>,
    /// What its thread has ever allocated, those bytes that are freed by now included; `None` in a program whose
    /// allocator is not jemalloc.
    pub allocated_bytes: Option<u64>,
    /// When it said so; of several workers the latest. `None`: it has not begun.
    pub published: Option<Instant>,
    /// CPU time that its thread has used.
    pub cpu: Duration,
    /// Share of the time between its last two sweeps in which its thread was on a processor, in thousandths; of several
    /// workers the busiest's.
    pub busy_permille: u32,
    /// The longest time that it spent at a stretch on other things than frames; of several workers the longest.
    pub longest_upkeep: Duration,
}

/// How the links of one port stand, those that are closing among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideReport {
    /// Links.
    pub links: LinkCounts,
    /// Packets that wait in outboxes.
    pub waiting_packets: u64,
    /// Bytes that wait in outboxes.
    pub waiting_bytes: u64,
    /// Bytes of frames that were received in part.
    pub partial_bytes: u64,
    /// Memory that the links hold, in bytes, but for sessions that wait.
    pub held_bytes: u64,
    /// What is, and what was held up, by [`WaitReason`].
    pub held_up: PerKind<WaitReason, HeldUp>,
}

/// Links by what carries their bytes and by what these are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts([[u64; Protocol::ALL.len()]; TransportKind::ALL.len()]);

impl LinkCounts {
    /// Each transport with each protocol, and how many links have these.
    pub fn iter(&self) -> impl Iterator<Item = (TransportKind, Protocol, u64)> + '_ {
        let rows = TransportKind::ALL.into_iter().zip(&self.0);
        rows.flat_map(|(transport, counts)| {
            Protocol::ALL.into_iter().zip(counts).map(move |(protocol, count)| (transport, protocol, *count))
        })
    }

    fn count(&mut self, transport: TransportKind, protocol: Protocol) {
        if let Some(count) = self.0.get_mut(transport.index()).and_then(|counts| counts.get_mut(protocol.index())) {
            *count += 1;
        }
    }
}

impl AddAssign<&Self> for LinkCounts {
    fn add_assign(&mut self, other: &Self) {
        self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened()).for_each(|(sum, count)| *sum += count);
    }
}

/// How often and for how long links were held up for one reason, those that are closed by now included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldUp {
    /// Links that are held up now.
    pub now: u64,
    /// Times that it began.
    pub count: u64,
    /// Time in all.
    pub total: Duration,
}

impl WorkerReport {
    /// Bytes that wait in outboxes and inboxes.
    pub fn waiting_bytes(&self) -> u64 {
        self.sides.values().into_iter().map(|side| side.waiting_bytes + side.partial_bytes).sum()
    }

    /// Adds how another worker stands.
    pub fn add(&mut self, other: &Self) {
        let Self { stats, routing, connections, server_handshakes, session_handshakes, sides, allocated_bytes, .. } =
            other;
        self.stats.add(stats);
        self.routing.add(routing);
        self.connections += connections;
        self.server_handshakes += server_handshakes;
        self.session_handshakes += session_handshakes;
        self.sides += sides;
        self.allocated_bytes =
            [self.allocated_bytes, *allocated_bytes].into_iter().flatten().reduce(|sum, bytes| sum + bytes);
        self.published = self.published.max(other.published);
        self.cpu += other.cpu;
        self.busy_permille = self.busy_permille.max(other.busy_permille);
        self.longest_upkeep = self.longest_upkeep.max(other.longest_upkeep);
    }
}

impl SideReport {
    /// Adds how a link stands.
    pub(super) fn count(&mut self, link: &Link, now: Instant) {
        self.links.count(link.transport(), link.protocol());
        let waiting = link.waiting();
        self.waiting_packets += waiting.packets as u64;
        self.waiting_bytes += waiting.bytes as u64;
        self.partial_bytes += link.inbox.received() as u64;
        self.held_bytes += link.held_bytes() as u64;
        self.count_waits(&link.waits.report(now));
    }

    /// Adds what was held up.
    pub(super) fn count_waits(&mut self, waits: &WaitReport) {
        for (reason, wait) in waits.iter() {
            let held_up = &mut self.held_up[reason];
            held_up.now += u64::from(wait.lasting.is_some());
            held_up.count += wait.count;
            held_up.total += wait.total;
        }
    }
}

/// Adds how another worker's links stand.
impl AddAssign<&Self> for SideReport {
    fn add_assign(&mut self, other: &Self) {
        let Self { links, waiting_packets, waiting_bytes, partial_bytes, held_bytes, held_up } = other;
        self.links += links;
        self.waiting_packets += waiting_packets;
        self.waiting_bytes += waiting_bytes;
        self.partial_bytes += partial_bytes;
        self.held_bytes += held_bytes;
        self.held_up += held_up;
    }
}

impl AddAssign<&Self> for HeldUp {
    fn add_assign(&mut self, other: &Self) {
        let Self { now, count, total } = other;
        self.now += now;
        self.count += count;
        self.total += *total;
    }
}

/// What this thread has ever allocated. jemalloc counts by thread in any case, so nothing on a frame's way pays for it.
pub(super) fn allocated_bytes() -> Option<u64> {
    let counted = thread::allocatedp::read().ok()?.get();
    // Another allocator leaves jemalloc's count at 0.
    (counted > 0).then_some(counted)
}
