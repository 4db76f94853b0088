//! The state that sessions of both protocols share: events for the owner, ids of transports, the wait time, the end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{End, Fault, Status, TransportId};

/// An event of a session, for its owner to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The other end has proven itself: data may flow. The first event, and only once.
    Established {
        /// The first proven transport.
        transport: TransportId,
    },
    /// The session continues on another transport.
    Resumed {
        /// The new transport.
        transport: TransportId,
        /// The older transport, if there was one. Close it.
        replaced: Option<TransportId>,
    },
    /// The other end has acknowledged something on the live transport, so it uses the same one. In a legacy session,
    /// which has no acknowledgements: it has sent something. Initiator only.
    Confirmed {
        /// The live transport.
        transport: TransportId,
    },
    /// The session has lost its transport.
    Interrupted {
        /// The lost transport.
        transport: TransportId,
    },
    /// A transport ends without having been proven. Close it.
    GivenUp {
        /// That transport.
        transport: TransportId,
    },
    /// The acceptor refused an attempt (initiator only). Try again later, unless [`Event::Ended`] follows.
    Refused(Status),
    /// The other end has closed its direction: no more bytes come.
    PeerClosed,
    /// The session has ended, the last event. Send what [`crate::Session::send`] still returns, then close the
    /// transport.
    Ended(End),
}

/// Events, wait time and end of a session.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    events: VecDeque<Event>,
    end: Option<End>,
    transports: u32,
    /// How long the session lives without a transport.
    pub(crate) wait: Duration,
    expires: Option<Instant>,
    /// Without a transport, the session does not expire before this.
    postponed: Option<Instant>,
    /// Whether the last refusal said that the acceptor is overloaded. Then this is the reason when the wait time ends.
    is_overloaded: bool,
}

impl Lifecycle {
    /// A session that must be established within `patience`, and then waits for up to `wait` each time.
    pub(crate) fn new(now: Instant, patience: Duration, wait: Duration) -> Self {
        Self {
            events: VecDeque::new(),
            end: None,
            transports: 0,
            wait,
            expires: Some(now + patience),
            postponed: None,
            is_overloaded: false,
        }
    }

    /// The id of the next transport.
    pub(crate) fn next_transport_id(&mut self) -> TransportId {
        self.transports += 1;
        TransportId(self.transports)
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.events = VecDeque::new();
            // An idle session keeps no memory for events.
        }
        event
    }

    /// Nothing follows the end.
    pub(crate) fn emit(&mut self, event: Event) {
        if self.end.is_none() {
            self.events.push_back(event);
        }
    }

    /// A transport carries the session.
    pub(crate) fn connected(&mut self) {
        self.expires = None;
        self.postponed = None;
        self.is_overloaded = false;
    }

    /// A session without a transport, now or soon, does not expire before `until`.
    pub(crate) fn postpone(&mut self, until: Instant) {
        self.postponed = self.postponed.max(Some(until));
    }

    /// The other end has refused (initiator).
    pub(crate) fn refused(&mut self, status: Status) {
        self.is_overloaded = status == Status::Overloaded;
        self.emit(Event::Refused(status));
    }

    /// The live transport is lost: the wait time begins, unless it has begun.
    pub(crate) fn interrupted(&mut self, transport: TransportId, now: Instant) {
        self.expires.get_or_insert(now + self.wait);
        self.emit(Event::Interrupted { transport });
    }

    /// Ends the session. Only the first end counts.
    pub(crate) fn finish(&mut self, end: End) {
        if self.end.is_none() {
            self.emit(Event::Ended(end));
            self.end = Some(end);
            self.expires = None;
        }
    }

    /// Ends the session if the fault says that it has ended.
    pub(crate) fn finish_by(&mut self, fault: &Fault) {
        if let Fault::Over(end) = fault {
            self.finish(*end);
        }
    }

    /// The end of the wait time, postponed or not.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.expires.map(|at| self.postponed.map_or(at, |postponed| postponed.max(at)))
    }

    /// The end of the wait time without postponement.
    pub(crate) fn expires_at_first(&self) -> Option<Instant> {
        self.expires
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if self.expires().is_some_and(|at| at <= now) {
            self.finish(if self.is_overloaded { End::Refused(Status::Overloaded) } else { End::Expired });
        }
    }
}
