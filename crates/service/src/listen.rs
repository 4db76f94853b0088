//! Listening sockets, bound or inherited, and what to do when accepting fails.

mod inherited;
mod options;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

pub use self::inherited::{Inherited, InheritedError};
use self::options::prepare;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Binds a listener to an address in the form `host:port`, `[v6]:port` or `:port` (all addresses of this machine,
/// IPv6 and IPv4 alike where it has both). With `reuse_port` others may bind to the same port.
///
/// # Errors
/// The address does not resolve, is in use or is not this machine's.
pub fn bind(addr: &str, reuse_port: bool) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the address names no host");
    for candidate in candidates(addr)? {
        match listen(candidate, reuse_port) {
            // In another family it would be another port, where nobody looks for it.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => last = error,
            listener => return listener,
        }
    }
    Err(last)
}

/// Resolves the host of such an address, which can take as long as the system's resolver waits.
///
/// # Errors
/// The address does not resolve.
pub fn resolve(addr: &str) -> io::Result<()> {
    candidates(addr).map(drop)
}

/// A peer's address as it is logged, counted and filtered: an IPv4 peer of an IPv6 socket has its IPv4 address.
pub fn plain(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn candidates(addr: &str) -> io::Result<Vec<SocketAddr>> {
    let Some((host, port)) = addr.rsplit_once(':') else { return Ok(ipv4_first(addr.to_socket_addrs()?)) };
    let ips: [IpAddr; 2] = match host {
        "" => [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        // It is this machine's in any case, also where there is no file that says so, as in a container.
        _ if host.eq_ignore_ascii_case("localhost") => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        _ => return Ok(ipv4_first(addr.to_socket_addrs()?)),
    };
    let port = port.parse().map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, format!("bad port: {bad}")))?;
    Ok(ips.map(|ip| SocketAddr::new(ip, port)).into())
}

/// Addresses in the order in which they are tried. A name that has both families is taken to mean IPv4, as in the
/// original; an IPv4 address written as IPv6 is IPv4, since no socket of the other family may have it alone.
fn ipv4_first(addrs: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let is_mapped = |ip: IpAddr| ip.is_ipv6() && ip.to_canonical().is_ipv4();
    let mut addrs: Vec<SocketAddr> = addrs.map(|addr| if is_mapped(addr.ip()) { plain(addr) } else { addr }).collect();
    addrs.sort_by_key(SocketAddr::is_ipv6);
    addrs
}

fn listen(addr: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    prepare(&socket)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How long to pause accepting.
#[derive(Debug, Default)]
pub struct Backoff {
    pause: Duration,
}

impl Backoff {
    /// Accepting worked; says whether it had failed before.
    pub fn reset(&mut self) -> bool {
        !std::mem::take(&mut self.pause).is_zero()
    }

    /// The pause after an error: none when only that one connection is gone, else twice the one before, from 10 ms to
    /// 1 s. Without descriptors or memory trying again at once would only burn a core.
    pub fn after(&mut self, error: &io::Error) -> Duration {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return Duration::ZERO;
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_host_takes_both_families() {
        let listener = bind(":0", false).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn localhost_is_this_machine() {
        for addr in ["localhost:0", "LocalHost:0"] {
            assert!(bind(addr, false).unwrap().local_addr().unwrap().ip().is_loopback());
        }
    }

    #[test]
    fn ipv4_is_tried_first() {
        let addrs =
            ["[::1]:1", "[fe80::1%7]:1", "127.0.0.1:1", "[::ffff:127.0.0.2]:1"].map(|addr| addr.parse().unwrap());
        let order: Vec<_> = ipv4_first(addrs.into_iter()).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "[fe80::1%7]:1"]);
    }

    #[test]
    fn a_port_that_is_taken_in_one_family_is_not_opened_in_the_other() {
        let taken = bind("127.0.0.1:0", false).unwrap();
        let addr = format!("localhost:{}", taken.local_addr().unwrap().port());
        assert_eq!(bind(&addr, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let taken = bind("[::1]:0", false).unwrap();
        let addr = format!(":{}", taken.local_addr().unwrap().port());
        assert_eq!(bind(&addr, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_can_be_listened_on() {
        let listener = bind("[::ffff:127.0.0.1]:0", false).unwrap();
        std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    }

    #[test]
    fn accepted_streams_send_small_packets_at_once_and_are_kept_alive() {
        let listener = bind("127.0.0.1:0", false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(socket2::SockRef::from(&accepted).keepalive().unwrap());
    }

    #[test]
    fn a_port_is_shared_only_when_both_ask_for_it() {
        let first = bind("127.0.0.1:0", true).unwrap();
        let addr = first.local_addr().unwrap().to_string();
        bind(&addr, true).unwrap();
        assert_eq!(bind(&addr, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_pause_grows_and_is_forgotten() {
        let mut backoff = Backoff::default();
        let no_descriptors = io::Error::from_raw_os_error(24);
        let pauses = [(); 9].map(|()| backoff.after(&no_descriptors).as_millis());
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(backoff.after(&io::ErrorKind::ConnectionAborted.into()), Duration::ZERO);
        assert!(backoff.reset() && !backoff.reset());
        assert_eq!(backoff.after(&no_descriptors), FIRST_PAUSE);
    }
}
