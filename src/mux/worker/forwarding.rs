//! From what a link has sent to the outboxes: splits it into frames, looks up who gets them, and feeds those.
//!
//! ```text
//!   one read ──▶ route ──▶ runs of frames ──Router::peer──▶ a link of this worker   Links::feed
//!                  │                              └───────▶ another worker          CrossWorker::forward
//!                  └─────▶ commands ──Router::command──▶ effects, carried out at once, in the same two ways
//! ```
//!
//! Whatever has no room is what the call returns: its [`Bottleneck`], before which the sender of the frames has to wait.

mod pauses;
#[cfg(test)]
mod tests;

use std::iter::once;
use std::sync::Arc;

use fastway_wire::{Command, ConnId, HEADER_BYTES, header_conn, split_frame};

use super::backpressure::{BackpressureQueues, Bottleneck};
use super::cross_worker::CrossWorker;
use super::links::Links;
use super::mail::{Batch, Item, Mailboxes};
use crate::mux::config::Settings;
use crate::mux::link::{CloseReason, Inbox, Progress, Sizes, TurnClock};
use crate::mux::pool::Chunk;
use crate::mux::routing::{
    Effect, LinkAddr, Origin, PerSide, Registry, Role, Router, RouterLimits, RouterSync, Side, Slot, WorkerId,
};

/// Who gets what the links of one worker send, and who waits for whom.
#[derive(Debug)]
pub(super) struct Forwarding {
    sizes: PerSide<Sizes>,
    router: Router,
    /// What the router decided, until it is carried out.
    effects: Vec<Effect>,
    delivery: Delivery,
}

/// Where frames go: to links of this worker, or to other workers.
#[derive(Debug)]
struct Delivery {
    me: WorkerId,
    queues: BackpressureQueues,
    cross: CrossWorker,
}

/// The link that frames came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub(super) slot: Slot,
    pub(super) side: Side,
    /// Whether earlier reads have left the beginning of a frame in the link's inbox.
    pub(super) has_partial: bool,
    /// Any clock's count of seconds, by which dials are counted.
    pub(super) second: u64,
    pub(super) clock: &'a TurnClock,
}

/// What was made of one read.
#[derive(Debug, Default)]
pub(super) struct Routed {
    /// Whole frames in it, commands among them.
    pub(super) frames: u64,
    /// Data frames that were forwarded.
    pub(super) forwarded: usize,
    /// What has no room for more of them.
    pub(super) pressure: Option<Bottleneck>,
}

/// Consecutive frames of one connection; they are looked up and copied together.
#[derive(Clone, Copy)]
struct Run {
    conn: ConnId,
    start: usize,
    packets: usize,
}

impl Forwarding {
    pub(super) fn new(
        me: WorkerId,
        max_packet: u32,
        settings: &Settings,
        registry: Arc<Registry>,
        mailboxes: Mailboxes,
    ) -> Self {
        let workers = mailboxes.workers().count();
        Self {
            sizes: PerSide::new(|side| Sizes { max_packet, first_bytes: settings.side(side).buffer_bytes }),
            router: Router::new(me, workers, registry, router_limits(settings)),
            effects: Vec::new(),
            delivery: Delivery { me, queues: BackpressureQueues::default(), cross: CrossWorker::new(me, mailboxes) },
        }
    }

    /// Has new settings hold from now on.
    pub(super) fn apply(&mut self, settings: &Settings) {
        for side in Side::ALL {
            self.sizes[side].first_bytes = settings.side(side).buffer_bytes;
        }
        self.router.set_limits(router_limits(settings));
    }

    /// Who is connected to whom.
    pub(super) fn router(&self) -> &Router {
        &self.router
    }

    /// Admits a link to a place.
    pub(super) fn join(&mut self, slot: Slot, role: Role) -> LinkAddr {
        self.router.join(slot, role)
    }

    /// Removes a link; the other ends of its connections are told.
    pub(super) fn leave(&mut self, links: &mut Links, slot: Slot, clock: &TurnClock) {
        self.router.leave(slot, &mut self.effects);
        self.carry_out(links, clock);
    }

    /// Ends every connection of a link; both ends are told.
    pub(super) fn close_connections(&mut self, links: &mut Links, slot: Slot, clock: &TurnClock) {
        self.router.close_connections(slot, &mut self.effects);
        self.carry_out(links, clock);
    }

    /// Ends every connection; the ends on this worker are told.
    pub(super) fn close_all(&mut self, links: &mut Links, clock: &TurnClock) {
        self.router.close_all(&mut self.effects);
        self.carry_out(links, clock);
    }

    /// Routes what one read brought: the frames that are whole, in place, and the rest into the link's inbox.
    ///
    /// # Errors
    /// The link has to be closed for what it sent.
    #[inline]
    pub(super) fn route(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        input: &[u8],
        routed: &mut Routed,
    ) -> Result<(), CloseReason> {
        let rest = if from.has_partial { self.complete(links, from, input, routed)? } else { input };
        let rest = self.route_whole(links, from, rest, routed)?;
        if rest.is_empty() {
            return Ok(());
        }

        let sizes = self.sizes[from.side];
        if let Some((link, pool)) = links.with_pool(from.slot) {
            link.inbox.fill(pool, sizes, rest)?;
        }
        Ok(())
    }

    /// Completes the frame that earlier reads cut off, and returns the input after it.
    fn complete<'a>(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        input: &'a [u8],
        routed: &mut Routed,
    ) -> Result<&'a [u8], CloseReason> {
        let sizes = self.sizes[from.side];
        let Some((link, pool)) = links.with_pool(from.slot) else { return Ok(&[]) };
        let Progress::Complete(taken) = link.inbox.fill(pool, sizes, input)? else { return Ok(&[]) };

        // The inbox is apart from its link while the frame goes to another one. It comes back for the room that it has.
        let mut inbox = std::mem::take(&mut link.inbox);
        let outcome = self.route_completed(links, from, &mut inbox, routed);
        inbox.clear(links.pool());
        if let Some(link) = links.get_mut(from.slot) {
            link.inbox = inbox;
        }

        routed.frames += 1;
        outcome?;
        Ok(input.get(taken..).unwrap_or_default())
    }

    /// Routes the whole frames at the start of `input`, in place, and returns the rest.
    fn route_whole<'a>(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        input: &'a [u8],
        routed: &mut Routed,
    ) -> Result<&'a [u8], CloseReason> {
        let max_packet = self.sizes[from.side].max_packet;
        let mut rest = input;
        let mut run = Run { conn: ConnId::COMMAND, start: 0, packets: 0 };
        let outcome = loop {
            let (frame, after) = match split_frame(rest, max_packet) {
                Ok(Some(split)) => split,
                Ok(None) => break Ok(rest),
                Err(bad) => break Err(bad.into()),
            };

            // A command ends the run before it, so that it is carried out behind the data that precedes it.
            let at = input.len() - rest.len();
            if frame.conn() != run.conn {
                if run.packets > 0 {
                    self.route_run(links, from, run, input, at, routed);
                }
                run = Run { conn: frame.conn(), start: at, packets: 0 };
            }

            rest = after;
            routed.frames += 1;
            if !frame.conn().is_command() {
                run.packets += 1;
            } else if let Err(reason) = self.command(links, from, frame.payload(), routed) {
                break Err(reason);
            }
        };
        if run.packets > 0 {
            self.route_run(links, from, run, input, input.len() - rest.len(), routed);
        }
        outcome
    }

    /// Sends the frames of a run, which ends at `end`, on their way.
    #[inline]
    fn route_run(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        run: Run,
        input: &[u8],
        end: usize,
        routed: &mut Routed,
    ) {
        let bytes = input.get(run.start..end).unwrap_or_default();
        let Some(peer) = self.router.peer(from.slot, from.side, run.conn) else {
            return self.unknown_connection(links, from, run.conn, routed);
        };
        routed.forwarded += run.packets;
        let pressure = if peer.worker == self.delivery.me {
            self.delivery.feed(links, peer.slot, bytes, run.packets, Origin::Others, from.clock)
        } else {
            self.delivery.forward(links, peer, run.conn, run.packets, once(bytes))
        };
        routed.note(pressure);
    }

    /// Routes the frame that was put together in `inbox`.
    fn route_completed(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        inbox: &mut Inbox,
        routed: &mut Routed,
    ) -> Result<(), CloseReason> {
        let Some((header, payload)) = inbox.head().split_first_chunk::<HEADER_BYTES>() else { return Ok(()) };
        let conn = header_conn(*header);
        if conn.is_command() {
            return self.command(links, from, payload, routed);
        }

        let Some(peer) = self.router.peer(from.slot, from.side, conn) else {
            self.unknown_connection(links, from, conn, routed);
            return Ok(());
        };
        routed.forwarded += 1;
        let pressure = if peer.worker == self.delivery.me {
            self.delivery.feed_inbox(links, peer.slot, inbox, from.clock)
        } else {
            self.delivery.forward(links, peer, conn, 1, inbox.chunks().map(Chunk::filled))
        };
        routed.note(pressure);
        Ok(())
    }

    /// Has the router carry out a command of a link.
    fn command(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        payload: &[u8],
        routed: &mut Routed,
    ) -> Result<(), CloseReason> {
        let command = Command::decode(payload)?;
        let decided = self.router.command(from.slot, command, from.second, &mut self.effects);
        routed.note(self.carry_out(links, from.clock));
        Ok(decided?)
    }

    /// Answers data for a connection that the link is no end of.
    fn unknown_connection(&mut self, links: &mut Links, from: Sender<'_>, conn: ConnId, routed: &mut Routed) {
        self.router.unknown_connection(from.slot, conn, &mut self.effects);
        routed.note(self.carry_out(links, from.clock));
    }

    /// Carries out what the router decided.
    fn carry_out(&mut self, links: &mut Links, clock: &TurnClock) -> Option<Bottleneck> {
        let mut pressure = None;
        for effect in self.effects.drain(..) {
            let met = match effect {
                Effect::Tell { slot, command, origin } => {
                    self.delivery.feed(links, slot, &command.encode(), 1, origin, clock)
                }
                Effect::RouterSync { to, sync } => self.delivery.sync(links, to, sync),
            };
            pressure = met.or(pressure);
        }
        pressure
    }

    /// Takes what another worker posted. That worker is told of each server here that has no room for more of it.
    pub(super) fn unpack(&mut self, links: &mut Links, from: WorkerId, batch: Batch, clock: &TurnClock) {
        let mut rest = batch.bytes.as_slice();
        for item in &batch.items {
            let pressure = match item {
                Item::Data { conn, bytes, packets } => {
                    let (frames, after) = rest.split_at_checked(*bytes).unwrap_or((rest, &[]));
                    rest = after;
                    let end = self.router.local_end(*conn);
                    end.and_then(|end| self.delivery.feed(links, end.slot, frames, *packets, Origin::Others, clock))
                }
                Item::RouterSync(sync) => {
                    self.router.synced(from, *sync, &mut self.effects);
                    self.carry_out(links, clock)
                }
            };
            if let Some(Bottleneck::Server(server)) = pressure {
                self.delivery.cross.tell_congested(server, from);
            }
        }
        self.delivery.cross.unpacked(from, batch);
    }

    /// Posts what was collected for other workers.
    pub(super) fn post(&mut self) {
        self.delivery.cross.post(&mut self.delivery.queues);
    }

    /// Tells the other workers that this one has stopped reading.
    pub(super) fn tell_quiesced(&mut self) {
        self.delivery.cross.tell_quiesced(&mut self.delivery.queues);
    }

    /// Gives up the room that nothing was collected in since the last call.
    pub(super) fn trim(&mut self) {
        self.delivery.cross.trim();
    }
}

impl Delivery {
    /// Queues packets for a link of this worker.
    #[inline]
    fn feed(
        &mut self,
        links: &mut Links,
        slot: Slot,
        bytes: &[u8],
        packets: usize,
        origin: Origin,
        clock: &TurnClock,
    ) -> Option<Bottleneck> {
        let server = links.feed(slot, bytes, packets, origin)?;
        Some(self.congested(links, server, clock))
    }

    /// Queues the frame in an inbox for a link of this worker.
    fn feed_inbox(
        &mut self,
        links: &mut Links,
        slot: Slot,
        inbox: &mut Inbox,
        clock: &TurnClock,
    ) -> Option<Bottleneck> {
        let server = links.feed_inbox(slot, inbox)?;
        Some(self.congested(links, server, clock))
    }

    /// Too much waits for a server: whoever sends to it is paused from now on.
    fn congested(&mut self, links: &mut Links, server: LinkAddr, clock: &TurnClock) -> Bottleneck {
        let key = Bottleneck::Server(server);
        if let Some(link) = links.at_mut(server).filter(|link| !link.congested) {
            link.set_congested(true, clock);
            self.queues.congest(key);
        }
        key
    }

    /// Collects frames for a link of another worker.
    #[inline]
    fn forward<'a>(
        &mut self,
        links: &mut Links,
        to: LinkAddr,
        conn: ConnId,
        packets: usize,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Bottleneck> {
        self.cross.forward(to.worker, conn, packets, parts, &mut self.queues);
        links.schedule();
        self.pressure_of(to)
    }

    /// Collects a change of a connection for another worker's router.
    fn sync(&mut self, links: &mut Links, to: WorkerId, sync: RouterSync) -> Option<Bottleneck> {
        self.cross.sync(to, sync, &mut self.queues);
        links.schedule();
        match sync {
            RouterSync::Connect { ends, dialer, .. } => self.pressure_of(ends.other(dialer)),
            // Each is preceded by a Connect, which was held back if need be.
            RouterSync::Close { .. } => None,
        }
    }

    /// What has no room for more for a link of another worker.
    #[inline]
    fn pressure_of(&self, to: LinkAddr) -> Option<Bottleneck> {
        let keys = [Bottleneck::Worker(to.worker), Bottleneck::Server(to)];
        keys.into_iter().find(|key| self.queues.is_congested(*key))
    }
}

impl Routed {
    #[inline]
    fn note(&mut self, pressure: Option<Bottleneck>) {
        self.pressure = pressure.or(self.pressure);
    }
}

fn router_limits(settings: &Settings) -> RouterLimits {
    RouterLimits {
        client_max_conns: settings.client_max_conns,
        max_dials_per_second: settings.limits.max_dials_per_second,
    }
}
