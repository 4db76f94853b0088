//! What a stream is, by its first bytes (`docs/protocol.md` §3.6).

use std::io;
use std::time::{Duration, Instant};

use fastway_service::Progress;
use fastway_session::{Protocol, Reception, Request};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::select;

use super::handshake::Handshake;
use crate::accept::rejection::Rejection;
use crate::routing::Side;
use crate::worker::shared_core::sweeps_until;

/// More than any first message.
pub(super) const FIRST_MESSAGE_BYTES: usize = 2 << 10;

/// How long a peer of the server port may say nothing: initiators of sessions speak at once, and a first packet that was
/// lost has been sent again by then.
const SILENCE: Duration = Duration::from_secs(2);

/// What a stream begins with.
pub(super) enum Detected {
    /// Nothing for so long that the peer waits for the gateway to begin, as a plain link of a server does.
    Silence,
    /// Something that is not read here.
    Plain,
    /// The first message of a session.
    Session(Request),
}

/// Waits for the first byte of a stream, and reads the first message if it is a session's.
///
/// # Errors
/// The peer left, or its first message makes no sense.
pub(super) async fn detect(handshake: &Handshake, stream: &mut TcpStream) -> Result<Detected, Rejection> {
    let Handshake { core, side, .. } = handshake;
    let first = select! {
        biased;
        first = first_byte(stream) => first?,
        () = sweeps_until(core, Instant::now() + SILENCE), if *side == Side::Server => return Ok(Detected::Silence),
    };

    handshake.advance(Progress::Heard);
    match Protocol::of(first) {
        Protocol::Plain => Ok(Detected::Plain),
        Protocol::Secure | Protocol::Legacy => first_message(stream).await.map(Detected::Session),
    }
}

/// The first byte, which stays where it is: a plain link is not read before it is a link.
async fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0]),
    }
}

async fn first_message(stream: &mut TcpStream) -> Result<Request, Rejection> {
    let mut reception = Reception::default();
    loop {
        let mut space = [0; FIRST_MESSAGE_BYTES];
        let count = stream.read(&mut space).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(request) = reception.receive(space.get(..count).unwrap_or_default())? {
            return Ok(request);
        }
    }
}
