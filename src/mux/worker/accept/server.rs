//! Game servers prove who they are: the same handshake over a stream and inside a session.

use fastway_session::Status;
use fastway_transport::Stream;
use fastway_wire::ServerId;
use rand::RngExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::admit::admit_server;
use super::handshake::Handshake;
use super::pre_link_stream::PreLinkStream;
use crate::mux::accept::rejection::Rejection;
use crate::mux::accept::server_handshake::{PAUSE, ServerHandshakeError, authenticate_server};
use crate::mux::accept::stream::AcceptedStream;
use crate::mux::link::{LinkSession, LinkStream};
use crate::mux::worker::shared_core::{SharedCore, sleep};

/// Makes the link of a game server on a port without sessions, which waits for the gateway to begin.
pub(super) async fn admit_plain_server(
    handshake: &Handshake,
    accepted: AcceptedStream<Stream>,
) -> Result<(), Rejection> {
    let AcceptedStream { mut stream, peer, permit, .. } = accepted;
    let id = authenticate(&handshake.core, &mut stream).await.map_err(Rejection::of_plain_server)?;
    // The drain of the gateway may have closed the port meanwhile.
    if !handshake.core.borrow().admits_newcomers() {
        return Err(Rejection::Refused(Status::Draining));
    }
    admit_server(&handshake.core, id, LinkStream::Plain(stream), peer, permit);
    Ok(())
}

/// Asks a game server inside a session who it is.
pub(super) async fn authenticate_in_session(
    core: &SharedCore,
    session: &mut LinkSession,
) -> Result<ServerId, Rejection> {
    authenticate(core, &mut PreLinkStream { core, session }).await.map_err(Rejection::NoServer)
}

async fn authenticate(
    core: &SharedCore,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<ServerId, ServerHandshakeError> {
    let keys = core.borrow().settings.server_auth_keys.clone();
    let challenge = core.borrow_mut().rng.random();
    let pause = async || sleep(core, PAUSE).await;
    authenticate_server(stream, &keys, challenge, pause).await
}
