//! Who is let in, and where: limits and loads, shared by the acceptors of all workers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastway_service::{AddressPrefix, PrefixLength, Shares};

use super::rejection::Rejection;
use crate::mux::config::Limits;
use crate::mux::routing::WorkerId;

/// A limit that nothing reaches.
const NO_LIMIT: usize = usize::MAX;

/// Counts links by worker, and client links against `--max-links` and `--max-links-per-address`.
#[derive(Debug)]
pub(crate) struct Admission {
    max_links: AtomicUsize,
    max_links_per_address: AtomicUsize,
    /// Bits of an IPv6 address that tell clients apart.
    ipv6_prefix: AtomicU8,
    clients: AtomicUsize,
    /// Client links by address; without a limit as well, since one may be set while they are there.
    by_address: Mutex<Shares>,
    links_by_worker: Box<[AtomicUsize]>,
}

/// The right to have a link on one worker; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    worker: WorkerId,
    /// Where it is counted as a client's, if it is.
    client: Option<AddressPrefix>,
}

impl Admission {
    /// Nobody is in yet.
    pub(crate) fn new(limits: &Limits, workers: usize) -> Arc<Self> {
        let admission = Self {
            max_links: AtomicUsize::new(NO_LIMIT),
            max_links_per_address: AtomicUsize::new(NO_LIMIT),
            ipv6_prefix: AtomicU8::new(limits.ipv6_prefix.bits()),
            clients: AtomicUsize::new(0),
            by_address: Mutex::default(),
            links_by_worker: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
        };
        admission.set_limits(limits);
        Arc::new(admission)
    }

    /// Changes the limits: whoever is in stays.
    pub(crate) fn set_limits(&self, limits: &Limits) {
        self.ipv6_prefix.store(limits.ipv6_prefix.bits(), Relaxed);
        self.max_links.store(limits.max_links.most().unwrap_or(NO_LIMIT), Relaxed);
        self.max_links_per_address.store(limits.max_links_per_address.unwrap_or(NO_LIMIT), Relaxed);
    }

    /// Clients that are in.
    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Relaxed)
    }

    /// Reserves a place for a stream on `worker`, or else on the worker with the fewest links. It counts as no client yet:
    /// see [`Permit::count_client`].
    pub(crate) fn reserve(self: &Arc<Self>, worker: Option<WorkerId>) -> Permit {
        let worker = worker.unwrap_or_else(|| self.least_loaded());
        if let Some(links) = self.links_by_worker.get(worker.index()) {
            links.fetch_add(1, Relaxed);
        }
        Permit { admission: Arc::clone(self), worker, client: None }
    }

    fn count_client(&self, address: IpAddr) -> Result<AddressPrefix, Rejection> {
        let prefix = self.prefix_of(address);
        let limit = self.max_links_per_address.load(Relaxed);
        let mut by_address = self.by_address();
        if by_address.of(prefix).holders >= limit {
            return Err(Rejection::TooManyFromAddress { prefix, limit });
        }

        let limit = self.max_links.load(Relaxed);
        if self.clients.fetch_add(1, Relaxed) >= limit {
            self.clients.fetch_sub(1, Relaxed);
            return Err(Rejection::TooManyLinks { limit });
        }
        by_address.add(prefix, 0);
        Ok(prefix)
    }

    fn prefix_of(&self, address: IpAddr) -> AddressPrefix {
        PrefixLength::new(self.ipv6_prefix.load(Relaxed)).unwrap_or_default().prefix_of(address)
    }

    fn leave(&self, counted: AddressPrefix) {
        self.clients.fetch_sub(1, Relaxed);
        self.by_address().remove(counted, 0);
    }

    /// Counts a link for another prefix than before, if there is room for it.
    fn move_to(&self, counted: &mut AddressPrefix, prefix: AddressPrefix) {
        let mut by_address = self.by_address();
        by_address.remove(*counted, 0);
        if by_address.of(prefix).holders < self.max_links_per_address.load(Relaxed) {
            *counted = prefix;
        }
        by_address.add(*counted, 0);
    }

    /// A panic of another thread cannot leave the counts half changed.
    fn by_address(&self) -> MutexGuard<'_, Shares> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn least_loaded(&self) -> WorkerId {
        let loads = (0u16..).map(WorkerId::new).zip(&self.links_by_worker);
        loads.min_by_key(|(_, links)| links.load(Relaxed)).map_or(WorkerId::new(0), |(worker, _)| worker)
    }
}

impl Permit {
    /// The worker that is to own the link.
    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Counts a stream as a client from now on, once.
    ///
    /// # Errors
    /// A limit is reached; the stream must be closed.
    pub(crate) fn count_client(&mut self, address: IpAddr) -> Result<(), Rejection> {
        if self.client.is_none() {
            self.client = Some(self.admission.count_client(address)?);
        }
        Ok(())
    }

    /// Counts it no more.
    pub(crate) fn uncount_client(&mut self) {
        if let Some(counted) = self.client.take() {
            self.admission.leave(counted);
        }
    }

    /// The peer's address has changed. That is no reason to turn it away; where it may have no more links, the link
    /// goes on to be counted for the address that it had.
    pub(crate) fn move_to(&mut self, address: IpAddr) {
        if let Some(counted) = &mut self.client {
            self.admission.move_to(counted, self.admission.prefix_of(address));
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::mux::config::LinkLimit;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
    }

    fn admit(admission: &Arc<Admission>, last: u8) -> Result<Permit, Rejection> {
        let mut permit = admission.reserve(None);
        permit.count_client(address(last)).map(|()| permit)
    }

    #[test]
    fn a_dropped_permit_makes_room() {
        let admission = Admission::new(&Limits { max_links: LinkLimit::Links(1), ..Limits::default() }, 1);
        let first = admit(&admission, 1).unwrap();
        assert!(matches!(admit(&admission, 2), Err(Rejection::TooManyLinks { limit: 1 })));
        let _a_server_is_no_client = admission.reserve(None);
        drop(first);
        admit(&admission, 2).unwrap();
    }

    #[test]
    fn addresses_are_counted_apart_and_forgotten() {
        let admission = Admission::new(&Limits { max_links_per_address: Some(2), ..Limits::default() }, 1);
        let permits: Vec<Permit> = [1, 1, 2].map(|last| admit(&admission, last).unwrap()).into();
        let Err(Rejection::TooManyFromAddress { prefix, limit: 2 }) = admit(&admission, 1) else { panic!() };
        assert_eq!(prefix, AddressPrefix::from(address(1)));
        drop(permits);
        assert_eq!(counted(&admission, 1), 0);
        assert_eq!(admission.clients.load(Relaxed), 0);
    }

    #[test]
    fn a_link_that_moves_is_counted_where_there_is_room() {
        let admission = Admission::new(&Limits { max_links_per_address: Some(2), ..Limits::default() }, 1);
        let mut moving: Vec<Permit> = (0..2).map(|_| admit(&admission, 1).unwrap()).collect();
        let _resident = admit(&admission, 2).unwrap();
        moving.iter_mut().for_each(|permit| permit.move_to(address(2)));
        assert_eq!([1, 2].map(|last| counted(&admission, last)), [1, 2], "room for one of the two");
        moving.iter_mut().for_each(|permit| permit.move_to(address(2)));
        assert_eq!([1, 2].map(|last| counted(&admission, last)), [1, 2], "whoever is there stays there");

        admit(&admission, 1).unwrap();
        drop(moving);
        assert_eq!([1, 2].map(|last| counted(&admission, last)), [0, 1]);
    }

    #[test]
    fn a_client_is_counted_once() {
        let admission = Admission::new(&Limits::default(), 1);
        let mut permit = admit(&admission, 1).unwrap();
        permit.count_client(address(2)).unwrap();
        assert_eq!([1, 2].map(|last| counted(&admission, last)), [1, 0]);
        drop(permit);
        assert_eq!((admission.clients(), counted(&admission, 1)), (0, 0));
    }

    #[test]
    fn ipv6_addresses_are_counted_by_as_many_bits_as_the_limits_say() {
        for (bits, expected) in [(32, 1), (64, 2), (128, 4)] {
            let ipv6_prefix = PrefixLength::new(bits).unwrap();
            let limits = Limits { max_links_per_address: Some(1), ipv6_prefix, ..Limits::default() };
            let admission = Admission::new(&limits, 1);
            let addresses = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8:0:1::2"];
            let mut permits: Vec<Permit> = addresses.map(|_| admission.reserve(None)).into();
            let admitted = permits.iter_mut().zip(addresses);
            let admitted = admitted.filter_map(|(permit, from)| permit.count_client(from.parse().unwrap()).ok());
            assert_eq!(admitted.count(), expected, "/{bits}");

            // Whoever is in leaves from where it was counted.
            admission.set_limits(&Limits::default());
            drop(permits);
            assert_eq!((admission.clients(), admission.by_address().total().holders), (0, 0));
        }
    }

    #[test]
    fn limits_that_are_set_later_count_whoever_is_there() {
        let admission = Admission::new(&Limits::default(), 1);
        let permits: Vec<Permit> = (0..3).map(|_| admit(&admission, 1).unwrap()).collect();
        admission.set_limits(&Limits {
            max_links_per_address: Some(2),
            max_links: LinkLimit::Links(3),
            ..Limits::default()
        });
        assert!(matches!(admit(&admission, 1), Err(Rejection::TooManyFromAddress { limit: 2, .. })));
        assert!(matches!(admit(&admission, 2), Err(Rejection::TooManyLinks { limit: 3 })));
        drop(permits);
        admit(&admission, 1).unwrap();
    }

    fn counted(admission: &Admission, last: u8) -> usize {
        admission.by_address().of(AddressPrefix::from(address(last))).holders
    }

    #[test]
    fn a_burst_is_spread_over_the_workers_before_any_link_is_made() {
        let admission = Admission::new(&Limits::default(), 3);
        let permits: Vec<Permit> = (0..9).map(|_| admit(&admission, 1).unwrap()).collect();
        for worker in (0..3).map(WorkerId::new) {
            assert_eq!(permits.iter().filter(|permit| permit.worker() == worker).count(), 3);
        }
    }
}
