//! From a request to its answer.

use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use tokio::sync::watch;

use super::HttpConfig;
use super::access::Access;
use super::connections::ClientTrust;
use super::events::Events;
use super::job_limiter::JobLimiter;
use super::reply::{Failure, Reply, protected};
use super::route::Route;
use super::sample::{Samples, Started};
use crate::admin::{Caller, Excerpt};
use crate::gateway::Observer;
use crate::logging::{RateLimit, limited};
use crate::process::Name;

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
    pub(super) events: Events,
    pub(super) access: Access,
    phase: watch::Receiver<Phase>,
    refused: Mutex<RateLimit>,
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
            events: Events::default(),
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

    /// Answers a request of a connection.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        from: ClientTrust,
    ) -> Result<Reply, Infallible> {
        let (head, body) = request.into_parts();
        let reply = self.reply(&head, body, &from).await.unwrap_or_else(|failure| {
            self.log(&head, &failure);
            failure.into_reply()
        });
        Ok(protected(reply))
    }

    async fn reply(&self, head: &Parts, body: Incoming, from: &ClientTrust) -> Result<Reply, Failure> {
        let route = Route::at(head.uri.path()).ok_or_else(|| nothing_at(head.uri.path()))?;
        if !route.allows(&head.method) {
            let error = format!("{} is not allowed here; allowed: {}", head.method, route.allowed());
            return Err(Failure::method(error, route.allowed()));
        }
        match route {
            // They tell nothing but that there is a gateway.
            Route::Live | Route::Ready => {}
            Route::Page(_) => self.access.check_page(head)?,
            _ => {
                self.access.check(head)?;
                from.set_trusted();
            }
        }
        match route {
            Route::Page(page) => Ok(page.reply()),
            Route::Live => Ok(self.live()),
            Route::Ready => Ok(self.ready()),
            Route::Stats => self.stats(head).await,
            Route::Links => self.links(head).await,
            Route::Servers => self.servers(head).await,
            Route::Connections => self.connections(head).await,
            Route::Events => self.event_stream(head),
            Route::Metrics => self.metrics(head).await,
            Route::Profiles => Ok(self.profiles()),
            Route::Profile(profile) => self.profile(profile, head).await,
            Route::Commands if head.method == Method::POST => self.run_commands(head, body).await,
            Route::Commands => Ok(self.commands()),
        }
    }

    /// Logs who was kept out: it may be an attack, or an operator who wonders.
    fn log(&self, head: &Parts, failure: &Failure) {
        let kept_out = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::MISDIRECTED_REQUEST];
        if !kept_out.contains(&failure.status()) {
            return;
        }
        let mut limit = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, reason) = (Excerpt::new(head.uri.path()), failure.error());
        limited!(limit, WARN, [path = path.plain(), reason], "admin request refused");
    }
}

fn nothing_at(path: &str) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}; the page at / has what there is", Excerpt::new(path)),
    )
}
