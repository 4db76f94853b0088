//! A game server's endpoint.

use std::time::Duration;

use fastway_wire::{ClientId, ServerId};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connect;
use crate::endpoint::Endpoint;
use crate::link::RawConnection;
use crate::tcp::TimeLimit;
use crate::{ConnectError, Connection, DialError, LinkEnd, LinkStats, Remote, ServerConfig, SessionEvents};

/// A link to the gateway's server port: it is dialed by clients, and dials them.
///
/// Dropping it ends the link and all its connections; all methods can be used from several tasks (`Arc<Server>`).
/// A server that registers with the ID of an older one replaces it.
///
/// ```no_run
/// use fastway_client::{Server, ServerConfig, ServerId};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::connect("127.0.0.1:10020", "the key", ServerId::new(1), ServerConfig::default()).await?;
/// while let Some(mut player) = server.accept().await {
///     tokio::spawn(async move {
///         while let Some(message) = player.recv().await {
///             if player.send(message).await.is_err() {
///                 return;
///             }
///         }
///     });
/// }
/// println!("{}", server.closed().await);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    id: ServerId,
}

impl Server {
    /// Connects to the gateway's server port and registers as `id`; clients can dial it when this returns.
    ///
    /// `key` is the gateway's ServerAuthKey.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(
        addr: impl ToString,
        key: impl AsRef<[u8]>,
        id: ServerId,
        config: ServerConfig,
    ) -> Result<Self, ConnectError> {
        config.link.check()?;
        let limit = TimeLimit::start(config.link.connect_timeout)?;
        Ok(Self { endpoint: connect::server(addr.to_string(), key.as_ref(), id, config.link, &limit).await?, id })
    }

    /// Registers over any byte stream, whose other end is a gateway's server port. A session needs an address, so there
    /// can be none.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn over<S>(
        stream: S,
        key: impl AsRef<[u8]>,
        id: ServerId,
        config: ServerConfig,
    ) -> Result<Self, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let limit = TimeLimit::start(config.link.connect_timeout)?;
        let stream = connect::plain(stream, &config.link)?;
        Ok(Self { endpoint: connect::register(stream, key.as_ref(), id, config.link, &limit).await?, id })
    }

    /// What it registered as.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Opens a connection to a client; waits for the gateway's answer for `dial_timeout` at most.
    ///
    /// A client's ID is known from a connection that it opened ([`Connection::remote_id`]) and is good as long as its
    /// link. Cancel-safe: a dial that is dropped, or times out, leaves nothing behind.
    ///
    /// # Errors
    /// The gateway refused, did not answer in time, or the link ended.
    pub async fn dial(&self, client: ClientId) -> Result<Connection<ClientId>, DialError> {
        let connection = self.endpoint.dial(Remote::Client(client)).await?;
        Ok(connection.with_remote(ClientId::new))
    }

    /// [`Server::dial`] with another time-out.
    ///
    /// # Errors
    /// The same as [`Server::dial`].
    pub async fn dial_timeout(&self, client: ClientId, limit: Duration) -> Result<Connection<ClientId>, DialError> {
        let connection = self.endpoint.dial_timeout(Remote::Client(client), limit).await?;
        Ok(connection.with_remote(ClientId::new))
    }

    /// Waits for the next connection that a client opens; `None` when the link has ended, whose
    /// [`Server::closed`] says why. Cancel-safe, and several tasks may accept.
    ///
    /// A connection that has ended while it waited here is given out all the same: it may have left messages.
    pub async fn accept(&self) -> Option<Connection<ClientId>> {
        self.accept_raw().await.map(|connection| connection.with_remote(ClientId::new))
    }

    /// [`Server::accept`] for those who hand the connection on: until they do, it must not hold the link.
    pub(crate) async fn accept_raw(&self) -> Option<RawConnection> {
        self.endpoint.accept().await
    }

    /// Closes the link: its connections end, what was sent goes to the gateway, and the gateway agrees, all within
    /// `close_grace`. To end it at once, drop it. A `close` that is dropped goes on.
    ///
    /// The result may be ignored. [`LinkEnd::Closed`] says that the gateway has everything that was sent. After any other
    /// end the last messages may be lost: [`LinkEnd::Unconfirmed`], or what had ended the link before.
    pub async fn close(&self) -> LinkEnd {
        self.endpoint.close().await
    }

    /// Waits for the end of the link, and says why.
    pub async fn closed(&self) -> LinkEnd {
        self.endpoint.closed().await
    }

    /// Why the link has ended; `None` while it is open.
    pub fn end(&self) -> Option<LinkEnd> {
        self.endpoint.end()
    }

    /// Whether more than `send_buffer_bytes` wait for the socket, so that every `send` of the link waits.
    pub fn is_held_up(&self) -> bool {
        self.endpoint.is_held_up()
    }

    /// Brings the link to a new transport at once: to be called when the network has changed, of which a program is told
    /// sooner than a transport shows it. The present one works on until the new one is there. Without a session
    /// ([`LinkConfig::session`]) it does nothing.
    ///
    /// [`LinkConfig::session`]: crate::LinkConfig::session
    pub fn reconnect_now(&self) {
        self.endpoint.reconnect_now();
    }

    /// What happens to the link's session from now on; nothing, if it has none.
    pub fn session_events(&self) -> SessionEvents {
        self.endpoint.session_events()
    }

    /// What the link has counted so far.
    pub fn stats(&self) -> LinkStats {
        self.endpoint.stats()
    }
}
