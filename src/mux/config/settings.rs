//! What can change while the gateway runs.

use std::time::Duration;

use fastway_service::{PrefixLength, Secret};
use fastway_session::KeyPair;

use super::kinds::LinkKinds;
use super::proxies::{ProxyProtocol, TrustedProxies};
use crate::mux::routing::Side;

/// Part of the memory for all links that may wait for one client at most.
pub(crate) const CLIENT_SHARE: usize = 8;

/// What holds for links and sessions, and can change while the gateway runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Links on the client port.
    pub client: SideConfig,
    /// Links on the server port.
    pub server: SideConfig,
    /// Virtual connections that a client link may have before its next dial is refused; `None`: no limit.
    pub client_max_conns: Option<u32>,
    /// How long more may wait for a client than its bounds allow, packets or bytes, before it is closed as too slow.
    pub client_slow_grace: Duration,
    /// What servers prove to know when they register: one of these keys. The first is the one for new servers; the others
    /// stay valid while the servers are changed over. None: every server that has an empty key is let in.
    pub server_auth_keys: Vec<Secret>,
    /// Whether a reachable server port without a key is meant.
    pub allow_anonymous_servers: bool,
    /// Peers whose PROXY headers are believed, on both ports.
    pub trusted_proxies: TrustedProxies,
    /// Defences against floods.
    pub limits: Limits,
    /// What the sessions of both ports have in common.
    pub sessions: SessionsConfig,
    /// How long a closing link, and the whole gateway at shutdown, may take to send what waits.
    pub shutdown_grace: Duration,
}

impl Settings {
    /// What the links on one port have in common.
    pub fn side(&self, side: Side) -> &SideConfig {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The peers that may stand for others on a port, if it takes PROXY headers.
    pub(crate) fn proxies(&self, side: Side) -> Option<&TrustedProxies> {
        (self.side(side).proxy_protocol != ProxyProtocol::Off).then_some(&self.trusted_proxies)
    }
}

/// What the links on one port have in common.
#[derive(Clone, Debug)]
pub struct SideConfig {
    /// Links that the port admits. Those that live stay when they are admitted no longer.
    pub kinds: LinkKinds,
    /// First size of the buffer for a message that arrived in part, in bytes. It never caps a read.
    pub buffer_bytes: usize,
    /// Bound of what waits for a link in packets (soft for clients: see [`Settings::client_slow_grace`]).
    pub send_queue_packets: usize,
    /// Bound of what waits for a link in bytes. Soft for clients, too, up to 16 times as much, which closes them at once.
    pub send_queue_bytes: usize,
    /// A link is closed after this long without one byte received, or without one byte that it
    /// accepted while some waited; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// What this port does about PROXY headers.
    pub proxy_protocol: ProxyProtocol,
    /// The sessions of this port, where they are admitted.
    pub session: SessionConfig,
}

/// The sessions of one port.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// Whether legacy sessions encrypt their streams; secure ones always do.
    pub legacy_encrypt: bool,
    /// How many of the last bytes sent a legacy session keeps to send them again.
    pub legacy_replay_bytes: usize,
    /// For how long a transport may take to say what it is, and to prove itself; `None`: no limit but that on the number
    /// of handshakes.
    pub handshake_time: Option<Duration>,
    /// For how long a session waits for a transport.
    pub wait: Duration,
}

impl SessionConfig {
    /// The handshake time as a number; without a limit one that no process lives to see, and that can be counted with.
    pub(crate) fn handshake_limit(&self) -> Duration {
        const NO_LIMIT: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());
        self.handshake_time.unwrap_or(NO_LIMIT)
    }
}

/// What the sessions of both ports have in common.
#[derive(Clone, Debug)]
pub struct SessionsConfig {
    /// What the gateway proves itself with: the one of these that the client has pinned. Without any, secure sessions are
    /// opened by pattern NN alone.
    pub keys: Vec<KeyPair>,
    /// Handshakes in progress from one address, on each port; beyond it the oldest of that address is dropped. At least 1.
    pub max_handshakes_per_address: usize,
    /// Handshakes that all workers compute in a second to open sessions, and as many to resume them; further ones wait.
    /// `None`: as many as there is time for.
    pub max_handshakes_per_second: Option<u32>,
    /// Bounds on sessions that wait.
    pub waiting: WaitingLimits,
}

/// Bounds on sessions that wait for a transport. Sessions with a transport are bounded as links are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingLimits {
    /// Sessions that wait.
    pub sessions: usize,
    /// Bytes kept for them, all together.
    pub bytes: usize,
    /// Sessions of one address that wait.
    pub sessions_per_address: usize,
    /// Bytes kept for those of one address.
    pub bytes_per_address: usize,
}

/// Limits against floods. `None`: no limit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Handshakes in progress on each port, of game servers and of sessions; beyond it the oldest one is dropped. At
    /// least 1.
    pub max_handshakes: usize,
    /// Connections that the client port accepts in a second; further ones wait in the system's queue.
    pub max_accepts_per_second: Option<u32>,
    /// Client links.
    pub max_links: LinkLimit,
    /// How much of an IPv6 address tells peers apart, wherever something is shared out by address.
    pub ipv6_prefix: PrefixLength,
    /// Client links from one IP address.
    pub max_links_per_address: Option<usize>,
    /// Dials by one client link in a second; further ones are refused.
    pub max_dials_per_second: Option<u32>,
    /// Bytes read from one client link in a second; beyond it the gateway reads slower.
    pub max_bytes_per_second: Option<u64>,
    /// Memory that is held for all links. From half of it on readers are paused, and clients that let it grow are closed.
    pub max_buffered_bytes: MemoryLimit,
}

/// How much memory may be held for all links: frames received in part, what waits for peers, and what they have not
/// acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// A quarter of what the machine has, or the control group that the process is in; 16 MiB at least. A gateway finds the
    /// number when it is bound.
    #[default]
    Auto,
    /// Any amount.
    Unlimited,
    /// This many bytes.
    Bytes(usize),
}

impl MemoryLimit {
    /// The most bytes; `None`: any number.
    pub const fn most(self) -> Option<usize> {
        match self {
            Self::Auto | Self::Unlimited => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

/// How many client links there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkLimit {
    /// As many as leave descriptors for everything else: game servers, handshakes, the admin listener and files. A
    /// gateway finds the number when it is bound; where descriptors have no limit, links have none.
    #[default]
    Auto,
    /// Any number.
    Unlimited,
    /// This many.
    Links(usize),
}

impl LinkLimit {
    /// The most links; `None`: any number.
    pub const fn most(self) -> Option<usize> {
        match self {
            Self::Auto | Self::Unlimited => None,
            Self::Links(links) => Some(links),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client: SideConfig {
                kinds: LinkKinds::PLAIN,
                buffer_bytes: 2 << 10,
                send_queue_packets: 1000,
                send_queue_bytes: 8 << 20,
                idle_timeout: Some(Duration::from_secs(30)),
                proxy_protocol: ProxyProtocol::Off,
                session: SessionConfig::default(),
            },
            server: SideConfig {
                kinds: LinkKinds::PLAIN,
                buffer_bytes: 64 << 10,
                send_queue_packets: 100_000,
                send_queue_bytes: 16 << 20,
                idle_timeout: Some(Duration::from_secs(30)),
                proxy_protocol: ProxyProtocol::Off,
                session: SessionConfig::default(),
            },
            client_max_conns: Some(16),
            client_slow_grace: Duration::from_secs(5),
            server_auth_keys: Vec::new(),
            allow_anonymous_servers: false,
            trusted_proxies: TrustedProxies::default(),
            limits: Limits::default(),
            sessions: SessionsConfig::default(),
            shutdown_grace: Duration::from_secs(3),
        }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            legacy_encrypt: false,
            legacy_replay_bytes: 64 << 10,
            handshake_time: Some(Duration::from_secs(10)),
            wait: Duration::from_secs(60),
        }
    }
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            max_handshakes_per_address: 256,
            max_handshakes_per_second: None,
            waiting: WaitingLimits {
                sessions: 100_000,
                bytes: 256 << 20,
                sessions_per_address: 10_000,
                bytes_per_address: 64 << 20,
            },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_handshakes: 1024,
            max_accepts_per_second: None,
            max_links: LinkLimit::default(),
            ipv6_prefix: PrefixLength::default(),
            max_links_per_address: None,
            max_dials_per_second: None,
            max_bytes_per_second: None,
            max_buffered_bytes: MemoryLimit::default(),
        }
    }
}
