//! The way in where sessions are admitted: what a stream is shows in its first byte (`docs/protocol.md` §3.6).
//!
//! ```text
//!   stream ──first byte──┬─ plain ───────────────────────────────▶ link
//!                        ├─ open ────reply──▶ proof ─────────────▶ link with a session
//!                        ├─ resume ──▶ the worker of its link ───▶ reply there
//!                        └─ not admitted, refused, late, too many ▶ closed
//! ```

mod early;
mod failure;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use fastway_session::{
    AbortReason, Dial, HandshakeLimits, Handshakes, LegacyConfig, Limits, LinkKind, Open, Reception, Request, Resume,
    Session, Status,
};
use fastway_wire::ServerId;
use rustc_hash::FxHashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, spawn_local, yield_now};

use self::early::EarlyStream;
pub use self::failure::ArrivalEnd;
use self::failure::Failure;
use super::core::Core;
use super::doors::{admit_client, admit_server};
use super::inspect::HandshakeInfo;
use super::mail::{Message, Newcomer, Resumption};
use super::sessions::{Answered, ResumeEnd};
use super::tasks::Cell;
use crate::admission::{Permit, Site, site};
use crate::config::{Config, SessionConfig, SideConfig};
use crate::handshake;
use crate::link::{Refused, SessionTransport, Transport};
use crate::routing::{LinkAddr, Side};

/// More than any first message.
const FIRST_MESSAGE_BYTES: usize = 2 << 10;

/// Streams on the ports that admit sessions, until they are links or turned away.
#[derive(Debug)]
pub(super) struct Arrivals {
    client: Port,
    server: Port,
    turn: Rc<Semaphore>,
}

/// Those of one port.
#[derive(Debug)]
pub(super) struct Port {
    running: Handshakes<u64, Site>,
    arrivals: FxHashMap<u64, Arrival>,
    begun: u64,
}

#[derive(Debug)]
struct Arrival {
    task: AbortHandle,
    peer: SocketAddr,
    began: Instant,
}

impl Arrivals {
    /// Nobody is there. Each of `workers` takes its share of what the limits allow.
    pub(super) fn new(config: &Config, workers: usize) -> Self {
        let port = |side: &SideConfig| Port::new(config, side, workers);
        Self { client: port(&config.client), server: port(&config.server), turn: Rc::new(Semaphore::new(1)) }
    }

    /// Those of one port.
    pub(super) fn of(&mut self, side: Side) -> &mut Port {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// The turn of an arrival: see [`pass`].
    fn turn(&self) -> Rc<Semaphore> {
        Rc::clone(&self.turn)
    }

    /// Handshakes in progress on a port.
    pub(super) fn count(&self, side: Side) -> usize {
        match side {
            Side::Client => self.client.arrivals.len(),
            Side::Server => self.server.arrivals.len(),
        }
    }

    /// Handshakes in progress.
    pub(super) fn infos(&self, now: Instant) -> impl Iterator<Item = HandshakeInfo> + '_ {
        let arrivals = self.client.arrivals.values().chain(self.server.arrivals.values());
        arrivals
            .map(move |arrival| HandshakeInfo { peer: arrival.peer, age: now.saturating_duration_since(arrival.began) })
    }
}

impl Port {
    fn new(config: &Config, side: &SideConfig, workers: usize) -> Self {
        let sessions = &config.sessions;
        let share = |limit: usize| limit.div_ceil(workers);
        let limits = HandshakeLimits {
            at_once: share(config.limits.max_handshakes),
            per_address: share(sessions.max_handshakes_per_address),
            time: side.session.handshake_time,
            per_second: sessions.max_handshakes_per_second.div_ceil(u32::try_from(workers).unwrap_or(u32::MAX)),
        };
        Self { running: Handshakes::new(limits, Instant::now()), arrivals: FxHashMap::default(), begun: 0 }
    }

    /// Whether there is time for the Diffie-Hellman of an open.
    fn afford_open(&mut self) -> bool {
        self.running.afford(Instant::now())
    }

    /// Whether there is time for that of a resume.
    pub(super) fn afford_resume(&mut self) -> bool {
        self.running.afford_resume(Instant::now())
    }

    fn end(&mut self, number: u64) {
        self.running.end(number);
        self.arrivals.remove(&number);
    }

    /// The next handshake that has taken too long.
    fn next_late(&mut self) -> Option<Arrival> {
        let late = self.running.late(Instant::now())?;
        self.arrivals.remove(&late)
    }
}

/// Starts the task of a stream on a port that admits sessions.
pub(super) fn begin(core: &Cell, newcomer: Newcomer<TcpStream>) {
    let (side, peer) = (newcomer.side, newcomer.peer);
    start(core, side, peer, |core, number| async move {
        let received = receive(&core, newcomer).await;
        core.borrow_mut().arrived(side, peer, number, received);
    });
}

/// Goes on with the resume of a session whose link is on this worker.
pub(super) fn resume_from_afar(core: &Cell, resumption: Resumption<std::net::TcpStream>) {
    let Resumption { side, link, resume, stream, peer } = resumption;
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    start(core, side, peer, |core, number| async move {
        let resumed = resume_here(&core, side, link, resume, stream, peer).await;
        core.borrow_mut().arrived(side, peer, number, resumed);
    });
}

/// Starts a task for a handshake. When there are too many, the oldest is dropped for it.
fn start<T: Future<Output = ()> + 'static>(
    core: &Cell,
    side: Side,
    peer: SocketAddr,
    task: impl FnOnce(Cell, u64) -> T,
) {
    let mut state = core.borrow_mut();
    let port = state.arrivals.of(side);
    port.begun += 1;
    let (number, began) = (port.begun, Instant::now());
    let dropped = port.running.begin(number, site(peer.ip()), began).and_then(|oldest| port.arrivals.remove(&oldest));
    let task = spawn_local(task(Rc::clone(core), number)).abort_handle();
    port.arrivals.insert(number, Arrival { task, peer, began });
    if let Some(Arrival { task, peer, .. }) = dropped {
        task.abort();
        state.arrival_failed(side, peer, &Failure::Dropped);
    }
}

/// Waits until it is the turn of an arrival: one for each look at the links that can be read. A handshake takes as long as
/// many messages, and those who come must not hold up those who are there.
async fn pass(core: &Cell) {
    let turn = core.borrow().arrivals.turn();
    let _in_order = turn.acquire().await;
    yield_now().await;
}

/// Reads what a stream is, and makes of it what it asks for.
async fn receive(core: &Cell, newcomer: Newcomer<TcpStream>) -> Result<(), Failure> {
    let side = newcomer.side;
    let kinds = core.borrow().config.side(side).kinds;
    let kind = LinkKind::of(first_byte(&newcomer.stream).await?);
    pass(core).await;
    match kind {
        LinkKind::Plain if kinds.admits(kind) => return admit_plain(core, newcomer),
        LinkKind::Plain => return Err(Failure::NotAdmitted { kind }),
        LinkKind::Secure | LinkKind::Legacy => {}
    }
    let Newcomer { mut stream, peer, permit, .. } = newcomer;
    let request = first_message(&mut stream).await?;
    if !kinds.admits(kind) {
        return refuse(core, stream, &request, Status::NotAdmitted).await;
    }
    let stops = !core.borrow().stop.is_reading();
    match request {
        // While the gateway stops, too: who is away shall get what waits for him, and know why that was all.
        Request::Resume(resume) => {
            drop(permit);
            route_resume(core, side, resume, stream, peer).await
        }
        Request::Open(_) if stops => refuse(core, stream, &request, Status::Draining).await,
        Request::Open(open) => {
            let newcomer = Newcomer { side, stream, peer, permit };
            open_session(core, newcomer, open).await
        }
    }
}

async fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0]),
    }
}

async fn first_message(stream: &mut TcpStream) -> Result<Request, Failure> {
    let mut reception = Reception::default();
    loop {
        let mut space = [0; FIRST_MESSAGE_BYTES];
        let count = stream.read(&mut space).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(request) = reception.receive(space.get(..count).unwrap_or_default())? {
            return Ok(request);
        }
    }
}

fn admit_plain(core: &Cell, newcomer: Newcomer<TcpStream>) -> Result<(), Failure> {
    let Newcomer { stream, peer, mut permit, .. } = newcomer;
    if !core.borrow().stop.is_reading() {
        return Err(Failure::Refused(Status::Draining));
    }
    if core.borrow_mut().may_be_client(&mut permit, peer) {
        admit_client(core, Transport::Tcp(stream), peer, permit);
    }
    Ok(())
}

async fn open_session(core: &Cell, newcomer: Newcomer<TcpStream>, open: Open) -> Result<(), Failure> {
    let Newcomer { side, stream, peer, mut permit } = newcomer;
    pass(core).await;
    let opened = core.borrow_mut().open(side, &open, &mut permit, peer);
    let (session, dial) = match opened {
        Ok(opened) => opened,
        Err(status) => return refuse(core, stream, &Request::Open(open), status).await,
    };
    let most_kept = core.borrow().config.side(side).send_queue_bytes;
    let mut session = Box::new(SessionTransport::new(side, session, open.kind(), dial, stream, peer, most_kept));
    poll_fn(|cx| core.borrow_mut().poll_proof(&mut session, cx)).await?;
    let server = match side {
        Side::Client => None,
        Side::Server => Some(greet(core, &mut session).await?),
    };
    let reading = core.borrow().stop.is_reading();
    match server {
        // Links that come after the others were closed would be closed by nobody.
        _ if !reading => {
            session.abort(AbortReason::Shutdown, &mut core.borrow_mut().sealed);
            return Err(Failure::Refused(Status::Draining));
        }
        Some(id) => admit_server(core, id, Transport::Session(session), peer, permit),
        None if core.borrow_mut().may_be_client(&mut permit, peer) => {
            admit_client(core, Transport::Session(session), peer, permit);
        }
        None => session.abort(AbortReason::Overflow, &mut core.borrow_mut().sealed),
    }
    Ok(())
}

/// The server handshake, inside a session.
async fn greet(core: &Cell, session: &mut SessionTransport) -> Result<ServerId, Failure> {
    let key = core.borrow().config.server_auth_key.clone();
    let mut stream = EarlyStream { core, session };
    handshake::greet(&mut stream, &key, rand::random()).await.map_err(Failure::Server)
}

/// Takes a resume to the worker that owns the link of its session.
async fn route_resume(
    core: &Cell,
    side: Side,
    resume: Resume,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<(), Failure> {
    let (shared, me) = (Arc::clone(&core.borrow().shared), core.borrow().me);
    match shared.sessions.find(resume.name()) {
        Err(_) if !core.borrow().stop.is_reading() => {
            refuse(core, stream, &Request::Resume(resume), Status::Draining).await
        }
        Err(status) => refuse(core, stream, &Request::Resume(resume), status).await,
        Ok(link) if link.worker == me => resume_here(core, side, link, resume, stream, peer).await,
        Ok(link) => {
            let resumption = Resumption { side, link, resume, stream: stream.into_std()?, peer };
            shared.mailboxes.send(link.worker, Message::Resume(Box::new(resumption)));
            Ok(())
        }
    }
}

async fn resume_here(
    core: &Cell,
    side: Side,
    link: LinkAddr,
    resume: Resume,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<(), Failure> {
    pass(core).await;
    let resumed = core.borrow_mut().resume(side, link, &resume, stream, peer);
    match resumed {
        Ok(Answered::Taken) => Ok(()),
        Ok(Answered::Over(stream, bytes)) => Ok(say_last(stream, &bytes).await?),
        Err(Refused { stream, status }) => refuse(core, stream, &Request::Resume(resume), status).await,
    }
}

/// Says no.
async fn refuse(core: &Cell, stream: TcpStream, request: &Request, status: Status) -> Result<(), Failure> {
    let answer = match request {
        Request::Open(open) => open.refusal(status),
        Request::Resume(resume) => resume.refusal(status),
    };
    core.borrow_mut().refused(request, status);
    say_last(stream, &answer).await?;
    Err(Failure::Refused(status))
}

/// Says something. If the peer has sent more than it should, waits until it has heard it: a stream that is dropped with
/// bytes unread takes with it what is on its way. Who waits for nothing must not take the place of one who does.
async fn say_last(mut stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut rest = [0; 64];
    let nothing_unread = matches!(stream.try_read(&mut rest), Err(blocked) if blocked.kind() == ErrorKind::WouldBlock);
    while !nothing_unread && stream.read(&mut rest).await? > 0 {}
    Ok(())
}

impl Core {
    /// Makes the session that a stream asks for.
    fn open(
        &mut self,
        side: Side,
        open: &Open,
        permit: &mut Permit,
        peer: SocketAddr,
    ) -> Result<(Session, Dial), Status> {
        if side == Side::Client && !self.may_be_client(permit, peer) {
            return Err(Status::Overloaded);
        }
        // Until it has proven itself, it takes no place.
        permit.uncount_client();
        if !self.arrivals.of(side).afford_open() {
            return Err(Status::Overloaded);
        }
        let SessionConfig { legacy_encrypt, legacy_replay_bytes, handshake_time, wait } =
            self.config.side(side).session;
        let legacy = LegacyConfig { encrypt: legacy_encrypt, replay_bytes: legacy_replay_bytes };
        let limits = Limits { handshake_time, wait, legacy };
        open.accept(self.config.sessions.key.as_ref(), &limits, Instant::now(), &mut rand::rng())
    }

    /// Counts a stream as a client, if it may be one.
    fn may_be_client(&mut self, permit: &mut Permit, peer: SocketAddr) -> bool {
        let counted = permit.count_client(peer.ip());
        counted.inspect_err(|refusal| self.turned_away(Side::Client, peer, refusal.kind(), refusal)).is_ok()
    }

    /// Waits until a session exists for both ends.
    fn poll_proof(&mut self, session: &mut SessionTransport, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while session.is_unproven() {
            if session.is_abandoned() {
                return Poll::Ready(Err(Failure::NotProven));
            }
            ready!(self.poll_early(session, cx));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads for a session that has no link yet.
    fn poll_early(&mut self, session: &mut SessionTransport, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let polled = session.poll_ahead(cx, &mut scratch);
        self.scratch = scratch;
        polled
    }

    /// Accounts for the end of an arrival's task.
    fn arrived(&mut self, side: Side, peer: SocketAddr, number: u64, outcome: Result<(), Failure>) {
        self.arrivals.of(side).end(number);
        if let Err(failure) = outcome {
            self.arrival_failed(side, peer, &failure);
        }
    }

    fn refused(&mut self, request: &Request, status: Status) {
        self.stats.sessions.refused(status);
        if let Request::Resume(_) = request {
            self.stats.sessions.resume_ended(ResumeEnd::Refused);
        }
    }

    fn arrival_failed(&mut self, side: Side, peer: SocketAddr, failure: &Failure) {
        self.stats.sessions.failed(failure.kind());
        self.journal.turned_away(side, peer, failure);
    }

    /// Drops the handshakes that take too long.
    pub(super) fn end_slow_arrivals(&mut self) {
        for side in [Side::Client, Side::Server] {
            while let Some(Arrival { task, peer, .. }) = self.arrivals.of(side).next_late() {
                task.abort();
                self.arrival_failed(side, peer, &Failure::TooSlow);
            }
        }
    }
}
