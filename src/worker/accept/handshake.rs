//! The way in where sessions are admitted: what a stream is shows in its first byte (`docs/protocol.md` §3.6).
//!
//! ```text
//!   stream ──first byte──┬─ plain ───────────────────────────────▶ link
//!                        ├─ open ────reply──▶ proof ─────────────▶ link with a session
//!                        ├─ resume ──▶ the worker of its link ───▶ reply there, then proof
//!                        └─ not admitted, refused, late, too many ▶ closed
//! ```

use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use fastway_service::{AddressPrefix, Progress};
use fastway_session::{
    AbortReason, Dial, LegacyConfig, Limits, LinkKind, Open, Reception, Request, Resume, Session, Status,
};
use fastway_wire::ServerId;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::task::spawn_local;

use super::admit::{admit_client, admit_server};
use super::pre_link_stream::EarlyStream;
use crate::accept::admission::Permit;
use crate::accept::first_bytes::Mistake;
use crate::accept::outcome::{NoTurn, ResumeEnd};
use crate::accept::rejection::Failure;
use crate::accept::retry_after::when_full;
use crate::accept::server_handshake::{self as handshake, HandshakeEnd, HandshakeFailure, PAUSE};
use crate::accept::turns::{OpenRoom, Purpose};
use crate::config::{LinkKinds, SessionConfig};
use crate::link::{Refused, SessionTransport, Transport};
use crate::routing::{LinkAddr, Side};
use crate::worker::core::Core;
use crate::worker::link_log::Rejected;
use crate::worker::mail::{Message, Newcomer, Resumption};
use crate::worker::sessions::Answered;
use crate::worker::shared_core::{SharedCore, sweeps_until};

/// More than any first message.
const FIRST_MESSAGE_BYTES: usize = 2 << 10;

/// How long a peer of the server port may say nothing: initiators of sessions speak at once, and a first packet that was
/// lost has been sent again by then.
const SILENCE: Duration = Duration::from_secs(2);

/// Starts the task of a stream on a port that admits sessions.
pub(in crate::worker) fn begin(core: &SharedCore, newcomer: Newcomer<TcpStream>) {
    let (side, peer) = (newcomer.side, newcomer.peer);
    start(core, side, peer, |core, number, no_turn| async move {
        let received = receive(&core, newcomer, number, no_turn).await;
        core.borrow_mut().arrived(side, peer, number, received);
    });
}

/// Goes on with the resume of a session whose link is on this worker.
pub(in crate::worker) fn resume_from_afar(core: &SharedCore, resumption: Resumption<std::net::TcpStream>) {
    let Resumption { side, link, resume, stream, peer } = resumption;
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    start(core, side, peer, |core, number, mut no_turn| async move {
        let resumed = match no_turn.try_recv() {
            Ok(no_turn) => {
                let mut core = core.borrow_mut();
                core.keep_for_resume(side, link, &resume);
                Err(core.refuse_turn(side, &stream, &Request::Resume(resume), no_turn))
            }
            Err(_) => resume_here(&core, side, link, resume, stream, peer, number).await,
        };
        core.borrow_mut().arrived(side, peer, number, resumed);
    });
}

/// Starts a task for a handshake. When there are too many, another one is dropped for it. A task is told so if it listens.
pub(in crate::worker) fn start<T: Future<Output = ()> + 'static>(
    core: &SharedCore,
    side: Side,
    peer: SocketAddr,
    task: impl FnOnce(SharedCore, u64, oneshot::Receiver<NoTurn>) -> T,
) {
    let mut state = core.borrow_mut();
    let pending = state.pending.of_mut(side);
    let number = pending.next();
    let (tell, no_turn) = oneshot::channel();
    let task = spawn_local(task(Rc::clone(core), number, no_turn)).abort_handle();
    if let Some(peer) = pending.begin(number, task, tell, peer) {
        state.dropped(side, peer);
    }
}

/// Waits until it is the turn of a handshake.
///
/// # Errors
/// It has lost its place, or its peer has left, and it gets no turn.
async fn turn(
    core: &SharedCore,
    side: Side,
    (stream, peer): (&TcpStream, SocketAddr),
    number: u64,
    purpose: Purpose,
) -> Result<(), NoTurn> {
    let (given, no_turn) = {
        let (mut state, now) = (core.borrow_mut(), Instant::now());
        let no_turn = state.pending.of_mut(side).wait(number);
        state.turns_due.notify_one();
        if !state.turns.anybody_waits() {
            state.retry_times.restart(now);
        }
        (state.turns.wait(AddressPrefix::from(peer.ip()), purpose, now), no_turn)
    };
    select! {
        // A turn is of no use any more where the place is lost.
        biased;
        Ok(no_turn) = no_turn => Err(no_turn),
        _or_the_worker_ends = given => {
            core.borrow_mut().retry_times.turn_given(Instant::now());
            Ok(())
        }
        () = left(stream) => Err(NoTurn::Left),
    }
}

/// Waits until a peer has left. One that has said more than it had to is taken to be there.
async fn left(stream: &TcpStream) {
    if let Ok(1..) = stream.peek(&mut [0]).await {
        pending().await
    }
}

/// Reads what a stream is, and makes of it what it asks for.
async fn receive(
    core: &SharedCore,
    mut newcomer: Newcomer<TcpStream>,
    number: u64,
    no_turn: oneshot::Receiver<NoTurn>,
) -> Result<(), Failure> {
    let side = newcomer.side;
    let kinds = core.borrow().config.side(side).kinds;
    let first = select! {
        biased;
        Ok(no_turn) = no_turn => return refuse_unread(core, newcomer, no_turn),
        first = first_words(core, &mut newcomer, number) => first?,
    };
    let request = match first {
        FirstWords::None => return tell_last(newcomer.stream, Mistake::of_silence(kinds, side)).await,
        FirstWords::Plain if kinds.admits(LinkKind::Plain) => return admit_plain(core, newcomer),
        FirstWords::Plain => return turn_away(newcomer, kinds).await,
        FirstWords::Session(request) => request,
    };
    let Newcomer { stream, peer, permit, .. } = newcomer;
    if !kinds.admits_request(&request) {
        return match refuse(core, stream, &request, Status::NotAdmitted).await {
            Err(Failure::Refused(_)) => Err(Mistake::of_session(kinds, side, request.kind()).into()),
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

/// What a stream begins with.
enum FirstWords {
    /// Nothing for so long that the peer waits for the gateway to begin, as a plain link of a server does.
    None,
    /// Something that is not read here.
    Plain,
    Session(Request),
}

async fn first_words(
    core: &SharedCore,
    newcomer: &mut Newcomer<TcpStream>,
    number: u64,
) -> Result<FirstWords, Failure> {
    let Newcomer { side, stream, .. } = newcomer;
    let first = select! {
        biased;
        first = first_byte(stream) => first?,
        () = sweeps_until(core, Instant::now() + SILENCE), if *side == Side::Server => return Ok(FirstWords::None),
    };
    let kind = LinkKind::of(first);
    core.borrow_mut().pending.of_mut(*side).advance(number, Progress::Heard);
    match kind {
        LinkKind::Plain => Ok(FirstWords::Plain),
        LinkKind::Secure | LinkKind::Legacy => first_message(stream).await.map(FirstWords::Session),
    }
}

/// Ends a stream that has lost its place. What it asks for may have come and not been read, as when many come at once: then
/// it is told when to come again. A resume leaves this worker's places for those of its session's worker, if that is another.
fn refuse_unread(core: &SharedCore, newcomer: Newcomer<TcpStream>, no_turn: NoTurn) -> Result<(), Failure> {
    let Newcomer { side, stream, peer, .. } = newcomer;
    let mut space = [0; FIRST_MESSAGE_BYTES];
    let count = (&*SockRef::from(&stream)).read(&mut space).unwrap_or_default();
    let mut core = core.borrow_mut();
    let request = match Reception::default().receive(space.get(..count).unwrap_or_default()) {
        Ok(Some(request)) if core.config.side(side).kinds.admits_request(&request) => request,
        _ => return Err(no_turn.into()),
    };
    match request {
        Request::Open(_) => Err(core.refuse_turn(side, &stream, &request, no_turn)),
        Request::Resume(resume) => match core.shared.sessions.find(resume.name()) {
            Ok(link) if link.worker == core.me => {
                core.keep_for_resume(side, link, &resume);
                Err(core.refuse_turn(side, &stream, &Request::Resume(resume), no_turn))
            }
            Ok(link) => {
                let resumption = Resumption { side, link, resume, stream: stream.into_std()?, peer };
                let unsent = core.shared.mailboxes.try_send(link.worker, Message::Resume(Box::new(resumption)));
                unsent.map_err(|_worker_has_ended| no_turn.into())
            }
            // There is nothing to come again for.
            Err(_) => Err(no_turn.into()),
        },
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
    tell_last(stream, Mistake::of_sessionless(admitted, side, first.get(..count).unwrap_or_default())).await
}

/// Tells a peer of its mistake. What matters is the mistake, whether the peer hears of it or not.
async fn tell_last(stream: TcpStream, mistake: Mistake) -> Result<(), Failure> {
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

fn admit_plain(core: &SharedCore, newcomer: Newcomer<TcpStream>) -> Result<(), Failure> {
    let Newcomer { stream, peer, mut permit, .. } = newcomer;
    if !core.borrow().stop.is_reading() {
        return Err(Failure::Refused(Status::Draining));
    }
    if core.borrow_mut().may_be_client(&mut permit, peer) {
        admit_client(core, Transport::Tcp(stream), peer, permit);
    }
    Ok(())
}

async fn open_session(
    core: &SharedCore,
    newcomer: Newcomer<TcpStream>,
    open: Open,
    number: u64,
) -> Result<(), Failure> {
    let Newcomer { side, stream, peer, mut permit } = newcomer;
    let purpose = match open.kind() {
        LinkKind::Legacy => Purpose::LegacyOpen(side),
        LinkKind::Plain | LinkKind::Secure => Purpose::Open(side),
    };
    if let Err(no_turn) = turn(core, side, (&stream, peer), number, purpose).await {
        return Err(core.borrow_mut().refuse_turn(side, &stream, &Request::Open(open), no_turn));
    }
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
async fn greet(core: &SharedCore, session: &mut SessionTransport) -> Result<ServerId, Failure> {
    let key = core.borrow().config.server_auth_key.clone();
    let mut stream = EarlyStream { core, session };
    let pause = async || sweeps_until(core, Instant::now() + PAUSE).await;
    handshake::greet(&mut stream, &key, rand::random(), pause).await.map_err(Failure::Server)
}

/// Takes a resume to the worker that owns the link of its session.
async fn route_resume(
    core: &SharedCore,
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
    core: &SharedCore,
    side: Side,
    link: LinkAddr,
    resume: Resume,
    stream: TcpStream,
    peer: SocketAddr,
    number: u64,
) -> Result<(), Failure> {
    core.borrow_mut().keep_for_resume(side, link, &resume);
    if let Err(no_turn) = turn(core, side, (&stream, peer), number, Purpose::Resume(link)).await {
        return Err(core.borrow_mut().refuse_turn(side, &stream, &Request::Resume(resume), no_turn));
    }
    let (handshake, mut over) = oneshot::channel();
    let resumed = core.borrow_mut().resume(side, link, &resume, stream, peer, handshake);
    match resumed {
        Ok(Answered::Taken) => {
            // The only candidate of its session is no handshake any more.
            if over.try_recv() == Err(TryRecvError::Empty) {
                core.borrow_mut().answered_candidate(side, number);
                let _proven_or_given_up = over.await;
            }
            Ok(())
        }
        Ok(Answered::Over(stream, bytes)) => Ok(say_last(stream, &bytes).await?),
        Err(Refused { stream, status }) => refuse(core, stream, &Request::Resume(resume), status).await,
    }
}

/// Says no.
async fn refuse(core: &SharedCore, stream: TcpStream, request: &Request, status: Status) -> Result<(), Failure> {
    let answer = match (request, status) {
        (request, Status::Overloaded) => overloaded(request, when_full(&mut rand::rng())),
        (Request::Open(open), status) => open.refusal(status),
        (Request::Resume(resume), status) => resume.refusal(status),
    };
    core.borrow_mut().refused(request, status);
    say_last(stream, &answer).await?;
    Err(Failure::Refused(status))
}

fn overloaded(request: &Request, retry_after: Duration) -> Vec<u8> {
    match request {
        Request::Open(open) => open.overloaded(retry_after),
        Request::Resume(resume) => resume.overloaded(retry_after),
    }
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
    pub(in crate::worker) fn poll_early(&mut self, session: &mut SessionTransport, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let polled = session.poll_ahead(cx, &mut scratch);
        self.scratch = scratch;
        polled
    }

    /// A candidate of a session was answered that has others. If there are too many of them on the port, one ends.
    fn answered_candidate(&mut self, side: Side, number: u64) {
        if let Some(peer) = self.pending.of_mut(side).answer_candidate(number) {
            self.dropped(side, peer);
        }
    }

    /// Accounts for the end of an arrival's task.
    fn arrived(&mut self, side: Side, peer: SocketAddr, number: u64, outcome: Result<(), Failure>) {
        self.pending.of_mut(side).end(number);
        self.turns_due.notify_one();
        if let Err(failure) = outcome {
            self.arrival_failed(side, peer, &failure);
        }
    }

    /// Tells a peer that it gets no turn and when to come again, if its socket takes that at once: its place is another's by
    /// now. A legacy session has no words for it, and its peer would take a refusal for the end.
    fn refuse_turn(&mut self, side: Side, stream: &TcpStream, request: &Request, no_turn: NoTurn) -> Failure {
        if request.kind() == LinkKind::Secure && !matches!(no_turn, NoTurn::Left) {
            let longest = match request {
                Request::Open(_) => Duration::MAX,
                // A session that waits must not expire before its peer is back.
                Request::Resume(_) => self.config.side(side).session.wait / 2,
            };
            let waiting = self.pending.of(side).len();
            let retry_after = self.retry_times.next(waiting, longest, Instant::now(), &mut rand::rng());
            let _it_may_be_gone = SockRef::from(stream).send(&overloaded(request, retry_after));
            self.refused(request, Status::Overloaded);
        }
        no_turn.into()
    }

    /// Gives handshakes the turns of a round; false if none may be given, or nobody waits for one.
    pub(in crate::worker) fn give_turns(&mut self) -> bool {
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
    pub(in crate::worker) fn end_late_handshakes(&mut self) {
        for side in [Side::Client, Side::Server] {
            while let Some(peer) = self.pending.of_mut(side).end_late() {
                match self.config.side(side).kinds.with_sessions() {
                    true => self.arrival_failed(side, peer, &Failure::TooSlow),
                    false => self.handshake_failed(peer, HandshakeEnd::TooSlow, &HandshakeFailure::TooSlow),
                }
            }
        }
    }
}
