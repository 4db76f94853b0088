//! fastway: a game gateway that multiplexes virtual connections between players and game servers.
//!
//! The program `fastway` is this library behind a command line. An embedding program fills a [`config::Config`],
//! binds a [`gateway::Gateway`] and starts it, looks at it by an [`observer::Observer`], and stops it:
//!
//! ```
//! use fastway::config::Config;
//! use fastway::gateway::Gateway;
//! use fastway::observer::LinkFilter;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.client.addr = "127.0.0.1:0".to_owned();
//! config.server.addr = "127.0.0.1:0".to_owned();
//! let gateway = Gateway::bind(config)?;
//! println!("players connect to {}", gateway.client_addr());
//! let mut running = gateway.start()?;
//!
//! let observer = running.observer();
//! let slow: LinkFilter = "client held-up".parse()?;
//! for link in observer.links(&slow, None, 100)?.links {
//!     println!("{} {} {} bytes wait", link.id, link.peer, link.waiting.bytes);
//! }
//!
//! // Dropping `running` stops the gateway as well, but waits for nothing.
//! running.stop();
//! running.ended().await?;
//! let undelivered = observer.report().total().stats.undelivered;
//! println!("{} links had not taken all that waited for them", undelivered.links);
//! # Ok(())
//! # }
//! ```

#[allow(unreachable_pub, reason = "what is public here is public to the gateway")]
mod accept;
pub mod admin;
mod auto_limits;
pub mod config;
pub mod gateway;
pub mod http;
#[allow(unreachable_pub, reason = "what is public here is public to the gateway")]
mod link;
pub mod observer;
#[doc(hidden)]
pub mod parts;
mod pool;
mod routing;
#[allow(unreachable_pub, reason = "what is public here is public to the gateway")]
mod worker;

pub use fastway_service::{logging, process};
