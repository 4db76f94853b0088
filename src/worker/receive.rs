//! From a socket to the outboxes: reads a link and routes what it sent, a run of frames at a time.

use std::task::{Context, Poll};

use fastway_service::wake::wake_after_look;
use fastway_wire::{ConnId, HEADER_BYTES, header_conn, split_frame};

use super::backpressure::Bottleneck;
use super::core::Core;
use crate::accept::first_bytes::Mistake;
use crate::link::{CloseReason, Inbox, Progress, Sizes, State, WaitReason};
use crate::pool::Chunk;
use crate::routing::{LinkAddr, Origin, Role, Side, Slot};

/// Reads that a link may do before the other links of the worker have their turn.
const READS_PER_WAKE: usize = 2;
/// Bytes that one read takes from a client of a server that is congested, and from any while memory is short, so that
/// those who feed it stop soon.
const CONGESTED_READ_BYTES: usize = 4 << 10;
/// Connections of a client that are looked at for whether their server is congested.
const SERVERS_LOOKED_AT: usize = 16;
/// Partial frames up to this size are copied once more, so that they do not occupy a whole chunk each.
const HAND_OVER_BYTES: usize = 8 << 10;

/// Consecutive frames of one connection; they are looked up and copied together.
#[derive(Clone, Copy)]
struct Run {
    conn: ConnId,
    start: usize,
    packets: usize,
}

impl Core {
    /// The body of a link's task: sends what the transport now takes, reads what there is. Ready when the link is gone.
    pub(super) fn poll_link(&mut self, addr: LinkAddr, cx: &mut Context<'_>) -> Poll<()> {
        let Some(link) = self.link(addr) else { return Poll::Ready(()) };
        link.register(cx.waker());
        if link.blocked {
            self.flush(addr.slot);
        }
        for _ in 0..READS_PER_WAKE {
            match self.poll_receive(addr, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(reason)) => self.end(addr.slot, &reason),
                Poll::Pending if self.link(addr).is_some() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(()),
            }
        }
        wake_after_look(cx.waker());
        Poll::Pending
    }

    /// A peer that ended its stream still gets what waits for it; any other reason closes the link at once.
    fn end(&mut self, slot: Slot, reason: &CloseReason) {
        match reason {
            CloseReason::EndOfStream => self.close_gently(slot, reason),
            CloseReason::Mistake(mistake) => {
                if let Some(link) = self.links.get(slot.index()) {
                    link.send_before_close(mistake.answer());
                }
                self.close(slot, reason);
            }
            _ => self.close(slot, reason),
        }
    }

    /// Reads once. Pending when there is nothing to read, or when the link must not be read now.
    fn poll_receive(&mut self, addr: LinkAddr, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let Some(limit) = self.read_limit(addr) else { return self.read_ahead(addr, cx).map(Ok) };
        let mut scratch = std::mem::take(&mut self.scratch);
        let polled = self.link(addr).map_or(Poll::Pending, |link| link.poll_recv(cx, &mut scratch, limit));
        let result = polled.map(|received| match received {
            Ok(bytes) => self.received(addr, scratch.get(..bytes).unwrap_or_default()),
            Err(reason) => Err(reason),
        });
        self.scratch = scratch;
        if result.is_ready() {
            // What a session holds is accounted for with its events.
            match self.link(addr).map(|link| link.session().is_some()) {
                Some(true) => self.handle_session_events(addr.slot),
                Some(false) => self.account_for_held(addr.slot),
                None => {}
            }
        }
        result
    }

    /// Reads a session of a link that is not to be read, for the acknowledgements in it: without them nothing more could
    /// be sent to its peer.
    fn read_ahead(&mut self, addr: LinkAddr, cx: &mut Context<'_>) -> Poll<()> {
        let reading = self.stop.is_reading();
        let Some(link) = self.link(addr).filter(|link| reading && link.state == State::Open) else {
            return Poll::Pending;
        };
        if link.session().is_none() {
            return Poll::Pending;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let parts = self.link(addr).and_then(|link| link.session_parts());
        let polled = parts.map_or(Poll::Pending, |(session, ..)| session.poll_read_ahead(cx, &mut scratch));
        self.scratch = scratch;
        if polled.is_ready() {
            self.handle_session_events(addr.slot);
        }
        polled
    }

    /// How many bytes may be read from a link now; `None`: it is not to be read.
    #[inline]
    fn read_limit(&mut self, addr: LinkAddr) -> Option<usize> {
        if self.waits_for_memory(addr) {
            return None;
        }
        let is_congested = self.shared.memory.account.is_short() || self.feeds_something_congested(addr);
        let most = if is_congested { CONGESTED_READ_BYTES } else { self.scratch.len() };
        let limited = self.config.settings.limits.max_bytes_per_second.is_some();
        let reading = self.stop.is_reading();
        let link = self.link(addr)?;
        let limit = link.read_limit.bytes().min(most);
        match link.state {
            State::Closing { peer_sends, .. } => (peer_sends || link.session().is_some()).then_some(limit),
            State::Open if !reading || !link.pause.is_empty() => None,
            State::Open if limited && link.role == Role::Client => link.watch.within_allowance(limit),
            State::Open => Some(limit),
        }
    }

    /// Whether a client has a connection to something that is congested; it may be about to send there.
    #[inline]
    fn feeds_something_congested(&self, addr: LinkAddr) -> bool {
        if self.backpressure.is_empty() {
            return false;
        }
        let mut servers = self.router.servers_of(addr.slot).take(SERVERS_LOOKED_AT);
        servers.any(|server| {
            self.backpressure.is_congested(Bottleneck::Server(server))
                || self.backpressure.is_congested(Bottleneck::Worker(server.worker))
        })
    }

    fn received(&mut self, addr: LinkAddr, input: &[u8]) -> Result<(), CloseReason> {
        self.take_bottleneck();
        let limited = self.config.settings.limits.max_bytes_per_second.is_some();
        let Some(link) = self.link(addr).filter(|link| link.state == State::Open) else { return Ok(()) };
        let side = link.role.side();
        link.watch.heard = true;
        if input.is_empty() {
            return Ok(());
        }
        link.watch.allowance = link.watch.allowance.saturating_sub(input.len() as u64);
        if limited && link.watch.allowance == 0 && side == Side::Client {
            link.waits.begin(WaitReason::ByteRate);
        }
        let is_first = link.traffic.received_bytes == 0;
        link.traffic.received_bytes += input.len() as u64;
        let before = link.traffic.received_frames;
        let mistake = if is_first { self.mistake(addr, input) } else { None };
        let routed = mistake.map_or_else(|| self.route(addr.slot, side, input), |mistake| Err(mistake.into()));
        let mut frames = 0;
        if let Some(link) = self.link(addr) {
            frames = link.traffic.received_frames - before;
            link.note_partial();
            if side == Side::Client {
                link.read_limit.adapt(input.len(), frames);
            }
        }
        self.stats.received(side, input.len(), frames);
        self.pause_reading(addr, side);
        routed
    }

    /// Whether a plain client's first bytes begin no frame but something else.
    fn mistake(&mut self, addr: LinkAddr, first: &[u8]) -> Option<Mistake> {
        let side = Side::Client;
        let is_frame = matches!(split_frame(first, self.config.startup.max_packet), Ok(Some(_)));
        let admitted = self.config.settings.side(side).kinds;
        self.link(addr).filter(|link| link.role == Role::Client && link.session().is_none() && !is_frame)?;
        Mistake::in_frames(admitted, side, first)
    }

    /// Pauses a link that feeds something congested, and one that does not take the answers to its own requests: at once,
    /// not when it is judged after the flush, so that it sends no more than one read beyond that.
    fn pause_reading(&mut self, addr: LinkAddr, side: Side) {
        // What has room again by now would be congested for this link alone, and nobody would say that it is not.
        let bottleneck = self.take_bottleneck().filter(|key| self.backpressure.is_congested(*key));
        let bounds = self.bounds[side];
        let Some(link) = self.link(addr) else { return };
        if bounds.has_unread_replies(link.waiting()) {
            link.pause_for_replies(true);
        }
        if let Some(key) = bottleneck {
            link.pause_for_backpressure();
            self.backpressure.wait(key, addr);
            self.stats.sources_paused += 1;
        }
    }

    fn route(&mut self, slot: Slot, side: Side, input: &[u8]) -> Result<(), CloseReason> {
        let rest = self.complete(slot, side, input)?;
        let (rest, frames) = self.route_whole(slot, side, rest);
        if let Some(link) = self.links.get_mut(slot.index()) {
            link.traffic.received_frames += frames;
        }
        let rest = rest?;
        if rest.is_empty() {
            return Ok(());
        }
        let sizes = self.inbox_sizes(side);
        let Some(link) = self.links.get_mut(slot.index()) else { return Ok(()) };
        link.inbox.fill(&mut self.pool, sizes, rest)?;
        Ok(())
    }

    /// Completes the frame that earlier reads cut off, if there is one, and returns the input after it.
    fn complete<'a>(&mut self, slot: Slot, side: Side, input: &'a [u8]) -> Result<&'a [u8], CloseReason> {
        let sizes = self.inbox_sizes(side);
        let Some(link) = self.links.get_mut(slot.index()) else { return Ok(&[]) };
        if link.inbox.is_empty() {
            return Ok(input);
        }
        let Progress::Complete(taken) = link.inbox.fill(&mut self.pool, sizes, input)? else { return Ok(&[]) };
        let mut inbox = std::mem::take(&mut link.inbox);
        let routed = self.route_completed(slot, side, &mut inbox);
        inbox.clear(&mut self.pool);
        if let Some(link) = self.links.get_mut(slot.index()) {
            link.traffic.received_frames += 1;
            link.inbox = inbox;
        }
        routed?;
        Ok(input.get(taken..).unwrap_or_default())
    }

    fn inbox_sizes(&self, side: Side) -> Sizes {
        Sizes { max_packet: self.config.startup.max_packet, first_bytes: self.config.settings.side(side).buffer_bytes }
    }

    /// Routes the whole frames at the start of `input`, in place, and returns the rest and how many they were.
    fn route_whole<'a>(&mut self, slot: Slot, side: Side, input: &'a [u8]) -> (Result<&'a [u8], CloseReason>, u64) {
        let mut rest = input;
        let mut frames = 0;
        let mut run = Run { conn: ConnId::COMMAND, start: 0, packets: 0 };
        let outcome = loop {
            let (frame, after) = match split_frame(rest, self.config.startup.max_packet) {
                Ok(Some(split)) => split,
                Ok(None) => break Ok(rest),
                Err(bad) => break Err(bad.into()),
            };
            let at = input.len() - rest.len();
            if frame.conn() != run.conn {
                self.route_run(slot, side, run, input, at);
                run = Run { conn: frame.conn(), start: at, packets: 0 };
            }
            rest = after;
            frames += 1;
            if !frame.conn().is_command() {
                run.packets += 1;
            } else if let Err(reason) = self.command(slot, frame.payload()) {
                break Err(reason);
            }
        };
        self.route_run(slot, side, run, input, input.len() - rest.len());
        (outcome, frames)
    }

    /// Sends the frames of a run, which ends at `end`, on their way.
    #[inline]
    fn route_run(&mut self, slot: Slot, side: Side, run: Run, input: &[u8], end: usize) {
        let Some(bytes) = input.get(run.start..end).filter(|_| run.packets > 0) else { return };
        match self.router.peer(slot, side, run.conn) {
            Some(peer) => {
                self.stats.forwarded(side, run.packets);
                if peer.worker == self.me {
                    self.feed(peer.slot, bytes, run.packets, Origin::Others);
                } else {
                    self.forward_remote(peer, run.conn, run.packets, std::iter::once(bytes));
                }
            }
            None => self.unknown_connection(slot, run.conn),
        }
    }

    /// Routes the frame that was put together in `inbox`; a large one is handed over without a copy.
    fn route_completed(&mut self, slot: Slot, side: Side, inbox: &mut Inbox) -> Result<(), CloseReason> {
        let Some((header, payload)) = inbox.head().split_first_chunk::<HEADER_BYTES>() else { return Ok(()) };
        let conn = header_conn(*header);
        if conn.is_command() {
            return self.command(slot, payload);
        }
        let Some(peer) = self.router.peer(slot, side, conn) else {
            self.unknown_connection(slot, conn);
            return Ok(());
        };
        self.stats.forwarded(side, 1);
        if peer.worker != self.me {
            self.forward_remote(peer, conn, 1, inbox.chunks().map(Chunk::filled));
        } else if let Some(link) = self.links.get_mut(peer.slot.index()).filter(|link| !link.write_failed) {
            if inbox.received() > HAND_OVER_BYTES {
                link.outbox.append_chunks(inbox.take());
            } else {
                link.outbox.append_parts(&mut self.pool, inbox.chunks().map(Chunk::filled));
            }
            self.fed(peer.slot);
        }
        Ok(())
    }
}
