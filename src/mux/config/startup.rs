//! What a gateway is told once.

use super::kinds::LinkKinds;
use super::settings::CLIENT_SHARE;
use crate::mux::pool::PoolConfig;
use crate::mux::routing::{PerSide, Side};

/// What holds as long as the gateway runs.
#[derive(Clone, Debug)]
pub struct Startup {
    /// Threads that own links; each is a single-threaded runtime of its own. At least 1.
    pub workers: usize,
    /// Whether the ports are shared by SO_REUSEPORT, by the workers and with other processes.
    pub reuse_port: bool,
    /// Longest message accepted, counted as the `len` field of the wire: ConnID and payload, in bytes.
    pub max_packet: u32,
    /// Links that each port admits.
    pub kinds: PerSide<LinkKinds>,
    /// The buffer pool.
    pub pool: PoolConfig,
}

impl Startup {
    /// Whether a port closes while the gateway drains. One with sessions stays open for those that are resumed, unless another
    /// process is to get the newcomers of its address.
    pub(crate) fn closes_in_drain(&self, side: Side) -> bool {
        self.reuse_port || !self.kinds[side].with_sessions()
    }

    /// The least memory for all links that lets one message wait for a client, in bytes.
    pub const fn least_buffered_bytes(&self) -> usize {
        (fastway_wire::LEN_BYTES + self.max_packet as usize).saturating_mul(CLIENT_SHARE)
    }
}

impl Default for Startup {
    fn default() -> Self {
        Self {
            workers: 1,
            reuse_port: false,
            max_packet: 512 << 10,
            kinds: PerSide::new(|_| LinkKinds::PLAIN),
            pool: PoolConfig::default(),
        }
    }
}
