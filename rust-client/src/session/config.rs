//! Settings of a link that outlives its transports.

use std::time::{Duration, Instant};

use fastway_session::{Identity, LegacyConfig, PublicKey, Session};

use crate::Backoff;

/// How long a session may be without a transport, until the gateway has sent its own value. The gateway's default.
const WAIT: Duration = Duration::from_secs(60);

/// Lets a link outlive its TCP connections: it is resumed when the network changes, without loss or duplication, and
/// its connections continue.
///
/// ```no_run
/// use fastway_client::{Client, ClientConfig, PublicKey, SessionConfig};
///
/// # async fn run(text: &str) -> Result<(), Box<dyn std::error::Error>> {
/// // The text that `fastway keygen` prints.
/// let gateway_key: PublicKey = text.parse()?;
/// let mut config = ClientConfig::default();
/// config.link.session = Some(SessionConfig::secure(Some(gateway_key)));
/// let client = Client::connect("gateway.example:10010", config).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The kind of session, and the key that it trusts.
    pub protocol: SessionProtocol,
    /// How long to wait before each attempt to come back. The first delay has to pass as well, so that players who lost
    /// a router together do not come back in the same moment. While nobody listens at the gateway's address, delays stay
    /// below 400 ms, and after a refusal below 100 ms. A gateway that is overloaded says when to come again: the delay is
    /// as long as that, if that is not above the longest one, and up to half of it more. An attempt that nothing answers is
    /// no failure yet: the one beside it comes as `attempt_timeout` says. Delays start again with the first after a transport
    /// that the gateway had confirmed by an acknowledgement, or that outlived the longest delay. Default: from 50 ms to 2 s.
    pub backoff: Backoff,
    /// Longest time of one attempt to come back: the TCP connection and the gateway's reply. An attempt that nothing answers
    /// gets another one beside it long before: after half a second to a second without a TCP connection, and after 1 to 1.5 s
    /// with one, 0.5 to 0.75 s where the gateway has replied before (longer where connecting and replies take long). That one
    /// gets another one after twice as long, up to this time; there are three at most, and the first that is answered wins.
    /// A connect makes attempts in the same way. When one has failed, it waits for the others for so long at most. Default 3 s.
    pub attempt_timeout: Duration,
    /// A transport on which the gateway is silent for so long is replaced. A gateway that says nothing is pinged within that
    /// time, if `ping_interval` is set at all, so a black hole is noticed within one and a half times as long. A new transport
    /// has less time: it is pinged at once, and replaced after 0.5 to 0.75 s if it is not confirmed and nothing has come by it
    /// (longer where attempts take long, and after each in a row). It takes the place of `dead_after_intervals`. Default 5 s.
    pub silent_after: Duration,
    /// Bytes that are kept to be sent again. In a secure session they are those that the gateway has not acknowledged;
    /// at the bound the link is held up. A legacy session knows no acknowledgements: it always keeps its last bytes, and
    /// is lost when more than these were on their way. At least 64 KiB. Default 1 MiB; memory is taken as it fills.
    pub replay_bytes: usize,
}

/// The two kinds of sessions (`docs/protocol.md` §2 and §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionProtocol {
    /// Encrypted and authenticated. Nothing of it can be read, altered or replayed on the network.
    Secure {
        /// The gateway's public key: only a gateway with the private one is believed. With `None` any gateway is, which
        /// protects against passive listeners and not against active attackers.
        gateway_key: Option<PublicKey>,
    },
    /// Compatible with the original (snet), for gateways without secure sessions. RC4 gives no real protection.
    Legacy {
        /// The gateway's `SnetEncrypt`. Both sides must have the same value.
        encrypt: bool,
    },
}

impl SessionConfig {
    /// The smallest replay buffer (`docs/protocol.md` §3.2).
    pub(crate) const LEAST_REPLAY_BYTES: usize = 64 << 10;

    /// A secure session with the gateway of this key, or with any gateway.
    pub fn secure(gateway_key: Option<PublicKey>) -> Self {
        Self::new(SessionProtocol::Secure { gateway_key })
    }

    /// A legacy session.
    pub fn legacy(encrypt: bool) -> Self {
        Self::new(SessionProtocol::Legacy { encrypt })
    }

    fn new(protocol: SessionProtocol) -> Self {
        Self {
            protocol,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(2)),
            attempt_timeout: Duration::from_secs(3),
            silent_after: Duration::from_secs(5),
            replay_bytes: 1 << 20,
        }
    }

    /// A session that has not been opened.
    pub(super) fn session(&self) -> Session {
        let now = Instant::now();
        match self.protocol {
            SessionProtocol::Secure { gateway_key } => {
                Session::secure(gateway_key.map_or(Identity::Anyone, Identity::Pinned), WAIT, now)
            }
            SessionProtocol::Legacy { encrypt } => {
                Session::legacy(LegacyConfig { encrypt, replay_bytes: self.replay_bytes }, WAIT, now)
            }
        }
    }

    pub(super) fn gateway_key(&self) -> Option<PublicKey> {
        match self.protocol {
            SessionProtocol::Secure { gateway_key } => gateway_key,
            SessionProtocol::Legacy { .. } => None,
        }
    }
}
