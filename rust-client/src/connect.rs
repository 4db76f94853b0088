//! From an address to a link.

use std::io;
use std::time::Duration;

use fastway_wire::{CHALLENGE_BYTES, Challenge, ServerId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::endpoint::Endpoint;
use crate::{ConnectError, LinkConfig, LinkEnd};

/// Opens the TCP connection. `addr` is `host:port`, and is looked up anew each time.
pub(crate) async fn tcp(addr: String) -> Result<TcpStream, ConnectError> {
    let looked_up = lookup_host(&addr).await.map(Vec::from_iter);
    let resolved = looked_up.map_err(|source| ConnectError::Address { addr: addr.clone(), source })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in resolved {
        match TcpStream::connect(address).await.and_then(without_delay) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Unreachable { addr, source: last })
}

/// Games send small messages and want them there now.
fn without_delay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Gives up after `after`; without a runtime, nothing can be waited for.
pub(crate) async fn within<T>(
    after: Duration,
    connecting: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
    tokio::time::timeout(after, connecting).await.unwrap_or(Err(ConnectError::TimedOut { after }))
}

/// Proves to the gateway that we know the key, and starts the link when it is convinced.
///
/// The gateway does not say "yes": a ping behind the answer makes it say something.
pub(crate) async fn register<S>(
    mut stream: S,
    key: &[u8],
    server: ServerId,
    config: LinkConfig,
) -> Result<Endpoint, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    config.check()?;
    answer_challenge(&mut stream, key, server).await.map_err(|error| ConnectError::Handshake(ended(error)))?;
    let (heard, first_byte) = oneshot::channel();
    let endpoint = Endpoint::start(stream, config, Some(heard))?;
    endpoint.ping();
    match first_byte.await {
        Ok(()) => Ok(endpoint),
        Err(_) => Err(turned_away(server, endpoint.closed().await)),
    }
}

async fn answer_challenge<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    key: &[u8],
    server: ServerId,
) -> io::Result<()> {
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge).await?;
    stream.write_all(&Challenge::new(challenge).respond(key, server)).await?;
    stream.flush().await
}

fn ended(error: io::Error) -> LinkEnd {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => LinkEnd::Gateway,
        _ => error.into(),
    }
}

/// A gateway that is not convinced closes the link; with our ping unread, that is a reset.
fn turned_away(server: ServerId, end: LinkEnd) -> ConnectError {
    match end {
        LinkEnd::Gateway => ConnectError::WrongKey { server },
        LinkEnd::Lost(error) if error.kind() == io::ErrorKind::ConnectionReset => ConnectError::WrongKey { server },
        LinkEnd::Lost(error) if error.kind() == io::ErrorKind::BrokenPipe => ConnectError::WrongKey { server },
        other => ConnectError::Handshake(other),
    }
}
