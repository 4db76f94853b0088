//! Looking at a running gateway, from any thread.
//!
//! The workers themselves answer, between two turns. What may be long comes in pages: a worker looks at a bounded number
//! of links for one question about links, so that 10,000 of them hold nobody up. For [`Observer::report_now`] it looks at
//! all of its links at once, as a sweep does, and for [`Observer::connections`] at all connections of the link: ask for
//! these a few times a second at most. Whoever asks waits: an asynchronous program asks from a thread of its own.

mod admin;
mod filter;
mod report;
mod totals;

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

// What commands and the admin listener are told as well.
pub use fastway_admin::observe::{
    AcceptorInfo, AskError, ConnectionInfo, ConnectionPage, HandshakeInfo, LinkFilter, LinkFilterError, LinkId,
    LinkInfo, LinkState, MemoryReport, PausedBy, PerSide, PoolClass as ClassReport, Role, Side, TasksInfo, Traffic,
    Wait, WaitReason, WaitReport, Waiting,
};
pub use fastway_service::{Counts, Kind, PerKind, Share};
pub use fastway_session::Protocol;
pub use fastway_wire::{ConnId, ServerId};
pub use report::Report;

use self::filter::takes;
pub use crate::mux::accept::{RefusalKind, RejectionCounts, RejectionKind, ResumeEnd};
pub use crate::mux::drain::{DrainPhase, DrainStatus};
pub use crate::mux::link::{CloseKind, TransportKind};
pub use crate::mux::routing::RouterStats;
pub use crate::mux::worker::{
    BatchSizes, Batches, Bounds, HeldUp, Histogram, LinkCounts, RoundTripTimes, RoundTrips, SessionStats, SideReport,
    SideStats, Stats, Undelivered, WorkerReport,
};

use crate::mux::routing::{LinkAddr, WorkerId};
use crate::mux::worker::{Pending, ROUND_TRIPS_PER_QUESTION, SLOTS_PER_QUESTION, Shared};

/// How long a worker has for an answer.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// A view of a running gateway. It takes no part in its work and may outlive it.
///
/// ```
/// use fastway::observer::LinkFilter;
/// # use fastway::{config::Config, gateway::Gateway};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut config = Config::default();
/// # config.listen.client = vec!["127.0.0.1:0".to_owned()];
/// # config.listen.server = vec!["127.0.0.1:0".to_owned()];
/// # let gateway = Gateway::bind(config)?;
/// # let mut running = gateway.start()?;
/// let observer = running.observer();
/// let slow: LinkFilter = "client held-up".parse()?;
/// let page = observer.links(&slow, None, 100)?;
/// for link in page.links {
///     println!("{} {} {} bytes wait", link.id, link.peer, link.waiting.bytes);
/// }
/// # running.stop();
/// # running.ended().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Observer {
    shared: Arc<Shared>,
    time_limit: Duration,
}

/// Some of the links of a gateway.
#[derive(Clone, Debug)]
pub struct LinkPage {
    /// The links, by worker and place.
    pub links: Vec<LinkInfo>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<LinkCursor>,
}

/// Where a page of links begins. As text it is `worker.place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCursor {
    worker: u16,
    slot: usize,
}

/// A text is no [`LinkCursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place among links is written as two numbers, for example 0.1000")]
pub struct LinkCursorError;

impl Observer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, time_limit: TIME_LIMIT }
    }

    /// Gives each worker this long for an answer instead of 5 s.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// How the gateway stood when its workers last said so, at a sweep or for [`Observer::report_now`]. Asks nobody.
    pub fn report(&self) -> Report {
        self.report_of(self.shared.reports())
    }

    /// How the gateway stands now. Each worker looks at all of its links for it.
    ///
    /// # Errors
    /// A worker has not answered.
    pub fn report_now(&self) -> Result<Report, AskError> {
        Ok(self.report_of(self.ask_all(Shared::ask_report)?))
    }

    /// How far a drain has come. Asks nobody.
    pub fn drain(&self) -> DrainStatus {
        self.shared.drain_status(Instant::now())
    }

    /// The worker that has not answered for longest, by its number from 0, and for how long. Asks nobody: it is seen from
    /// outside that a worker does not begin the sweep that it was told to.
    pub fn longest_silence(&self) -> Option<(usize, Duration)> {
        self.shared.longest_silence(Instant::now()).map(|(worker, silence)| (worker.index(), silence))
    }

    /// At most `limit` links that the filter takes, from `from` or the beginning on. A link that comes or goes between
    /// two pages may be missing; none that stays is, and none comes twice.
    ///
    /// # Errors
    /// A worker has not answered.
    pub fn links(&self, filter: &LinkFilter, from: Option<LinkCursor>, limit: usize) -> Result<LinkPage, AskError> {
        let mut links = Vec::new();
        let mut cursor = from.or(Some(LinkCursor::START));
        while let Some(at) = cursor.filter(|_| links.len() < limit) {
            cursor = self.links_at(filter, at, limit - links.len(), &mut links)?;
        }
        Ok(LinkPage { links, next: cursor })
    }

    /// Shows all links that the filter takes to `visit`, until it breaks off. Holds few of them in memory at a time.
    ///
    /// # Errors
    /// A worker has not answered.
    pub fn visit_links(
        &self,
        filter: &LinkFilter,
        mut visit: impl FnMut(LinkInfo) -> ControlFlow<()>,
    ) -> Result<(), AskError> {
        let mut cursor = Some(LinkCursor::START);
        let mut links = Vec::new();
        while let Some(at) = cursor {
            cursor = self.links_at(filter, at, SLOTS_PER_QUESTION, &mut links)?;
            if links.drain(..).try_for_each(&mut visit).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The link of this number, a client's or a registered server's.
    ///
    /// # Errors
    /// Its worker has not answered.
    pub fn link(&self, id: LinkId) -> Result<Option<LinkInfo>, AskError> {
        let Some(addr) = self.shared.registry.link(id) else { return Ok(None) };
        let asked = self.shared.ask_links(addr.worker, addr.slot.index(), 1, move |link| link.id == id);
        Ok(asked.wait(self.time_limit)?.links.pop())
    }

    /// The links of all game servers.
    ///
    /// # Errors
    /// A worker has not answered.
    pub fn servers(&self) -> Result<Vec<LinkInfo>, AskError> {
        Ok(self.links(&LinkFilter::of_side(Side::Server), None, usize::MAX)?.links)
    }

    /// At most `limit` connections of a link, those with numbers above `after`; `None`: there is no such link.
    ///
    /// # Errors
    /// Its worker has not answered.
    pub fn connections(
        &self,
        link: LinkId,
        after: Option<ConnId>,
        limit: usize,
    ) -> Result<Option<ConnectionPage>, AskError> {
        let Some(addr) = self.shared.registry.link(link) else { return Ok(None) };
        let asked = self.shared.ask_connections(addr, after.unwrap_or(ConnId::COMMAND), limit.saturating_add(1));
        let mut connections = asked.wait(self.time_limit)?;
        let more = connections.len() > limit;
        connections.truncate(limit);
        let next = connections.last().map(|last| last.conn).filter(|_| more);
        Ok(Some(ConnectionPage { connections, next }))
    }

    /// The round-trip times to the peers of these links as the system knows them, one system call for each link. What is
    /// gone or not known is left out.
    ///
    /// # Errors
    /// A worker has not answered.
    pub fn round_trips(&self, links: &[LinkId]) -> Result<HashMap<LinkId, Duration>, AskError> {
        let mut addrs: Vec<LinkAddr> = links.iter().filter_map(|link| self.shared.registry.link(*link)).collect();
        addrs.sort_by_key(|addr| addr.worker.index());
        let questions = addrs.chunk_by(|one, next| one.worker == next.worker);
        let questions = questions.flat_map(|of_worker| of_worker.chunks(ROUND_TRIPS_PER_QUESTION));
        let questions = questions.filter_map(|part| Some((part.first()?.worker, part)));
        // One after the other: a worker serves its links between two of them.
        let asked = questions.map(|(worker, part)| self.shared.ask_round_trips(worker, part.to_vec()));
        let answers = asked.map(|pending| pending.wait(self.time_limit));
        answers.collect::<Result<Vec<_>, _>>().map(|answers| answers.into_iter().flatten().collect())
    }

    /// What each worker does beside its links.
    ///
    /// # Errors
    /// A worker has not answered.
    pub fn tasks(&self) -> Result<Vec<TasksInfo>, AskError> {
        self.ask_all(Shared::ask_tasks)
    }

    /// Closes a link at once, with [`CloseKind::Kicked`] as the reason in the log.
    /// Says how it stood; `None`: there is no such link.
    ///
    /// # Errors
    /// Its worker has not answered; the link may be closed later.
    pub fn kick(&self, link: LinkId) -> Result<Option<LinkInfo>, AskError> {
        let Some(addr) = self.shared.registry.link(link) else { return Ok(None) };
        self.shared.ask_to_kick(addr).wait(self.time_limit)
    }

    /// Adds what one question brings, at most `most` links, and says where to go on.
    fn links_at(
        &self,
        filter: &LinkFilter,
        at: LinkCursor,
        most: usize,
        links: &mut Vec<LinkInfo>,
    ) -> Result<Option<LinkCursor>, AskError> {
        if !self.exists(at) {
            return Ok(None);
        }
        let filter = filter.clone();
        let wanted = move |link: &LinkInfo| takes(&filter, link);
        let found = self.shared.ask_links(WorkerId::new(at.worker), at.slot, most, wanted).wait(self.time_limit)?;
        links.extend(found.links);
        let here = found.next.map(|slot| LinkCursor { slot, ..at });
        let after = || LinkCursor { worker: at.worker.saturating_add(1), slot: 0 };
        Ok(Some(here.unwrap_or_else(after)).filter(|next| self.exists(*next)))
    }

    /// Asks all workers before any answer is waited for.
    fn ask_all<T>(&self, ask: fn(&Shared, WorkerId) -> Pending<T>) -> Result<Vec<T>, AskError> {
        let asked: Vec<_> = self.shared.mailboxes.workers().map(|worker| ask(&self.shared, worker)).collect();
        asked.into_iter().map(|pending| pending.wait(self.time_limit)).collect()
    }

    fn exists(&self, cursor: LinkCursor) -> bool {
        self.shared.mailboxes.workers().any(|worker| worker.index() == usize::from(cursor.worker))
    }

    fn report_of(&self, workers: Vec<WorkerReport>) -> Report {
        let (sessions, waiting) = self.shared.sessions.load();
        let (servers, pool) = (self.shared.registry.servers(), self.shared.pool.report());
        let memory = self.shared.memory.report();
        Report { workers, servers, sessions, waiting, memory, pool, drain: self.drain() }
    }
}

impl LinkCursor {
    const START: Self = Self { worker: 0, slot: 0 };
}

impl fmt::Display for LinkCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.worker, self.slot)
    }
}

impl FromStr for LinkCursor {
    type Err = LinkCursorError;

    fn from_str(text: &str) -> Result<Self, LinkCursorError> {
        let (worker, slot) = text.split_once('.').ok_or(LinkCursorError)?;
        let worker = worker.parse().map_err(|_| LinkCursorError)?;
        Ok(Self { worker, slot: slot.parse().map_err(|_| LinkCursorError)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = LinkCursor { worker: 3, slot: 1000 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "3", ".", "3.", ".5", "-1.5", "65536.0", "1.x", "1.2.3"] {
            assert_eq!(text.parse::<LinkCursor>(), Err(LinkCursorError), "{text}");
        }
    }
}
