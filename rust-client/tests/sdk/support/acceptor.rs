//! A gateway's session port, played by the test: one session at a time, behind a network that can fail.

#![allow(unreachable_pub, reason = "as in the rest of the kit")]

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use fastway_client::{PublicKey, SessionConfig, SessionProtocol, SessionStatus};
use fastway_session::{
    AbortReason, End, KeyPair, LegacyConfig, Limits, Open, Reception, Request, Resume, SessionStream, Supplier,
};
use fastway_testkit::chaos::Proxy;
use fastway_testkit::watch::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, copy_bidirectional, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::support::FakeGateway;

const PRIVATE: [u8; 32] = [9; 32];
/// More than a socket takes: a legacy session keeps what may be on its way.
const REPLAY_BYTES: usize = 16 << 20;

/// The port. Its tasks end with it.
pub struct Acceptor {
    /// The network in front of it.
    pub proxy: Proxy,
    accepted: mpsc::UnboundedReceiver<Accepted>,
    shared: Arc<Mutex<Shared>>,
    _tasks: JoinSet<()>,
}

/// A link inside of a session.
pub struct Accepted {
    /// The gateway's end of the link.
    pub gateway: FakeGateway,
    /// How the session ends.
    pub ending: Ending,
}

/// The end of a session.
pub struct Ending(mpsc::UnboundedReceiver<Option<End>>);

/// What is answered in place of a reply.
#[derive(Clone)]
enum Refusal {
    Status(SessionStatus),
    Bytes(Vec<u8>),
}

#[derive(Default)]
struct Shared {
    supplier: Option<Supplier<TcpStream>>,
    refusal: Option<Refusal>,
    resumes: Vec<Instant>,
    refused: usize,
    is_closing: bool,
    /// Stops the session that runs.
    draining: Arc<Notify>,
}

/// The acceptor's public key.
pub fn key() -> PublicKey {
    KeyPair::from_private(PRIVATE).public()
}

/// The kinds of sessions that it knows, in a hurry to come back.
pub fn kinds() -> [SessionConfig; 3] {
    [secure(), legacy(true), legacy(false)]
}

/// A secure session with the acceptor.
pub fn secure() -> SessionConfig {
    hasty(SessionConfig::secure(Some(key())))
}

fn legacy(encrypt: bool) -> SessionConfig {
    hasty(SessionConfig::legacy(encrypt))
}

fn hasty(mut config: SessionConfig) -> SessionConfig {
    config.backoff = fastway_client::Backoff::new(Duration::from_millis(2), Duration::from_millis(20));
    config.replay_bytes = REPLAY_BYTES;
    config
}

impl Acceptor {
    /// Sessions of this kind.
    pub async fn start(config: &SessionConfig) -> Self {
        Self::start_with_wait(config, Duration::from_secs(60)).await
    }

    /// The same, which go without a transport for so long.
    pub async fn start_with_wait(config: &SessionConfig, wait: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap());
        let (accepting, accepted) = mpsc::unbounded_channel();
        let shared = Arc::default();
        let encrypt = matches!(config.protocol, SessionProtocol::Legacy { encrypt: true });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, encrypt, wait, Arc::clone(&shared), accepting));
        Self { proxy, accepted, shared, _tasks: tasks }
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.proxy.addr()
    }

    /// The next session that was opened.
    pub async fn accept(&mut self) -> Accepted {
        self.accepted.recv().await.unwrap()
    }

    /// From now on resumes and opens are refused.
    pub fn refuse(&self, status: SessionStatus) {
        self.shared.lock().unwrap().refusal = Some(Refusal::Status(status));
    }

    /// From now on resumes and opens are answered with these bytes, and the end of their connection.
    pub fn refuse_with(&self, bytes: &[u8]) {
        self.shared.lock().unwrap().refusal = Some(Refusal::Bytes(bytes.to_vec()));
    }

    /// The gateway stops: the session that runs ends with the reason, and resumes and opens are refused with it.
    pub fn drain(&self) {
        self.refuse(SessionStatus::Draining);
        self.shared.lock().unwrap().draining.notify_one();
    }

    /// From now on nobody is refused.
    pub fn admit(&self) {
        self.shared.lock().unwrap().refusal = None;
    }

    /// From now on resumes and opens get no reply but the end of their connection.
    pub fn turn_away(&self) {
        self.shared.lock().unwrap().is_closing = true;
    }

    /// Resumes that were asked for.
    pub fn resumes(&self) -> usize {
        self.shared.lock().unwrap().resumes.len()
    }

    /// When they came.
    pub fn resume_times(&self) -> Vec<Instant> {
        self.shared.lock().unwrap().resumes.clone()
    }

    /// Resumes and opens that were refused.
    pub fn refused(&self) -> usize {
        self.shared.lock().unwrap().refused
    }
}

impl Ending {
    /// Waits for the end of the link, and then for that of the session; `None` if it does not come.
    pub async fn wait(&mut self) -> Option<End> {
        self.0.recv().await.unwrap()
    }
}

async fn serve(
    listener: TcpListener,
    encrypt: bool,
    wait: Duration,
    shared: Arc<Mutex<Shared>>,
    accepted: mpsc::UnboundedSender<Accepted>,
) {
    let legacy = LegacyConfig { encrypt, replay_bytes: REPLAY_BYTES };
    let limits = Limits { handshake_time: Duration::from_secs(60), wait, legacy };
    let mut tasks = JoinSet::new();
    loop {
        let (transport, _) = listener.accept().await.unwrap();
        let (shared, accepted) = (Arc::clone(&shared), accepted.clone());
        tasks.spawn(async move {
            if let Some(stream) = answer(transport, limits, shared, accepted).await {
                stream.run().await;
            }
        });
    }
}

/// A session with its link.
struct Running {
    stream: SessionStream<TcpStream>,
    link: DuplexStream,
    draining: Arc<Notify>,
    ended: mpsc::UnboundedSender<Option<End>>,
}

impl Running {
    async fn run(mut self) {
        tokio::select! {
            _ = copy_bidirectional(&mut self.stream, &mut self.link) => {}
            () = self.draining.notified() => self.stream.abort(AbortReason::Shutdown),
        }
        let _ = tokio::time::timeout(DEADLINE, over(&mut self.stream)).await;
        let _ = self.ended.send(self.stream.session().end());
    }
}

async fn answer(
    mut transport: TcpStream,
    limits: Limits,
    shared: Arc<Mutex<Shared>>,
    accepted: mpsc::UnboundedSender<Accepted>,
) -> Option<Running> {
    let request = first_message(&mut transport).await?;
    let (refusal, is_closing) = {
        let mut shared = shared.lock().unwrap();
        if matches!(request, Request::Resume(_)) {
            shared.resumes.push(Instant::now());
        }
        (shared.refusal.clone(), shared.is_closing)
    };
    let refusal = refusal.map(|refusal| match (refusal, &request) {
        (Refusal::Bytes(bytes), _) => bytes,
        (Refusal::Status(status), Request::Open(open)) => open.refusal(status),
        (Refusal::Status(status), Request::Resume(resume)) => resume.refusal(status),
    });
    match (request, refusal) {
        _ if is_closing => None,
        (_, Some(refusal)) => {
            let _ = transport.write_all(&refusal).await;
            shared.lock().unwrap().refused += 1;
            None
        }
        (Request::Open(open), None) => {
            let (running, ends) = open_session(&open, transport, &limits, &shared);
            accepted.send(ends).ok()?;
            Some(running)
        }
        (Request::Resume(resume), None) => {
            hand_over(resume, transport, &shared).await;
            None
        }
    }
}

async fn first_message(transport: &mut TcpStream) -> Option<Request> {
    let mut reception = Reception::default();
    loop {
        let mut byte = [0; 1];
        transport.read_exact(&mut byte).await.ok()?;
        match reception.receive(&byte) {
            Ok(None) => {}
            Ok(Some(request)) => return Some(request),
            Err(_) => return None,
        }
    }
}

fn open_session(open: &Open, transport: TcpStream, limits: &Limits, shared: &Mutex<Shared>) -> (Running, Accepted) {
    let keys = KeyPair::from_private(PRIVATE);
    let (session, reply) = open.accept(Some(&keys), limits, Instant::now(), &mut rand::rng()).unwrap();
    let (stream, supplier) = SessionStream::acceptor(session, reply, transport, REPLAY_BYTES);
    let draining = {
        let mut shared = shared.lock().unwrap();
        shared.supplier = Some(supplier);
        Arc::clone(&shared.draining)
    };
    let (near, link) = duplex(64 << 10);
    let (ended, end) = mpsc::unbounded_channel();
    (Running { stream, link, draining, ended }, Accepted { gateway: FakeGateway::new(near), ending: Ending(end) })
}

/// Waits until the last acknowledgements are through.
async fn over(stream: &mut SessionStream<TcpStream>) {
    poll_fn(|cx| {
        let _ = Pin::new(&mut *stream).poll_flush(cx);
        if stream.session().end().is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn hand_over(resume: Resume, transport: TcpStream, shared: &Mutex<Shared>) {
    let supplier = shared.lock().unwrap().supplier.take();
    if let Some(supplier) = supplier {
        // A session that is over answers nobody.
        let _ = supplier.resume(resume, transport).await;
        shared.lock().unwrap().supplier = Some(supplier);
    }
}
