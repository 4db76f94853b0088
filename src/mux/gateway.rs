//! The gateway as a whole: binds its ports, starts its workers, stops them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Instant;

use fastway_service::listen;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tracing::info;

use crate::mux::accept::stream::Listeners;
use crate::mux::accept::{Admission, Rates};
use crate::mux::auto_limits::fit;
use crate::mux::config::{Config, Settings, Startup};
use crate::mux::drain::{DrainTimes, UndrainError};
use crate::mux::observer::Observer;
use crate::mux::pool::Pool;
use crate::mux::routing::{PerSide, Side, WorkerId};
use crate::mux::worker::{self, Mailboxes, Message, Shared, Ticker};

/// What the log calls this part of the gateway.
const TARGET: &str = "fastway::gateway";

/// A gateway that is bound to its ports and does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    client: Port,
    server: Port,
}

/// A gateway that serves.
///
/// Dropping it stops the gateway as [`Running::stop`] does, and waits for nothing: the workers' threads close the links
/// within the shutdown grace, and end. To wait for that, call [`Running::stop`] and then [`Running::ended`].
#[derive(Debug)]
pub struct Running {
    startup: Startup,
    /// Where both ports are.
    addrs: PerSide<SocketAddr>,
    /// Listeners that were not bound here: a drain that is taken back accepts from them again.
    inherited: PerSide<Option<TcpListener>>,
    mailboxes: Mailboxes,
    ticker: Ticker,
    shared: Arc<Shared>,
    workers: Vec<Option<JoinHandle<io::Result<()>>>>,
    /// The workers that have ended, as they do.
    ended: UnboundedReceiver<WorkerId>,
    stopping: AtomicBool,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is not to be had.
    #[error("cannot listen on {addr:?} (--{flag}): {error}; choose another address, or stop the program that uses it")]
    Bind {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        addr: String,
        /// What the system says.
        error: io::Error,
    },
    /// Anybody could register as a game server.
    #[error(
        "the inherited server port {addr} can be reached by others, and there is no server key; give one (--server-auth-key-file), a loopback address, or --allow-anonymous-servers"
    )]
    OpenWithoutKey {
        /// The port.
        addr: SocketAddr,
    },
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
    Bind(#[from] StartError),
}

#[derive(Debug)]
struct Port {
    addr: SocketAddr,
    /// One for each worker that accepts.
    listeners: Vec<TcpListener>,
    /// A listener that was not bound here, and could not be bound again.
    inherited: Option<TcpListener>,
}

impl Gateway {
    /// Binds both ports. Limits that the descriptors of the process cannot bear are lowered to what they can: raise the
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
        let client = match inherited.client {
            Some(listener) => Port::inherit(Side::Client, &listener)?,
            None => Port::bind(Side::Client, &config.listen.client, &config.startup)?,
        };
        let server = match inherited.server {
            Some(listener) => Port::inherit(Side::Server, &listener)?.guarded(&config.settings)?,
            None => Port::bind(Side::Server, &config.listen.server, &config.startup)?,
        };
        Ok(Self { config, client, server })
    }

    /// Where players connect.
    pub fn client_addr(&self) -> SocketAddr {
        self.client.addr
    }

    /// Where game servers connect.
    pub fn server_addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// Starts the workers. All of them serve when this returns.
    ///
    /// # Errors
    /// The system refuses a worker, or the thread that keeps time for them, something. Those that had started stop.
    pub fn start(self) -> Result<Running, StartError> {
        let Config { startup, settings, .. } = self.config;
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
        let (end, ended) = mpsc::unbounded_channel();
        let (serving, ready) = std::sync::mpsc::channel();
        let notice = |worker| EndNotice { worker, end: end.clone(), mailboxes: mailboxes.clone(), has_quiesced: false };
        let notices: Vec<EndNotice> = mailboxes.workers().map(notice).collect();
        let addrs = PerSide { client: self.client.addr, server: self.server.addr };
        let inherited = PerSide { client: self.client.inherited, server: self.server.inherited };
        let mut clients = self.client.listeners.into_iter();
        let mut servers = self.server.listeners.into_iter();

        let ticker = Ticker::start(Arc::clone(&shared), &startup, &settings).map_err(StartError::Worker)?;
        let workers = Vec::with_capacity(startup.workers);
        let stopping = AtomicBool::new(false);
        // From here on, an error drops this, which stops the workers that have started.
        let mut running = Running { startup, addrs, inherited, mailboxes, ticker, shared, workers, ended, stopping };
        let settings = Arc::new(settings);
        for (end, mail) in notices.into_iter().zip(receivers) {
            let id = end.worker;
            let listeners = Listeners { client: clients.next(), server: servers.next() };
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
    pub fn apply(&mut self, mut settings: Settings) {
        fit(&self.startup, &mut settings);
        self.shared.apply(&settings);
        self.ticker.apply(&self.startup, &settings);
        let settings = Arc::new(settings);
        for worker in self.mailboxes.workers() {
            self.mailboxes.send(worker, Message::Settings(Arc::clone(&settings)));
        }
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
        self.shared.drain.undo(|| {
            let closed = Side::ALL.into_iter().filter(|side| self.startup.closes_in_drain(*side));
            let reopened = closed.map(|side| Ok((side, self.reopen(side)?)));
            let mut reopened = reopened.collect::<Result<Vec<_>, StartError>>()?;
            for worker in self.mailboxes.workers() {
                let mut listeners = Listeners::default();
                for (side, port) in &mut reopened {
                    listeners[*side] = port.listeners.pop();
                }
                self.mailboxes.send(worker, Message::Listen(listeners));
            }
            Ok(())
        })
    }

    fn reopen(&self, side: Side) -> Result<Port, StartError> {
        match &self.inherited[side] {
            Some(kept) => Port::inherit(side, kept),
            None => Port::bind(side, &self.addrs[side].to_string(), &self.startup),
        }
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

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The flag that names the address of a port.
const fn flag(side: Side) -> &'static str {
    match side {
        Side::Client => "client-addr",
        Side::Server => "server-addr",
    }
}

impl Port {
    /// Binds one listener, or one for each worker when the port is shared.
    fn bind(side: Side, addr: &str, startup: &Startup) -> Result<Self, StartError> {
        let failed = |error| StartError::Bind { flag: flag(side), addr: addr.to_owned(), error };
        let first = listen::bind(addr, startup.reuse_port).map_err(failed)?;
        let bound = first.local_addr().map_err(failed)?;
        let others = if startup.reuse_port { startup.workers.saturating_sub(1) } else { 0 };
        let others = (0..others).map(|_| listen::bind(&bound.to_string(), true).map_err(failed));
        let listeners = std::iter::once(Ok(first)).chain(others).collect::<Result<_, _>>()?;
        Ok(Self { addr: bound, listeners, inherited: None })
    }

    /// Takes a listener over.
    fn inherit(side: Side, listener: &TcpListener) -> Result<Self, StartError> {
        let failed = |error| StartError::Bind { flag: flag(side), addr: "an inherited socket".to_owned(), error };
        let addr = listener.local_addr().map_err(failed)?;
        let duplicate = || listener.try_clone().map_err(failed);
        Ok(Self { addr, listeners: vec![duplicate()?], inherited: Some(duplicate()?) })
    }

    /// The same port, if it may be open as it is.
    fn guarded(self, settings: &Settings) -> Result<Self, StartError> {
        let is_guarded =
            settings.server_auth_keys.iter().any(|key| !key.is_empty()) || settings.allow_anonymous_servers;
        match is_guarded || self.addr.ip().to_canonical().is_loopback() {
            true => Ok(self),
            false => Err(StartError::OpenWithoutKey { addr: self.addr }),
        }
    }
}
