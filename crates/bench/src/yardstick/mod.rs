//! The yardstick: forwards frames and does nothing else, so it shows what the kernel leaves to win.
//!
//! One thread, level-triggered epoll, one read per readiness, one write per fed link and turn. It knows no limits, no
//! timeouts, no back-pressure and no fairness, and hands IDs out again at once: a measure, not a gateway.

mod forward;
mod link;
mod outgoing;
mod routes;
mod tap;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use fastway_wire::Challenge;
use rustix::net::{SocketFlags, accept_with, sockopt};

use crate::poller::{Interest, Poller};
use forward::{Forwarder, MAX_PACKET};
use link::{Link, Side};
pub use tap::{Straight, Tap};

/// What one read may bring beside the part of a frame that was there before.
const READ_BYTES: usize = 256 << 10;
const BACKLOG: i32 = 4096;

const CLIENT_LISTENER: u64 = u64::MAX - 1;
const SERVER_LISTENER: u64 = u64::MAX - 2;

/// The bare loop, bound to its ports. `T` may tamper with what is forwarded, for tests of those who measure.
pub struct Yardstick<T = Straight> {
    clients: TcpListener,
    servers: TcpListener,
    forwarder: Forwarder<T>,
}

impl<T: Tap> Yardstick<T> {
    /// Listens on two addresses; servers have to know `key`.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub fn bind(client: SocketAddr, server: SocketAddr, key: &str, tap: T) -> io::Result<Self> {
        let (clients, servers) = (listen(client)?, listen(server)?);
        Ok(Self { clients, servers, forwarder: Forwarder::new(key, tap) })
    }

    /// Where clients connect.
    ///
    /// # Errors
    /// As the socket says.
    pub fn client_addr(&self) -> io::Result<SocketAddr> {
        self.clients.local_addr()
    }

    /// Where servers connect.
    ///
    /// # Errors
    /// As the socket says.
    pub fn server_addr(&self) -> io::Result<SocketAddr> {
        self.servers.local_addr()
    }

    /// Forwards until `stop` is set; it is looked at whenever something arrives.
    ///
    /// # Errors
    /// The kernel refuses to wait for sockets.
    pub fn run(mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut poller = Poller::new()?;
        poller.add(&self.clients, CLIENT_LISTENER, Interest::READ)?;
        poller.add(&self.servers, SERVER_LISTENER, Interest::READ)?;
        let mut scratch = vec![0; MAX_PACKET as usize + READ_BYTES];
        let mut ready = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            poller.wait(None, &mut ready)?;
            for event in ready.drain(..) {
                match event.token {
                    CLIENT_LISTENER => self.accept(&poller, Side::Client),
                    SERVER_LISTENER => self.accept(&poller, Side::Server),
                    _ => self.forwarder.serve(&poller, event, &mut scratch),
                }
            }
            self.forwarder.finish_turn(&poller);
        }
        Ok(())
    }

    fn accept(&mut self, poller: &Poller, side: Side) {
        let listener = match side {
            Side::Client => &self.clients,
            Side::Server => &self.servers,
        };
        // Whatever accepting fails for, the listener stays readable and is tried again.
        while let Ok(socket) = accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            // A link that is slower than it could be still forwards.
            let _ = sockopt::set_tcp_nodelay(&socket, true);
            self.forwarder.welcome(poller, link_of(socket, side));
        }
    }
}

fn link_of(socket: OwnedFd, side: Side) -> Link {
    match side {
        Side::Client => Link::client(socket),
        Side::Server => Link::server(socket, Challenge::new(rand::random())),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // The standard library asks for a backlog of 128; another listen on the same socket only changes that.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
