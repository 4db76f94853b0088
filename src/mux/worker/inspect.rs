//! What a worker answers about itself: its links, their connections, how it stands.

use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use fastway_admin::observe::{ConnectionInfo, LinkInfo, PausedBy, TasksInfo};
use fastway_service::clock::Millis;
use fastway_wire::ConnId;
use rustc_hash::FxHashMap;

use super::backpressure::Bottleneck;
use super::core::Core;
use super::question::{Answers, LinksAt};
use super::report::WorkerReport;
use crate::mux::link::{CloseReason, Link, State};
use crate::mux::routing::{Ends, LinkAddr, LinkId, Slot};

/// Places that a worker looks at for one question about links. Between two such questions it serves its links.
pub(crate) const SLOTS_PER_QUESTION: usize = 1000;

/// Links whose round-trip times a worker asks the system for in one question: a system call for each.
pub(crate) const ROUND_TRIPS_PER_QUESTION: usize = 64;

impl Answers for Core {
    fn links_at(&self, from: usize, most: usize, wanted: &dyn Fn(&LinkInfo) -> bool) -> LinksAt {
        let (now, paused) = (self.clock.now(), self.paused());
        let end = self.links.places().min(from.saturating_add(SLOTS_PER_QUESTION));
        let mut links = Vec::new();
        for index in from..end {
            let info = self.links.get(Slot::from_index(index)).map(|link| self.describe(link, now, &paused));
            links.extend(info.filter(wanted));
            if links.len() >= most {
                return LinksAt { links, next: Some(index + 1) };
            }
        }
        LinksAt { links, next: (end < self.links.places()).then_some(end) }
    }

    /// A set knows no order: one walk keeps the lowest that are above `after`.
    fn connections_of(&self, link: LinkAddr, after: ConnId, most: usize) -> Vec<ConnectionInfo> {
        let mut lowest = BinaryHeap::new();
        let conns = self.links.at(link).into_iter().flat_map(|_| self.forwarding.router().connections_of(link.slot));
        for &conn in conns.filter(|conn| **conn > after) {
            lowest.push(conn);
            if lowest.len() > most {
                lowest.pop();
            }
        }
        let known = lowest.into_sorted_vec().into_iter();
        known.filter_map(|conn| Some(connection(conn, self.forwarding.router().ends(conn)?))).collect()
    }

    fn round_trips(&self, links: &[LinkAddr]) -> Vec<(LinkId, Duration)> {
        let there = links.iter().filter_map(|addr| self.links.at(*addr));
        there.filter_map(|link| Some((link.addr.id, link.round_trip()?))).collect()
    }

    fn tasks(&self) -> TasksInfo {
        let now = self.clock.now();
        TasksInfo {
            worker: self.me.index(),
            age: self.clock.at(now).since(Millis::default()),
            swept: self.clock.at(now).since(self.upkeep.swept()),
            acceptors: self.acceptance.acceptors(self.clock.at(now)).collect(),
            handshakes: self.acceptance.handshakes(now).collect(),
            past_waits: self.counters.past_waits(),
        }
    }

    fn report(&self) -> WorkerReport {
        // A count that somebody has seen must not go down when the worker is late for the next question.
        self.publish()
    }

    fn kick(&mut self, addr: LinkAddr) -> Option<LinkInfo> {
        let paused = self.paused();
        let link = self.links.at(addr).filter(|link| link.state == State::Open)?;
        let info = self.describe(link, self.clock.now(), &paused);
        self.close(addr.slot, &CloseReason::Kicked);
        Some(info)
    }
}

impl Core {
    fn describe(&self, link: &Link, now: Instant, paused: &FxHashMap<LinkAddr, PausedBy>) -> LinkInfo {
        let now_millis = self.clock.at(now);
        LinkInfo {
            id: link.addr.id,
            role: link.role,
            peer: link.peer,
            transport: link.transport().name(),
            protocol: link.protocol().name(),
            worker: self.me.index(),
            closing: link.state != State::Open,
            interrupted: link.is_interrupted(),
            age: now_millis.since(link.opened),
            silent: now_millis.since(link.watch.last_heard),
            connections: self.forwarding.router().connections_of(link.addr.slot).len(),
            traffic: link.traffic,
            waiting: link.waiting(),
            partial_bytes: link.inbox.received(),
            waits: link.waits.report(now),
            paused_by: paused.get(&link.addr).copied(),
        }
    }

    /// Who waits for what.
    fn paused(&self) -> FxHashMap<LinkAddr, PausedBy> {
        let by = |key| match key {
            Bottleneck::Server(link) => PausedBy::Server(link.id),
            Bottleneck::Worker(worker) => PausedBy::Worker(worker.index()),
            Bottleneck::Memory => PausedBy::Memory,
        };
        self.forwarding.waiting().map(|(link, key)| (link, by(key))).collect()
    }
}

fn connection(conn: ConnId, ends: Ends) -> ConnectionInfo {
    ConnectionInfo { conn, client: ends.client.id, server_link: ends.server.id, server: ends.server_id }
}
