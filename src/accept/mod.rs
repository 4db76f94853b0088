//! What the way in consists of, without the state of a worker: limits, pending handshakes and their turns, first bytes,
//! the server handshake, and why streams are rejected. `worker::accept` acts on it.

pub mod acceptor;
pub mod admission;
pub mod first_bytes;
pub mod outcome;
pub mod pending;
pub mod rejection;
pub mod retry_after;
pub mod server_handshake;
pub mod turns;
