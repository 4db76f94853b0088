//! The listener's socket, its thread, and its end.

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
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use super::app::{App, Phase};
use super::config::HttpConfig;
use super::connections::Connections;
use crate::Caller;
use crate::observe::Observe;

/// What the log calls this module.
const TARGET: &str = "fastway::http::listener";
/// Threads for what waits for workers, or takes its time.
const HELPERS: usize = 4;
/// How long the end waits for answers that are on their way.
const GRACE: Duration = Duration::from_secs(1);

/// What a connection for which there is no room is told.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    content-length: 67\r\nconnection: close\r\n\r\n\
    {\"error\":\"too many connections to the admin listener; close some\"}\n";

/// The admin listener, bound to its port. It does not answer yet.
#[derive(Debug)]
pub struct HttpListener {
    listener: TcpListener,
    addr: SocketAddr,
    spare: SpareDescriptor,
    config: HttpConfig,
}

/// The admin listener that answers. It ends when this is dropped, with its streams.
#[derive(Debug)]
pub struct HttpAdmin {
    phase: watch::Sender<Phase>,
    ended: Receiver<()>,
}

/// Why there is no admin listener.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The port is not to be had.
    #[error(
        "cannot listen on {addr:?} (--admin-addr): {error}; choose another address, or stop the program that uses it"
    )]
    Bind {
        /// The address.
        addr: String,
        /// What the system says.
        error: io::Error,
    },
    /// Anybody could steer the gateway.
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
    /// The port is not to be had, or others can reach it and there is no token.
    pub fn open(config: HttpConfig, inherited: Option<TcpListener>) -> Result<Option<Self>, HttpError> {
        let failed = |error| HttpError::Bind { addr: config.addr.clone().unwrap_or_default(), error };
        let listener = match (inherited, &config.addr) {
            (Some(listener), _) => listener,
            (None, Some(addr)) => listen::bind(addr, false).map_err(failed)?,
            (None, None) => return Ok(None),
        };
        let addr = listener.local_addr().map_err(failed)?;
        if config.token.is_empty() && !addr.ip().to_canonical().is_loopback() {
            return Err(HttpError::Open { addr });
        }

        // Has it open its file while there are descriptors; whether there is one is told when somebody looks.
        let _opened = Usage::now();
        Ok(Some(Self { listener, addr, spare: SpareDescriptor::open(), config }))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers from now on, on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread left for it, or not what its runtime needs.
    pub fn start(self, observer: Arc<dyn Observe>, caller: Caller) -> io::Result<HttpAdmin> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(HELPERS)
            .thread_name("admin-http-ask")
            .build()?;
        let (phase, watched) = watch::channel(Phase::Serving);
        let app = Arc::new(App::new(&self.config, observer, caller, watched));
        let (end, ended) = channel();
        let Self { listener, spare, .. } = self;
        thread::Builder::new().name("admin-http".to_owned()).spawn(move || {
            let _told_even_after_a_panic = end;
            run(runtime, listener, spare, app);
        })?;
        Ok(HttpAdmin { phase, ended })
    }
}

impl HttpAdmin {
    /// Tells everybody who asks that the gateway stops.
    pub fn announce_end(&self) {
        self.phase.send_replace(Phase::Stopping);
    }
}

impl Drop for HttpAdmin {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Ended);
        // More than what the thread itself waits for.
        if self.ended.recv_timeout(3 * GRACE) == Err(RecvTimeoutError::Timeout) {
            warn!(target: TARGET, "the admin listener still answers something; the gateway does not wait for it");
        }
    }
}

fn run(runtime: Runtime, listener: TcpListener, spare: SpareDescriptor, app: Arc<App>) {
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::join!(accept(listener, spare, Arc::clone(&app)), app.broadcast());
        io::Result::Ok(())
    });
    if let Err(error) = served {
        error!(target: TARGET, %error, "the admin listener does not answer");
    }
    // A question that a worker does not answer must not hold up the end.
    runtime.shutdown_timeout(GRACE);
}

async fn accept(listener: tokio::net::TcpListener, mut spare: SpareDescriptor, app: Arc<App>) {
    let mut connections = Connections::default();
    let mut backoff = Backoff::default();
    loop {
        tokio::select! {
            () = app.ended() => break,
            Some(()) = connections.next_end() => spare.keep(),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    backoff.reset();
                    if let Err(stream) = connections.add(stream, &app).await {
                        turn_away(&stream);
                    }
                    spare.keep();
                }
                // Who asks whether the gateway is live gets an answer even now: the next one has the descriptor.
                Err(error) if spare.release_after(&error) => {}
                Err(error) => sleep(backoff.after(&error)).await,
            }
        }
    }
    drop(listener);
    // Those that are not done by then are dropped with the set.
    let _done = timeout(GRACE, async { while connections.next_end().await.is_some() {} }).await;
}

fn turn_away(stream: &TcpStream) {
    let _told_if_there_is_room = stream.try_write(TURNED_AWAY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastway_service::Secret;

    #[test]
    fn what_is_turned_away_is_told_the_right_length() {
        let text = std::str::from_utf8(TURNED_AWAY).unwrap();
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
