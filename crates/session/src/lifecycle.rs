//! What every session has, whatever its protocol: events for its owner, transports' names, an end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{End, Fault, Status, TransportId};

/// What happened to a session, for its owner to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The other end has proven itself: data may flow. Comes first, and once.
    Established {
        /// The session's first proven transport.
        transport: TransportId,
    },
    /// The session goes on by another transport.
    Resumed {
        /// The new one.
        transport: TransportId,
        /// The older one, if there still was one. It is of no more use: close it.
        replaced: Option<TransportId>,
    },
    /// The other end has acknowledged something by the transport in use, so it goes on by that as well. Of a legacy session,
    /// which knows no acknowledgements: it has sent something (initiator only).
    Confirmed {
        /// That one.
        transport: TransportId,
    },
    /// The session has no transport.
    Interrupted {
        /// The one that it had.
        transport: TransportId,
    },
    /// A transport that was never proven is given up: close it.
    GivenUp {
        /// That one.
        transport: TransportId,
    },
    /// The acceptor refused (initiator only). Try again later, unless [`Event::Ended`] follows.
    Refused(Status),
    /// The other end has closed its direction: no byte follows.
    PeerClosed,
    /// The session is over. What [`crate::Session::send`] still gives is worth sending; then close the transport. Comes
    /// last.
    Ended(End),
}

/// The life of a session, for its end and its owner.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    events: VecDeque<Event>,
    end: Option<End>,
    transports: u32,
    /// For how long the session lives without a transport.
    pub(crate) wait: Duration,
    expires: Option<Instant>,
    /// Without a transport, it does not expire before this.
    postponed: Option<Instant>,
    /// The last answer to this end was that the other one is overloaded.
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

    pub(crate) fn name_transport(&mut self) -> TransportId {
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
        }
        event
    }

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

    pub(crate) fn interrupted(&mut self, transport: TransportId, now: Instant) {
        self.expires.get_or_insert(now + self.wait);
        self.emit(Event::Interrupted { transport });
    }

    /// The first end counts.
    pub(crate) fn finish(&mut self, end: End) {
        if self.end.is_none() {
            self.emit(Event::Ended(end));
            self.end = Some(end);
            self.expires = None;
        }
    }

    /// If a fault says that the session is over, it is.
    pub(crate) fn finish_by(&mut self, fault: &Fault) {
        if let Fault::Over(end) = fault {
            self.finish(*end);
        }
    }

    /// When the wait time is over, postponed or not.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.expires.map(|at| self.postponed.map_or(at, |postponed| postponed.max(at)))
    }

    /// When it would be over if nothing had postponed it.
    pub(crate) fn expires_at_first(&self) -> Option<Instant> {
        self.expires
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if self.expires().is_some_and(|at| at <= now) {
            self.finish(if self.is_overloaded { End::Refused(Status::Overloaded) } else { End::Expired });
        }
    }
}
