//! A game server that sends back what players say: `cargo run --example echo-server -- 127.0.0.1:10020`
//!
//! A second server needs another ID, behind the address.

use fastway_client::{Server, ServerConfig, ServerId};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let gateway = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:10020".to_owned());
    let id = std::env::args().nth(2).map_or(Ok(1), |id| id.parse())?;
    let key = std::env::var("FASTWAY_SERVER_AUTH_KEY").unwrap_or_default();
    let server = Server::connect(gateway, key, ServerId::new(id), ServerConfig::default()).await?;
    println!("ready as server {}", server.id());
    while let Some(mut player) = server.accept().await {
        tokio::spawn(async move {
            while let Some(message) = player.recv().await {
                if player.send(message).await.is_err() {
                    return; // The player is gone, and this connection with it.
                }
            }
        });
    }
    Err(server.closed().await.into())
}
