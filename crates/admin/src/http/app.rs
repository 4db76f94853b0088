//! The state that all requests share.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

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
    pub(super) samples: Samples,
    /// Bounds questions to workers.
    pub(super) questions: JobLimiter,
    /// Bounds profiles.
    pub(super) profiling: JobLimiter,
    /// Bounds requests with commands.
    pub(super) commands: JobLimiter,
    pub(super) subscribers: Subscribers,
    access: RwLock<Arc<Access>>,
    ready_needs_server: AtomicBool,
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
            samples: Samples::default(),
            questions: JobLimiter::new(QUESTIONS),
            profiling: JobLimiter::new(PROFILES),
            commands: JobLimiter::new(COMMANDS),
            subscribers: Subscribers::default(),
            access: RwLock::new(Arc::new(Access::new(config))),
            ready_needs_server: AtomicBool::new(config.ready_needs_server),
            phase,
            refused,
        }
    }

    /// The conditions for access of the moment.
    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the gateway is not ready while no game server is registered.
    pub(super) fn ready_needs_server(&self) -> bool {
        self.ready_needs_server.load(Relaxed)
    }

    /// Has new conditions hold from the next request on. Streams of those who had access under others end.
    pub(super) fn apply(&self, config: &HttpConfig) {
        self.ready_needs_server.store(config.ready_needs_server, Relaxed);
        let access = Arc::new(Access::new(config));
        if *self.access() != *access {
            *self.access.write().unwrap_or_else(PoisonError::into_inner) = access;
            self.subscribers.dismiss();
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
