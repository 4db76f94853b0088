//! fastway: a game gateway that multiplexes virtual connections between players and game servers.
//!
//! The program `fastway` is this library behind a command line. An embedding program fills a [`config::Config`],
//! binds a [`gateway::Gateway`] and starts it:
//!
//! ```
//! use fastway::config::Config;
//! use fastway::gateway::Gateway;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.client.addr = "127.0.0.1:0".to_owned();
//! config.server.addr = "127.0.0.1:0".to_owned();
//! let gateway = Gateway::bind(config)?;
//! println!("players connect to {}", gateway.client_addr());
//! let mut running = gateway.start()?;
//! running.stop();
//! running.ended().await?;
//! # Ok(())
//! # }
//! ```

pub mod accept;
pub mod admin;
mod auto_limits;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod gateway;
pub mod http;
pub mod key_file;
pub mod link;
mod observer;
pub mod pool;
pub mod routing;
pub mod worker;

pub use fastway_service::{logging, process};
