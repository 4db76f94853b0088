//! Game servers prove who they are: the same handshake over a stream and inside a session.

use std::time::Instant;

use fastway_wire::ServerId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::admit::admit_server;
use super::handshake::Handshake;
use super::pre_link_stream::PreLinkStream;
use crate::accept::rejection::Rejection;
use crate::accept::server_handshake::{PAUSE, ServerHandshakeError, authenticate_server};
use crate::accept::stream::AcceptedStream;
use crate::link::{SessionTransport, Transport};
use crate::worker::shared_core::{SharedCore, sleep_until};

/// Makes the link of a game server on a port without sessions, which waits for the gateway to begin.
pub(super) async fn admit_plain_server(
    handshake: &Handshake,
    accepted: AcceptedStream<TcpStream>,
) -> Result<(), Rejection> {
    let AcceptedStream { mut stream, peer, permit, .. } = accepted;
    let id = authenticate(&handshake.core, &mut stream).await.map_err(Rejection::of_plain_server)?;
    admit_server(&handshake.core, id, Transport::Tcp(stream), peer, permit);
    Ok(())
}

/// Asks a game server inside a session who it is.
pub(super) async fn authenticate_in_session(
    core: &SharedCore,
    session: &mut SessionTransport,
) -> Result<ServerId, Rejection> {
    authenticate(core, &mut PreLinkStream { core, session }).await.map_err(Rejection::NoServer)
}

async fn authenticate(
    core: &SharedCore,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<ServerId, ServerHandshakeError> {
    let key = core.borrow().config.settings.server_auth_key.clone();
    let pause = async || sleep_until(core, Instant::now() + PAUSE).await;
    authenticate_server(stream, &key, rand::random(), pause).await
}
