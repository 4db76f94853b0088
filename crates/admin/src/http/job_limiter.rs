//! Jobs that wait for a worker or take long: run on helper threads, a bounded number at a time.

use std::sync::Arc;

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::reply::Failure;
use crate::observe::AskError;

/// Bounds the number of jobs at a time. Further ones are refused.
#[derive(Debug)]
pub(super) struct JobLimiter {
    places: Arc<Semaphore>,
    most: usize,
}

impl JobLimiter {
    pub(super) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most }
    }

    /// Runs a job on a helper thread. A job that is no longer awaited still runs to its end, and counts until then.
    pub(super) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let busy =
            || Failure::busy(format!("too much like this is under way already, {} at a time; try again", self.most));
        run_at(Arc::clone(&self.places).try_acquire_owned().map_err(|_full| busy())?, job).await
    }

    /// Like [`JobLimiter::run`], but waits for a place: for the end of something, which must not be lost.
    pub(super) async fn run_in_turn<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let closed = |error| Failure::busy(format!("{error}"));
        run_at(Arc::clone(&self.places).acquire_owned().await.map_err(closed)?, job).await
    }

    /// Like [`JobLimiter::run`], for a question to workers.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, AskError> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.run(question).await??)
    }
}

async fn run_at<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let failed = |error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("it failed: {error}"));
    let working = spawn_blocking(move || {
        let _kept = place;
        job()
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
