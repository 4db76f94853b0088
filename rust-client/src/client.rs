//! A player's endpoint, or a tool's.

use std::time::Duration;

use fastway_wire::ServerId;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connect;
use crate::endpoint::Endpoint;
use crate::tcp::TimeLimit;
use crate::{ClientConfig, ConnectError, Connection, DialError, LinkEnd, LinkStats, Remote, SessionEvents};

/// A link to the gateway's client port: it dials game servers, and is dialed by them.
///
/// Dropping it ends the link and all its connections; all methods can be used from several tasks (`Arc<Client>`).
///
/// ```no_run
/// use fastway_client::{Client, ClientConfig, ServerId};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("127.0.0.1:10010", ClientConfig::default()).await?;
/// let mut chat = client.dial(ServerId::new(1)).await?;
/// chat.send("hello").await?;
/// println!("{:?}", chat.recv().await);
/// client.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
}

impl Client {
    /// Connects to the gateway's client port; `addr` is `host:port` or a [`SocketAddr`](std::net::SocketAddr). When
    /// this returns, the gateway has answered a ping: it is one, and it has room for this client.
    ///
    /// # Errors
    /// See [`ConnectError`]; every one but a bad setting or address may be gone at the next attempt ([`Backoff`]).
    ///
    /// [`Backoff`]: crate::Backoff
    pub async fn connect(addr: impl ToString, config: ClientConfig) -> Result<Self, ConnectError> {
        config.link.check()?;
        let limit = TimeLimit::start(config.link.connect_timeout)?;
        Ok(Self { endpoint: connect::client(addr.to_string(), config.link, &limit).await? })
    }

    /// A link over any byte stream, whose other end is a gateway's client port. This waits for nothing: if it is none,
    /// the link ends and says so.
    ///
    /// # Errors
    /// A bad setting, or no tokio runtime. A session ([`LinkConfig::session`](crate::LinkConfig::session)) needs an
    /// address to come back to.
    pub fn over<S>(stream: S, config: ClientConfig) -> Result<Self, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = connect::plain(stream, &config.link)?;
        Ok(Self { endpoint: Endpoint::start(stream, config.link, None)? })
    }

    /// Opens a connection to a game server; waits for the gateway's answer for `dial_timeout` at most.
    ///
    /// Cancel-safe: a dial that is dropped, or times out, leaves nothing behind.
    ///
    /// # Errors
    /// The gateway refused, did not answer in time, or the link ended.
    pub async fn dial(&self, server: ServerId) -> Result<Connection<ServerId>, DialError> {
        let connection = self.endpoint.dial(Remote::Server(server)).await?;
        Ok(connection.with_remote(ServerId::new))
    }

    /// [`Client::dial`] with another time-out.
    ///
    /// # Errors
    /// The same as [`Client::dial`].
    pub async fn dial_timeout(&self, server: ServerId, limit: Duration) -> Result<Connection<ServerId>, DialError> {
        let connection = self.endpoint.dial_timeout(Remote::Server(server), limit).await?;
        Ok(connection.with_remote(ServerId::new))
    }

    /// Waits for the next connection that a game server opens; `None` when the link has ended, whose
    /// [`Client::closed`] says why. Cancel-safe, and several tasks may accept.
    ///
    /// A connection that has ended while it waited here is given out all the same: it may have left messages.
    pub async fn accept(&self) -> Option<Connection<ServerId>> {
        self.endpoint.accept().await.map(|connection| connection.with_remote(ServerId::new))
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
    /// ```no_run
    /// # fn network_changed(client: &fastway_client::Client) {
    /// // In the handler of ConnectivityManager, NWPathMonitor and the like.
    /// client.reconnect_now();
    /// # }
    /// ```
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
