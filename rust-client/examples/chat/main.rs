//! A chat room behind a gateway: one server, and a terminal for each player.
//!
//! ```text
//! cargo run --example chat -- server 127.0.0.1:10020
//! cargo run --example chat -- join 127.0.0.1:10010 ann
//! ```
//!
//! With the gateway's public key behind its name, a player's link is encrypted, and survives a change of network.
//!
//! A player dials the server and says its name, then a line per message. The server dials the player back, and what
//! the others say comes on that second connection: so one end never mixes what it asked for with what it is told.

mod client;
mod server;

use std::env;

use anyhow::bail;
use fastway_client::ServerId;

/// What the room is registered as. The echo example is server 1: both may run beside each other.
const ROOM: ServerId = ServerId::new(2);

/// Longest name, and longest line, in characters.
const NAME_CHARS: usize = 32;
const LINE_CHARS: usize = 1000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server", gateway] => {
            server::open_room(gateway, &env::var("FASTWAY_SERVER_AUTH_KEY").unwrap_or_default()).await
        }
        ["join", gateway, name] => client::join(gateway, name, None).await,
        ["join", gateway, name, key] => client::join(gateway, name, Some(key.parse()?)).await,
        _ => bail!("usage: chat server GATEWAY:SERVERPORT, or chat join GATEWAY:CLIENTPORT NAME [PUBLIC-KEY]"),
    }
}

/// What a stranger sent, as text that is safe to print: a terminal obeys control characters.
fn printable(bytes: &[u8], max_chars: usize) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(max_chars).collect()
}
