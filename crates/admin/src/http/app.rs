//! The state that all requests share.

use std::fs;
use std::sync::{Arc, Mutex};

use fastway_service::logging::RateLimit;
use fastway_service::process::Name;
use tokio::sync::watch;

use super::access::Access;
use super::config::HttpConfig;
use super::job_limiter::JobLimiter;
use super::sample::{Samples, Started};
use super::subscribers::Subscribers;
use crate::Caller;
use crate::observe::Observe;

/// Log lines per second that refused requests can cause.
const LINES_PER_SECOND: u32 = 10;

/// Questions to workers, in progress or queued.
const QUESTIONS: usize = 16;
/// Profiles being started or given their names. With [`COMMANDS`] they are fewer than the helper threads, so that
/// questions find a thread.
const PROFILES: usize = 1;
/// Requests with commands in progress.
const COMMANDS: usize = 2;

/// The phase of the gateway, for its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It works.
    Serving,
    /// It is stopping.
    Stopping,
    /// Nothing is answered any more.
    Ended,
}

/// What distinguishes this gateway from others.
#[derive(Debug)]
pub(super) struct Identity {
    /// The first part of its file names.
    pub(super) name: String,
    /// The host name, if the system knows it.
    pub(super) host: String,
}

/// The state that all requests share.
pub(super) struct App {
    pub(super) identity: Arc<Identity>,
    pub(super) observer: Arc<dyn Observe>,
    pub(super) caller: Caller,
    pub(super) started: Started,
    pub(super) ready_needs_server: bool,
    pub(super) samples: Samples,
    /// Bounds questions to workers.
    pub(super) questions: JobLimiter,
    /// Bounds profiles.
    pub(super) profiling: JobLimiter,
    /// Bounds requests with commands.
    pub(super) commands: JobLimiter,
    pub(super) subscribers: Subscribers,
    pub(super) access: Access,
    phase: watch::Receiver<Phase>,
    /// Bounds the log lines about refused requests.
    pub(super) refused: Mutex<RateLimit>,
}

impl Identity {
    fn new(name: &Name) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { name: name.to_string(), host: host.trim().to_owned() }
    }
}

impl App {
    pub(super) fn new(
        config: &HttpConfig,
        observer: Arc<dyn Observe>,
        caller: Caller,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let refused = Mutex::new(RateLimit::new(LINES_PER_SECOND));
        Self {
            identity: Arc::new(Identity::new(&config.name)),
            observer,
            caller,
            started: Started::now(),
            ready_needs_server: config.ready_needs_server,
            samples: Samples::default(),
            questions: JobLimiter::new(QUESTIONS),
            profiling: JobLimiter::new(PROFILES),
            commands: JobLimiter::new(COMMANDS),
            subscribers: Subscribers::default(),
            access: Access::new(config),
            phase,
            refused,
        }
    }

    /// The phase of the gateway.
    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until nothing is answered any more.
    pub(super) async fn ended(&self) {
        // A dropped sender means the same.
        let _ = self.phase.clone().wait_for(|phase| *phase == Phase::Ended).await;
    }
}
