//! What a worker counts. It is published as [`Stats`].

use std::time::{Duration, Instant};

use fastway_session::{Protocol, Status};

use super::report::{SideReport, Stats};
use crate::mux::accept::rejection::RejectionKind;
use crate::mux::accept::resume_end::ResumeEnd;
use crate::mux::link::events::SessionEvents;
use crate::mux::link::{CloseKind, Link, WaitReport};
use crate::mux::routing::{PerSide, Side};

/// What a worker has counted since it started: plain additions by its one thread.
#[derive(Debug, Default)]
pub(super) struct Counters {
    stats: Stats,
    /// How long links that are gone were held up.
    past_waits: PerSide<WaitReport>,
}

impl Counters {
    /// All counts so far.
    pub(super) fn stats(&self) -> Stats {
        self.stats
    }

    /// How long links that are gone were held up.
    pub(super) fn past_waits(&self) -> PerSide<WaitReport> {
        self.past_waits
    }

    /// How the links of each side stand, with what those that are gone were held up.
    pub(super) fn describe<'a>(&self, links: impl Iterator<Item = &'a Link>, now: Instant) -> PerSide<SideReport> {
        let mut sides = PerSide::<SideReport>::default();
        for side in Side::ALL {
            sides[side].count_waits(&self.past_waits[side]);
        }
        for link in links {
            sides[link.role.side()].count(link, now);
        }
        sides
    }

    pub(super) fn link_opened(&mut self, side: Side) {
        self.stats.sides[side].opened += 1;
    }

    pub(super) fn link_closed(&mut self, side: Side, kind: CloseKind) {
        self.stats.sides[side].closed[kind] += 1;
    }

    /// A link is gone, and was held up like that.
    pub(super) fn link_removed(&mut self, side: Side, waits: &WaitReport) {
        self.past_waits[side].iter_mut().for_each(|(reason, past)| past.add(waits[reason]));
    }

    /// One read brought so many bytes, and completed so many frames, of which so many were data that was forwarded.
    #[inline]
    pub(super) fn received(&mut self, side: Side, bytes: usize, frames: u64, forwarded: usize) {
        let stats = &mut self.stats.sides[side];
        stats.received_bytes += bytes as u64;
        stats.forwarded += forwarded as u64;
        stats.reads.observe(frames);
    }

    /// One flush sent so many bytes, and so many whole frames.
    #[inline]
    pub(super) fn sent(&mut self, side: Side, bytes: usize, frames: usize) {
        let stats = &mut self.stats.sides[side];
        stats.sent_bytes += bytes as u64;
        if bytes > 0 {
            stats.writes.observe(frames as u64);
        }
    }

    /// A sweep asked for the round-trip time of a link.
    pub(super) fn round_trip(&mut self, side: Side, time: Duration) {
        self.stats.sides[side].round_trips.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// A link is not read for want of room behind it.
    pub(super) fn source_paused(&mut self) {
        self.stats.sources_paused += 1;
    }

    /// A link was cut off while the gateway stops, with so many bytes left for its peer.
    pub(super) fn undelivered(&mut self, bytes: usize) {
        self.stats.undelivered.links += 1;
        self.stats.undelivered.bytes += bytes as u64;
    }

    /// A stream was rejected, on a port with sessions or without.
    pub(super) fn rejected(&mut self, kind: RejectionKind, with_sessions: bool) {
        self.stats.rejections.count(kind, with_sessions);
    }

    /// Accepting pauses, since as many were accepted as may be in a second.
    pub(super) fn accept_paused(&mut self) {
        self.stats.accept_pauses += 1;
    }

    pub(super) fn accept_failed(&mut self) {
        self.stats.accept_errors += 1;
    }

    pub(super) fn session_opened(&mut self, protocol: Protocol) {
        match protocol {
            Protocol::Legacy => self.stats.sessions.opened_legacy += 1,
            Protocol::Secure | Protocol::Plain => self.stats.sessions.opened_secure += 1,
        }
    }

    /// Something happened to a session.
    pub(super) fn session_events(&mut self, events: &SessionEvents) {
        let sessions = &mut self.stats.sessions;
        sessions.interrupted += events.interrupted;
        sessions.resumes[ResumeEnd::Resumed] += events.resumed;
        sessions.resumes[ResumeEnd::NotProven] += events.given_up;
    }

    /// An open or a resume was refused with this status.
    pub(super) fn refused(&mut self, status: Status) {
        self.stats.sessions.refused[status.into()] += 1;
    }

    /// A resume was refused.
    pub(super) fn resume_refused(&mut self) {
        self.stats.sessions.resumes[ResumeEnd::Refused] += 1;
    }
}

#[cfg(test)]
mod tests {
    use fastway_admin::observe::Wait;

    use super::*;
    use crate::mux::accept::refusal::RefusalKind;
    use crate::mux::link::WaitReason;

    #[test]
    fn reads_and_flushes_count_on_their_side_alone() {
        let mut counters = Counters::default();
        counters.received(Side::Client, 100, 3, 2);
        counters.received(Side::Client, 10, 0, 0);
        counters.sent(Side::Server, 72, 1);
        counters.sent(Side::Server, 0, 0);
        let PerSide { client, server } = counters.stats().sides;
        assert_eq!((client.received_bytes, client.forwarded, client.sent_bytes), (110, 2, 0));
        assert_eq!((server.received_bytes, server.forwarded, server.sent_bytes), (0, 0, 72));
        assert_eq!((client.reads.count(), server.writes.count()), (2, 1), "a flush that sends nothing is none");
    }

    #[test]
    fn a_closed_link_is_not_there_any_more() {
        let mut counters = Counters::default();
        (0..3).for_each(|_| counters.link_opened(Side::Server));
        counters.link_closed(Side::Server, CloseKind::Idle);
        let PerSide { client, server } = counters.stats().sides;
        assert_eq!((client.links(), server.links(), server.closed[CloseKind::Idle]), (0, 2, 1));
    }

    #[test]
    fn what_links_that_are_gone_waited_for_stays_in_the_report() {
        let mut counters = Counters::default();
        let mut waits = WaitReport::default();
        waits[WaitReason::ByteRate] = Wait { count: 2, total: Duration::from_secs(3), lasting: None };
        (0..2).for_each(|_| counters.link_removed(Side::Client, &waits));
        let PerSide { client, server } = counters.describe(std::iter::empty(), Instant::now());
        let held_up = client.held_up[WaitReason::ByteRate];
        assert_eq!((held_up.now, held_up.count, held_up.total), (0, 4, Duration::from_secs(6)));
        assert_eq!(server, SideReport::default());
    }

    #[test]
    fn sessions_are_counted_by_what_becomes_of_them() {
        let mut counters = Counters::default();
        counters.session_opened(Protocol::Legacy);
        counters.session_opened(Protocol::Secure);
        counters.session_events(&SessionEvents { interrupted: 2, resumed: 1, given_up: 3, ..SessionEvents::default() });
        counters.refused(Status::Expired);
        counters.resume_refused();
        let sessions = counters.stats().sessions;
        assert_eq!((sessions.opened_legacy, sessions.opened_secure, sessions.interrupted), (1, 1, 2));
        let resumes = [ResumeEnd::Resumed, ResumeEnd::NotProven, ResumeEnd::Refused].map(|end| sessions.resumes[end]);
        assert_eq!(resumes, [1, 3, 1]);
        assert_eq!(sessions.refused[RefusalKind::from(Status::Expired)], 1);
    }
}
