//! The state of one worker: its links, their router, and what is to be done before the turn ends.
//!
//! Everything here is synchronous and belongs to one thread. The tasks around it (`tasks`) only poll it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use fastway_service::clock::Millis;
use fastway_wire::{Command, ConnId};
use rustc_hash::FxHashSet;
use slab::Slab;
use tokio::sync::Notify;

use super::agenda::Agenda;
use super::backpressure::{BackpressureQueues, Bottleneck};
use super::ended::EndedSessions;
use super::link_log::LinkLog;
use super::load::ThreadLoad;
use super::mail::Outgoing;
use super::report::Stats;
use super::shared::Shared;
use super::stop::Stop;
use crate::accept::acceptor::Acceptor;
use crate::accept::admission::Permit;
use crate::accept::pending::PendingOnPort;
use crate::accept::retry_after::RetryTimes;
use crate::accept::turns::Turns;
use crate::config::Config;
use crate::link::{Bounds, CloseReason, Link, Transport, WaitReport};
use crate::pool::LocalPool;
use crate::routing::{Effect, LinkAddr, Origin, PerSide, Role, Router, RouterLimits, Side, Slot, WorkerId};

/// Bytes that one read takes at most. It exceeds the largest common frame.
const SCRATCH_BYTES: usize = 256 << 10;

/// One worker.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) me: WorkerId,
    pub(super) config: Arc<Config>,
    pub(super) shared: Arc<Shared>,
    pub(super) links: Slab<Link>,
    pub(super) router: Router,
    pub(super) pool: LocalPool,
    pub(super) scratch: Box<[u8]>,
    pub(super) backpressure: BackpressureQueues,
    /// Workers that were told that the outbox of a server link of this one is congested.
    pub(super) told_congested: FxHashSet<(LinkAddr, WorkerId)>,
    pub(super) pending: PerSide<PendingOnPort>,
    pub(super) turns: Turns,
    pub(super) retry_times: RetryTimes,
    /// Wakes the task that gives turns: somebody new waits for one, or there may be room for more.
    pub(super) turns_due: Rc<Notify>,
    /// Sessions that are over, and are found for a while.
    pub(super) ended: EndedSessions,
    /// Room for what sessions seal.
    pub(super) sealed: Vec<u8>,
    pub(super) acceptors: Vec<Acceptor>,
    pub(super) agenda: Agenda,
    /// How long links that are closed by now were held up.
    pub(super) past_waits: PerSide<WaitReport>,
    pub(super) stop: Stop,
    pub(super) stats: Stats,
    pub(super) link_log: LinkLog,
    pub(super) now: Millis,
    /// Time of the last sweep.
    pub(super) swept: Millis,
    pub(super) load: ThreadLoad,
    /// The place whose link was asked last for its round-trip time.
    pub(super) sampled: usize,
    /// Thousandths of a byte that the last sweep did not allow any client yet.
    pub(super) allowance_rest: u64,
    pub(super) started: Instant,
    pub(super) effects: Vec<Effect>,
    dirty: Vec<Slot>,
    /// The spare of `dirty`.
    flushing: Vec<Slot>,
    /// Room for those that are read again.
    resumed: Vec<LinkAddr>,
    pub(super) batches: Vec<Outgoing>,
    /// Bytes that clients' links hold beyond what the account of the process says.
    pub(super) untold_bytes: isize,
    /// Bytes that a client's link may hold when the account is short.
    pub(super) memory_share: usize,
    /// How much may wait for one link.
    pub(super) bounds: PerSide<Bounds>,
    /// What the link that was read last feeds, if it is congested.
    pub(super) bottleneck: Option<Bottleneck>,
    pump: Waker,
    scheduled: bool,
}

impl Core {
    pub(super) fn new(me: WorkerId, config: Arc<Config>, shared: Arc<Shared>, started: Instant) -> Self {
        let limits = RouterLimits {
            client_max_conns: config.settings.client_max_conns,
            max_dials_per_second: config.settings.limits.max_dials_per_second,
        };
        let workers = shared.mailboxes.workers().count();
        Self {
            me,
            router: Router::new(me, workers, Arc::clone(&shared.registry), limits),
            pool: LocalPool::new(Arc::clone(&shared.pool)),
            shared,
            links: Slab::new(),
            scratch: vec![0; SCRATCH_BYTES].into(),
            backpressure: BackpressureQueues::default(),
            told_congested: FxHashSet::default(),
            pending: PerSide::new(|side| PendingOnPort::new(&config, side, workers)),
            turns: Turns::new(share_per_second(&config, workers), started),
            retry_times: RetryTimes::new(started),
            turns_due: Rc::default(),
            ended: EndedSessions::default(),
            sealed: Vec::new(),
            acceptors: Vec::new(),
            agenda: Agenda::new(started),
            past_waits: PerSide::default(),
            stop: Stop::new(workers - 1),
            stats: Stats::default(),
            link_log: LinkLog::default(),
            now: Millis::default(),
            swept: Millis::default(),
            load: ThreadLoad::default(),
            sampled: 0,
            allowance_rest: 0,
            started,
            effects: Vec::new(),
            dirty: Vec::new(),
            flushing: Vec::new(),
            resumed: Vec::new(),
            batches: (0..workers).map(|_| Outgoing::default()).collect(),
            untold_bytes: 0,
            memory_share: 0,
            bounds: PerSide::new(|side| Bounds::of(&config, side)),
            bottleneck: None,
            pump: Waker::noop().clone(),
            scheduled: false,
            config,
        }
    }

    /// Admits a link. Its task must poll it from now on.
    pub(super) fn add(&mut self, role: Role, transport: Transport, peer: SocketAddr, permit: Permit) -> LinkAddr {
        let now = self.at(Instant::now());
        let entry = self.links.vacant_entry();
        let slot = Slot::from_index(entry.key());
        let addr = self.router.join(slot, role);
        let mut link = Link::new(addr, role, peer, transport, permit);
        link.watch.heard = true;
        link.watch.last_heard = now;
        link.watch.allowance = self.config.settings.limits.max_bytes_per_second.unwrap_or_default();
        entry.insert(link);
        self.stats.opened(role.side());
        self.link_log.opened(role, addr.id, peer);
        self.session_begins(addr);
        addr
    }

    /// The link at this address, if it is still there.
    #[inline]
    pub(super) fn link(&mut self, addr: LinkAddr) -> Option<&mut Link> {
        self.links.get_mut(addr.slot.index()).filter(|link| link.addr == addr)
    }

    /// Carries out what the router decided.
    pub(super) fn apply_effects(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Tell { slot, command, origin } => self.feed(slot, &command.encode(), 1, origin),
                Effect::RouterSync { to, sync } => self.sync_router(to, sync),
            }
        }
        self.effects = effects;
    }

    /// Has the router carry out a command of a link.
    pub(super) fn command(&mut self, slot: Slot, payload: &[u8]) -> Result<(), CloseReason> {
        let command = Command::decode(payload)?;
        let decided = self.router.command(slot, command, self.now.seconds(), &mut self.effects);
        self.apply_effects();
        Ok(decided?)
    }

    /// Answers data for a connection that the link is no end of.
    pub(super) fn unknown_connection(&mut self, slot: Slot, conn: ConnId) {
        self.router.unknown_connection(slot, conn, &mut self.effects);
        self.apply_effects();
    }

    /// Queues packets for a link of this worker.
    #[inline]
    pub(super) fn feed(&mut self, slot: Slot, bytes: &[u8], packets: usize, origin: Origin) {
        if let Some(link) = self.links.get_mut(slot.index()).filter(|link| !link.write_failed) {
            link.append(&mut self.pool, bytes, packets, origin);
            self.fed(slot);
        }
    }

    /// Sees to it that what a link was fed is sent, and notes whether it has enough of it now.
    #[inline]
    pub(super) fn fed(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        if !link.dirty {
            link.dirty = true;
            self.dirty.push(slot);
        }
        if link.role.side() == Side::Server {
            let is_new = !link.congested && self.bounds.server.is_exceeded(link.waiting());
            if is_new || link.congested {
                self.bottleneck = Some(Bottleneck::Server(link.addr));
            }
            if is_new {
                self.congested(slot);
            }
        }
        self.schedule();
    }

    /// Has a link flushed at the end of the turn.
    pub(super) fn mark_dirty(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        if !link.dirty {
            link.dirty = true;
            self.dirty.push(slot);
        }
        self.schedule();
    }

    /// What was congested among what was fed since the last call.
    pub(super) fn take_bottleneck(&mut self) -> Option<Bottleneck> {
        self.bottleneck.take()
    }

    /// Has the pump run at the end of the turn.
    #[inline]
    pub(super) fn schedule(&mut self) {
        if !self.scheduled {
            self.scheduled = true;
            self.pump.wake_by_ref();
        }
    }

    /// The pump runs; it need not be woken before the turn is over.
    pub(super) fn begin_turn(&mut self) {
        self.scheduled = true;
    }

    /// Ends a turn: one write for each link that was fed, one batch for each worker. True if there is more to do after
    /// the next look at the links.
    pub(super) fn end_turn(&mut self, pump: &Waker) -> bool {
        self.pump.clone_from(pump);
        self.resume_readers();
        self.flush_dirty();
        self.post_batches();
        self.scheduled = false;
        self.backpressure.any_to_resume()
    }

    fn resume_readers(&mut self) {
        if self.backpressure.is_empty() {
            return;
        }
        let mut resumed = std::mem::take(&mut self.resumed);
        self.backpressure.resume_readers(&mut resumed);
        for addr in resumed.drain(..) {
            if let Some(link) = self.link(addr) {
                link.resume_after_backpressure();
            }
        }
        self.resumed = resumed;
    }

    /// Flushes the links that were fed, in that order; closing one of them may feed further ones.
    fn flush_dirty(&mut self) {
        while !self.dirty.is_empty() {
            let mut batch = std::mem::replace(&mut self.dirty, std::mem::take(&mut self.flushing));
            for slot in batch.drain(..) {
                self.flush_fed(slot);
            }
            self.flushing = batch;
        }
    }

    fn flush_fed(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        link.dirty = false;
        if link.blocked {
            self.judge(slot);
        } else {
            self.flush(slot);
        }
    }

    pub(super) fn read_clock(&mut self) {
        self.now = self.at(Instant::now());
    }

    /// A point in time on the worker's clock.
    pub(super) fn at(&self, now: Instant) -> Millis {
        Millis::at(now, self.started)
    }

    /// Keeps how long a link was held up that is closed now.
    pub(super) fn remember_waits(&mut self, side: Side, waits: &WaitReport) {
        self.past_waits[side].iter_mut().for_each(|(reason, past)| past.add(waits[reason]));
    }
}

/// The most handshakes of sessions that one of `workers` may compute in a second.
fn share_per_second(config: &Config, workers: usize) -> Option<u32> {
    let workers = u32::try_from(workers).unwrap_or(u32::MAX);
    config.settings.sessions.max_handshakes_per_second.map(|per_second| per_second.div_ceil(workers))
}
