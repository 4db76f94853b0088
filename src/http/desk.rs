//! Work that has to wait for a worker, or takes its time: done on helper threads, a bounded number at a time.

use std::sync::Arc;

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::reply::Failure;
use crate::gateway::AskError;

/// Takes so much work at a time; further work is refused.
#[derive(Debug)]
pub(super) struct Desk {
    places: Arc<Semaphore>,
    most: usize,
}

impl Desk {
    pub(super) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most }
    }

    /// Does work on a helper thread. When nobody waits for it any more, it is done all the same, and keeps its place.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let busy =
            || Failure::busy(format!("too much like this is under way already, {} at a time; try again", self.most));
        do_at(Arc::clone(&self.places).try_acquire_owned().map_err(|_full| busy())?, work).await
    }

    /// [`Desk::work`] that waits for a place: for the end of something, which must not be lost.
    pub(super) async fn work_in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let closed = |error| Failure::busy(format!("{error}"));
        do_at(Arc::clone(&self.places).acquire_owned().await.map_err(closed)?, work).await
    }

    /// [`Desk::work`] for a question to workers.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, AskError> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.work(question).await??)
    }
}

async fn do_at<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let failed = |error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("it failed: {error}"));
    let working = spawn_blocking(move || {
        let _kept = place;
        work()
    });
    working.await.map_err(failed)
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        let status = match error {
            AskError::Late { .. } => StatusCode::GATEWAY_TIMEOUT,
            AskError::Ended { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}
