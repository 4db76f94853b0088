//! The sessions of a worker's links: who may resume them, what they have to say by time, and what is left of them.

use std::net::SocketAddr;
use std::time::Instant;

use fastway_session::{Backlog, Resume, Session, Status};
use fastway_transport::Stream;

use super::core::Core;
use crate::mux::accept::turns::Purpose;
use crate::mux::config::SessionConfig;
use crate::mux::link::{CloseReason, HandshakeGuard, RefusedStream};
use crate::mux::routing::{LinkAddr, Side};

/// A resume that was answered.
#[derive(Debug)]
pub(super) enum Answered {
    /// The session goes on by its stream.
    Taken,
    /// The session is over; this tells its peer that all has arrived, or why it was aborted.
    Over(Stream, Vec<u8>),
}

impl Core {
    /// A link was added: if it has a session, that can be resumed from now on.
    pub(super) fn session_begins(&mut self, addr: LinkAddr) {
        let length = self.settings.limits.ipv6_prefix;
        let Some(link) = self.link(addr) else { return };
        let (from, protocol) = (length.prefix_of(link.peer.ip()), link.protocol());
        let Some(names) = link.session_names() else { return };
        self.shared.sessions.insert(addr, from, names);
        self.counters.session_opened(protocol);
        self.after_io(addr.slot);
    }

    /// Ends a session that waited, to make room for others. When it had to, it was taken out of the table of all; it is
    /// there again if its peer has come back before this worker heard of that. Then it lives, and is kept.
    pub(super) fn push_out(&mut self, addr: LinkAddr) {
        if self.link(addr).is_some() && !self.shared.sessions.contains(addr) {
            self.close(addr.slot, &CloseReason::PushedOut);
        }
    }

    /// Sends the acknowledgement that a session owes; it is due by `until`.
    pub(super) fn send_ack(&mut self, addr: LinkAddr, until: Instant) {
        if let Some(link) = self.links.at_mut(addr) {
            link.send_acks(until, &mut self.buffers.sealed, &self.clock);
            self.after_io(addr.slot);
        }
    }

    /// A resume waits for its turn. If it is genuine, its session does not expire while it waits, nor before its peer can be
    /// here again if it gets no turn: from then on there is as much time left as after a cut. Says what it may wait for.
    pub(super) fn keep_for_resume(&mut self, side: Side, addr: LinkAddr, resume: &Resume) -> Purpose {
        let SessionConfig { handshake_time, wait, .. } = self.settings.side(side).session;
        let until = self.clock.read() + handshake_time.unwrap_or(wait) + wait;
        let link = self.links.at_mut(addr).filter(|link| link.role.side() == side);
        let is_newest = link.is_some_and(|link| link.keep_for_resume(resume, until, &mut self.rng));
        if is_newest { Purpose::NewestResume(addr) } else { Purpose::Resume(addr) }
    }

    /// Has a link's session go on by a new stream, once that is proven. While it keeps the guard, the handshake
    /// is in progress.
    ///
    /// # Errors
    /// It is refused.
    pub(super) fn resume(
        &mut self,
        side: Side,
        addr: LinkAddr,
        resume: &Resume,
        stream: Stream,
        peer: SocketAddr,
        handshake: HandshakeGuard,
    ) -> Result<Answered, RefusedStream> {
        let Some((link, pool)) = self.links.with_pool(addr.slot).filter(|(link, _)| link.addr == addr) else {
            return self.resume_ended(addr, resume, stream);
        };
        if link.role.side() != side {
            return Err(RefusedStream { stream, status: Status::Unknown });
        }

        let began = self.clock.read();
        let resumed = link.resume(resume, (stream, peer), handshake, pool, &self.clock, &mut self.rng);
        self.acceptance.computed(self.clock.since(began));
        resumed?;
        if let Some(names) = link.session_names() {
            self.shared.sessions.rename(addr, names);
        }
        self.after_io(addr.slot);
        Ok(Answered::Taken)
    }

    fn resume_ended(&mut self, addr: LinkAddr, resume: &Resume, stream: Stream) -> Result<Answered, RefusedStream> {
        let Some(session) = self.ended.find(addr) else {
            return Err(RefusedStream { stream, status: Status::Expired });
        };
        let nothing = Backlog::new(0);
        let afford = || Some(&nothing);
        match session.resume(resume, afford, self.clock.read(), &mut self.rng) {
            Ok(dial) => {
                self.shared.sessions.rename(addr, session.names());
                Ok(Answered::Over(stream, dial.bytes))
            }
            Err(status) => Err(RefusedStream { stream, status }),
        }
    }

    /// A link with a session is gone. What is left of it is kept for a peer that may want to know how it has ended. One that
    /// was pushed out is not found any more.
    pub(super) fn keep_ended(&mut self, addr: LinkAddr, side: Side, session: Session) {
        if !self.shared.sessions.contains(addr) {
            return self.shared.sessions.remove(addr);
        }
        self.shared.sessions.end(addr);

        let times = self.settings.side(side).session;
        if let Some(forgotten) = self.ended.keep(addr, session, times, self.clock.now()) {
            self.shared.sessions.remove(forgotten);
        }
    }

    /// Forgets the ended sessions whose time is over.
    pub(super) fn forget_late(&mut self, now: Instant) {
        while let Some(forgotten) = self.ended.forget_late(now) {
            self.shared.sessions.remove(forgotten);
        }
    }
}
