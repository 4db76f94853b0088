//! Who is let in, and where: limits and loads, shared by the acceptors of all workers.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::config::Limits;
use crate::routing::{Side, WorkerId};

/// Counts links by worker, and client links against `--max-links` and `--max-links-per-address`.
#[derive(Debug)]
pub struct Admission {
    max_links: Option<usize>,
    max_links_per_address: Option<usize>,
    clients: AtomicUsize,
    /// Only kept up when there is a limit per address.
    clients_by_address: DashMap<Site, usize>,
    links_by_worker: Box<[AtomicUsize]>,
    max_handshakes: usize,
    handshakes: AtomicUsize,
}

/// Why a link was turned away at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are as many client links as there may be.
    #[error("there are {limit} client links already (--max-links)")]
    TooManyLinks {
        /// The limit.
        limit: usize,
    },
    /// The address has as many client links as it may have.
    #[error("{address} has {limit} links already (--max-links-per-address)")]
    TooManyFromAddress {
        /// The address.
        address: IpAddr,
        /// The limit.
        limit: usize,
    },
}

/// Why clients are turned away at the door, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// [`Refusal::TooManyLinks`]
    MaxLinks,
    /// [`Refusal::TooManyFromAddress`]
    MaxLinksPerAddress,
    /// The stream could not be handed to its worker.
    Handover,
    /// The process has no descriptor for it.
    Descriptors,
}

impl TurnedAway {
    /// Every kind, in the order of its index.
    pub const ALL: [Self; 4] = [Self::MaxLinks, Self::MaxLinksPerAddress, Self::Handover, Self::Descriptors];

    /// Its place in [`TurnedAway::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxLinks => "max_links",
            Self::MaxLinksPerAddress => "max_links_per_address",
            Self::Handover => "handover",
            Self::Descriptors => "descriptors",
        }
    }
}

impl Refusal {
    /// The refusal without its particulars.
    pub const fn kind(&self) -> TurnedAway {
        match self {
            Self::TooManyLinks { .. } => TurnedAway::MaxLinks,
            Self::TooManyFromAddress { .. } => TurnedAway::MaxLinksPerAddress,
        }
    }
}

/// The right to have a link on one worker; dropping it frees the place.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    worker: WorkerId,
    client: Option<Client>,
}

#[derive(Debug)]
struct Client {
    counted_address: Option<Site>,
}

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 host can move in at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(IpAddr);

/// A handshake in progress; dropping it ends the count.
#[derive(Debug)]
pub struct Handshaking(Arc<Admission>);

impl Admission {
    /// Nobody is in yet.
    pub fn new(limits: &Limits, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            max_links: limits.max_links.most(),
            max_links_per_address: limits.max_links_per_address,
            clients: AtomicUsize::new(0),
            clients_by_address: DashMap::new(),
            links_by_worker: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            max_handshakes: limits.max_handshakes,
            handshakes: AtomicUsize::new(0),
        })
    }

    /// Lets a link in from `address`, on `worker` or else on the worker with the fewest links.
    ///
    /// # Errors
    /// A limit is reached; the stream must be closed.
    pub fn admit(self: &Arc<Self>, side: Side, address: IpAddr, worker: Option<WorkerId>) -> Result<Permit, Refusal> {
        let client = match side {
            Side::Client => Some(self.admit_client(address)?),
            Side::Server => None,
        };
        let mut permit = self.seat(worker);
        permit.client = client;
        Ok(permit)
    }

    /// Lets a stream in that counts as no client yet: see [`Permit::count_client`].
    pub fn seat(self: &Arc<Self>, worker: Option<WorkerId>) -> Permit {
        let worker = worker.unwrap_or_else(|| self.least_loaded());
        if let Some(links) = self.links_by_worker.get(worker.index()) {
            links.fetch_add(1, Relaxed);
        }
        Permit { admission: Arc::clone(self), worker, client: None }
    }

    /// Counts a handshake; false beyond `--max-handshakes`.
    pub fn begin_handshake(self: &Arc<Self>) -> (Handshaking, bool) {
        let before = self.handshakes.fetch_add(1, Relaxed);
        (Handshaking(Arc::clone(self)), before < self.max_handshakes)
    }

    fn admit_client(&self, address: IpAddr) -> Result<Client, Refusal> {
        let site = site(address);
        let counted_address = self.max_links_per_address.map(|limit| self.admit_address(site, limit)).transpose()?;
        let before = self.clients.fetch_add(1, Relaxed);
        let client = Client { counted_address };
        match self.max_links {
            Some(limit) if before >= limit => {
                self.leave(&client);
                Err(Refusal::TooManyLinks { limit })
            }
            _ => Ok(client),
        }
    }

    fn admit_address(&self, site: Site, limit: usize) -> Result<Site, Refusal> {
        let mut links = self.clients_by_address.entry(site).or_insert(0);
        if *links >= limit {
            return Err(Refusal::TooManyFromAddress { address: site.0, limit });
        }
        *links += 1;
        Ok(site)
    }

    fn leave(&self, client: &Client) {
        self.clients.fetch_sub(1, Relaxed);
        client.counted_address.into_iter().for_each(|site| self.forget_address(site));
    }

    fn forget_address(&self, site: Site) {
        if let Entry::Occupied(mut links) = self.clients_by_address.entry(site) {
            *links.get_mut() -= 1;
            if *links.get() == 0 {
                links.remove();
            }
        }
    }

    fn least_loaded(&self) -> WorkerId {
        let loads = (0u16..).map(WorkerId::new).zip(&self.links_by_worker);
        loads.min_by_key(|(_, links)| links.load(Relaxed)).map_or(WorkerId::new(0), |(worker, _)| worker)
    }
}

/// What an address counts as.
pub fn site(address: IpAddr) -> Site {
    match address.to_canonical() {
        IpAddr::V6(v6) => Site(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64))),
        v4 => Site(v4),
    }
}

impl Permit {
    /// The worker that is to own the link.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Counts a stream as a client from now on.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn count_client(&mut self, address: IpAddr) -> Result<(), Refusal> {
        self.client = Some(self.admission.admit_client(address)?);
        Ok(())
    }

    /// Counts it no more.
    pub fn uncount_client(&mut self) {
        if let Some(client) = self.client.take() {
            self.admission.leave(&client);
        }
    }

    /// The peer's address has changed. That is no reason to turn it away.
    pub fn move_to(&mut self, address: IpAddr) {
        let site = site(address);
        let Some(counted) = self.client.as_mut().and_then(|client| client.counted_address.as_mut()) else { return };
        if *counted != site {
            *self.admission.clients_by_address.entry(site).or_insert(0) += 1;
            self.admission.forget_address(std::mem::replace(counted, site));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(links) = self.admission.links_by_worker.get(self.worker.index()) {
            links.fetch_sub(1, Relaxed);
        }
        self.uncount_client();
    }
}

impl Drop for Handshaking {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::LinkLimit;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
    }

    fn admit(admission: &Arc<Admission>, last: u8) -> Result<Permit, Refusal> {
        admission.admit(Side::Client, address(last), None)
    }

    #[test]
    fn a_dropped_permit_makes_room() {
        let admission = Admission::new(&Limits { max_links: LinkLimit::Links(1), ..Limits::default() }, 1);
        let first = admit(&admission, 1).unwrap();
        assert_eq!(admit(&admission, 2).unwrap_err(), Refusal::TooManyLinks { limit: 1 });
        admission.admit(Side::Server, address(2), None).unwrap();
        drop(first);
        admit(&admission, 2).unwrap();
    }

    #[test]
    fn addresses_are_counted_apart_and_forgotten() {
        let admission = Admission::new(&Limits { max_links_per_address: Some(2), ..Limits::default() }, 1);
        let permits: Vec<Permit> = [1, 1, 2].map(|last| admit(&admission, last).unwrap()).into();
        let refusal = Refusal::TooManyFromAddress { address: address(1), limit: 2 };
        assert_eq!(admit(&admission, 1).unwrap_err(), refusal);
        drop(permits);
        assert!(admission.clients_by_address.is_empty());
        assert_eq!(admission.clients.load(Relaxed), 0);
    }

    #[test]
    fn an_ipv6_host_has_a_whole_network_and_a_mapped_address_is_ipv4() {
        let parse = |text: &str| site(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"));
    }

    #[test]
    fn a_burst_is_spread_over_the_workers_before_any_link_is_made() {
        let admission = Admission::new(&Limits::default(), 3);
        let permits: Vec<Permit> = (0..9).map(|_| admit(&admission, 1).unwrap()).collect();
        for worker in (0..3).map(WorkerId::new) {
            assert_eq!(permits.iter().filter(|permit| permit.worker() == worker).count(), 3);
        }
    }

    #[test]
    fn handshakes_are_counted_while_they_last() {
        let admission = Admission::new(&Limits { max_handshakes: 1, ..Limits::default() }, 2);
        let (first, within) = admission.begin_handshake();
        assert!(within && !admission.begin_handshake().1);
        drop(first);
        assert!(admission.begin_handshake().1);
    }
}
