//! What a stream is, by its first bytes (`docs/protocol.md` §3.6).

use std::io;
use std::time::Duration;

use fastway_service::Progress;
use fastway_session::{Protocol, Reception, Request};
use fastway_transport::{PEEKED_BYTES, Stream};
use tokio::io::AsyncReadExt;
use tokio::select;

use super::handshake::Handshake;
use crate::mux::accept::rejection::Rejection;
use crate::mux::routing::Side;
use crate::mux::worker::shared_core::sleep;

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
pub(super) async fn detect(handshake: &Handshake, stream: &mut Stream) -> Result<Detected, Rejection> {
    let Handshake { core, side, .. } = handshake;
    let first = select! {
        biased;
        first = first_byte(stream) => first.map_err(Rejection::Silent)?,
        () = sleep(core, SILENCE), if *side == Side::Server => return Ok(Detected::Silence),
    };

    handshake.advance(Progress::Heard);
    match Protocol::of(first) {
        Protocol::Plain => Ok(Detected::Plain),
        Protocol::Secure | Protocol::Legacy => first_message(stream).await.map(Detected::Session),
    }
}

/// The first byte, which is still to be received: by the link, if it is that of a plain one.
async fn first_byte(stream: &mut Stream) -> io::Result<u8> {
    let first = stream.peek().await?.first();
    first.copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

async fn first_message(stream: &mut Stream) -> Result<Request, Rejection> {
    let mut reception = Reception::default();
    loop {
        let mut space = [0; PEEKED_BYTES];
        let count = stream.read(&mut space).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(request) = reception.receive(space.get(..count).unwrap_or_default())? {
            return Ok(request);
        }
    }
}
