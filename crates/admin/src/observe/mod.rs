//! What the admin crate asks of a gateway, and what it is told.
//!
//! A gateway implements [`Observe`]. Everything that it tells is plain data: ids, numbers, and counts with the labels under
//! which they are shown, so that a gateway that counts something more needs no change here.

mod counts;
mod filter;
pub mod labels;
mod link;
mod report;
mod wait;
mod worker;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

pub use counts::{Histogram, NamedCounts};
use fastway_wire::ConnId;
pub use filter::{LinkCondition, LinkFilter, LinkFilterError};
pub use link::{
    ConnectionInfo, ConnectionPage, LinkId, LinkInfo, LinkPage, LinkState, PausedBy, Role, Side, Traffic, Waiting,
};
pub use report::{HeldUp, LinkCount, MemoryReport, PoolClass, Report, SessionCounts, SideCounts, Totals, WorkerLoad};
pub use wait::{Wait, WaitReason};
pub use worker::{AcceptorInfo, HandshakeInfo, TasksInfo};

/// A worker that has not answered for so long is stuck: new players might come to it.
pub const STUCK_AFTER: Duration = Duration::from_secs(3);

/// A view of a running gateway, for any thread. Those who ask wait for its workers.
pub trait Observe: Send + Sync {
    /// The same view, with this long for each worker to answer.
    fn with_time_limit(&self, limit: Duration) -> Arc<dyn Observe>;

    /// How the gateway stood when its workers last said so. Asks nobody.
    fn report(&self) -> Report;

    /// How the gateway stands now.
    ///
    /// # Errors
    /// A worker has not answered.
    fn report_now(&self) -> Result<Report, AskError>;

    /// The worker that has not answered for longest, by its number from 0, and for how long. Asks nobody.
    fn longest_silence(&self) -> Option<(usize, Duration)>;

    /// The first links, at most `limit`, that the filter takes.
    ///
    /// # Errors
    /// A worker has not answered.
    fn links(&self, filter: &LinkFilter, limit: usize) -> Result<LinkPage, AskError>;

    /// Shows all links that the filter takes to `visit`, until it breaks off.
    ///
    /// # Errors
    /// A worker has not answered.
    fn visit_links(
        &self,
        filter: &LinkFilter,
        visit: &mut dyn FnMut(LinkInfo) -> ControlFlow<()>,
    ) -> Result<(), AskError>;

    /// At most `limit` connections of a link, those with numbers above `after`; `None`: there is no such link.
    ///
    /// # Errors
    /// Its worker has not answered.
    fn connections(
        &self,
        link: LinkId,
        after: Option<ConnId>,
        limit: usize,
    ) -> Result<Option<ConnectionPage>, AskError>;

    /// The round-trip times to the peers of these links, as far as the system knows them.
    ///
    /// # Errors
    /// A worker has not answered.
    fn round_trips(&self, links: &[LinkId]) -> Result<HashMap<LinkId, Duration>, AskError>;

    /// What each worker does beside its links.
    ///
    /// # Errors
    /// A worker has not answered.
    fn tasks(&self) -> Result<Vec<TasksInfo>, AskError>;

    /// Closes a link at once. Says how it stood; `None`: there is no such link.
    ///
    /// # Errors
    /// Its worker has not answered; the link may be closed later.
    fn kick(&self, link: LinkId) -> Result<Option<LinkInfo>, AskError>;
}

/// Why a worker has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It is busy or stuck.
    #[error("worker {worker} did not answer within {limit:?}")]
    Late {
        /// Which worker, from 0.
        worker: usize,
        /// How long it had.
        limit: Duration,
    },
    /// It has ended, or ends before the question's turn.
    #[error("worker {worker} has ended")]
    Ended {
        /// Which worker, from 0.
        worker: usize,
    },
}
