//! The server handshake (`docs/protocol.md`, "Server handshake"): challenge out, proof and server ID in.

use std::io;
use std::time::Duration;

use fastway_wire::{CHALLENGE_BYTES, Challenge, HandshakeError, RESPONSE_BYTES, ServerId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::select;

use super::first_bytes::Spoken;
use crate::mux::config::Secret;
use crate::mux::routing::Side;

/// Time that a server with a plain link has for its answer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// How long what may be another protocol's first message has to grow into an answer to the challenge.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// Why a peer is not taken for a game server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerHandshakeError {
    /// The network dropped the link, or the peer closed it, before it had answered.
    #[error("the peer left during the handshake: {0}")]
    Lost(#[from] io::Error),
    /// The same, before it had sent a byte.
    #[error("the peer left during the handshake: {0}")]
    Silent(io::Error),
    /// The peer does not know the key.
    #[error(transparent)]
    Denied(#[from] HandshakeError),
    /// The peer is no game server.
    #[error(
        "the peer came with {0} where a game server answers the challenge: this port admits plain links (--server-link){hint}",
        hint = .0.hint(Side::Server)
    )]
    Mistaken(Spoken),
}

/// Asks a server who it is, and whether it knows one of `keys`; without any, an empty key counts. It waits for the answer as long as its caller does; `pause` is over after `PAUSE`.
///
/// # Errors
/// The peer left, or does not know the key, or is no server.
pub(crate) async fn authenticate_server(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    keys: &[Secret],
    challenge: [u8; CHALLENGE_BYTES],
    pause: impl AsyncFn(),
) -> Result<ServerId, ServerHandshakeError> {
    let challenge = Challenge::new(challenge);
    stream.write_all(challenge.as_bytes()).await.map_err(ServerHandshakeError::Silent)?;

    let mut response = [0; RESPONSE_BYTES];
    let mut received = 0;
    while received < RESPONSE_BYTES {
        let (so_far, rest) = response.split_at_mut(received);
        select! {
            biased;
            read = stream.read(rest) => match ended_as_error(read) {
                Ok(read) => received += read,
                Err(error) if received == 0 => return Err(ServerHandshakeError::Silent(error)),
                Err(error) => return Err(error.into()),
            },
            // Its initiator waits for a reply that is longer than a challenge, and would wait for as long as we do.
            () = pause(), if Spoken::is_legacy_open(so_far) => {
                return Err(ServerHandshakeError::Mistaken(Spoken::Legacy));
            }
        }
    }

    let verified = verify(challenge, keys, &response);
    verified.map_err(|wrong| Spoken::instead_of_a_proof(&response).map_or(wrong.into(), ServerHandshakeError::Mistaken))
}

/// Tries every key, also behind the right one: the time does not tell which one a server has.
fn verify(challenge: Challenge, keys: &[Secret], response: &[u8; RESPONSE_BYTES]) -> Result<ServerId, HandshakeError> {
    let Some((first, others)) = keys.split_first() else { return challenge.verify(b"", response) };
    let verified = challenge.verify(first.expose(), response);
    others.iter().fold(verified, |verified, key| verified.or(challenge.verify(key.expose(), response)))
}

/// The end of a stream is an error, too, before all has come.
fn ended_as_error(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        other => other,
    }
}
