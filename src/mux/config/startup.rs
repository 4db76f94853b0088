//! What a gateway is told once.

use super::settings::CLIENT_SHARE;
use crate::mux::pool::PoolConfig;

/// What holds as long as the gateway runs.
#[derive(Clone, Debug)]
pub struct Startup {
    /// Threads that own links; each is a single-threaded runtime of its own. At least 1.
    pub workers: usize,
    /// Whether the ports are shared by SO_REUSEPORT, by the workers and with other processes.
    pub reuse_port: bool,
    /// Longest message accepted, counted as the `len` field of the wire: ConnID and payload, in bytes.
    pub max_packet: u32,
    /// The buffer pool.
    pub pool: PoolConfig,
}

impl Startup {
    /// The least memory for all links that lets one message wait for a client, in bytes.
    pub const fn least_buffered_bytes(&self) -> usize {
        (fastway_wire::LEN_BYTES + self.max_packet as usize).saturating_mul(CLIENT_SHARE)
    }
}

impl Default for Startup {
    fn default() -> Self {
        Self { workers: 1, reuse_port: false, max_packet: 512 << 10, pool: PoolConfig::default() }
    }
}
