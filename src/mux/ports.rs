//! The ports of a gateway: bound, inherited, changed, and opened again.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use fastway_service::listen;

use crate::mux::accept::acceptor::{PortId, PortListener};
use crate::mux::config::{Settings, Startup};
use crate::mux::routing::{PerSide, Side, WorkerId};

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It is not to be had.
    #[error("cannot listen on {addr:?} (--{flag}): {error}; choose another address, or stop the program that uses it")]
    Bind {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        addr: String,
        /// What the system says.
        error: io::Error,
    },
    /// The gateway itself has it, in part: two addresses overlap.
    #[error(
        "cannot listen on {addr:?} (--{flag}) beside {own}, which the gateway has already; reload without that address first, then with the new one, or restart"
    )]
    Overlaps {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        addr: String,
        /// The address that the gateway has.
        own: SocketAddr,
    },
    /// Anybody could register as a game server.
    #[error(
        "the inherited server port {addr} can be reached by others, and there is no server key; give one (--server-auth-key-file), a loopback address, or --allow-anonymous-servers"
    )]
    OpenWithoutKey {
        /// The port.
        addr: SocketAddr,
    },
}

/// The ports of a gateway.
#[derive(Debug)]
pub(crate) struct Ports {
    ports: Vec<Port>,
    next: u32,
}

#[derive(Debug)]
struct Port {
    id: PortId,
    side: Side,
    /// The address as the configuration has it.
    text: String,
    addr: SocketAddr,
    /// A listener that was not bound here: a drain that is taken back accepts from it again.
    inherited: Option<TcpListener>,
}

/// A port that nobody accepts from yet: one listener, or one for each worker.
#[derive(Debug)]
struct Bound {
    port: Port,
    listeners: Vec<TcpListener>,
}

/// What each worker is to accept from.
#[derive(Debug, Default)]
pub(crate) struct Shares(Vec<(usize, PortListener)>);

/// Ports that are to come and to go.
#[derive(Debug)]
pub(crate) struct PortChange {
    come: Vec<Bound>,
    go: Arc<[PortId]>,
}

impl Ports {
    /// Binds the ports of the configuration, and takes those over that are inherited.
    pub(crate) fn open(
        startup: &Startup,
        listen: &PerSide<Vec<String>>,
        inherited: &PerSide<Option<TcpListener>>,
    ) -> Result<(Self, Shares), PortError> {
        let mut ports = Self { ports: Vec::new(), next: 0 };
        let mut opened = Vec::new();
        for side in Side::ALL {
            match &inherited[side] {
                Some(listener) => opened.push(Port::inherit(ports.next_id(), side, listener)?),
                None => {
                    for text in &listen[side] {
                        opened.push(Port::bind(ports.next_id(), side, text, startup)?);
                    }
                }
            }
        }
        let shares = ports.take_in(opened);
        Ok((ports, shares))
    }

    /// Where the ports of a side are.
    pub(crate) fn addrs(&self, side: Side) -> impl Iterator<Item = SocketAddr> {
        self.ports.iter().filter(move |port| port.side == side).map(|port| port.addr)
    }

    /// Whether inherited ports may be open as they are. Those that are bound here the configuration answers for.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), PortError> {
        let has_key = settings.server_auth_keys.iter().any(|key| !key.is_empty());
        let is_open = |port: &&Port| {
            port.side == Side::Server && port.inherited.is_some() && !port.addr.ip().to_canonical().is_loopback()
        };
        match self.ports.iter().find(is_open) {
            Some(open) if !has_key && !settings.allow_anonymous_servers => {
                Err(PortError::OpenWithoutKey { addr: open.addr })
            }
            _ => Ok(()),
        }
    }

    /// Binds the ports that another configuration has besides. Those with an address that stays are left alone, and so is a
    /// side that is inherited.
    pub(crate) fn prepare(
        &mut self,
        startup: &Startup,
        listen: &PerSide<Vec<String>>,
    ) -> Result<PortChange, PortError> {
        let mut go: Vec<&Port> = self.ports.iter().filter(|port| port.inherited.is_none()).collect();
        let mut further = Vec::new();
        for side in Side::ALL.into_iter().filter(|side| !self.is_inherited(*side)) {
            for text in &listen[side] {
                match go.iter().position(|port| port.side == side && port.text == *text) {
                    Some(same) => drop(go.swap_remove(same)),
                    None => further.push((side, text)),
                }
            }
        }
        let go = go.into_iter().map(|port| port.id).collect();

        let bind = |(side, text): (Side, &String)| {
            let id = self.next_id();
            Port::bind(id, side, text, startup).map_err(|error| self.explain(error))
        };
        Ok(PortChange { come: further.into_iter().map(bind).collect::<Result<_, _>>()?, go })
    }

    /// Has a change hold. Returns what the workers are to accept from as well, and from which ports no longer.
    pub(crate) fn apply(&mut self, change: PortChange) -> (Shares, Arc<[PortId]>) {
        let PortChange { come, go } = change;
        self.ports.retain(|port| !go.contains(&port.id));
        (self.take_in(come), go)
    }

    /// Opens all ports of these sides again, at the same addresses.
    pub(crate) fn reopen(&self, sides: PerSide<bool>, startup: &Startup) -> Result<Shares, PortError> {
        let mut shares = Shares::default();
        let closed = self.ports.iter().filter(|port| sides[port.side]);
        let reopened: Vec<_> = closed.map(|port| Ok((port, port.listeners(startup)?))).collect::<Result<_, _>>()?;
        for (port, listeners) in reopened {
            shares.add(port, listeners);
        }
        Ok(shares)
    }

    fn take_in(&mut self, opened: Vec<Bound>) -> Shares {
        let mut shares = Shares::default();
        for Bound { port, listeners } in opened {
            shares.add(&port, listeners);
            self.ports.push(port);
        }
        shares
    }

    fn next_id(&mut self) -> PortId {
        self.next += 1;
        PortId(self.next)
    }

    fn is_inherited(&self, side: Side) -> bool {
        self.ports.iter().any(|port| port.side == side && port.inherited.is_some())
    }

    /// Says so when it is the gateway itself that has the port.
    fn explain(&self, error: PortError) -> PortError {
        let PortError::Bind { flag, addr, error } = error else { return error };
        let number = addr.rsplit_once(':').and_then(|(_, number)| number.parse().ok());
        let own = self.ports.iter().map(|port| port.addr).find(|own| Some(own.port()) == number);
        match own.filter(|_| error.kind() == io::ErrorKind::AddrInUse) {
            Some(own) => PortError::Overlaps { flag, addr, own },
            None => PortError::Bind { flag, addr, error },
        }
    }
}

impl PortChange {
    /// Whether nothing comes and nothing goes.
    pub(crate) fn is_none(&self) -> bool {
        self.come.is_empty() && self.go.is_empty()
    }
}

impl Shares {
    /// The first listener of a port is the first worker's, and so on.
    fn add(&mut self, port: &Port, listeners: Vec<TcpListener>) {
        let of_port = |listener| PortListener { port: port.id, side: port.side, listener };
        self.0.extend(listeners.into_iter().map(of_port).enumerate());
    }

    /// Takes out what a worker is to accept from.
    pub(crate) fn take(&mut self, worker: WorkerId) -> Vec<PortListener> {
        self.0.extract_if(.., |(of, _)| *of == worker.index()).map(|(_, listener)| listener).collect()
    }
}

/// The flag that names the address of a port.
const fn flag(side: Side) -> &'static str {
    match side {
        Side::Client => "client-addr",
        Side::Server => "server-addr",
    }
}

impl Port {
    fn bind(id: PortId, side: Side, text: &str, startup: &Startup) -> Result<Bound, PortError> {
        let failed = |error| PortError::Bind { flag: flag(side), addr: text.to_owned(), error };
        let first = listen::bind(text, startup.reuse_port).map_err(failed)?;
        let addr = first.local_addr().map_err(failed)?;
        let port = Self { id, side, text: text.to_owned(), addr, inherited: None };
        Ok(Bound { listeners: port.beside(first, startup)?, port })
    }

    /// Takes a listener over.
    fn inherit(id: PortId, side: Side, listener: &TcpListener) -> Result<Bound, PortError> {
        let failed = |error| PortError::Bind { flag: flag(side), addr: "an inherited socket".to_owned(), error };
        let addr = listener.local_addr().map_err(failed)?;
        let duplicate = || listener.try_clone().map_err(failed);
        let port = Self { id, side, text: addr.to_string(), addr, inherited: Some(duplicate()?) };
        Ok(Bound { port, listeners: vec![duplicate()?] })
    }

    /// Listeners for the same port anew.
    fn listeners(&self, startup: &Startup) -> Result<Vec<TcpListener>, PortError> {
        match &self.inherited {
            Some(kept) => Ok(vec![kept.try_clone().map_err(|error| self.failed(error))?]),
            None => self.beside(self.bind_again(startup)?, startup),
        }
    }

    /// A listener, and with a shared port one more for each further worker.
    fn beside(&self, first: TcpListener, startup: &Startup) -> Result<Vec<TcpListener>, PortError> {
        let others = if startup.reuse_port { startup.workers.saturating_sub(1) } else { 0 };
        let others = (0..others).map(|_| self.bind_again(startup));
        std::iter::once(Ok(first)).chain(others).collect()
    }

    fn bind_again(&self, startup: &Startup) -> Result<TcpListener, PortError> {
        listen::bind(&self.addr.to_string(), startup.reuse_port).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> PortError {
        PortError::Bind { flag: flag(self.side), addr: self.addr.to_string(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:0";

    fn listen(client: &[&str], server: &[&str]) -> PerSide<Vec<String>> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        PerSide { client: owned(client), server: owned(server) }
    }

    fn open(startup: &Startup, client: &[&str]) -> (Ports, Shares) {
        Ports::open(startup, &listen(client, &[LOOPBACK]), &PerSide::new(|_| None)).unwrap()
    }

    /// All that workers of a port that is not shared accept from.
    fn listeners(mut shares: Shares) -> Vec<PortListener> {
        shares.take(WorkerId::new(0))
    }

    fn clients(ports: &Ports) -> Vec<SocketAddr> {
        ports.addrs(Side::Client).collect()
    }

    #[test]
    fn a_shared_port_has_a_listener_for_each_worker_and_another_one_listener() {
        for (reuse_port, expected) in [(false, [2, 0, 0]), (true, [2, 2, 2])] {
            let startup = Startup { workers: 3, reuse_port, ..Startup::default() };
            let (_, mut shares) = open(&startup, &[LOOPBACK]);
            assert_eq!([0, 1, 2].map(|worker| shares.take(WorkerId::new(worker)).len()), expected);
        }
    }

    #[test]
    fn addresses_that_stay_keep_their_ports_and_others_come_and_go() {
        let startup = Startup::default();
        let (mut ports, _shares) = open(&startup, &[LOOPBACK, LOOPBACK]);
        let [first, second] = clients(&ports)[..] else { panic!() };
        assert!(ports.prepare(&startup, &listen(&[LOOPBACK, LOOPBACK], &[LOOPBACK])).unwrap().is_none());

        let change = ports.prepare(&startup, &listen(&[LOOPBACK, "[::1]:0"], &[LOOPBACK])).unwrap();
        let (shares, go) = ports.apply(change);
        let come = listeners(shares);
        let [PortListener { port, side: Side::Client, .. }] = come[..] else { panic!("{come:?}") };
        assert_eq!(go.len(), 1);
        assert!(!go.contains(&port));
        let now = clients(&ports);
        assert!(now.len() == 2 && now[0] == first && !now.contains(&second) && now[1].is_ipv6(), "{now:?}");
    }

    #[test]
    fn the_same_address_of_the_other_side_is_another_port() {
        let startup = Startup::default();
        let (mut ports, _shares) = open(&startup, &[LOOPBACK]);
        let server: Vec<_> = ports.addrs(Side::Server).collect();
        let change = ports.prepare(&startup, &listen(&["[::1]:0"], &[LOOPBACK])).unwrap();
        let (_shares, go) = ports.apply(change);
        assert_eq!(go.len(), 1);
        assert_eq!(ports.addrs(Side::Server).collect::<Vec<_>>(), server);
        assert!(clients(&ports)[0].is_ipv6());
    }

    #[test]
    fn a_port_that_is_not_to_be_had_changes_nothing() {
        let startup = Startup::default();
        let (mut ports, _shares) = open(&startup, &[LOOPBACK]);
        let taken = TcpListener::bind(LOOPBACK).unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        let before = clients(&ports);
        let error = ports.prepare(&startup, &listen(&[LOOPBACK, &taken], &[LOOPBACK])).unwrap_err();
        assert!(matches!(&error, PortError::Bind { addr, .. } if *addr == taken), "{error}");
        assert_eq!(clients(&ports), before);
    }

    #[test]
    fn an_address_that_overlaps_one_of_its_own_is_said_to() {
        let startup = Startup::default();
        let (mut ports, _shares) = open(&startup, &[LOOPBACK]);
        let own = clients(&ports)[0];
        let wider = format!(":{}", own.port());
        let error = ports.prepare(&startup, &listen(&[&wider], &[LOOPBACK])).unwrap_err();
        assert!(matches!(&error, PortError::Overlaps { own: at, .. } if *at == own), "{error}");
    }

    #[test]
    fn ports_are_opened_again_where_they_were() {
        let startup = Startup::default();
        let (ports, shares) = open(&startup, &[LOOPBACK, LOOPBACK]);
        drop(shares);
        let sides = PerSide { client: true, server: false };
        let reopened = listeners(ports.reopen(sides, &startup).unwrap());
        let addrs: Vec<_> = reopened.iter().map(|one| one.listener.local_addr().unwrap()).collect();
        assert_eq!(addrs, clients(&ports));
    }
}
