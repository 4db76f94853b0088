//! Connecting: from an address to a link that the gateway has confirmed.

use std::io;

use fastway_session::Status;
use fastway_wire::{CHALLENGE_BYTES, Challenge, ServerId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::endpoint::Endpoint;
use crate::link::{Carrier, Plain};
use crate::session;
use crate::tcp::{TimeLimit, tcp};
use crate::{ConnectError, ConnectStep, GatewayPort, LinkConfig, LinkEnd, ProtocolFault};

/// A client's link to the gateway at `addr`.
pub(crate) async fn client(addr: String, config: LinkConfig, limit: &TimeLimit) -> Result<Endpoint, ConnectError> {
    let port = GatewayPort::Client;
    match &config.session {
        None => confirm_gateway(Plain(tcp(addr, limit).await?), config, port, limit).await,
        Some(session) => {
            let stream = session::open(addr, session, config.ping_interval.is_some(), port, limit).await?;
            confirm_gateway(stream, config, port, limit).await
        }
    }
}

/// A server's link to the gateway at `addr`.
pub(crate) async fn server(
    addr: String,
    key: &[u8],
    server: ServerId,
    config: LinkConfig,
    limit: &TimeLimit,
) -> Result<Endpoint, ConnectError> {
    match &config.session {
        None => register(Plain(tcp(addr, limit).await?), key, server, config, limit).await,
        Some(session) => {
            let stream =
                session::open(addr, session, config.ping_interval.is_some(), GatewayPort::Server, limit).await?;
            register(stream, key, server, config, limit).await
        }
    }
}

/// A stream of the application. It cannot be replaced, so there is no session.
pub(crate) fn plain<S>(stream: S, config: &LinkConfig) -> Result<Plain<S>, ConnectError> {
    if config.session.is_some() { Err(ConnectError::SessionNeedsAddress) } else { Ok(Plain(stream)) }
}

/// Answers the gateway's challenge (`docs/protocol.md`, "Server handshake"), and starts the link once it is confirmed.
pub(crate) async fn register<S>(
    mut stream: S,
    key: &[u8],
    server: ServerId,
    config: LinkConfig,
    limit: &TimeLimit,
) -> Result<Endpoint, ConnectError>
where
    S: Carrier + Send + 'static,
{
    config.check()?;
    let port = GatewayPort::Server;
    let answered = limit.wait(ConnectStep::Challenge, answer_challenge(&mut stream, key, server)).await?;
    answered.map_err(|unchallenged| match unchallenged {
        Unchallenged::NotAdmitted => ConnectError::SessionNeeded { port },
        Unchallenged::Lost(error) => ConnectError::TurnedAway { port, end: ended(error) },
    })?;
    confirm_gateway(stream, config, port, limit).await.map_err(|error| judge_after_proof(server, error))
}

/// Why no challenge came.
enum Unchallenged {
    /// The gateway admits only sessions on that port.
    NotAdmitted,
    /// The stream ended or failed.
    Lost(io::Error),
}

impl From<io::Error> for Unchallenged {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

async fn answer_challenge<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    key: &[u8],
    server: ServerId,
) -> Result<(), Unchallenged> {
    let mut challenge = [0; CHALLENGE_BYTES];
    let mut received = 0;
    while received < CHALLENGE_BYTES {
        let (so_far, rest) = challenge.split_at_mut(received);
        match stream.read(rest).await? {
            0 if *so_far == [Status::NotAdmitted as u8] => return Err(Unchallenged::NotAdmitted),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            read => received += read,
        }
    }

    stream.write_all(&Challenge::new(challenge).respond(key, server)).await?;
    Ok(stream.flush().await?)
}

/// Starts the link, and waits for the first valid command of the gateway. A gateway sends nothing by itself, not even
/// after a server's proof, so a ping asks for it.
pub(crate) async fn confirm_gateway<S>(
    stream: S,
    config: LinkConfig,
    port: GatewayPort,
    limit: &TimeLimit,
) -> Result<Endpoint, ConnectError>
where
    S: Carrier + Send + 'static,
{
    let (heard, first_command) = oneshot::channel();
    let endpoint = Endpoint::start(stream, config, Some(heard))?;
    endpoint.ping();

    match limit.wait(ConnectStep::Ping(port), first_command).await? {
        Ok(()) => Ok(endpoint),
        Err(_) => Err(match endpoint.closed().await {
            LinkEnd::Protocol(ProtocolFault::NotAdmitted) => ConnectError::SessionNeeded { port },
            LinkEnd::Protocol(fault) => ConnectError::NotAGateway { port, fault },
            end => ConnectError::TurnedAway { port, end },
        }),
    }
}

fn ended(error: io::Error) -> LinkEnd {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => LinkEnd::Gateway,
        _ => error.into(),
    }
}

/// A gateway that rejects the proof closes the link or its session. That is a reset if it has not read the ping.
fn judge_after_proof(server: ServerId, error: ConnectError) -> ConnectError {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    match error {
        ConnectError::TurnedAway { end: LinkEnd::Gateway | LinkEnd::SessionLost(_), .. } => {
            ConnectError::WrongKey { server }
        }
        ConnectError::TurnedAway { end: LinkEnd::Lost(lost), .. }
            if matches!(lost.kind(), BrokenPipe | ConnectionReset) =>
        {
            ConnectError::WrongKey { server }
        }
        other => other,
    }
}
