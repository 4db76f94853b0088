//! What a worker counts, publishes and logs.

use std::net::SocketAddr;
use std::time::Instant;

use crate::link::{CloseKind, CloseReason, Link};
use crate::logging::RateLimit;
use crate::routing::{LinkId, Role, RouterStats, Side};

/// Lines a second that peers can cause for each reason.
const LINES_PER_SECOND: u32 = 10;

/// Counts since the worker started. One thread writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The client port.
    pub client: SideStats,
    /// The server port.
    pub server: SideStats,
    /// Times that a link was held because what it feeds was full.
    pub held: u64,
    /// Server handshakes that failed or were dropped.
    pub handshakes_failed: u64,
    /// Client links turned away by a limit.
    pub turned_away: u64,
    /// Times that accepting failed, for instance for want of descriptors.
    pub accept_errors: u64,
}

/// Counts for the links of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideStats {
    /// Links admitted.
    pub opened: u64,
    /// Links closed, by [`CloseKind`].
    pub closed: [u64; CloseKind::ALL.len()],
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Data frames received and forwarded.
    pub forwarded: u64,
}

impl SideStats {
    /// Links that are there now.
    pub fn links(&self) -> u64 {
        self.opened - self.closed.iter().sum::<u64>()
    }
}

impl Stats {
    pub(super) fn opened(&mut self, side: Side) {
        self.side(side).opened += 1;
    }

    pub(super) fn closed(&mut self, side: Side, kind: CloseKind) {
        if let Some(count) = self.side(side).closed.get_mut(kind.index()) {
            *count += 1;
        }
    }

    #[inline]
    pub(super) fn received(&mut self, side: Side, bytes: usize) {
        self.side(side).received_bytes += bytes as u64;
    }

    #[inline]
    pub(super) fn sent(&mut self, side: Side, bytes: usize) {
        self.side(side).sent_bytes += bytes as u64;
    }

    #[inline]
    pub(super) fn forwarded(&mut self, side: Side, packets: usize) {
        self.side(side).forwarded += packets as u64;
    }

    fn side(&mut self, side: Side) -> &mut SideStats {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// How a worker stood at its last sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// What it counted.
    pub stats: Stats,
    /// What its router counted.
    pub routing: RouterStats,
    /// Virtual connections of clients of this worker.
    pub connections: usize,
    /// Bytes that wait in outboxes and inboxes.
    pub waiting_bytes: usize,
}

/// Logs the life of links; what peers can cause is limited.
#[derive(Debug)]
pub(super) struct Journal {
    opened: RateLimit,
    closed: [RateLimit; CloseKind::ALL.len()],
    other: RateLimit,
}

impl Default for Journal {
    fn default() -> Self {
        let limit = || RateLimit::new(LINES_PER_SECOND);
        Self { opened: limit(), closed: CloseKind::ALL.map(|_| limit()), other: limit() }
    }
}

impl Journal {
    pub(super) fn opened(&mut self, role: Role, id: LinkId, peer: SocketAddr) {
        let Some(suppressed) = self.opened.allow(Instant::now()) else { return };
        match role {
            Role::Client => tracing::debug!(link = %id, %peer, %suppressed, "client linked"),
            Role::Server(server) => tracing::info!(link = %id, %peer, %server, %suppressed, "server linked"),
        }
    }

    pub(super) fn closed(&mut self, link: &Link, reason: &CloseReason) {
        let Some(limit) = self.closed.get_mut(reason.kind().index()) else { return };
        let Some(suppressed) = limit.allow(Instant::now()) else { return };
        let (id, peer, side) = (link.addr.id, link.peer, link.role.side());
        let (received, sent) = (link.traffic.received_bytes, link.traffic.sent_bytes);
        match (reason.kind(), side) {
            (CloseKind::EndOfStream | CloseKind::Shutdown | CloseKind::Lost | CloseKind::Idle, Side::Client) => {
                tracing::debug!(link = %id, %peer, %reason, received, sent, %suppressed, "client link closed");
            }
            (CloseKind::EndOfStream | CloseKind::Shutdown, Side::Server) | (CloseKind::Kicked, _) => {
                tracing::info!(link = %id, %peer, %reason, received, sent, %suppressed, "{side} link closed");
            }
            _ => tracing::warn!(link = %id, %peer, %reason, received, sent, %suppressed, "{side} link closed"),
        }
    }

    pub(super) fn accept_failed(&mut self, side: Side, error: &std::io::Error, pause: std::time::Duration) {
        if let Some(suppressed) = self.other.allow(Instant::now()) {
            tracing::error!(%error, ?pause, %suppressed, "cannot accept on the {side} port");
        }
    }

    /// Logs something that a stranger at the door caused.
    pub(super) fn turned_away(&mut self, side: Side, peer: SocketAddr, reason: &dyn std::fmt::Display) {
        if let Some(suppressed) = self.other.allow(Instant::now()) {
            tracing::warn!(%peer, %reason, %suppressed, "{side} turned away");
        }
    }
}
