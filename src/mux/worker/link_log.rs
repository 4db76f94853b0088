//! What a worker logs about links and about those that want to be one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use fastway_service::PerKind;
use fastway_service::clock::Millis;
use fastway_service::logging::{RateLimit, limited};
use fastway_wire::ServerId;

use crate::mux::accept::rejection::{Rejection, RejectionKind};
use crate::mux::link::{CloseKind, CloseReason, Link};
use crate::mux::routing::{LinkId, PerSide, Role, Side};

/// What the log calls what happens to links.
const TARGET: &str = "fastway::worker::link_log";

/// Lines a second that peers can cause, for each kind of line and each port.
const LINES_PER_SECOND: u32 = 10;

/// Logs the life of links. Each kind of line has a limit for itself on each port: what strangers cause on one port keeps
/// no line about the other one out.
#[derive(Debug)]
pub(super) struct LinkLog(PerSide<Limits>);

/// The limits of one port.
#[derive(Debug)]
struct Limits {
    opened: RateLimit,
    registered: RateLimit,
    interrupted: RateLimit,
    resumed: RateLimit,
    write_failed: RateLimit,
    accept_failed: RateLimit,
    closed: PerKind<CloseKind, RateLimit>,
    rejected: PerKind<RejectionKind, RateLimit>,
}

impl Default for LinkLog {
    fn default() -> Self {
        Self(PerSide::new(|_| Limits::new()))
    }
}

impl Limits {
    fn new() -> Self {
        let limit = || RateLimit::new(LINES_PER_SECOND);
        Self {
            opened: limit(),
            registered: limit(),
            interrupted: limit(),
            resumed: limit(),
            write_failed: limit(),
            accept_failed: limit(),
            closed: PerKind::new(|_| limit()),
            rejected: PerKind::new(|_| limit()),
        }
    }
}

/// One line for the end of a link; the fields are the same at each level, which has to be a constant.
macro_rules! log_closed {
    ($limit:expr, $level:ident, $link:expr, $age:expr, $connections:expr, $reason:expr, $($message:tt)+) => {
        limited!(
            target: TARGET,
            $limit,
            $level,
            [
                link = $link.addr.id.get(),
                peer = %$link.peer,
                server = $link.role.server().map(ServerId::get),
                kind = $reason.kind().name(),
                reason = %$reason,
                duration_ms = u64::try_from($age.as_millis()).unwrap_or(u64::MAX),
                connections = $connections,
                received_bytes = $link.traffic.received_bytes,
                sent_bytes = $link.traffic.sent_bytes,
                received_frames = $link.traffic.received_frames,
                sent_frames = $link.traffic.sent_frames,
                waiting_bytes = $link.outbox.waiting().bytes
            ],
            $($message)+
        )
    };
}

impl LinkLog {
    pub(super) fn opened(&mut self, role: Role, id: LinkId, peer: SocketAddr) {
        let (limits, link) = (&mut self.0[role.side()], id.get());
        match role {
            Role::Client => limited!(target: TARGET, limits.opened, DEBUG, [link, %peer], "client link opened"),
            Role::Server(server) => {
                limited!(target: TARGET, limits.opened, INFO, [link, %peer, server = server.get()], "server link opened");
            }
        }
    }

    /// Logs that a server can be dialed.
    pub(super) fn registered(&mut self, server: ServerId, link: &Link) {
        let (link, peer, server) = (link.addr.id.get(), link.peer, server.get());
        limited!(target: TARGET, self.0.server.registered, INFO, [link, %peer, server], "server registered");
    }

    /// Logs that a session has lost its transport.
    pub(super) fn interrupted(&mut self, link: &Link) {
        let (limits, id, peer) = (&mut self.0[link.role.side()], link.addr.id.get(), link.peer);
        limited!(target: TARGET, limits.interrupted, DEBUG, [link = id, %peer], "session interrupted");
    }

    /// Logs that a session goes on.
    pub(super) fn resumed(&mut self, link: &Link) {
        let (limits, id, peer) = (&mut self.0[link.role.side()], link.addr.id.get(), link.peer);
        limited!(target: TARGET, limits.resumed, DEBUG, [link = id, %peer], "session resumed");
    }

    /// Logs that a peer takes no more; the link may still be read.
    pub(super) fn write_failed(&mut self, link: &Link, error: &io::Error) {
        let (limits, id, peer) = (&mut self.0[link.role.side()], link.addr.id.get(), link.peer);
        limited!(target: TARGET, limits.write_failed, DEBUG, [link = id, %peer, %error], "the peer takes no more");
    }

    /// Logs the end of a link, with what it did.
    pub(super) fn closed(&mut self, link: &Link, connections: usize, reason: &CloseReason, now: Millis) {
        let (side, age) = (link.role.side(), now.since(link.opened));
        let limit = &mut self.0[side].closed[reason.kind()];
        match (reason.kind(), side) {
            (
                CloseKind::EndOfStream
                | CloseKind::Shutdown
                | CloseKind::Lost
                | CloseKind::Idle
                | CloseKind::Expired
                | CloseKind::Aborted,
                Side::Client,
            ) => {
                log_closed!(limit, DEBUG, link, age, connections, reason, "client link closed");
            }
            (CloseKind::EndOfStream | CloseKind::Shutdown, Side::Server) | (CloseKind::Kicked, _) => {
                log_closed!(limit, INFO, link, age, connections, reason, "{side} link closed");
            }
            _ => log_closed!(limit, WARN, link, age, connections, reason, "{side} link closed"),
        }
    }

    pub(super) fn accept_failed(&mut self, side: Side, error: &io::Error, pause: Duration) {
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let limits = &mut self.0[side];
        limited!(target: TARGET, limits.accept_failed, ERROR, [%error, pause_ms], "cannot accept on the {side} port");
    }

    /// Logs why a stream did not become a link, nor went on with a session.
    pub(super) fn rejected(&mut self, side: Side, peer: SocketAddr, reason: &Rejection) {
        let limit = &mut self.0[side].rejected[reason.kind()];
        match reason.kind() {
            RejectionKind::Unused => limited!(target: TARGET, limit, DEBUG, [%peer, %reason], "{side} was no link"),
            _ => limited!(target: TARGET, limit, WARN, [%peer, %reason], "{side} turned away"),
        }
    }
}
