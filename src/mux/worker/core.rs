//! The state of one worker: its links, their router, and what is to be done before the turn ends.
//!
//! Everything here is synchronous and belongs to one thread. The tasks around it (`tasks`) only poll it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use rand::rngs::ThreadRng;

use super::agenda::Agenda;
use super::backpressure::Bottleneck;
use super::counters::Counters;
use super::ended::EndedSessions;
use super::forwarding::Forwarding;
use super::link_log::LinkLog;
use super::links::Links;
use super::mail::Batch;
use super::memory_account::LocalAccount;
use super::shared::Shared;
use super::stop::Stop;
use super::upkeep::Upkeep;
use crate::mux::accept::acceptance::Acceptance;
use crate::mux::accept::admission::Permit;
use crate::mux::config::{Settings, Startup};
use crate::mux::link::{Bounds, Link, LinkStream, TurnClock};
use crate::mux::routing::{LinkAddr, PerSide, Role, Side, Slot, WorkerId};

/// Bytes that one read takes at most. It exceeds the largest common frame.
const SCRATCH_BYTES: usize = 256 << 10;

/// One worker.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) me: WorkerId,
    pub(super) startup: Startup,
    pub(super) settings: Arc<Settings>,
    pub(super) shared: Arc<Shared>,
    pub(super) links: Links,
    pub(super) forwarding: Forwarding,
    pub(super) buffers: IoBuffers,
    pub(super) acceptance: Acceptance,
    pub(super) ended: EndedSessions,
    pub(super) agenda: Agenda,
    pub(super) stop: Stop,
    pub(super) counters: Counters,
    pub(super) link_log: LinkLog,
    /// The time of the turn, for the rules of links.
    pub(super) clock: TurnClock,
    /// Where all random numbers of the worker come from.
    pub(super) rng: ThreadRng,
    pub(super) upkeep: Upkeep,
    pub(super) memory: LocalAccount,
}

/// Room for what is read and written at a time. Nothing stays in it.
#[derive(Debug)]
pub(super) struct IoBuffers {
    /// What one read takes in.
    pub(super) scratch: Box<[u8]>,
    /// What sessions seal.
    pub(super) sealed: Vec<u8>,
}

impl Core {
    pub(super) fn new(
        me: WorkerId,
        startup: Startup,
        settings: Arc<Settings>,
        shared: Arc<Shared>,
        started: Instant,
        rng: ThreadRng,
    ) -> Self {
        let workers = shared.mailboxes.workers().count();
        let (clock, upkeep) = (TurnClock::new(started), Upkeep::new(&settings));
        clock.count_until(upkeep.counted_until());
        Self {
            me,
            links: Links::new(&settings, Arc::clone(&shared.pool)),
            forwarding: Forwarding::new(
                me,
                startup.max_packet,
                &settings,
                Arc::clone(&shared.registry),
                shared.mailboxes.clone(),
            ),
            buffers: IoBuffers { scratch: vec![0; SCRATCH_BYTES].into(), sealed: Vec::new() },
            acceptance: Acceptance::new(&settings, Arc::clone(&shared.rates), workers, started),
            ended: EndedSessions::default(),
            agenda: Agenda::new(started),
            stop: Stop::new(workers - 1),
            counters: Counters::default(),
            link_log: LinkLog::default(),
            clock,
            rng,
            upkeep,
            memory: LocalAccount::default(),
            shared,
            startup,
            settings,
        }
    }

    /// Has new settings hold from now on. A session keeps the times with which it was opened.
    pub(super) fn apply(&mut self, settings: Arc<Settings>) {
        self.links.set_bounds(&settings);
        self.forwarding.apply(&settings);
        for ended in self.acceptance.apply(&settings) {
            self.ended_early(&ended);
        }
        self.upkeep.apply(&settings);
        self.clock.count_until(self.upkeep.counted_until());

        // Budgets that did not change go on as they are: a change of another setting gives no client more.
        let byte_rate = settings.limits.max_bytes_per_second;
        if byte_rate != self.settings.limits.max_bytes_per_second {
            self.links.iter_mut().for_each(|link| link.restart_budget(byte_rate, &self.clock));
        }

        self.settings = settings;
        let most_unacked = PerSide::new(|side| self.most_unacked(side));
        self.links.iter_mut().for_each(|link| link.set_most_unacked(most_unacked[link.role.side()]));
    }

    /// Bytes that the session of a link on this port keeps to send them again: as many as may wait for the link, since both are
    /// judged together.
    pub(super) fn most_unacked(&self, side: Side) -> usize {
        Bounds::of(&self.settings, side).bytes
    }

    /// Admits a link. Its task must poll it from now on.
    pub(super) fn add(&mut self, role: Role, stream: LinkStream, peer: SocketAddr, permit: Permit) -> LinkAddr {
        self.clock.restart();
        let addr = self.forwarding.join(self.links.next_slot(), role);
        let mut link = Link::new(addr, role, peer, stream, permit, self.clock.millis());
        link.watch.heard = true;
        link.watch.last_heard = self.clock.millis();
        link.watch.allowance = self.settings.limits.max_bytes_per_second.unwrap_or_default();
        // The settings may have changed since its session was opened.
        link.set_most_unacked(self.most_unacked(role.side()));

        self.links.insert(link);
        self.counters.link_opened(role.side());
        self.link_log.opened(role, addr.id, peer);
        self.session_begins(addr);
        addr
    }

    /// The link at this address, if it is still there.
    #[inline]
    pub(super) fn link(&mut self, addr: LinkAddr) -> Option<&mut Link> {
        self.links.at_mut(addr)
    }

    /// The pump runs.
    pub(super) fn begin_turn(&mut self, pump: &Waker) {
        self.clock.restart();
        self.links.begin_turn(pump);
    }

    /// Takes what another worker posted.
    pub(super) fn unpack(&mut self, from: WorkerId, batch: Batch) {
        self.forwarding.unpack(&mut self.links, from, batch, &self.clock);
    }

    /// There is room again for what waited for this.
    pub(super) fn uncongest(&mut self, key: Bottleneck) {
        self.forwarding.uncongest(&mut self.links, key);
    }

    /// Ends a turn: one write for each link that was fed, one batch for each worker. True if there is more to do after
    /// the next look at the links.
    pub(super) fn end_turn(&mut self) -> bool {
        self.forwarding.resume_readers(&mut self.links, &self.clock);
        // Closing one of them may feed further ones.
        while let Some(slot) = self.links.next_dirty() {
            self.flush_fed(slot);
        }
        self.forwarding.post();
        self.links.end_turn();
        self.forwarding.any_to_resume()
    }

    fn flush_fed(&mut self, slot: Slot) {
        match self.links.get(slot).map(|link| link.blocked) {
            // Its task flushes it when the transport takes more.
            Some(true) => self.after_io(slot),
            Some(false) => self.flush(slot),
            None => {}
        }
    }
}
