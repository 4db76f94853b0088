//! The gateway as a whole: binds its ports, starts its workers, stops them.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tracing::info;

use crate::mux::accept::port_kinds::PortKinds;
use crate::mux::accept::{Admission, Rates};
use crate::mux::auto_limits::fit;
use crate::mux::config::{Config, Settings, Startup};
use crate::mux::drain::{Closed, DrainTimes, UndrainError};
use crate::mux::observer::Observer;
use crate::mux::pool::Pool;
pub use crate::mux::ports::PortError;
use crate::mux::ports::{Ports, Shares};
use crate::mux::routing::{PerSide, Side, WorkerId};
use crate::mux::worker::{self, Mailboxes, Message, Shared, Ticker};

/// What the log calls this part of the gateway.
const TARGET: &str = "fastway::gateway";

/// A gateway that is bound to its ports and does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    startup: Startup,
    settings: Settings,
    ports: Ports,
    shares: Shares,
}

/// A gateway that serves.
///
/// Dropping it stops the gateway as [`Running::stop`] does, and waits for nothing: the workers' threads close the links
/// within the shutdown grace, and end. To wait for that, call [`Running::stop`] and then [`Running::ended`].
#[derive(Debug)]
pub struct Running {
    startup: Startup,
    ports: Ports,
    kinds: PerSide<PortKinds>,
    mailboxes: Mailboxes,
    ticker: Ticker,
    shared: Arc<Shared>,
    workers: Vec<Option<JoinHandle<io::Result<()>>>>,
    /// The workers that have ended, as they do.
    ended: UnboundedReceiver<WorkerId>,
    stopping: AtomicBool,
}

/// Settings on their way to the workers.
#[derive(Debug)]
pub struct Applied(UnboundedReceiver<Infallible>);

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be opened.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The system refuses a worker its thread, or what its runtime needs.
    #[error("cannot start the workers (--workers): {0}")]
    Worker(io::Error),
}

/// Why a drain was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// It is too late or too early.
    #[error(transparent)]
    Phase(#[from] UndrainError),
    /// A port is not to be had any more.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Why another configuration does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// A port cannot be opened.
    #[error(transparent)]
    Port(#[from] PortError),
    /// What is closed by a drain comes back as it was.
    #[error("ports cannot change while a drain has closed some: take it back first (undrain)")]
    Closed,
}

impl Gateway {
    /// Binds the ports. Limits that the descriptors of the process cannot bear are lowered to what they can: raise the
    /// limit before, see [`raise_descriptor_limit`](fastway_service::process::raise_descriptor_limit).
    ///
    /// # Errors
    /// A port is not to be had.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        Self::inherit(config, PerSide::new(|_| None))
    }

    /// Binds as [`Gateway::bind`] does the ports for which there is no listener yet. One that is inherited is accepted from
    /// by one worker, which distributes what it accepts, even with `reuse_port`.
    ///
    /// # Errors
    /// A port is not to be had, or an inherited one would let anybody register as a game server.
    pub fn inherit(mut config: Config, inherited: PerSide<Option<TcpListener>>) -> Result<Self, StartError> {
        fit(&config.startup, &mut config.settings);
        if let Some(links) = config.settings.limits.max_links.most() {
            info!(target: TARGET, links, handshakes = config.settings.limits.max_handshakes, "limits of client links and handshakes");
        }
        if let Some(bytes) = config.settings.limits.max_buffered_bytes.most() {
            info!(target: TARGET, bytes, "limit of memory held for all links");
        }
        let Config { startup, listen, settings } = config;
        let (ports, shares) = Ports::open(&startup, &listen, &inherited)?;
        ports.check(&settings)?;
        Ok(Self { startup, settings, ports, shares })
    }

    /// Where players, or game servers, connect.
    pub fn addrs(&self, side: Side) -> impl Iterator<Item = SocketAddr> {
        self.ports.addrs(side)
    }

    /// Starts the workers. All of them serve when this returns.
    ///
    /// # Errors
    /// The system refuses a worker, or the thread that keeps time for them, something. Those that had started stop.
    pub fn start(self) -> Result<Running, StartError> {
        let Self { startup, settings, ports, mut shares } = self;
        let kinds = PerSide::new(|side| PortKinds::new(side, settings.side(side).kinds));
        let (mailboxes, receivers) = Mailboxes::new(startup.workers);
        let now = Instant::now();
        let shared = Shared::new(
            Admission::new(&settings.limits, startup.workers),
            Rates::new(&settings, now),
            Pool::new(&startup.pool),
            mailboxes.clone(),
            settings.sessions.waiting,
            settings.limits.max_buffered_bytes.most(),
            now,
        );
        shared.drain.will_close(closing(&startup, &kinds));
        let (end, ended) = mpsc::unbounded_channel();
        let (serving, ready) = std::sync::mpsc::channel();
        let notice = |worker| EndNotice { worker, end: end.clone(), mailboxes: mailboxes.clone(), has_quiesced: false };
        let notices: Vec<EndNotice> = mailboxes.workers().map(notice).collect();
        let ticker = Ticker::start(Arc::clone(&shared), &settings).map_err(StartError::Worker)?;
        let workers = Vec::with_capacity(startup.workers);
        let stopping = AtomicBool::new(false);
        // From here on, an error drops this, which stops the workers that have started.
        let mut running = Running { startup, ports, kinds, mailboxes, ticker, shared, workers, ended, stopping };
        let settings = Arc::new(settings);
        for (end, mail) in notices.into_iter().zip(receivers) {
            let id = end.worker;
            let listeners = shares.take(id);
            let (startup, settings) = (running.startup.clone(), Arc::clone(&settings));
            let (shared, serving) = (Arc::clone(&running.shared), serving.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{}", id.index()));
            let worker = move || worker::run(id, startup, settings, shared, listeners, mail, serving);
            let started = thread.spawn(move || end.after(worker));
            running.workers.push(Some(started.map_err(StartError::Worker)?));
        }
        drop(serving);

        let ready: Vec<WorkerId> = ready.iter().collect();
        let failed = running.mailboxes.workers().find(|worker| !ready.contains(worker));
        match failed.map(|worker| running.join(worker)) {
            Some(Err(error)) => Err(StartError::Worker(error)),
            Some(Ok(())) | None => Ok(running),
        }
    }
}

/// Tells that a worker's thread has ended, even by a panic, or was never there.
#[derive(Debug)]
struct EndNotice {
    worker: WorkerId,
    end: UnboundedSender<WorkerId>,
    mailboxes: Mailboxes,
    /// Whether the other workers know that it reads nothing more. They wait for that when they stop.
    has_quiesced: bool,
}

impl EndNotice {
    /// Runs a worker, and tells that it has ended.
    fn after(mut self, run: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let result = run();
        self.has_quiesced = result.is_ok();
        result
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        if !self.has_quiesced {
            self.mailboxes.workers().for_each(|other| self.mailboxes.send(other, Message::Quiesced));
        }
        let _nobody_waits = self.end.send(self.worker);
    }
}

impl Running {
    /// Has new settings hold from now on, for links that live as well. Returns at once: each worker takes them over in its
    /// next turn.
    ///
    /// A limit of links below what is in use refuses newcomers and closes nobody; handshakes beyond theirs end. What waits
    /// for links and what links hold is judged by the new bounds. A session keeps the times with which it was opened.
    /// Limits that are left to the machine are found again, as for [`Gateway::bind`].
    pub fn apply(&mut self, mut settings: Settings) -> Applied {
        fit(&self.startup, &mut settings);
        Side::ALL.into_iter().for_each(|side| self.kinds[side].apply(settings.side(side).kinds));
        self.shared.drain.will_close(closing(&self.startup, &self.kinds));
        self.shared.apply(&settings);
        self.ticker.apply(&settings);
        let settings = Arc::new(settings);
        let (taken, applied) = mpsc::unbounded_channel();
        for worker in self.mailboxes.workers() {
            let settings = Arc::clone(&settings);
            self.mailboxes.send(worker, Message::Settings { settings, taken: taken.clone() });
        }
        Applied(applied)
    }

    /// Has other ports and settings hold, or changes nothing. A port whose address stays, as it is written, is left alone;
    /// others are opened and closed, and links that came by those live on. What is inherited stays.
    ///
    /// # Errors
    /// A port cannot be opened, or a drain has closed ports.
    pub fn reconfigure(
        &mut self,
        listen: &PerSide<Vec<String>>,
        settings: Settings,
    ) -> Result<Applied, ReconfigureError> {
        self.ports.check(&settings)?;
        let change = self.ports.prepare(&self.startup, listen)?;
        if change.is_none() {
            return Ok(self.apply(settings));
        }

        // The ticker's thread must not close ports meanwhile.
        let shared = Arc::clone(&self.shared);
        let reconfigured = shared.drain.while_open(|| {
            let (come, go) = self.ports.apply(change);
            let workers = self.mailboxes.workers();
            workers.for_each(|worker| self.mailboxes.send(worker, Message::Unlisten(Arc::clone(&go))));
            listen_on(&self.mailboxes, come);
        });
        reconfigured.map_err(|Closed| ReconfigureError::Closed)?;
        Ok(self.apply(settings))
    }

    /// Where players, or game servers, connect.
    pub fn addrs(&self, side: Side) -> impl Iterator<Item = SocketAddr> {
        self.ports.addrs(side)
    }

    /// Takes nobody new, waits for the clients to leave, and closes those that stay, within these times. Returns at once;
    /// [`Running::drained`] waits. A drain that is under way gets the new times.
    ///
    /// A port without sessions is closed. One that admits them stays open: sessions are resumed, and opens are answered with
    /// *draining*. With [`Startup::reuse_port`] it is closed as well, so that the next process gets the newcomers. Game
    /// servers stay, and hold no drain up.
    pub fn drain(&self, times: DrainTimes) {
        self.shared.drain.begin(times, Instant::now());
        self.ticker.look_at_drain();
    }

    /// Waits until no client is left, and returns true, or until the drain is taken back.
    pub fn drained(&self) -> impl Future<Output = bool> + use<> {
        let shared = Arc::clone(&self.shared);
        async move { shared.drain.finished().await }
    }

    /// Takes a drain back: newcomers are admitted again, on ports at the same addresses.
    ///
    /// # Errors
    /// There is no drain, clients are being closed, or a port is another program's by now. Then nothing has changed.
    pub fn undrain(&self) -> Result<(), ReopenError> {
        self.shared.drain.undo(|closed| {
            let reopened = self.ports.reopen(closed, &self.startup)?;
            listen_on(&self.mailboxes, reopened);
            Ok(())
        })
    }

    /// Stops accepting and reading, tells the ends of all connections, and closes each link once it has got what waits
    /// for it, within the shutdown grace. Returns at once.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
        self.mailboxes.workers().for_each(|worker| self.mailboxes.send(worker, Message::Stop));
        self.ticker.tick_faster();
    }

    /// Waits until all workers have ended.
    ///
    /// # Errors
    /// A worker failed, or ended without having been asked to; the gateway cannot go on without it.
    pub async fn ended(&mut self) -> io::Result<()> {
        while let Some(worker) = self.ended.recv().await {
            self.join(worker)?;
            if !self.stopping.load(Relaxed) {
                return Err(io::Error::other("a worker ended unasked"));
            }
        }
        Ok(())
    }

    /// Waits for a worker's thread, which is ending.
    fn join(&mut self, worker: WorkerId) -> io::Result<()> {
        let thread = self.workers.get_mut(worker.index()).and_then(Option::take);
        let result = thread.map_or(Ok(Ok(())), JoinHandle::join);
        result.unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))
    }

    /// A view of the gateway from any thread.
    pub fn observer(&self) -> Observer {
        Observer::new(Arc::clone(&self.shared))
    }
}

impl Applied {
    /// Waits until all workers have taken the settings: whoever comes after that meets them.
    pub async fn by_all(mut self) {
        let _nothing_comes = self.0.recv().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Has workers accept from listeners, too.
fn listen_on(mailboxes: &Mailboxes, mut shares: Shares) {
    for worker in mailboxes.workers() {
        mailboxes.send(worker, Message::Listen(shares.take(worker)));
    }
}

/// The sides whose ports a drain closes: those without sessions that could be resumed, and those that others share.
fn closing(startup: &Startup, kinds: &PerSide<PortKinds>) -> PerSide<bool> {
    PerSide::new(|side| startup.reuse_port || !kinds[side].has_sessions())
}
