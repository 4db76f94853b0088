//! Who is not read because something that it feeds has no room, and who goes on.

use super::Forwarding;
use crate::mux::link::TurnClock;
use crate::mux::routing::{LinkAddr, Slot};
use crate::mux::worker::backpressure::Bottleneck;
use crate::mux::worker::links::Links;

/// Connections of a client that are looked at for whether their server is congested.
const SERVERS_LOOKED_AT: usize = 16;

impl Forwarding {
    /// Whether a client has a connection to something that is congested; it may be about to send there.
    #[inline]
    pub(in crate::mux::worker) fn feeds_something_congested(&self, slot: Slot) -> bool {
        let queues = &self.delivery.queues;
        if queues.is_empty() {
            return false;
        }
        let mut servers = self.router.servers_of(slot).take(SERVERS_LOOKED_AT);
        servers.any(|server| {
            queues.is_congested(Bottleneck::Server(server)) || queues.is_congested(Bottleneck::Worker(server.worker))
        })
    }

    /// Notes that something is congested: whoever feeds it is paused from now on.
    pub(in crate::mux::worker) fn congest(&mut self, key: Bottleneck) {
        self.delivery.queues.congest(key);
    }

    /// Notes that there is room again. Those who wait for it go on at the ends of this turn and the next ones.
    pub(in crate::mux::worker) fn uncongest(&mut self, links: &mut Links, key: Bottleneck) {
        if self.delivery.queues.uncongest(key) {
            links.schedule();
        }
    }

    /// There is room for a server again, or it is gone: those who were paused go on, here and on the workers that were
    /// told of it.
    pub(in crate::mux::worker) fn uncongest_server(&mut self, links: &mut Links, server: LinkAddr) {
        self.uncongest(links, Bottleneck::Server(server));
        self.delivery.cross.tell_uncongested(server);
    }

    /// Stops reading a link until there is room. False if there is by now: it would wait for good, since nobody would say
    /// so.
    pub(in crate::mux::worker) fn pause(
        &mut self,
        links: &mut Links,
        addr: LinkAddr,
        key: Bottleneck,
        clock: &TurnClock,
    ) -> bool {
        let Some(link) = links.at_mut(addr).filter(|_| self.delivery.queues.is_congested(key)) else { return false };
        link.pause_for_backpressure(clock);
        self.delivery.queues.wait(key, addr);
        true
    }

    /// Reads the next links again that waited for something that has room now.
    pub(in crate::mux::worker) fn resume_readers(&mut self, links: &mut Links, clock: &TurnClock) {
        self.delivery.queues.resume_readers(|addr| {
            if let Some(link) = links.at_mut(addr) {
                link.resume_after_backpressure(clock);
            }
        });
    }

    /// Whether somebody waits to be read again.
    pub(in crate::mux::worker) fn any_to_resume(&self) -> bool {
        self.delivery.queues.any_to_resume()
    }

    /// Who waits, and for what.
    pub(in crate::mux::worker) fn waiting(&self) -> impl Iterator<Item = (LinkAddr, Bottleneck)> + '_ {
        self.delivery.queues.waiting()
    }
}
