//! What every listener has, whoever bound it.

use std::io;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

/// A peer that vanished is noticed even while the gateway does not read it, or has no idle timeout.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Sets the options of a listener.
pub(super) fn prepare(socket: &Socket) -> io::Result<()> {
    // Accepted streams inherit these two.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL))?;
    socket.set_nonblocking(true)
}
