//! What peers are told that are not let in.

use std::io::{self, ErrorKind};
use std::time::Duration;

use fastway_session::{Protocol, Request, Status};
use fastway_transport::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::handshake::Handshake;
use crate::mux::accept::first_bytes::Mistake;
use crate::mux::accept::pending::NoTurn;
use crate::mux::accept::rejection::Rejection;
use crate::mux::accept::retry_after::when_full;
use crate::mux::config::LinkKinds;
use crate::mux::routing::Side;
use crate::mux::worker::core::Core;

/// Refuses what a stream asks for.
///
/// # Errors
/// Always: the refusal, or what kept the peer from hearing it.
pub(super) async fn refuse(
    handshake: &Handshake,
    stream: Stream,
    request: &Request,
    status: Status,
) -> Result<(), Rejection> {
    let answer = match (request, status) {
        (request, Status::Overloaded) => overloaded(request, when_full(&mut handshake.core.borrow_mut().rng)),
        (Request::Open(open), status) => open.refusal(status),
        (Request::Resume(resume), status) => resume.refusal(status),
    };
    handshake.core.borrow_mut().count_refusal(request, status);

    send_and_linger(stream, &answer).await?;
    Err(Rejection::Refused(status))
}

/// Tells a peer that came without a session that none but these are admitted.
///
/// # Errors
/// Always.
pub(super) async fn reject_plain(mut stream: Stream, admitted: LinkKinds, side: Side) -> Result<(), Rejection> {
    let mistake = Mistake::of_sessionless(admitted, side, stream.peek().await?);
    tell_mistake(stream, mistake).await
}

/// Tells a peer of its mistake. What is reported is the mistake, whether the peer hears of it or not.
///
/// # Errors
/// Always.
pub(super) async fn tell_mistake(stream: Stream, mistake: Mistake) -> Result<(), Rejection> {
    let _ = send_and_linger(stream, mistake.answer()).await;
    Err(mistake.into())
}

/// Sends something, ends the stream, and if the peer has sent more than it should waits until it has read that: a stream
/// that is dropped with bytes unread takes with it what is on its way. A stream that waits for nothing must not take the
/// place of one that does.
pub(super) async fn send_and_linger(mut stream: Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;

    let mut rest = [0; 64];
    let nothing_unread = matches!(stream.recv_now(&mut rest), Err(blocked) if blocked.kind() == ErrorKind::WouldBlock);
    while !nothing_unread && stream.read(&mut rest).await? > 0 {}
    Ok(())
}

impl Handshake {
    /// Tells a peer that it gets no turn and when to come again, if its socket takes that at once: its place is another's by
    /// now. A legacy session has no words for it, and its peer would take a refusal for the end.
    pub(super) fn refuse_turn(&self, stream: &mut Stream, request: &Request, no_turn: NoTurn) -> Rejection {
        if request.protocol() != Protocol::Secure || matches!(no_turn, NoTurn::Left) {
            return no_turn.into();
        }

        let mut core = self.core.borrow_mut();
        let answer = match (no_turn, request) {
            (NoTurn::Replaced, Request::Resume(resume)) => {
                // Its own player has overtaken it. Counted by its status it would look like a replay.
                core.counters.resume_refused();
                resume.refusal(Status::StaleAttempt)
            }
            _ => {
                core.count_refusal(request, Status::Overloaded);
                overloaded(request, core.retry_time(self.side, request))
            }
        };
        let _it_may_be_gone = stream.send_now(&answer);
        no_turn.into()
    }
}

impl Core {
    /// When the peer of a handshake that gets no turn may come again.
    fn retry_time(&mut self, side: Side, request: &Request) -> Duration {
        let longest = match request {
            Request::Open(_) => Duration::MAX,
            // A session that waits must not expire before its peer is back.
            Request::Resume(_) => self.settings.side(side).session.wait / 2,
        };
        self.acceptance.retry_time(side, longest, self.clock.read(), &mut self.rng)
    }

    fn count_refusal(&mut self, request: &Request, status: Status) {
        self.counters.refused(status);
        if let Request::Resume(_) = request {
            self.counters.resume_refused();
        }
    }
}

fn overloaded(request: &Request, retry_after: Duration) -> Vec<u8> {
    match request {
        Request::Open(open) => open.overloaded(retry_after),
        Request::Resume(resume) => resume.overloaded(retry_after),
    }
}
