//! Streams that open sessions.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use fastway_service::Progress;
use fastway_session::{AbortReason, Dial, LegacyConfig, Limits, LinkKind, Open, Request, Session, Status};
use tokio::net::TcpStream;

use super::admit::{admit_client, admit_server};
use super::handshake::Handshake;
use super::refuse::refuse;
use super::server::authenticate_in_session;
use crate::accept::admission::Permit;
use crate::accept::rejection::Rejection;
use crate::accept::stream::AcceptedStream;
use crate::accept::turns::Purpose;
use crate::config::SessionConfig;
use crate::link::{SessionTransport, Transport};
use crate::routing::Side;
use crate::worker::core::Core;

/// Opens a session, and makes a link of it once its peer has proven that it has read the reply.
///
/// # Errors
/// The open is refused or not finished, or the peer is no game server on the server port.
pub(super) async fn open_session(
    handshake: &Handshake,
    accepted: AcceptedStream<TcpStream>,
    open: Open,
) -> Result<(), Rejection> {
    let core = &handshake.core;
    let AcceptedStream { side, stream, peer, mut permit } = accepted;
    if !core.borrow().stop.is_reading() {
        return refuse(handshake, stream, &Request::Open(open), Status::Draining).await;
    }

    let purpose = match open.kind() {
        LinkKind::Legacy => Purpose::LegacyOpen(side),
        LinkKind::Plain | LinkKind::Secure => Purpose::Open(side),
    };
    if let Err(no_turn) = handshake.turn(&stream, purpose).await {
        return Err(core.borrow_mut().refuse_turn(side, &stream, &Request::Open(open), no_turn));
    }

    let opened = core.borrow_mut().open(side, &open, &mut permit, peer);
    let (session, dial) = match opened {
        Ok(opened) => opened,
        Err(status) => return refuse(handshake, stream, &Request::Open(open), status).await,
    };
    handshake.advance(Progress::Answered);

    let most_unacked = core.borrow().config.settings.side(side).send_queue_bytes;
    let mut session = Box::new(SessionTransport::new(side, session, open.kind(), dial, stream, peer, most_unacked));
    poll_fn(|cx| core.borrow_mut().poll_proof(&mut session, cx)).await?;

    let server = match side {
        Side::Client => None,
        Side::Server => Some(authenticate_in_session(core, &mut session).await?),
    };

    // Links that come after the others were closed would be closed by nobody.
    if !core.borrow().stop.is_reading() {
        session.abort(AbortReason::Shutdown, &mut core.borrow_mut().sealed);
        return Err(Rejection::Refused(Status::Draining));
    }
    let Some(id) = server else {
        if let Err(rejection) = permit.count_client(peer.ip()) {
            session.abort(AbortReason::Overflow, &mut core.borrow_mut().sealed);
            return Err(rejection);
        }
        admit_client(core, Transport::Session(session), peer, permit);
        return Ok(());
    };
    admit_server(core, id, Transport::Session(session), peer, permit);
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
        if side == Side::Client {
            permit.count_client(peer.ip()).map_err(|rejection| {
                self.reject(side, peer, &rejection);
                Status::Overloaded
            })?;
            // Until it has proven itself, it takes no place.
            permit.uncount_client();
        }

        let config = &self.config.settings.side(side).session;
        let SessionConfig { legacy_encrypt, legacy_replay_bytes, wait, .. } = *config;
        let legacy = LegacyConfig { encrypt: legacy_encrypt, replay_bytes: legacy_replay_bytes };
        let limits = Limits { handshake_time: config.handshake_limit(), wait, legacy };

        let began = Instant::now();
        let accepted = open.accept(self.config.settings.sessions.key.as_ref(), &limits, began, &mut rand::rng());
        self.turns.computed(began.elapsed());
        accepted
    }

    /// Waits until a session exists for both ends.
    fn poll_proof(&mut self, session: &mut SessionTransport, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        while session.is_unproven() {
            if session.is_abandoned() {
                return Poll::Ready(Err(Rejection::NotProven));
            }
            ready!(self.poll_pre_link(session, cx));
        }
        Poll::Ready(Ok(()))
    }
}
