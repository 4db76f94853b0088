//! What follows from something that happened to a link: asked after every read, flush, acknowledgement, tick and resume.

use super::events::{LinkEvents, PressureChange, SessionEvents};
use super::pressure::{Bounds, Pressure};
use super::session::SessionEvent;
use super::stream::LinkStream;
use super::turn_clock::TurnClock;
use super::{Link, ReadPause, State, WaitReason};
use crate::mux::routing::Side;

impl Link {
    /// What happened to the link since the last call, and what follows for others. What follows for the link itself is done.
    /// `session` is what [`Link::session_events`] has said just before.
    ///
    /// How much waits is not judged while the link is on the list of those to be flushed: it is flushed before the turn ends,
    /// and judged then.
    #[inline]
    pub(crate) fn after_io(
        &mut self,
        bounds: &Bounds,
        session: Option<&SessionEvents>,
        clock: &TurnClock,
    ) -> LinkEvents {
        let mut events = LinkEvents { held_change: self.held_change(), ..LinkEvents::default() };
        if self.dirty || session.is_some_and(|session| session.wants_flush) {
            return events;
        }

        match self.state {
            // Whatever waits for it waits no more.
            State::Open if session.is_some_and(SessionEvents::close_link) => {}
            State::Open => events.pressure = self.pressure_change(bounds, clock),
            State::Closing { .. } => events.is_done = self.is_done(),
        }
        events
    }

    /// Notes that so much waits for the link, a server's, that its sources are to be paused; or that there is room again.
    pub(crate) fn set_congested(&mut self, congested: bool, clock: &TurnClock) {
        self.congested = congested;
        self.waits.set(WaitReason::OutboxFull, congested, clock);
    }

    /// By how much what is held for the link, a client's, has changed since it was accounted for.
    #[inline]
    fn held_change(&mut self) -> isize {
        if self.role.side() != Side::Client {
            return 0;
        }
        let held = self.held_bytes();
        held.wrapping_sub(std::mem::replace(&mut self.accounted_bytes, held)).cast_signed()
    }

    /// Holds what waits for the link against its bounds, and pauses or reads the link accordingly.
    #[inline]
    fn pressure_change(&mut self, bounds: &Bounds, clock: &TurnClock) -> Option<PressureChange> {
        let before = Pressure {
            unread_replies: self.pause.contains(ReadPause::UNREAD_REPLIES),
            congested: self.congested,
            over_since: self.watch.over_since,
            too_slow: false,
        };
        let pressure = before.judge(bounds, self.waiting(), self.is_interrupted(), || clock.counted());
        if pressure == before { None } else { self.change_pressure(before, pressure, clock) }
    }

    /// What follows from a judgement that differs from the one before.
    fn change_pressure(&mut self, before: Pressure, pressure: Pressure, clock: &TurnClock) -> Option<PressureChange> {
        self.pause_for_replies(pressure.unread_replies, clock);
        if pressure.over_since != before.over_since {
            self.watch.over_since = pressure.over_since;
            self.waits.set(WaitReason::OutboxFull, pressure.over_since.is_some(), clock);
        }

        if pressure.too_slow {
            return Some(PressureChange::TooSlow);
        }
        if pressure.congested == before.congested {
            return None;
        }
        self.set_congested(pressure.congested, clock);
        Some(if pressure.congested { PressureChange::Congested } else { PressureChange::Uncongested })
    }

    /// What happened to the link's session since the last call, and what it needs; `None`: nothing, or it has none.
    #[inline]
    pub(crate) fn session_events(&mut self, clock: &TurnClock) -> Option<SessionEvents> {
        match self.stream {
            LinkStream::Plain(_) => None,
            LinkStream::Session(_) => self.take_session_events(clock),
        }
    }

    /// A function of its own, so that plain links pass it by.
    #[inline(never)]
    fn take_session_events(&mut self, clock: &TurnClock) -> Option<SessionEvents> {
        let mut events = SessionEvents::default();
        while let Some(event) = self.stream.next_event() {
            match event {
                SessionEvent::Resumed(peer) => {
                    self.resumed(peer, clock);
                    events.resumed += 1;
                }
                SessionEvent::Interrupted => {
                    self.interrupted(clock);
                    events.interrupted += 1;
                }
                SessionEvent::GivenUp => events.given_up += 1,
                SessionEvent::PeerClosed => events.peer_closed = true,
                SessionEvent::Ended(end) => events.ended = Some(end),
            }
        }

        let LinkStream::Session(session) = &mut self.stream else { return None };
        self.watch.progressed |= session.take_acknowledged();
        events.ack_due = session.schedule_ack(clock.now());
        events.wants_flush = session.wants_to_send(&self.outbox, clock.now());
        let of_link = self.outbox.waiting().bytes + self.inbox.received();
        events.waiting_bytes = session.take_waiting_bytes(of_link);
        if events.wants_flush {
            // Its stream has taken meanwhile what it had not: the flush need not wait for the task.
            self.block(false, clock);
        }
        (events != SessionEvents::default()).then_some(events)
    }
}
