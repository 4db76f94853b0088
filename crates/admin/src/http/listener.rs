//! The socket and the thread of the admin listener.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use fastway_service::listen::{self, Backoff};
use fastway_service::process::{SpareDescriptor, Usage};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use super::app::{App, Phase};
use super::config::HttpConfig;
use super::connections::Connections;
use crate::Caller;
use crate::observe::Observe;

/// The target of log lines.
const TARGET: &str = "fastway::http::listener";
/// Threads for jobs that wait for workers or take long.
const HELPERS: usize = 4;
/// How long the end waits for answers in progress.
const GRACE: Duration = Duration::from_secs(1);

/// The answer to a connection above the limit.
const REJECTION: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    content-length: 67\r\nconnection: close\r\n\r\n\
    {\"error\":\"too many connections to the admin listener; close some\"}\n";

/// The admin listener, bound to its port. It answers once started.
#[derive(Debug)]
pub struct HttpListener {
    listener: TcpListener,
    addr: SocketAddr,
    spare: SpareDescriptor,
    config: HttpConfig,
}

/// The running admin listener. Dropping it ends the listener and its streams.
pub struct HttpAdmin {
    app: Arc<App>,
    addr: SocketAddr,
    /// Listeners that take the place of the one before.
    listeners: UnboundedSender<TcpListener>,
    phase: watch::Sender<Phase>,
    ended: Receiver<()>,
}

/// Why the admin listener cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The port cannot be bound.
    #[error(
        "cannot listen on {addr:?} (--admin-addr): {error}; choose another address, or stop the program that uses it"
    )]
    Bind {
        /// The address.
        addr: String,
        /// The error of the system.
        error: io::Error,
    },
    /// The address is not loopback and there is no token, so anybody could control the gateway.
    #[error(
        "the admin listener would answer on {addr}, which others can reach, without a token; give one, or a loopback address"
    )]
    Open {
        /// What its address resolved to.
        addr: SocketAddr,
    },
}

impl HttpListener {
    /// Takes the inherited listener, or else binds the port; `None`: there is to be no admin listener.
    ///
    /// # Errors
    /// The port cannot be bound, or is open to others without a token.
    pub fn open(config: HttpConfig, inherited: Option<TcpListener>) -> Result<Option<Self>, HttpError> {
        let failed = |error| HttpError::Bind { addr: config.addr.clone().unwrap_or_default(), error };
        let listener = match (inherited, &config.addr) {
            (Some(listener), _) => listener,
            (None, Some(addr)) => listen::bind(addr, false).map_err(failed)?,
            (None, None) => return Ok(None),
        };
        let addr = listener.local_addr().map_err(failed)?;
        check_access(addr, &config)?;

        // Opens its file while there are descriptors. An error is reported when the usage is read.
        let _opened = Usage::now();
        Ok(Some(Self { listener, addr, spare: SpareDescriptor::open(), config }))
    }

    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers requests from now on, on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread left, or no resources for the runtime.
    pub fn start(self, observer: Arc<dyn Observe>, caller: Caller) -> io::Result<HttpAdmin> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(HELPERS)
            .thread_name("admin-http-ask")
            .build()?;

        let (phase, watched) = watch::channel(Phase::Serving);
        let app = Arc::new(App::new(&self.config, observer, caller, watched));
        let (listeners, replacements) = unbounded_channel();
        let (end, ended) = channel();

        let Self { listener, addr, spare, .. } = self;
        let serving = Arc::clone(&app);
        thread::Builder::new().name("admin-http".to_owned()).spawn(move || {
            let _told_even_after_a_panic = end;
            run(runtime, listener, replacements, spare, serving);
        })?;
        Ok(HttpAdmin { app, addr, listeners, phase, ended })
    }
}

/// Without a token, only this machine may reach the listener.
fn check_access(addr: SocketAddr, config: &HttpConfig) -> Result<(), HttpError> {
    let is_closed = !config.token.is_empty() || addr.ip().to_canonical().is_loopback();
    if is_closed { Ok(()) } else { Err(HttpError::Open { addr }) }
}

impl HttpAdmin {
    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Checks whether the listener may stay where it is with other conditions for access.
    ///
    /// # Errors
    /// It would be open to others without a token.
    pub fn check(&self, config: &HttpConfig) -> Result<(), HttpError> {
        check_access(self.addr, config)
    }

    /// Has new conditions for access hold from the next request on. Streams of events that began under others end.
    pub fn apply(&self, config: &HttpConfig) {
        self.app.apply(config);
    }

    /// Moves to another port, and to its conditions for access. Requests in progress are answered.
    pub fn move_to(&mut self, port: HttpListener) {
        let HttpListener { listener, addr, config, .. } = port;
        self.apply(&config);
        self.addr = addr;
        // A thread that has ended answers nowhere.
        let _ended = self.listeners.send(listener);
    }

    /// Makes `/readyz` report that the gateway is stopping.
    pub fn announce_end(&self) {
        self.phase.send_replace(Phase::Stopping);
    }
}

impl fmt::Debug for HttpAdmin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HttpAdmin").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for HttpAdmin {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Ended);
        // Longer than the thread itself waits.
        if self.ended.recv_timeout(3 * GRACE) == Err(RecvTimeoutError::Timeout) {
            warn!(target: TARGET, "the admin listener still answers something; the gateway does not wait for it");
        }
    }
}

fn run(
    runtime: Runtime,
    listener: TcpListener,
    replacements: UnboundedReceiver<TcpListener>,
    spare: SpareDescriptor,
    app: Arc<App>,
) {
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::join!(accept(listener, replacements, spare, Arc::clone(&app)), app.broadcast());
        io::Result::Ok(())
    });
    if let Err(error) = served {
        error!(target: TARGET, %error, "the admin listener does not answer");
    }
    // A question that no worker answers must not delay the end.
    runtime.shutdown_timeout(GRACE);
}

async fn accept(
    mut listener: tokio::net::TcpListener,
    mut replacements: UnboundedReceiver<TcpListener>,
    mut spare: SpareDescriptor,
    app: Arc<App>,
) {
    let mut connections = Connections::default();
    let mut backoff = Backoff::default();
    loop {
        tokio::select! {
            () = app.ended() => break,
            Some(()) = connections.next_end() => spare.keep(),
            Some(replacement) = replacements.recv() => match tokio::net::TcpListener::from_std(replacement) {
                Ok(replacement) => listener = replacement,
                Err(error) => error!(target: TARGET, %error, "the admin listener stays on its port before"),
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    backoff.reset();
                    if let Err(stream) = connections.add(stream, &app).await {
                        reject(&stream);
                    }
                    spare.keep();
                }
                // A health check is answered even now: the next accept gets the spare descriptor.
                Err(error) if spare.release_after(&error) => {}
                Err(error) => sleep(backoff.after(&error)).await,
            }
        }
    }

    drop(listener);
    // Connections that are not done in time are dropped with the set.
    let _done = timeout(GRACE, async { while connections.next_end().await.is_some() {} }).await;
}

fn reject(stream: &TcpStream) {
    let _told_if_there_is_room = stream.try_write(REJECTION);
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastway_service::Secret;

    #[test]
    fn what_is_turned_away_is_told_the_right_length() {
        let text = std::str::from_utf8(REJECTION).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_token() {
        let config = HttpConfig { addr: Some("0.0.0.0:0".to_owned()), ..HttpConfig::default() };
        let inherited = || Some(TcpListener::bind("0.0.0.0:0").unwrap());
        for listener in [None, inherited()] {
            let error = HttpListener::open(config.clone(), listener).unwrap_err().to_string();
            assert!(error.contains("0.0.0.0:") && error.contains("without a token"), "{error}");
        }
        let token = Secret::new("0123456789abcdef");
        assert!(HttpListener::open(HttpConfig { token, ..config }, inherited()).unwrap().is_some());
    }

    #[test]
    fn an_inherited_listener_wins_and_without_any_there_is_none() {
        assert!(HttpListener::open(HttpConfig::default(), None).unwrap().is_none());
        let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = inherited.local_addr().unwrap();
        let config = HttpConfig { addr: Some("127.0.0.1:0".to_owned()), ..HttpConfig::default() };
        assert_eq!(HttpListener::open(config, Some(inherited)).unwrap().unwrap().addr(), addr);
    }
}
