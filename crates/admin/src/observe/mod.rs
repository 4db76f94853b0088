//! The questions of the admin crate to a gateway, and the data of the answers.
//!
//! A gateway implements [`Observe`]. All answers are plain data. Ids, ports and the reasons for which a link is held up are
//! types, which the gateway uses itself; counts have labels, so that a further count of a gateway needs no change here.

mod counts;
mod filter;
pub mod labels;
mod link;
mod report;
mod side;
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
    ConnectionInfo, ConnectionPage, LinkId, LinkInfo, LinkPage, LinkState, PausedBy, Role, Traffic, Waiting,
};
pub use report::{HeldUp, LinkCount, MemoryReport, PoolClass, Report, SessionCounts, SideCounts, Totals, WorkerLoad};
pub use side::{PerSide, Side};
pub use wait::{Wait, WaitReason, WaitReport};
pub use worker::{AcceptorInfo, HandshakeInfo, TasksInfo};

/// A view of a running gateway, usable from any thread. Questions block until its workers have answered.
pub trait Observe: Send + Sync {
    /// The same view, with this time limit for the answer of each worker.
    fn with_time_limit(&self, limit: Duration) -> Arc<dyn Observe>;

    /// The last published reports of all workers. Asks no worker.
    fn report(&self) -> Report;

    /// New reports of all workers.
    ///
    /// # Errors
    /// A worker has not answered.
    fn report_now(&self) -> Result<Report, AskError>;

    /// The worker that has not answered for longest: its number from 0, and the time. Asks no worker.
    fn longest_silence(&self) -> Option<(usize, Duration)>;

    /// The first links of the filter, at most `limit`.
    ///
    /// # Errors
    /// A worker has not answered.
    fn links(&self, filter: &LinkFilter, limit: usize) -> Result<LinkPage, AskError>;

    /// Calls `visit` for all links of the filter, until it breaks.
    ///
    /// # Errors
    /// A worker has not answered.
    fn visit_links(
        &self,
        filter: &LinkFilter,
        visit: &mut dyn FnMut(LinkInfo) -> ControlFlow<()>,
    ) -> Result<(), AskError>;

    /// At most `limit` connections of a link, with numbers above `after`; `None` if the link is unknown.
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

    /// The tasks of each worker, without those of its links.
    ///
    /// # Errors
    /// A worker has not answered.
    fn tasks(&self) -> Result<Vec<TasksInfo>, AskError>;

    /// Closes a link at once. Returns its last state; `None` if the link is unknown.
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
        /// The time limit.
        limit: Duration,
    },
    /// It has ended, or ends before the question's turn.
    #[error("worker {worker} has ended")]
    Ended {
        /// Which worker, from 0.
        worker: usize,
    },
}
