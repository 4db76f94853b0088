//! What peers are told that are not let in.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use fastway_session::{LinkKind, Request, Status};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::detect::FIRST_MESSAGE_BYTES;
use super::handshake::Handshake;
use crate::accept::first_bytes::Mistake;
use crate::accept::pending::NoTurn;
use crate::accept::rejection::Rejection;
use crate::accept::resume_end::ResumeEnd;
use crate::accept::retry_after::when_full;
use crate::config::LinkKinds;
use crate::routing::Side;
use crate::worker::core::Core;

/// Refuses what a stream asks for.
///
/// # Errors
/// Always: the refusal, or what kept the peer from hearing it.
pub(super) async fn refuse(
    handshake: &Handshake,
    stream: TcpStream,
    request: &Request,
    status: Status,
) -> Result<(), Rejection> {
    let answer = match (request, status) {
        (request, Status::Overloaded) => overloaded(request, when_full(&mut rand::rng())),
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
pub(super) async fn reject_plain(stream: TcpStream, admitted: LinkKinds, side: Side) -> Result<(), Rejection> {
    let mut first = [0; FIRST_MESSAGE_BYTES];
    let count = stream.peek(&mut first).await?;
    let mistake = Mistake::of_sessionless(admitted, side, first.get(..count).unwrap_or_default());
    tell_mistake(stream, mistake).await
}

/// Tells a peer of its mistake. What is reported is the mistake, whether the peer hears of it or not.
///
/// # Errors
/// Always.
pub(super) async fn tell_mistake(stream: TcpStream, mistake: Mistake) -> Result<(), Rejection> {
    let _ = send_and_linger(stream, mistake.answer()).await;
    Err(mistake.into())
}

/// Sends something, ends the stream, and if the peer has sent more than it should waits until it has read that: a stream
/// that is dropped with bytes unread takes with it what is on its way. A stream that waits for nothing must not take the
/// place of one that does.
pub(super) async fn send_and_linger(mut stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;

    let mut rest = [0; 64];
    let nothing_unread = matches!(stream.try_read(&mut rest), Err(blocked) if blocked.kind() == ErrorKind::WouldBlock);
    while !nothing_unread && stream.read(&mut rest).await? > 0 {}
    Ok(())
}

impl Core {
    /// Tells a peer that it gets no turn and when to come again, if its socket takes that at once: its place is another's by
    /// now. A legacy session has no words for it, and its peer would take a refusal for the end.
    pub(super) fn refuse_turn(
        &mut self,
        side: Side,
        stream: &TcpStream,
        request: &Request,
        no_turn: NoTurn,
    ) -> Rejection {
        if request.kind() != LinkKind::Secure || matches!(no_turn, NoTurn::Left) {
            return no_turn.into();
        }

        let answer = match (no_turn, request) {
            (NoTurn::Replaced, Request::Resume(resume)) => {
                // Its own player has overtaken it. Counted by its status it would look like a replay.
                self.stats.sessions.resume_ended(ResumeEnd::Refused);
                resume.refusal(Status::StaleAttempt)
            }
            _ => {
                self.count_refusal(request, Status::Overloaded);
                overloaded(request, self.next_retry_time(side, request))
            }
        };
        let _it_may_be_gone = SockRef::from(stream).send(&answer);
        no_turn.into()
    }

    /// When the peer of a handshake that gets no turn may come again.
    fn next_retry_time(&mut self, side: Side, request: &Request) -> Duration {
        let longest = match request {
            Request::Open(_) => Duration::MAX,
            // A session that waits must not expire before its peer is back.
            Request::Resume(_) => self.config.settings.side(side).session.wait / 2,
        };
        let waiting = self.pending[side].len();
        self.retry_times.next(waiting, longest, Instant::now(), &mut rand::rng())
    }

    fn count_refusal(&mut self, request: &Request, status: Status) {
        self.stats.sessions.refused(status);
        if let Request::Resume(_) = request {
            self.stats.sessions.resume_ended(ResumeEnd::Refused);
        }
    }
}

fn overloaded(request: &Request, retry_after: Duration) -> Vec<u8> {
    match request {
        Request::Open(open) => open.overloaded(retry_after),
        Request::Resume(resume) => resume.overloaded(retry_after),
    }
}
