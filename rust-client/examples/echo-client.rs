//! A player who talks to game server 1: `cargo run --example echo-client -- 127.0.0.1:10010`

use fastway_client::{Client, ClientConfig, ServerId};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let gateway = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:10010".to_owned());
    let client = Client::connect(gateway, ClientConfig::default()).await?;
    let mut server = client.dial(ServerId::new(1)).await?;
    for words in ["hello", "is anybody there?", "goodbye"] {
        server.send(words).await?;
        match server.recv().await {
            Some(answer) => println!("{}", String::from_utf8_lossy(&answer)),
            None => return Err(server.closed().await.into()),
        }
    }
    client.close().await;
    Ok(())
}
