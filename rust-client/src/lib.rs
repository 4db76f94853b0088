//! The Rust SDK of the fastway game gateway.
//!
//! Players ([`Client`]) and game servers ([`Server`], or a [`ServerGroup`] behind several gateways) each have one link
//! to the gateway. On it they open any number of virtual [`Connection`]s: a client dials a server by its
//! [`ServerId`], a server dials a client by its [`ClientId`], and either side accepts.
//!
//! ```
//! use fastway_client::{Client, ClientConfig, Server, ServerConfig, ServerId};
//!
//! async fn serve(gateway: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::connect(gateway, "the key", ServerId::new(1), ServerConfig::default()).await?;
//!     while let Some(mut player) = server.accept().await {
//!         tokio::spawn(async move {
//!             while let Some(message) = player.recv().await {
//!                 if player.send(message).await.is_err() {
//!                     break;
//!                 }
//!             }
//!         });
//!     }
//!     Err(server.closed().await.into())
//! }
//!
//! async fn play(gateway: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::connect(gateway, ClientConfig::default()).await?;
//!     let mut server = client.dial(ServerId::new(1)).await?;
//!     server.send("hello").await?;
//!     assert_eq!(server.recv().await.as_deref(), Some(&b"hello"[..]));
//!     client.close().await;
//!     Ok(())
//! }
//! ```
//!
//! # Back-pressure
//!
//! * **Sending.** Messages of all connections of a link wait in one buffer for the socket. While more than
//!   `send_buffer_bytes` wait there, `send` waits, and says so afterwards ([`Pace::HeldUp`]); `try_send` and
//!   `send_timeout` give the message back, [`Connection::is_held_up`] tells without sending, and
//!   [`LinkStats::sends_held_up`] counts. This speaks of *this side's own link*, not of the other end.
//! * **Receiving.** What waits for `recv` is bounded per connection by [`ReceiveQueue`], in messages and in bytes. At
//!   the bound the endpoint's policy decides: [`WhenFull::Hold`] stops reading the link (everything on it waits, dials
//!   and accepts included, and nothing is lost), [`WhenFull::CloseConnection`] closes that one connection, with
//!   [`CloseReason::QueueFull`]. A client holds by default, a server closes. A connection that waits to be accepted, or
//!   for its dial to be looked at, never holds the link: it is closed when it is full, under either policy.
//!   All connections of a link together are bounded by `receive_total_bytes`: there the largest connection is closed and
//!   what waits on it dropped; connections that hold the link do so together.
//! * **In between.** The gateway bounds what it queues for a slow player, and closes a player that stays too slow;
//!   it never holds a server up for one player, and so neither does `send`. Until the protocol has credits, who sends in
//!   bulk keeps what is in flight (sent, and not yet confirmed by a message of the application's own) **below half the
//!   player's bound**: the gateway's `ClientSendChanSize` in packets (1,000 by default) and `--client-send-bytes`
//!   (8 MiB by default).
//!
//! # Time-outs
//!
//! `connect` and `dial` are bounded by the config ([`LinkConfig`]), `close` by `close_grace`; `connect` is done when the
//! gateway has answered, `close` when it has agreed ([`LinkEnd::Closed`]). A dial that is given up
//! leaves nothing behind: a late "yes" is answered by a close. Links are pinged every `ping_interval`, and given up when
//! the gateway is silent for `dead_after_intervals` of them. `recv`, `accept` and `send` wait for ever; use
//! `tokio::time::timeout` around them.
//!
//! # Sessions
//!
//! With [`LinkConfig::session`] a link outlives its TCP connections. When one is cut, or silent, or
//! [`Client::reconnect_now`] says that the network has changed, the link comes back by another one, with nothing lost or
//! doubled; its connections do not notice, but for the time that it takes. [`SessionEvents`] and [`LinkStats`] tell of it.
//! While there is no network, what is sent waits, up to `replay_bytes` and `send_buffer_bytes`; then `send` does. After
//! about a minute (the gateway says how long), or when the gateway does not know the session any more, the link ends with
//! [`LinkEnd::SessionLost`]: what was in flight may be lost, and a new link is made as if there had been no session.
//!
//! [`SessionConfig::secure`] encrypts and authenticates, and believes only the gateway whose key it has.
//!
//! # Taking turns
//!
//! `recv`, `send`, `accept` and the adaptors take part in tokio's cooperative budget: a task that always finds a message,
//! or room for one, lets the other tasks of its runtime have their turn now and then (after some thousand messages).
//! `try_recv` and `try_send` do not wait, and so do not either.
//!
//! # Errors and ends
//!
//! [`ConnectError`], [`DialError`], [`SendError`] and [`TrySendError`] say what failed. `recv` and `accept` give `None`
//! at the end, and [`Connection::close_reason`] or [`Client::closed`] say why: [`CloseReason`], [`LinkEnd`]. Messages
//! that came before the end can always be read, also on connections that had not been accepted by then: `accept` gives
//! them out before its `None`, unless this side closed or dropped the endpoint.
//!
//! A gateway that drains is about to stop, which is no failure: [`LinkEnd::is_draining`], [`CloseReason::is_draining`] and
//! [`ConnectError::is_draining`] tell it from others, and [`Gateways`] takes the next link to another gateway.
//!
//! Nothing here panics, with an exception that is tokio's: the runtime needs its I/O and time drivers enabled, and
//! [`Backoff::wait`] has to be polled in one. Without a runtime `connect` gives an error; links and connections may be
//! used from outside of theirs.
//!
//! # Cancellation
//!
//! Every future may be dropped at any point where it waits. `recv` and `accept` have taken nothing then, `send` has sent
//! nothing, `dial` leaves nothing behind; `flush` and `closed` only watch. Two cannot be taken back: `close` goes on
//! closing ([`ServerGroup::remove`] ends the link at once), and a dropped `connect` may have been seen by the gateway as a
//! link that came and went, which for a [`Server`] may have replaced an older one with the same ID.
//!
//! # Ownership
//!
//! Dropping a handle closes what it owns. The last half of a [`Connection`] closes the connection. An endpoint ends
//! its link at once, and its task with it, and every connection of it ends with [`LinkEnd::Dropped`]; what was sent may
//! be lost then, so `close` it where that matters. There is one task per link (one more for its session, and one per
//! gateway of a group), and none outlives its endpoint. A session that has no network in the moment of its end cannot tell
//! the gateway, which then waits for it in vain; a legacy session never can.
//!
//! # Speed
//!
//! The link's task reads in large blocks, hands each connection its messages as slices of them ([`Bytes`]), and wakes a
//! reader once per batch; what is sent is copied once (large messages not at all) and written once per batch. In steady
//! state neither direction allocates per message. Whoever has thousands of small messages a second on one connection
//! takes and gives several at a time: [`Connection::recv_batch`], [`Connection::send_batch`].
//!
//! A kept message keeps its whole block alive: copy what you store. What waits to be received keeps at most twice its
//! bytes, and eight blocks (`read_block_bytes`, or as large as the largest message) of the link besides, however small
//! the messages are and on however many connections they wait.

mod backoff;
mod client;
mod config;
mod connect;
mod connection;
mod endpoint;
mod error;
mod gateways;
mod group;
mod link;
mod lock;
mod queue;
mod reason;
mod server;
mod session;
mod stats;
mod tcp;

pub use backoff::Backoff;
pub use bytes::Bytes;
pub use client::Client;
pub use config::{ClientConfig, GroupConfig, LinkConfig, ReceiveQueue, ServerConfig, WhenFull};
pub use connection::{Batch, Connection, ConnectionIo, Pace, RecvHalf, ReuniteError, SendHalf, TryRecv};
pub use error::{ConfigError, ConnectError, ConnectStep, DialError, GatewayPort, SendError, TrySendError};
pub use fastway_session::{
    AbortReason, BadKey, End as SessionEnd, Fault as SessionFault, PublicKey, SessionError, Status as SessionStatus,
};
pub use fastway_wire::{ClientId, ConnId, ServerId};
pub use gateways::Gateways;
pub use group::{
    Accepted, AddError, GatewayHealth, GatewayState, GroupDialError, GroupEvent, GroupEventKind, GroupEvents, Removed,
    ServerGroup,
};
pub use reason::{CloseReason, LinkEnd, ProtocolFault, Remote};
pub use server::Server;
pub use session::{SessionConfig, SessionEvent, SessionEvents, SessionProtocol};
pub use stats::LinkStats;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
