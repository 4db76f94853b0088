//! The admin listener, which may come, move and go while the gateway runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use fastway_admin::Caller;
use fastway_admin::http::{HttpAdmin, HttpConfig, HttpError, HttpListener};
use fastway_admin::observe::Observe;
use tokio::task::spawn_blocking;

/// Where the admin listener is and what it answers from.
pub(crate) struct AdminPort {
    observer: Arc<dyn Observe>,
    caller: Caller,
    listener: Option<HttpAdmin>,
    config: HttpConfig,
    /// Whether the service manager has bound it: then it stays where it is.
    is_inherited: bool,
}

/// What becomes of the listener. Whatever can fail has been done.
pub(crate) enum AdminChange {
    /// It stays where it is.
    Stay,
    /// It moves.
    Move(HttpListener),
    /// There is one from now on.
    Begin(HttpAdmin),
    /// There is none any more.
    End,
}

impl AdminPort {
    /// Starts the listener, if there is to be one.
    ///
    /// # Errors
    /// The system has no thread left for it.
    pub(crate) fn start(
        listener: Option<HttpListener>,
        config: HttpConfig,
        is_inherited: bool,
        observer: Arc<dyn Observe>,
        caller: Caller,
    ) -> io::Result<Self> {
        let mut port = Self { observer, caller, listener: None, config, is_inherited };
        port.listener = listener.map(|listener| port.begin(listener)).transpose()?;
        Ok(port)
    }

    fn begin(&self, listener: HttpListener) -> io::Result<HttpAdmin> {
        listener.start(Arc::clone(&self.observer), self.caller.clone())
    }

    /// Where it answers, if there is one.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(HttpAdmin::addr)
    }

    /// Has it say that the gateway stops.
    pub(crate) fn announce_end(&self) {
        self.listener.iter().for_each(HttpAdmin::announce_end);
    }

    /// Opens the port that another configuration asks for, and has nothing change yet.
    ///
    /// # Errors
    /// It is not to be had, or would be open to others without a token.
    pub(crate) fn prepare(&self, config: &HttpConfig) -> anyhow::Result<AdminChange> {
        if self.is_inherited || config.addr == self.config.addr {
            self.listener.as_ref().map_or(Ok(()), |listener| listener.check(config))?;
            return Ok(AdminChange::Stay);
        }
        let opened = HttpListener::open(config.clone(), None).map_err(|error| self.explain(config, error))?;
        match (opened, &self.listener) {
            (None, _) => Ok(AdminChange::End),
            (Some(port), Some(_)) => Ok(AdminChange::Move(port)),
            (Some(port), None) => {
                let begun = self.begin(port).context("cannot start the thread that answers HTTP")?;
                Ok(AdminChange::Begin(begun))
            }
        }
    }

    /// Says so when it is the listener itself that has the port.
    fn explain(&self, config: &HttpConfig, error: HttpError) -> anyhow::Error {
        let number = config.addr.as_deref().and_then(|addr| addr.rsplit_once(':')?.1.parse().ok());
        let own = self.addr().filter(|own| Some(own.port()) == number);
        let remark = own.map(|own| {
            format!("it overlaps {own}, which the gateway has already: reload with --admin-addr off first, or restart")
        });
        match remark {
            Some(remark) => anyhow::Error::new(error).context(remark),
            None => error.into(),
        }
    }

    /// Carries out what was prepared with this configuration. Requests in progress are answered.
    pub(crate) fn apply(&mut self, change: AdminChange, config: HttpConfig) {
        match change {
            AdminChange::Stay => self.listener.iter().for_each(|listener| listener.apply(&config)),
            AdminChange::Move(port) => {
                if let Some(listener) = &mut self.listener {
                    listener.move_to(port);
                }
            }
            AdminChange::Begin(listener) => self.listener = Some(listener),
            AdminChange::End => {
                let ending = self.listener.take();
                // Its end waits for answers in progress, one of which may be about this.
                spawn_blocking(move || drop(ending));
            }
        }
        self.config = config;
    }
}
