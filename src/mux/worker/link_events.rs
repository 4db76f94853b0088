//! The one place that acts on what happened to a link.
//!
//! Whatever may have changed a link (a read, a flush, an acknowledgement, a tick, a resume, the loss of a stream) is followed by
//! [`Core::after_io`], before the worker is given out of hand. So no wake-up is lost: how much waits for a link becomes less in
//! these ways only, and the same call says that its sources may go on. What is fed to a link becomes more; it is flushed in the
//! same turn, which is one of these ways, and only notes the congestion earlier (`Links::feed`). A link that is gone is
//! uncongested in `retire`.

use super::backpressure::Bottleneck;
use super::core::Core;
use super::mail::Message;
use crate::mux::link::events::{LinkEvents, PressureChange, SessionEvents};
use crate::mux::link::{CloseReason, State};
use crate::mux::routing::Slot;

impl Core {
    /// Acts on what happened to a link; to be called after anything that may have changed it.
    #[inline]
    pub(super) fn after_io(&mut self, slot: Slot) {
        let Some((link, bounds)) = self.links.with_bounds(slot) else { return };
        let session = link.session_events(&self.clock);
        let events = link.after_io(bounds, session.as_ref(), &self.clock);
        if !events.is_empty() || session.is_some() {
            self.act_on(slot, events, session.as_ref());
        }
    }

    /// A function of its own, so that its caller is short where nothing follows: after most reads and flushes of plain links.
    #[inline(never)]
    fn act_on(&mut self, slot: Slot, events: LinkEvents, session: Option<&SessionEvents>) {
        if events.held_change != 0 {
            self.account(events.held_change);
        }
        if let Some(session) = session {
            self.act_on_session(slot, session);
        }

        match events.pressure {
            None => {}
            Some(PressureChange::Congested) => self.pause_sources(slot),
            Some(PressureChange::Uncongested) => self.resume_sources(slot),
            Some(PressureChange::TooSlow) => self.close_slow(slot),
        }
        if events.is_done {
            self.remove_done(slot);
        }
    }

    fn act_on_session(&mut self, slot: Slot, events: &SessionEvents) {
        self.counters.session_events(events);
        if events.interrupted > 0
            && let Some(link) = self.links.get(slot)
        {
            self.link_log.interrupted(link);
        }
        if events.resumed > 0 {
            self.session_resumed(slot);
        }
        if let Some(bytes) = events.waiting_bytes {
            self.session_waits(slot, bytes);
        }
        if let Some(due) = events.ack_due
            && let Some(addr) = self.links.get(slot).map(|link| link.addr)
        {
            self.schedule_ack(due, addr);
        }
        if events.wants_flush {
            self.links.mark_dirty(slot);
        }

        if let Some(end) = events.ended
            && self.links.get(slot).is_some_and(|link| link.state == State::Open)
        {
            self.close(slot, &CloseReason::Session(end));
        }
        if events.peer_closed {
            self.close_gently(slot, &CloseReason::EndOfStream);
        }
    }

    fn session_resumed(&mut self, slot: Slot) {
        let Some(link) = self.links.get(slot) else { return };
        let Some(names) = link.session_names() else { return };
        self.shared.sessions.resumed(link.addr, self.settings.limits.ipv6_prefix.prefix_of(link.peer.ip()), names);
        self.link_log.resumed(link);
    }

    /// Counts what a waiting session keeps, and ends the sessions that have to make room.
    fn session_waits(&mut self, slot: Slot, bytes: usize) {
        let Some(link) = self.links.get(slot) else { return };
        for pushed_out in self.shared.sessions.wait(link.addr, bytes) {
            self.shared.mailboxes.send(pushed_out.worker, Message::PushOut(pushed_out));
        }
    }

    fn close_slow(&mut self, slot: Slot) {
        let Some(link) = self.links.get(slot) else { return };
        let waiting = link.waiting();
        self.close(slot, &CloseReason::TooSlow { packets: waiting.packets, bytes: waiting.bytes });
    }

    /// A server that too much waited for is gone.
    pub(super) fn uncongested(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot).filter(|link| link.congested) else { return };
        link.set_congested(false, &self.clock);
        self.resume_sources(slot);
    }

    fn pause_sources(&mut self, slot: Slot) {
        if let Some(link) = self.links.get(slot) {
            self.forwarding.congest(Bottleneck::Server(link.addr));
        }
    }

    /// Those who were paused go on, here and on the workers that were told of the congestion.
    fn resume_sources(&mut self, slot: Slot) {
        let Some(addr) = self.links.get(slot).map(|link| link.addr) else { return };
        self.forwarding.uncongest_server(&mut self.links, addr);
    }
}
