//! What an accepted stream is for.

use fastway_proxy_protocol::Origin;
use fastway_service::listen::plain;
use fastway_session::{Protocol, Request, Status};
use fastway_transport::{DetachedStream, Stream};
use tokio::select;
use tokio::sync::oneshot;

use super::admit::admit_client;
use super::detect::{Detected, detect};
use super::handshake::Handshake;
use super::lost_place::answer_unread;
use super::open::open_session;
use super::proxy::read_origin;
use super::refuse::{refuse, reject_plain, tell_mistake};
use super::resume::resume_session;
use super::server::admit_plain_server;
use crate::mux::accept::first_bytes::Mistake;
use crate::mux::accept::pending::NoTurn;
use crate::mux::accept::proxy_header::ProxyFault;
use crate::mux::accept::rejection::Rejection;
use crate::mux::accept::stream::AcceptedStream;
use crate::mux::link::LinkStream;
use crate::mux::routing::Side;
use crate::mux::worker::shared_core::SharedCore;

/// Makes a link of an accepted stream, or starts the handshake that may.
///
/// What comes by a client port without sessions is a link at once, unless the port takes PROXY headers: it costs no task,
/// and nothing of it is read before.
pub(super) fn dispatch(core: &SharedCore, accepted: AcceptedStream<Stream>) {
    let AcceptedStream { side, peer, .. } = accepted;
    let (has_sessions, takes_headers) = (core.borrow().has_sessions(side), core.borrow().takes_headers(side));
    // Links that come after the others were closed would be closed by nobody.
    if !has_sessions && !core.borrow().admits_newcomers() {
        return;
    }

    if takes_headers {
        let task = async move |handshake: &mut Handshake, no_turn| behind_header(handshake, accepted, no_turn).await;
        return Handshake::start(core, side, peer, task);
    }
    if has_sessions {
        let task = async move |handshake: &mut Handshake, no_turn| take_in(handshake, accepted, no_turn).await;
        return Handshake::start(core, side, peer, task);
    }
    match side {
        Side::Client => {
            if let Err(rejection) = admit_plain_client(core, accepted) {
                core.borrow_mut().reject(side, peer, &rejection);
            }
        }
        Side::Server => {
            let task =
                async move |handshake: &mut Handshake, no_turn| take_in_server(handshake, accepted, no_turn).await;
            Handshake::start(core, side, peer, task);
        }
    }
}

/// Reads the PROXY header of a stream, and goes on with it as with others; but with the address of the header.
async fn behind_header(
    handshake: &mut Handshake,
    mut accepted: AcceptedStream<Stream>,
    mut no_turn: oneshot::Receiver<NoTurn>,
) -> Result<(), Rejection> {
    let origin = select! {
        biased;
        Ok(no_turn) = &mut no_turn => return Err(ProxyFault::from(no_turn).into()),
        origin = read_origin(handshake, &mut accepted.stream) => origin?,
    };
    if let Origin::Peer(peer) = origin {
        accepted.peer = plain(peer);
        // It may have been accepted when the port took no headers.
        accepted.permit.uncount_client();
        handshake.comes_from(accepted.peer);
    }

    let side = handshake.side;
    let has_sessions = handshake.core.borrow().has_sessions(side);
    let outcome = match side {
        _ if has_sessions => take_in(handshake, accepted, no_turn).await,
        Side::Client => admit_plain_client(&handshake.core, accepted),
        Side::Server => take_in_server(handshake, accepted, no_turn).await,
    };
    match outcome {
        Err(Rejection::Silent(_)) => Err(ProxyFault::Unused.into()),
        other => other,
    }
}

/// Makes a link of a game server's stream on a port without sessions.
async fn take_in_server(
    handshake: &Handshake,
    accepted: AcceptedStream<Stream>,
    mut no_turn: oneshot::Receiver<NoTurn>,
) -> Result<(), Rejection> {
    // It may have lost its place before it began.
    if let Ok(no_turn) = no_turn.try_recv() {
        return Err(no_turn.into());
    }
    // There is nothing to tell a peer that does not answer in time: the task is ended.
    drop(no_turn);
    admit_plain_server(handshake, accepted).await
}

/// Makes a link of a stream that another worker accepted.
pub(in crate::mux::worker) fn admit_forwarded(core: &SharedCore, accepted: AcceptedStream<DetachedStream>) {
    let AcceptedStream { side, stream, peer, permit } = accepted;
    match stream.attach() {
        Ok(stream) => dispatch(core, AcceptedStream { side, stream, peer, permit }),
        Err(error) => core.borrow_mut().reject(side, peer, &Rejection::Handover(error)),
    }
}

/// Reads what a stream is on a port that admits sessions, and makes of it what it asks for (`docs/protocol.md` §3.6).
async fn take_in(
    handshake: &Handshake,
    mut accepted: AcceptedStream<Stream>,
    no_turn: oneshot::Receiver<NoTurn>,
) -> Result<(), Rejection> {
    let Handshake { core, side, .. } = handshake;
    let kinds = core.borrow().kinds(*side);
    let admitted = kinds.admitted();

    let detected = select! {
        biased;
        Ok(no_turn) = no_turn => return answer_unread(handshake, accepted.stream, no_turn),
        detected = detect(handshake, &mut accepted.stream) => detected?,
    };

    match detected {
        Detected::Silence => tell_mistake(accepted.stream, Mistake::of_silence(admitted, *side)).await,
        Detected::Plain if *side == Side::Client && admitted.admits(Protocol::Plain) => {
            admit_plain_client(core, accepted)
        }
        Detected::Plain => reject_plain(accepted.stream, admitted, *side).await,
        Detected::Session(request) if !kinds.admits(&request) => {
            // The log says what the port admits; the peer is told so by the status.
            match refuse(handshake, accepted.stream, &request, Status::NotAdmitted).await {
                Err(Rejection::Refused(_)) => Err(Mistake::of_session(admitted, *side, request.protocol()).into()),
                other => other,
            }
        }
        Detected::Session(Request::Open(open)) => open_session(handshake, accepted, open).await,
        Detected::Session(Request::Resume(resume)) => {
            let AcceptedStream { stream, permit, .. } = accepted;
            // Its link has a place already, maybe on another worker.
            drop(permit);
            resume_session(handshake, resume, stream).await
        }
    }
}

fn admit_plain_client(core: &SharedCore, accepted: AcceptedStream<Stream>) -> Result<(), Rejection> {
    let AcceptedStream { stream, peer, mut permit, .. } = accepted;
    if !core.borrow().admits_newcomers() {
        return Err(Rejection::Refused(Status::Draining));
    }
    permit.count_client(peer.ip())?;
    admit_client(core, LinkStream::Plain(stream), peer, permit);
    Ok(())
}
