//! Streams that resume sessions: each goes to the worker that owns the link of its session.

use std::sync::Arc;

use fastway_session::{Request, Resume, Status};
use fastway_transport::{DetachedStream, Stream};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::handshake::Handshake;
use super::refuse::{refuse, send_and_linger};
use crate::mux::accept::pending::NoTurn;
use crate::mux::accept::rejection::Rejection;
use crate::mux::accept::stream::Resumption;
use crate::mux::link::RefusedStream;
use crate::mux::routing::{LinkAddr, Side};
use crate::mux::worker::core::Core;
use crate::mux::worker::mail::Message;
use crate::mux::worker::sessions::Answered;
use crate::mux::worker::shared_core::SharedCore;

/// Has a session go on by a stream. While the gateway stops, too: a client that was away gets what waits for it, and is told
/// why that was all.
///
/// # Errors
/// The resume is refused or not finished.
pub(super) async fn resume_session(handshake: &Handshake, resume: Resume, stream: Stream) -> Result<(), Rejection> {
    let core = &handshake.core;
    let (shared, me) = (Arc::clone(&core.borrow().shared), core.borrow().me);
    let link = match shared.sessions.find(resume.name()) {
        Ok(link) => link,
        Err(status) => {
            let status = if core.borrow().stop.is_reading() { status } else { Status::Draining };
            return refuse(handshake, stream, &Request::Resume(resume), status).await;
        }
    };
    if link.worker == me {
        return resume_here(handshake, link, resume, stream).await;
    }

    match forward(handshake, link, resume, stream)? {
        None => Ok(()),
        // While the gateway stops, a worker is gone once all of its sessions are over.
        Some(Resumption { resume, stream, .. }) => {
            let stream = stream.attach().map_err(Rejection::Handover)?;
            refuse(handshake, stream, &Request::Resume(resume), Status::Draining).await
        }
    }
}

/// Hands a resume to the worker that owns the link of its session. Returns it if that worker has ended.
///
/// # Errors
/// The system does not let go of the stream.
pub(super) fn forward(
    handshake: &Handshake,
    link: LinkAddr,
    resume: Resume,
    stream: Stream,
) -> Result<Option<Resumption<DetachedStream>>, Rejection> {
    let Handshake { core, side, peer, .. } = handshake;
    let stream = stream.detach().map_err(Rejection::Handover)?;
    let resumption = Resumption { side: *side, link, resume, stream, peer: *peer };
    match core.borrow().shared.mailboxes.try_send(link.worker, Message::Resume(Box::new(resumption))) {
        Err(Message::Resume(unsent)) => Ok(Some(*unsent)),
        _ => Ok(None),
    }
}

/// Goes on with a resume that another worker accepted, of a session whose link is on this worker.
pub(in crate::mux::worker) fn resume_forwarded(core: &SharedCore, resumption: Resumption<DetachedStream>) {
    let Resumption { side, link, resume, stream, peer } = resumption;
    let mut stream = match stream.attach() {
        Ok(stream) => stream,
        Err(error) => return core.borrow_mut().reject(side, peer, &Rejection::Handover(error)),
    };

    let task = async move |handshake: &mut Handshake, mut no_turn: oneshot::Receiver<NoTurn>| {
        let Ok(no_turn) = no_turn.try_recv() else { return resume_here(handshake, link, resume, stream).await };
        handshake.core.borrow_mut().keep_for_resume(side, link, &resume);
        Err(handshake.refuse_turn(&mut stream, &Request::Resume(resume), no_turn))
    };
    Handshake::start(core, side, peer, task);
}

/// Has the session of a link of this worker go on by a stream.
async fn resume_here(
    handshake: &Handshake,
    link: LinkAddr,
    resume: Resume,
    mut stream: Stream,
) -> Result<(), Rejection> {
    let Handshake { core, side, peer, number } = handshake;
    let purpose = core.borrow_mut().keep_for_resume(*side, link, &resume);
    if let Err(no_turn) = handshake.turn(&mut stream, purpose).await {
        return Err(handshake.refuse_turn(&mut stream, &Request::Resume(resume), no_turn));
    }

    let (guard, mut over) = oneshot::channel();
    let resumed = core.borrow_mut().resume(*side, link, &resume, stream, *peer, guard);
    match resumed {
        Ok(Answered::Taken) => {
            // The only candidate of its session is no handshake any more.
            if over.try_recv() == Err(TryRecvError::Empty) {
                core.borrow_mut().answered_candidate(*side, *number);
                let _proven_or_given_up = over.await;
            }
            Ok(())
        }
        Ok(Answered::Over(stream, bytes)) => Ok(send_and_linger(stream, &bytes).await?),
        Err(RefusedStream { stream, status }) => refuse(handshake, stream, &Request::Resume(resume), status).await,
    }
}

impl Core {
    /// A candidate of a session was answered that has others. If there are too many of them on the port, one ends.
    fn answered_candidate(&mut self, side: Side, number: u64) {
        if let Some(ended) = self.acceptance.answer_candidate(side, number) {
            self.ended_early(&ended);
        }
    }
}
