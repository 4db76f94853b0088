//! Streams that lose their place among the handshakes before they were read.

use fastway_session::{Reception, Request};
use fastway_transport::{PEEKED_BYTES, Stream};

use super::handshake::Handshake;
use super::resume::forward;
use crate::mux::accept::pending::NoTurn;
use crate::mux::accept::rejection::Rejection;

/// Ends a stream that has lost its place. What it asks for may have come and not been read, as when many come at once: then
/// it is told when to come again. A resume leaves this worker's places for those of its session's worker, if that is another.
///
/// # Errors
/// Always, but for a resume that goes on elsewhere.
pub(super) fn answer_unread(handshake: &Handshake, mut stream: Stream, no_turn: NoTurn) -> Result<(), Rejection> {
    let Handshake { core, side, .. } = handshake;
    let Some(request) = unread_request(&mut stream) else { return Err(no_turn.into()) };
    if !core.borrow().kinds(*side).admits(&request) {
        return Err(no_turn.into());
    }

    let resume = match request {
        Request::Open(_) => return Err(handshake.refuse_turn(&mut stream, &request, no_turn)),
        Request::Resume(resume) => resume,
    };
    let (found, me) = {
        let core = core.borrow();
        (core.shared.sessions.find(resume.name()), core.me)
    };
    match found {
        Ok(link) if link.worker == me => {
            core.borrow_mut().keep_for_resume(*side, link, &resume);
            Err(handshake.refuse_turn(&mut stream, &Request::Resume(resume), no_turn))
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
fn unread_request(stream: &mut Stream) -> Option<Request> {
    let mut space = [0; PEEKED_BYTES];
    let count = stream.recv_now(&mut space).unwrap_or_default();
    Reception::default().receive(space.get(..count).unwrap_or_default()).ok()?
}
