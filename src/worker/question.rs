//! Questions that any thread may put to a worker. They come with the mail and are answered between turns, so that
//! nothing on a frame's way takes a lock for them.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::core::Core;
use super::mail::Message;
use super::shared::Shared;
use crate::routing::WorkerId;

/// What a worker is asked. It answers by carrying this out.
pub struct Question(Box<dyn FnOnce(&mut Core) + Send>);

/// An answer that is on its way.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    worker: WorkerId,
    asked: Instant,
    answer: Receiver<T>,
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

impl Question {
    /// Has the worker answer.
    pub(super) fn answer(self, core: &mut Core) {
        (self.0)(core);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

impl Shared {
    /// Puts a question to a worker. Never blocks.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        worker: WorkerId,
        question: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = sync_channel(1);
        let question = Question(Box::new(move |core| {
            let _asker_waits_no_more = reply.send(question(core));
        }));
        self.mailboxes.send(worker, Message::Ask(question));
        Pending { worker, asked: Instant::now(), answer }
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
