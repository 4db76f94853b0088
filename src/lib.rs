//! fastway: a game gateway that multiplexes virtual connections between players and game servers.
//!
//! The program `fastway` is this library behind a command line. An embedding program fills a [`config::Config`],
//! binds a [`gateway::Gateway`] and starts it, looks at it by an [`observer::Observer`], and stops it:
//!
//! ```
//! use fastway::config::{Config, Side};
//! use fastway::gateway::Gateway;
//! use fastway::observer::LinkFilter;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.listen.client = vec!["127.0.0.1:0".to_owned()];
//! config.listen.server = vec!["127.0.0.1:0".to_owned()];
//! let gateway = Gateway::bind(config)?;
//! for addr in gateway.addrs(Side::Client) {
//!     println!("players connect to {addr}");
//! }
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
//!
//! Commands and the admin listener are the crate `fastway-admin`, which sees a gateway through
//! [`Observe`](admin::observe::Observe). A program adds commands of its own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use fastway::admin::observe::Observe;
//! use fastway::admin::{self, Registry};
//! use fastway::process::{Files, Name};
//! # use fastway::{config::Config, gateway::Gateway};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut config = Config::default();
//! # config.listen.client = vec!["127.0.0.1:0".to_owned()];
//! # config.listen.server = vec!["127.0.0.1:0".to_owned()];
//! # let mut running = Gateway::bind(config)?.start()?;
//! let observer: Arc<dyn Observe> = Arc::new(running.observer());
//! let mut commands = Registry::default();
//! admin::register_all(&mut commands, &Files::new(".", Name::default()), &observer)?;
//! commands.register("players", "", "counts the players", move |args, answer| {
//!     args.none()?;
//!     let players = observer.report().total.client.links();
//!     Ok(writeln!(answer, "{players} players")?)
//! })?;
//! let mut answer = String::new();
//! commands.run("players", &mut answer)?;
//! assert_eq!(answer, "0 players\n");
//! # running.stop();
//! # running.ended().await?;
//! # Ok(())
//! # }
//! ```

mod mux;

pub use fastway_admin as admin;
pub use fastway_admin::http;
pub use fastway_service::{logging, process};

#[doc(hidden)]
pub use self::mux::parts;
pub use self::mux::{config, drain, gateway, observer};
