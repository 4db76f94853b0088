//! Questions that any thread may put to a worker. They come with the mail and are answered between turns, so that
//! nothing on a frame's way takes a lock for them.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use fastway_admin::observe::{AskError, ConnectionInfo, LinkInfo, TasksInfo};
use fastway_wire::ConnId;

use super::report::WorkerReport;
use crate::mux::routing::{LinkAddr, LinkId, WorkerId};

/// What a worker is asked. It answers by carrying this out.
pub(crate) struct Question(Box<Asked>);

type Asked = dyn FnOnce(&mut dyn Answers) + Send;

/// Who can be asked: a worker.
pub(super) trait Answers {
    /// Its links from slot `from` on: at most `most` that are `wanted`.
    fn links_at(&self, from: usize, most: usize, wanted: &dyn Fn(&LinkInfo) -> bool) -> LinksAt;

    /// Connections of a link: at most `most`, in order, those above `after`.
    fn connections_of(&self, link: LinkAddr, after: ConnId, most: usize) -> Vec<ConnectionInfo>;

    /// The round-trip times of links, as far as they are known.
    fn round_trips(&self, links: &[LinkAddr]) -> Vec<(LinkId, Duration)>;

    /// What it does beside its links.
    fn tasks(&self) -> TasksInfo;

    /// How it stands, which it publishes as well.
    fn report(&self) -> WorkerReport;

    /// Closes a link; what was closed, if it was there.
    fn kick(&mut self, link: LinkAddr) -> Option<LinkInfo>;
}

/// Links of one worker, from one slot on.
#[derive(Debug)]
pub(crate) struct LinksAt {
    /// Those that were wanted, in the order of their slots.
    pub(crate) links: Vec<LinkInfo>,
    /// Where to go on; `None`: these were the last.
    pub(crate) next: Option<usize>,
}

/// An answer that is on its way.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    worker: WorkerId,
    asked: Instant,
    answer: Receiver<T>,
}

impl Question {
    /// A question, and where its answer comes.
    pub(super) fn new<T: Send + 'static>(
        worker: WorkerId,
        question: impl FnOnce(&mut dyn Answers) -> T + Send + 'static,
    ) -> (Self, Pending<T>) {
        let (reply, answer) = sync_channel(1);
        let question = Self(Box::new(move |worker| {
            let _asker_waits_no_more = reply.send(question(worker));
        }));
        (question, Pending { worker, asked: Instant::now(), answer })
    }

    /// Has the worker answer.
    pub(super) fn answer(self, worker: &mut dyn Answers) {
        (self.0)(worker);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

impl<T> Pending<T> {
    /// Waits for the answer until `limit` after the question.
    ///
    /// # Errors
    /// There is none by then.
    pub(crate) fn wait(self, limit: Duration) -> Result<T, AskError> {
        let worker = self.worker.index();
        self.answer.recv_timeout(limit.saturating_sub(self.asked.elapsed())).map_err(|error| match error {
            RecvTimeoutError::Timeout => AskError::Late { worker, limit },
            RecvTimeoutError::Disconnected => AskError::Ended { worker },
        })
    }
}
