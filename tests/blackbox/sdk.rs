//! Links of the Rust SDK to a gateway, as most tests of it want them.

use fastway_client::{Client, ClientConfig, ClientId, Connection, Server, ServerConfig, ServerId};
use fastway_testkit::{Gateway, KEY};

/// The game server's ID.
pub(crate) const SERVER: ServerId = ServerId::new(7);

/// A game server.
pub(crate) async fn server(gateway: &Gateway) -> Server {
    Server::connect(gateway.server_addr(), KEY, SERVER, ServerConfig::default()).await.unwrap()
}

/// A player.
pub(crate) async fn client(gateway: &Gateway) -> Client {
    Client::connect(gateway.client_addr(), ClientConfig::default()).await.unwrap()
}

/// A connection that the client dialed: the client's end, and the server's.
pub(crate) async fn open(client: &Client, server: &Server) -> (Connection<ServerId>, Connection<ClientId>) {
    let (dialed, accepted) = tokio::join!(client.dial(SERVER), server.accept());
    (dialed.unwrap(), accepted.unwrap())
}
