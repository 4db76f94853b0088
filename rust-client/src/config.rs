//! Settings of endpoints. The defaults suit a game, and each gives its reason.

use std::fmt;
use std::time::Duration;

use fastway_wire::{Command, LEN_BYTES};

use crate::link::KeepaliveConfig;
use crate::{Backoff, ConfigError, SessionConfig};

/// Settings of a [`Client`](crate::Client).
///
/// ```
/// use fastway_client::{ClientConfig, WhenFull};
/// use std::time::Duration;
///
/// let mut config = ClientConfig::default();
/// config.link.dial_timeout = Duration::from_secs(2);
/// config.link.receive_queue.when_full = WhenFull::CloseConnection;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Settings of the client's link. [`WhenFull::Hold`] is the default policy: a player has one program that reads.
    pub link: LinkConfig,
}

/// Settings of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Settings of the server's link. [`WhenFull::CloseConnection`] is the default policy: thousands of players share
    /// the link, and one of them whose messages are not read must not stop the others.
    pub link: LinkConfig,
}

/// Settings of a [`ServerGroup`](crate::ServerGroup).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GroupConfig {
    /// Settings of the link to each gateway. `pending_accepts` bounds what waits for the group's `accept`, too.
    pub server: ServerConfig,
    /// How long to wait between attempts to reach a gateway.
    pub backoff: Backoff,
}

/// Settings that both kinds of links have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkConfig {
    /// Longest time for the address look-up, the TCP connection and the handshake together. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest time that `dial` waits for room in the send buffer and for the gateway's answer. Default 5 s.
    pub dial_timeout: Duration,
    /// Longest time that `close` waits until what was sent is on its way and the gateway has agreed. Default 3 s, the
    /// gateway's own grace.
    pub close_grace: Duration,
    /// Largest message in either direction, counted as `len` on the wire: payload and 4 bytes. It has to be the
    /// gateway's own MaxPacket. Default 512 KiB.
    pub max_packet: u32,
    /// Time between pings, at least 1 ms; `None` sends none. Default 10 s: three fit into the gateway's idle timeout of 30 s.
    pub ping_interval: Option<Duration>,
    /// The gateway counts as dead after this many ping intervals without a byte from it. Default 3; 0 is never. With a
    /// session, [`SessionConfig::silent_after`] says when a transport counts as dead.
    pub dead_after_intervals: u32,
    /// Makes the link outlive its TCP connections, and encrypts it. Default: none.
    pub session: Option<SessionConfig>,
    /// Bounds of what waits for `recv`, and what happens there.
    pub receive_queue: ReceiveQueue,
    /// Bytes that may wait for `recv` on all connections of the link together, 8 more per message than its payload has.
    /// Default 16 MiB for a client, 128 MiB for a server: as much as 16 or 128 full connections.
    ///
    /// At the bound, connections that must not hold the link ([`WhenFull`]) lose what waits and are closed, the largest
    /// first; when there is none, the link is held until half of the bound is free.
    pub receive_total_bytes: usize,
    /// Bytes that may wait for the socket, of all connections of the link together; above it `send` and `dial` wait.
    /// Default 256 KiB for a client, 1 MiB for a server. A message larger than that is sent, too.
    pub send_buffer_bytes: usize,
    /// Connections that others opened and nobody has accepted yet; more are closed at once. Default 1,024; 0 accepts
    /// nothing.
    pub pending_accepts: usize,
    /// Size of the blocks that the link reads into; messages are parts of a block, which lives as long as the last of
    /// them. Default 16 KiB for a client, 64 KiB for a server.
    pub read_block_bytes: usize,
}

/// Bounds of the queue between the link and the `recv` of one connection.
///
/// They are looked at once per read of the link, so what one read brings (`read_block_bytes`, or one larger message)
/// can come on top. What waits keeps at most twice its bytes of memory, and a link eight blocks besides: small messages
/// wait as parts of a block while blocks come back, and are copied out of it otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveQueue {
    /// Messages that may wait. Default 8,192.
    pub max_messages: usize,
    /// Bytes that may wait, 8 more per message than its payload has. Default 1 MiB.
    pub max_bytes: usize,
    /// What happens when there is more.
    pub when_full: WhenFull,
}

/// The policy of an endpoint for a connection whose messages nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The link is not read until the application has taken half of what waits. All connections of the link wait with
    /// it, answers to dials included; nothing is lost.
    ///
    /// A connection that nobody has been handed yet, by `accept` or `dial`, never holds the link: nobody could read it.
    /// Until then it is closed when it is full, as under [`WhenFull::CloseConnection`].
    Hold,
    /// That one connection is closed, with [`CloseReason::QueueFull`](crate::CloseReason::QueueFull), and counted.
    /// What waits can still be read; what came after it is lost. At [`LinkConfig::receive_total_bytes`], what waits is
    /// lost, too.
    CloseConnection,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Default for ClientConfig {
    fn default() -> Self {
        Self { link: LinkConfig::new(WhenFull::Hold, 16 * MIB, 256 * KIB, 16 * KIB) }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { link: LinkConfig::new(WhenFull::CloseConnection, 128 * MIB, MIB, 64 * KIB) }
    }
}

impl LinkConfig {
    /// The smallest MaxPacket with which the gateway's own commands get through.
    const SMALLEST_MAX_PACKET: usize = Command::MAX_FRAME_BYTES - LEN_BYTES;

    /// The clock's own precision. Zero is refused because it could be meant as "always" or as "never".
    const SHORTEST_PING_INTERVAL: Duration = Duration::from_millis(1);

    fn new(when_full: WhenFull, receive_total_bytes: usize, send_buffer_bytes: usize, read_block_bytes: usize) -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(5),
            close_grace: Duration::from_secs(3),
            max_packet: 512 << 10,
            ping_interval: Some(Duration::from_secs(10)),
            dead_after_intervals: 3,
            session: None,
            receive_queue: ReceiveQueue { max_messages: 8192, max_bytes: MIB, when_full },
            receive_total_bytes,
            send_buffer_bytes,
            pending_accepts: 1024,
            read_block_bytes,
        }
    }

    /// Longest payload of one message, in bytes.
    pub fn max_message_bytes(&self) -> usize {
        (self.max_packet as usize).saturating_sub(fastway_wire::CONN_ID_BYTES)
    }

    /// How the link is pinged, if it is.
    pub(crate) fn keepalive(&self) -> Option<KeepaliveConfig> {
        let ping_interval = self.ping_interval.filter(|interval| !interval.is_zero())?;
        let (look_interval, dead_after) = match &self.session {
            Some(session) => (ping_interval.min(session.silent_after / 2), Some(session.silent_after)),
            None => (ping_interval, ping_interval.checked_mul(self.dead_after_intervals)),
        };
        let dead_after = dead_after.filter(|dead_after| !dead_after.is_zero());
        Some(KeepaliveConfig { ping_interval, look_interval, dead_after })
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        below("max_packet", self.max_packet as usize, Self::SMALLEST_MAX_PACKET)?;
        below("send_buffer_bytes", self.send_buffer_bytes, 1)?;
        below("read_block_bytes", self.read_block_bytes, 1024)?;
        below("receive_queue.max_messages", self.receive_queue.max_messages, 1)?;
        below("receive_queue.max_bytes", self.receive_queue.max_bytes, 1)?;
        below("receive_total_bytes", self.receive_total_bytes, 1)?;
        if let Some(session) = &self.session {
            below("session.replay_bytes", session.replay_bytes, SessionConfig::LEAST_REPLAY_BYTES)?;
            below("session.silent_after", session.silent_after, Self::SHORTEST_PING_INTERVAL)?;
        }
        self.ping_interval.map_or(Ok(()), |interval| below("ping_interval", interval, Self::SHORTEST_PING_INTERVAL))
    }
}

fn below<T: PartialOrd + fmt::Debug>(name: &'static str, value: T, least: T) -> Result<(), ConfigError> {
    match value < least {
        true => Err(ConfigError { name, value: format!("{value:?}"), least: format!("{least:?}") }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_ping_well_below_the_idle_timeout_of_the_gateway() {
        for link in [ClientConfig::default().link, ServerConfig::default().link] {
            assert_eq!(link.check(), Ok(()));
            assert!(link.ping_interval.unwrap() * 2 < Duration::from_secs(30));
        }
    }

    #[test]
    fn what_cannot_work_is_named_with_its_value() {
        let mut link = ClientConfig::default().link;
        link.max_packet = 12;
        let text = link.check().unwrap_err().to_string();
        assert_eq!(text, "the setting max_packet is 12; it has to be at least 13");
        link.max_packet = 13;
        link.send_buffer_bytes = 0;
        assert_eq!(link.check().unwrap_err().name, "send_buffer_bytes");
        link.send_buffer_bytes = 1;
        link.ping_interval = Some(Duration::ZERO);
        let text = link.check().unwrap_err().to_string();
        assert_eq!(text, "the setting ping_interval is 0ns; it has to be at least 1ms");
        link.ping_interval = None;
        assert_eq!(link.check(), Ok(()));
    }
}
