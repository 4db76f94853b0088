//! Links that are held up, reduced to what a trouble reports.

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::http::ranking::{Order, TopN};
use crate::observe::{LinkId, LinkInfo, PausedBy, Side, WaitReason};

/// Links held up for less than this are the ordinary work of back-pressure.
pub(super) const TOLERATED: Duration = Duration::from_secs(3);
/// A server whose outbox was above its bound for this long is reported.
pub(super) const OUTBOX_FULL: Duration = Duration::from_secs(1);
/// Servers that are reported one by one.
const SERVERS: usize = 5;

/// Collects links one at a time. Its memory is bounded by the number of servers.
pub(in crate::http) struct Collector {
    servers: TopN,
    stuck_servers: usize,
    paused_by: FxHashMap<LinkId, u64>,
    /// Clients paused for another worker.
    paused_by_worker: Option<Group>,
    /// For each server, the clients that were paused for it for long.
    paused_by_server: FxHashMap<LinkId, Group>,
    slow_clients: Option<Group>,
}

/// The links that are held up.
#[derive(Debug, Default)]
pub(in crate::http) struct HeldUpLinks {
    servers: Vec<LinkInfo>,
    further_servers: usize,
    paused_by: FxHashMap<LinkId, u64>,
    paused_elsewhere: Option<Group>,
    slow_clients: Option<Group>,
}

/// Several links with the same trouble.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) count: u64,
    /// Bytes that wait for all of them.
    pub(super) waiting_bytes: u64,
    /// The link that is held up for longest, and for how long.
    pub(super) longest: LinkInfo,
    pub(super) lasting: Duration,
}

/// The reason that holds up a link for longest.
pub(super) fn longest(link: &LinkInfo) -> Option<(WaitReason, Duration)> {
    link.held_up().max_by_key(|(_, lasting)| *lasting)
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            servers: TopN::new(SERVERS),
            stuck_servers: 0,
            paused_by: FxHashMap::default(),
            paused_by_worker: None,
            paused_by_server: FxHashMap::default(),
            slow_clients: None,
        }
    }
}

impl Collector {
    pub(in crate::http) fn add(&mut self, link: &LinkInfo) {
        match link.role.side() {
            Side::Server => self.add_server(link),
            Side::Client => self.add_client(link),
        }
    }

    fn add_server(&mut self, link: &LinkInfo) {
        let stuck = link.held_up().any(|(reason, lasting)| match reason {
            WaitReason::OutboxFull => lasting >= OUTBOX_FULL,
            WaitReason::ByteRate => false,
            WaitReason::PausedSource | WaitReason::UnreadAnswers | WaitReason::SlowWrite | WaitReason::NoTransport => {
                lasting >= TOLERATED
            }
        });

        if stuck {
            self.stuck_servers += 1;
            self.servers.add(Order::Slowest.sort_key(link), link.clone());
        }
    }

    fn add_client(&mut self, link: &LinkInfo) {
        if let Some(PausedBy::Server(server)) = link.paused_by {
            *self.paused_by.entry(server).or_insert(0) += 1;
        }

        for (reason, lasting) in link.held_up().filter(|(_, lasting)| *lasting >= TOLERATED) {
            match (reason, link.paused_by) {
                (WaitReason::PausedSource, Some(PausedBy::Server(server))) => {
                    let group = self.paused_by_server.remove(&server);
                    self.paused_by_server.insert(server, Group::with(group, link, lasting));
                }
                (WaitReason::PausedSource, Some(PausedBy::Worker(_))) => {
                    self.paused_by_worker = Some(Group::with(self.paused_by_worker.take(), link, lasting));
                }
                // All clients wait for memory, which is a trouble of its own.
                (WaitReason::PausedSource, Some(PausedBy::Memory)) => {}
                (WaitReason::OutboxFull | WaitReason::SlowWrite | WaitReason::UnreadAnswers, _) => {
                    self.slow_clients = Some(Group::with(self.slow_clients.take(), link, lasting));
                    // A link counts once, whatever else holds it up.
                    return;
                }
                (WaitReason::PausedSource, None) | (WaitReason::ByteRate | WaitReason::NoTransport, _) => {}
            }
        }
    }

    pub(in crate::http) fn finish(self) -> HeldUpLinks {
        let servers = self.servers.page().links;
        let named = |server: &LinkId| servers.iter().any(|link| link.id == *server);
        // Servers that are reported one by one have their clients in their own trouble.
        let elsewhere = self.paused_by_server.into_iter().filter(|(server, _)| !named(server));
        let paused_elsewhere = elsewhere.map(|(_, group)| group).chain(self.paused_by_worker).reduce(Group::merge);

        HeldUpLinks {
            further_servers: self.stuck_servers.saturating_sub(servers.len()),
            servers,
            paused_by: self.paused_by,
            paused_elsewhere,
            slow_clients: self.slow_clients,
        }
    }
}

impl HeldUpLinks {
    /// The servers that are stuck for longest.
    pub(super) fn servers(&self) -> &[LinkInfo] {
        &self.servers
    }

    /// How many more servers are stuck.
    pub(super) fn further_servers(&self) -> usize {
        self.further_servers
    }

    /// How many clients are paused for a server now.
    pub(super) fn paused_by(&self, server: LinkId) -> u64 {
        self.paused_by.get(&server).copied().unwrap_or(0)
    }

    /// The clients that are paused for something other than the servers above.
    pub(super) fn paused_elsewhere(&self) -> Option<&Group> {
        self.paused_elsewhere.as_ref()
    }

    /// The clients that take too little.
    pub(super) fn slow_clients(&self) -> Option<&Group> {
        self.slow_clients.as_ref()
    }
}

impl Group {
    fn with(group: Option<Self>, link: &LinkInfo, lasting: Duration) -> Self {
        let one = Self { count: 1, waiting_bytes: link.waiting.bytes as u64, longest: link.clone(), lasting };
        match group {
            Some(group) => Self::merge(group, one),
            None => one,
        }
    }

    fn merge(self, other: Self) -> Self {
        let (count, waiting_bytes) = (self.count + other.count, self.waiting_bytes + other.waiting_bytes);
        let longest = if other.lasting > self.lasting { other } else { self };
        Self { count, waiting_bytes, ..longest }
    }
}
