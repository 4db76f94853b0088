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

use fastway_service::{AddressPrefix, Progress};
use fastway_session::{
    AbortReason, Dial, LegacyConfig, Limits, LinkKind, Open, Reception, Request, Resume, Session, Status,
};
use fastway_wire::ServerId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use self::early::EarlyStream;
pub use self::failure::ArrivalEnd;
use self::failure::Failure;
use super::core::Core;
use super::doors::{admit_client, admit_server};
use super::link_log::Rejected;
use super::mail::{Message, Newcomer, Resumption};
use super::pending::PendingHandshake;
use super::sessions::{Answered, ResumeEnd};
use super::tasks::Cell;
use super::turns::{OpenRoom, Purpose};
use crate::admission::Permit;
use crate::config::{LinkKinds, SessionConfig};
use crate::first_bytes::Mistake;
use crate::handshake::{self, HandshakeEnd, HandshakeFailure};
use crate::link::{Refused, SessionTransport, Transport};
use crate::routing::{LinkAddr, Side};

/// More than any first message.
const FIRST_MESSAGE_BYTES: usize = 2 << 10;

/// Starts the task of a stream on a port that admits sessions.
pub(super) fn begin(core: &Cell, newcomer: Newcomer<TcpStream>) {
    let (side, peer) = (newcomer.side, newcomer.peer);
    start(core, side, peer, |core, number| async move {
        let received = receive(&core, newcomer, number).await;
        core.borrow_mut().arrived(side, peer, number, received);
    });
}

/// Goes on with the resume of a session whose link is on this worker.
pub(super) fn resume_from_afar(core: &Cell, resumption: Resumption<std::net::TcpStream>) {
    let Resumption { side, link, resume, stream, peer } = resumption;
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    start(core, side, peer, |core, number| async move {
        let resumed = resume_here(&core, side, link, resume, stream, peer, number).await;
        core.borrow_mut().arrived(side, peer, number, resumed);
    });
}

/// Starts a task for a handshake. When there are too many, another one is dropped for it.
pub(super) fn start<T: Future<Output = ()> + 'static>(
    core: &Cell,
    side: Side,
    peer: SocketAddr,
    task: impl FnOnce(Cell, u64) -> T,
) {
    let mut state = core.borrow_mut();
    let pending = state.pending.of_mut(side);
    let number = pending.next();
    let task = spawn_local(task(Rc::clone(core), number)).abort_handle();
    if let Some(PendingHandshake { peer, .. }) = pending.begin(number, task, peer) {
        state.dropped(side, peer);
    }
}

/// Waits until it is the turn of a handshake.
async fn turn(core: &Cell, side: Side, peer: SocketAddr, number: u64, purpose: Purpose) {
    let told = {
        let mut state = core.borrow_mut();
        state.pending.of_mut(side).advance(number, Progress::Waiting);
        state.turns_due.notify_one();
        state.turns.wait(AddressPrefix::from(peer.ip()), purpose, Instant::now())
    };
    let _or_the_worker_ends = told.await;
}

/// Reads what a stream is, and makes of it what it asks for.
async fn receive(core: &Cell, newcomer: Newcomer<TcpStream>, number: u64) -> Result<(), Failure> {
    let side = newcomer.side;
    let kinds = core.borrow().config.side(side).kinds;
    let kind = LinkKind::of(first_byte(&newcomer.stream).await?);
    core.borrow_mut().pending.of_mut(side).advance(number, Progress::Heard);
    match kind {
        LinkKind::Plain if kinds.admits(kind) => return admit_plain(core, newcomer),
        LinkKind::Plain => return turn_away(newcomer, kinds).await,
        LinkKind::Secure | LinkKind::Legacy => {}
    }
    let Newcomer { mut stream, peer, permit, .. } = newcomer;
    let request = first_message(&mut stream).await?;
    if !kinds.admits_request(&request) {
        return match refuse(core, stream, &request, Status::NotAdmitted).await {
            Err(Failure::Refused(_)) => Err(Mistake::of_session(kinds, side, kind).into()),
            other => other,
        };
    }
    let stops = !core.borrow().stop.is_reading();
    match request {
        // While the gateway stops, too: who is away shall get what waits for him, and know why that was all.
        Request::Resume(resume) => {
            drop(permit);
            route_resume(core, side, resume, stream, peer, number).await
        }
        Request::Open(_) if stops => refuse(core, stream, &request, Status::Draining).await,
        Request::Open(open) => {
            let newcomer = Newcomer { side, stream, peer, permit };
            open_session(core, newcomer, open, number).await
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

/// Tells a peer that came without a session that none but these are admitted.
async fn turn_away(newcomer: Newcomer<TcpStream>, admitted: LinkKinds) -> Result<(), Failure> {
    let Newcomer { side, stream, .. } = newcomer;
    let mut first = [0; FIRST_MESSAGE_BYTES];
    let count = stream.peek(&mut first).await?;
    let mistake = Mistake::of_sessionless(admitted, side, first.get(..count).unwrap_or_default());
    // What matters is the mistake, whether the peer hears of it or not.
    let _ = say_last(stream, mistake.answer()).await;
    Err(mistake.into())
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

async fn open_session(core: &Cell, newcomer: Newcomer<TcpStream>, open: Open, number: u64) -> Result<(), Failure> {
    let Newcomer { side, stream, peer, mut permit } = newcomer;
    let purpose = match open.kind() {
        LinkKind::Legacy => Purpose::LegacyOpen(side),
        LinkKind::Plain | LinkKind::Secure => Purpose::Open(side),
    };
    turn(core, side, peer, number, purpose).await;
    let opened = core.borrow_mut().open(side, &open, &mut permit, peer);
    let (session, dial) = match opened {
        Ok(opened) => opened,
        Err(status) => return refuse(core, stream, &Request::Open(open), status).await,
    };
    core.borrow_mut().pending.of_mut(side).advance(number, Progress::Answered);
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
    number: u64,
) -> Result<(), Failure> {
    let (shared, me) = (Arc::clone(&core.borrow().shared), core.borrow().me);
    match shared.sessions.find(resume.name()) {
        Err(_) if !core.borrow().stop.is_reading() => {
            refuse(core, stream, &Request::Resume(resume), Status::Draining).await
        }
        Err(status) => refuse(core, stream, &Request::Resume(resume), status).await,
        Ok(link) if link.worker == me => resume_here(core, side, link, resume, stream, peer, number).await,
        Ok(link) => {
            let resumption = Resumption { side, link, resume, stream: stream.into_std()?, peer };
            match shared.mailboxes.try_send(link.worker, Message::Resume(Box::new(resumption))) {
                // While the gateway stops, a worker is gone once all of its sessions are over.
                Err(Message::Resume(unsent)) => {
                    let Resumption { resume, stream, .. } = *unsent;
                    refuse(core, TcpStream::from_std(stream)?, &Request::Resume(resume), Status::Draining).await
                }
                _ => Ok(()),
            }
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
    number: u64,
) -> Result<(), Failure> {
    turn(core, side, peer, number, Purpose::Resume(link)).await;
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
        let config = &self.config.side(side).session;
        let SessionConfig { legacy_encrypt, legacy_replay_bytes, wait, .. } = *config;
        let legacy = LegacyConfig { encrypt: legacy_encrypt, replay_bytes: legacy_replay_bytes };
        let limits = Limits { handshake_time: config.handshake_limit(), wait, legacy };
        let began = Instant::now();
        let accepted = open.accept(self.config.sessions.key.as_ref(), &limits, began, &mut rand::rng());
        self.turns.computed(began.elapsed());
        accepted
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
        self.pending.of_mut(side).end(number);
        self.turns_due.notify_one();
        if let Err(failure) = outcome {
            self.arrival_failed(side, peer, &failure);
        }
    }

    /// Gives handshakes the turns of a round; false if none may be given, or nobody waits for one.
    pub(super) fn give_turns(&mut self) -> bool {
        if !self.turns.anybody_waits() {
            return false;
        }
        let now = Instant::now();
        let room = |side| self.pending.of(side).room_for_answers(now);
        let room = OpenRoom { client: room(Side::Client), server: room(Side::Server) };
        self.turns.give(now, room)
    }

    fn refused(&mut self, request: &Request, status: Status) {
        self.stats.sessions.refused(status);
        if let Request::Resume(_) = request {
            self.stats.sessions.resume_ended(ResumeEnd::Refused);
        }
    }

    fn arrival_failed(&mut self, side: Side, peer: SocketAddr, failure: &Failure) {
        self.stats.sessions.failed(failure.kind());
        self.link_log.rejected(side, peer, Rejected::Session(failure.kind()), failure);
    }

    /// Accounts for a handshake that made room for another one.
    fn dropped(&mut self, side: Side, peer: SocketAddr) {
        match self.config.side(side).kinds.with_sessions() {
            true => self.arrival_failed(side, peer, &Failure::Dropped),
            false => self.handshake_failed(peer, HandshakeEnd::Dropped, &Failure::Dropped),
        }
    }

    /// Ends the handshakes that take too long.
    pub(super) fn end_late_handshakes(&mut self) {
        for side in [Side::Client, Side::Server] {
            while let Some(PendingHandshake { peer, .. }) = self.pending.of_mut(side).end_late() {
                match self.config.side(side).kinds.with_sessions() {
                    true => self.arrival_failed(side, peer, &Failure::TooSlow),
                    false => self.handshake_failed(peer, HandshakeEnd::TooSlow, &HandshakeFailure::TooSlow),
                }
            }
        }
    }
}
