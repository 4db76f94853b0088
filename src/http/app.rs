//! What all requests are answered with.

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
use crate::admin::Caller;
use crate::observer::Observer;

/// Lines a second that refused requests can cause.
const LINES_PER_SECOND: u32 = 10;

/// Questions to workers that are under way or wait for their turn.
const QUESTIONS: usize = 16;
/// Profiles that are started, or are given their names, at a time. With [`COMMANDS`] these are fewer than there are threads,
/// so that questions find one.
const PROFILES: usize = 1;
/// Requests with commands that are under way.
const COMMANDS: usize = 2;

/// Where the gateway is in its life, as far as HTTP is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It works.
    Serving,
    /// It stops.
    Stopping,
    /// Nothing is answered any more.
    Ended,
}

/// What tells this gateway from others.
#[derive(Debug)]
pub(super) struct Identity {
    /// The first part of its files' names.
    pub(super) name: String,
    /// The name of its machine, as far as the system knows it.
    pub(super) host: String,
}

/// What all requests are answered with.
pub(super) struct App {
    pub(super) identity: Arc<Identity>,
    pub(super) observer: Observer,
    pub(super) caller: Caller,
    pub(super) started: Started,
    pub(super) ready_needs_server: bool,
    pub(super) samples: Samples,
    /// Questions to workers that are under way.
    pub(super) questions: JobLimiter,
    /// Profiles that are started, or are given their names.
    pub(super) profiling: JobLimiter,
    /// Commands that are under way.
    pub(super) commands: JobLimiter,
    pub(super) subscribers: Subscribers,
    pub(super) access: Access,
    phase: watch::Receiver<Phase>,
    /// Limits the lines about refused requests.
    pub(super) refused: Mutex<RateLimit>,
}

impl Identity {
    fn new(name: &Name) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { name: name.to_string(), host: host.trim().to_owned() }
    }
}

impl App {
    pub(super) fn new(config: &HttpConfig, observer: Observer, caller: Caller, phase: watch::Receiver<Phase>) -> Self {
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

    /// Where the gateway is in its life.
    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until nothing is to be answered any more.
    pub(super) async fn ended(&self) {
        // Whoever would say so is gone, which says the same.
        let _ = self.phase.clone().wait_for(|phase| *phase == Phase::Ended).await;
    }
}
