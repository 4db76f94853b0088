//! `/debug/pprof/`: profiles at the addresses where `go tool pprof` looks for them.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio::time::sleep;
use tracing::info;

use super::app::App;
use super::query::Query;
use super::reply::{Failure, Reply, content};
use crate::{CommandError, CpuSampling, WhenOff, block_profile, heap_profile, task_profile, thread_profile};

/// Seconds that a CPU profile may take, and takes unless the request says so.
const SECONDS: (usize, usize) = (1, 300);
const DEFAULT_SECONDS: usize = 30;
/// What `debug` may be; above 0 the answer is text.
const DEBUG: (usize, usize) = (0, 9999);

/// What a profile is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// CPU time.
    Cpu,
    /// Memory.
    Heap,
    /// What tasks do.
    Tasks,
    /// What was held up.
    Block,
    /// Threads.
    Threads,
}

const INDEX: &str = "\
profile?seconds=30  CPU time
heap                memory that is held; `heapprof start` starts sampling
goroutine           what every task does; ?debug=1: as text
block               who was held up, why and how long; ?debug=1: as text
threadcreate        threads and their CPU time; ?debug=1: as text
";

impl Profile {
    /// The profile of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "profile" => Some(Self::Cpu),
            "heap" => Some(Self::Heap),
            "goroutine" => Some(Self::Tasks),
            "block" => Some(Self::Block),
            "threadcreate" => Some(Self::Threads),
            _ => None,
        }
    }
}

impl App {
    /// The list of profiles.
    pub(super) fn profiles(&self) -> Reply {
        content("text/plain; charset=utf-8", INDEX)
    }

    /// A profile, for `go tool pprof` or as text.
    pub(super) async fn profile(&self, profile: Profile, head: &Parts) -> Result<Reply, Failure> {
        match profile {
            Profile::Cpu => {
                let seconds = Query::read(head, &["seconds"])?.number("seconds", SECONDS, DEFAULT_SECONDS)?;
                Ok(binary(self.cpu_profile(Duration::from_secs(seconds as u64)).await?))
            }
            Profile::Heap => {
                Query::read(head, &[])?;
                let when_off = if self.access().may_change(head) { WhenOff::Start } else { WhenOff::Refuse };
                let (profile, _was_on) = self.profiling.run(move || heap_profile(when_off)).await??;
                Ok(binary(profile))
            }
            Profile::Tasks | Profile::Block | Profile::Threads => self.listing(profile, head).await,
        }
    }

    /// Takes a CPU profile, one at a time in the process. It ends early if the request does.
    async fn cpu_profile(&self, time: Duration) -> Result<Vec<u8>, Failure> {
        let sampling = self.profiling.run(CpuSampling::start).await??;
        info!(target: "fastway::http::profiles", seconds = time.as_secs_f64(), "a CPU profile is taken over HTTP");

        tokio::select! {
            () = sleep(time) => {}
            () = self.ended() => return Err(Failure::busy("the gateway stops")),
        }

        let (profile, _samples) = self.profiling.run_in_turn(|| sampling.finish()).await??;
        Ok(profile)
    }

    /// The current state, as a profile or as text.
    async fn listing(&self, profile: Profile, head: &Parts) -> Result<Reply, Failure> {
        let as_text = Query::read(head, &["debug"])?.number("debug", DEBUG, 0)? > 0;
        let observer = Arc::clone(&self.observer);

        let bytes = match profile {
            Profile::Block => self.questions.ask(move || block_profile(&*observer, as_text)).await?,
            Profile::Threads => self.questions.run(move || thread_profile(as_text)).await?.map_err(failed)?,
            _ => self.questions.ask(move || task_profile(&*observer, as_text)).await?,
        };

        Ok(if as_text { content("text/plain; charset=utf-8", bytes) } else { binary(bytes) })
    }
}

fn binary(profile: Vec<u8>) -> Reply {
    content("application/octet-stream", profile)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::State(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            other => failed(other),
        }
    }
}
