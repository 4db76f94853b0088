//! Streams that open sessions.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use fastway_service::Progress;
use fastway_session::{AbortReason, Dial, LegacyConfig, Limits, Open, Protocol, Request, Session, Status};
use fastway_transport::Stream;

use super::admit::{admit_client, admit_server};
use super::handshake::Handshake;
use super::refuse::refuse;
use super::server::authenticate_in_session;
use crate::mux::accept::admission::Permit;
use crate::mux::accept::rejection::Rejection;
use crate::mux::accept::stream::AcceptedStream;
use crate::mux::accept::turns::Purpose;
use crate::mux::config::SessionConfig;
use crate::mux::link::{LinkSession, LinkStream};
use crate::mux::routing::Side;
use crate::mux::worker::core::Core;

/// Opens a session, and makes a link of it once its peer has proven that it has read the reply.
///
/// # Errors
/// The open is refused or not finished, or the peer is no game server on the server port.
pub(super) async fn open_session(
    handshake: &Handshake,
    accepted: AcceptedStream<Stream>,
    open: Open,
) -> Result<(), Rejection> {
    let core = &handshake.core;
    let AcceptedStream { side, mut stream, peer, mut permit } = accepted;
    if !core.borrow().stop.is_reading() {
        return refuse(handshake, stream, &Request::Open(open), Status::Draining).await;
    }

    let purpose = match open.protocol() {
        Protocol::Legacy => Purpose::LegacyOpen(side),
        Protocol::Plain | Protocol::Secure => Purpose::Open(side),
    };
    if let Err(no_turn) = handshake.turn(&mut stream, purpose).await {
        return Err(handshake.refuse_turn(&mut stream, &Request::Open(open), no_turn));
    }

    if let Err(no_room) = find_room(side, &mut permit, peer) {
        // What is reported is the limit, whether the peer hears of it or not.
        let _ = refuse(handshake, stream, &Request::Open(open), Status::Overloaded).await;
        return Err(no_room);
    }
    let opened = core.borrow_mut().open(side, &open);
    let (session, dial) = match opened {
        Ok(opened) => opened,
        Err(status) => return refuse(handshake, stream, &Request::Open(open), status).await,
    };
    handshake.advance(Progress::Answered);

    let most_unacked = core.borrow().most_unacked(side);
    let mut session = Box::new(LinkSession::new(side, session, open.protocol(), dial, (stream, peer), most_unacked));
    poll_fn(|cx| core.borrow_mut().poll_proof(&mut session, cx)).await?;
    admit_opened(handshake, session, permit).await
}

/// Looks whether there is room for one client more. Until it has proven itself, it takes no place.
fn find_room(side: Side, permit: &mut Permit, peer: SocketAddr) -> Result<(), Rejection> {
    if side == Side::Client {
        permit.count_client(peer.ip())?;
        permit.uncount_client();
    }
    Ok(())
}

/// Makes a link of a session whose peer is there: of a client's at once, of a game server's when it has proven who it is.
async fn admit_opened(
    handshake: &Handshake,
    mut session: Box<LinkSession>,
    mut permit: Permit,
) -> Result<(), Rejection> {
    let Handshake { core, side, peer, .. } = handshake;
    let server = match side {
        Side::Client => None,
        Side::Server => Some(authenticate_in_session(core, &mut session).await?),
    };

    // Links that come after the others were closed would be closed by nobody.
    if !core.borrow().stop.is_reading() {
        core.borrow_mut().abort_pre_link(&mut session, AbortReason::Shutdown);
        return Err(Rejection::Refused(Status::Draining));
    }

    let Some(id) = server else {
        // Others may have taken the last place meanwhile.
        if let Err(no_room) = permit.count_client(peer.ip()) {
            core.borrow_mut().abort_pre_link(&mut session, AbortReason::Overflow);
            return Err(no_room);
        }
        admit_client(core, LinkStream::Session(session), *peer, permit);
        return Ok(());
    };
    admit_server(core, id, LinkStream::Session(session), *peer, permit);
    Ok(())
}

impl Core {
    /// Makes the session that a stream asks for, and accounts for the time that this takes.
    fn open(&mut self, side: Side, open: &Open) -> Result<(Session, Dial), Status> {
        let config = &self.settings.side(side).session;
        let SessionConfig { legacy_encrypt, legacy_replay_bytes, wait, .. } = *config;
        let legacy = LegacyConfig { encrypt: legacy_encrypt, replay_bytes: legacy_replay_bytes };
        let limits = Limits { handshake_time: config.handshake_limit(), wait, legacy };

        let began = self.clock.read();
        let opened = open.accept(self.settings.sessions.key.as_ref(), &limits, began, &mut self.rng);
        self.acceptance.computed(self.clock.since(began));
        opened
    }

    /// Waits until a session exists for both ends.
    fn poll_proof(&mut self, session: &mut LinkSession, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        while session.is_unproven() {
            if session.is_abandoned() {
                return Poll::Ready(Err(Rejection::NotProven));
            }
            ready!(self.poll_pre_link(session, cx));
        }
        Poll::Ready(Ok(()))
    }
}
