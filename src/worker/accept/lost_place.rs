//! Streams that lose their place among the handshakes before they were read.

use std::io::Read;

use fastway_session::{Reception, Request};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::detect::FIRST_MESSAGE_BYTES;
use super::handshake::Handshake;
use super::resume::forward;
use crate::accept::pending::NoTurn;
use crate::accept::rejection::Rejection;

/// Ends a stream that has lost its place. What it asks for may have come and not been read, as when many come at once: then
/// it is told when to come again. A resume leaves this worker's places for those of its session's worker, if that is another.
///
/// # Errors
/// Always, but for a resume that goes on elsewhere.
pub(super) fn answer_unread(handshake: &Handshake, stream: TcpStream, no_turn: NoTurn) -> Result<(), Rejection> {
    let Handshake { core, side, .. } = handshake;
    let Some(request) = unread_request(&stream) else { return Err(no_turn.into()) };
    if !core.borrow().config.settings.side(*side).kinds.admits_request(&request) {
        return Err(no_turn.into());
    }

    let resume = match request {
        Request::Open(_) => return Err(core.borrow_mut().refuse_turn(*side, &stream, &request, no_turn)),
        Request::Resume(resume) => resume,
    };
    let (found, me) = {
        let core = core.borrow();
        (core.shared.sessions.find(resume.name()), core.me)
    };
    match found {
        Ok(link) if link.worker == me => {
            let mut core = core.borrow_mut();
            core.keep_for_resume(*side, link, &resume);
            Err(core.refuse_turn(*side, &stream, &Request::Resume(resume), no_turn))
        }
        Ok(link) => match forward(handshake, link, resume, stream)? {
            None => Ok(()),
            Some(_its_worker_has_ended) => Err(no_turn.into()),
        },
        // There is nothing to come again for.
        Err(_) => Err(no_turn.into()),
    }
}

/// The first message, if all of it is there.
fn unread_request(stream: &TcpStream) -> Option<Request> {
    let mut space = [0; FIRST_MESSAGE_BYTES];
    let count = (&*SockRef::from(stream)).read(&mut space).unwrap_or_default();
    Reception::default().receive(space.get(..count).unwrap_or_default()).ok()?
}
