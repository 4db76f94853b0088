//! The sessions of a worker's links: what happens to them, who may resume them, and their bounds while they wait.

use std::net::SocketAddr;
use std::time::Instant;

use fastway_service::AddressPrefix;
use fastway_session::{Backlog, End, Resume, Session, Status};
use tokio::net::TcpStream;

use super::core::Core;
use super::ended::Ended;
use super::mail::Message;
use crate::accept::resume_end::ResumeEnd;
use crate::accept::turns::Purpose;
use crate::config::SessionConfig;
use crate::link::{CloseReason, HandshakeGuard, RefusedStream, SessionEvent, State};
use crate::routing::{LinkAddr, Side, Slot};

/// A resume that was answered.
#[derive(Debug)]
pub(super) enum Answered {
    /// The session goes on by its stream.
    Taken,
    /// The session is over; this tells its peer that all has arrived, or why it was aborted.
    Over(TcpStream, Vec<u8>),
}

impl Core {
    /// A link with a session was added: from now on it can be resumed.
    pub(super) fn session_begins(&mut self, addr: LinkAddr) {
        let Some(link) = self.link(addr) else { return };
        let Some(session) = link.session() else { return };
        let (names, from, kind) = (session.names(), AddressPrefix::from(link.peer.ip()), session.kind());
        self.shared.sessions.insert(addr, from, names);
        self.stats.sessions.opened(kind);
        self.handle_session_events(addr.slot);
    }

    /// Acts on what happened to a link's session, and sees to it that what it has to say is sent.
    pub(super) fn handle_session_events(&mut self, slot: Slot) {
        while let Some(event) = self.next_session_event(slot) {
            match event {
                SessionEvent::Resumed(peer) => self.session_resumed(slot, peer),
                SessionEvent::Interrupted => self.session_interrupted(slot),
                SessionEvent::GivenUp => self.stats.sessions.resume_ended(ResumeEnd::NotProven),
                SessionEvent::PeerClosed => self.close_gently(slot, &CloseReason::EndOfStream),
                SessionEvent::Ended(end) => self.session_ended(slot, &CloseReason::Session(end)),
            }
        }
        self.plan_session(slot);
        self.judge(slot);
    }

    fn next_session_event(&mut self, slot: Slot) -> Option<SessionEvent> {
        let (session, ..) = self.links.get_mut(slot.index())?.session_parts()?;
        session.next_event()
    }

    fn session_resumed(&mut self, slot: Slot, peer: SocketAddr) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        link.resumed(peer);
        let Some(session) = link.session() else { return };
        self.shared.sessions.resumed(link.addr, AddressPrefix::from(peer.ip()), session.names());
        self.stats.sessions.resume_ended(ResumeEnd::Resumed);
        self.link_log.resumed(link);
        link.wake();
    }

    fn session_interrupted(&mut self, slot: Slot) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        link.interrupted();
        self.stats.sessions.interrupted += 1;
        self.link_log.interrupted(link);
        self.account_for_waiting(slot);
    }

    /// Counts what a waiting session keeps, and ends the sessions that have to make room.
    pub(super) fn account_for_waiting(&mut self, slot: Slot) {
        let Some(link) = self.links.get(slot.index()) else { return };
        let Some(session) = link.session().filter(|session| session.is_waiting()) else { return };
        let bytes = session.buffered_bytes() + link.outbox.waiting().bytes + link.inbox.received();
        for pushed_out in self.shared.sessions.wait(link.addr, bytes) {
            self.shared.mailboxes.send(pushed_out.worker, Message::PushOut(pushed_out));
        }
    }

    /// Ends a session that waited, to make room for others. When it had to, it was taken out of the table of all; it is
    /// there again if its peer has come back before this worker heard of that. Then it lives, and is kept.
    pub(super) fn push_out(&mut self, addr: LinkAddr) {
        if self.link(addr).is_some() && !self.shared.sessions.contains(addr) {
            self.close(addr.slot, &CloseReason::PushedOut);
        }
    }

    fn session_ended(&mut self, slot: Slot, reason: &CloseReason) {
        match self.links.get(slot.index()).map(|link| link.state) {
            Some(State::Open) => self.close(slot, reason),
            Some(State::Closing { .. }) => self.remove_if_done(slot),
            None => {}
        }
    }

    /// Notes when acknowledgements are due, and has the link flushed when there is something to send.
    fn plan_session(&mut self, slot: Slot) {
        let now = Instant::now();
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        let addr = link.addr;
        let Some((session, outbox, _)) = link.session_parts() else { return };
        let acknowledged = session.take_acknowledged();
        let mut ack_at = None;
        if !session.ack_scheduled
            && let Some(at) = session.ack_due(now)
        {
            session.ack_scheduled = true;
            ack_at = Some(at);
        }
        let wants_to_send = session.wants_to_send(outbox, now);
        link.watch.progressed |= acknowledged;
        if wants_to_send {
            self.mark_dirty(slot);
        }
        if let Some(at) = ack_at {
            self.schedule_ack(at, addr);
        }
    }

    /// Sends the acknowledgement that a session owes; it is due by `until`.
    pub(super) fn send_ack(&mut self, addr: LinkAddr, until: Instant) {
        let mut sealed = std::mem::take(&mut self.sealed);
        if let Some((session, _, mut cx)) = self.link(addr).and_then(|link| link.session_parts()) {
            session.ack_scheduled = false;
            session.send_due(until, &mut cx, &mut sealed);
        }
        self.sealed = sealed;
        if self.link(addr).is_some() {
            self.handle_session_events(addr.slot);
        }
    }

    /// A resume waits for its turn. If it is genuine, its session does not expire while it waits, nor before its peer can be
    /// here again if it gets no turn: from then on there is as much time left as after a cut. Says what it may wait for.
    pub(super) fn keep_for_resume(&mut self, side: Side, addr: LinkAddr, resume: &Resume) -> Purpose {
        let SessionConfig { handshake_time, wait, .. } = self.config.settings.side(side).session;
        let until = Instant::now() + handshake_time.unwrap_or(wait) + wait;
        let link = self.link(addr).filter(|link| link.role.side() == side);
        let parts = link.and_then(|link| link.session_parts());
        let is_newest = parts.is_some_and(|(session, ..)| session.keep_for_resume(resume, until));
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
        stream: TcpStream,
        peer: SocketAddr,
        handshake: HandshakeGuard,
    ) -> Result<Answered, RefusedStream> {
        let Some(link) = self.links.get_mut(addr.slot.index()).filter(|link| link.addr == addr) else {
            return self.resume_ended(addr, resume, stream);
        };
        let same_port = link.role.side() == side;
        let Some((session, outbox, _)) = link.session_parts().filter(|_| same_port) else {
            return Err(RefusedStream { stream, status: Status::Unknown });
        };
        let began = Instant::now();
        let resumed = session.resume(resume, (stream, peer), handshake, outbox, &mut self.pool);
        self.turns.computed(began.elapsed());
        resumed?;
        self.shared.sessions.rename(addr, session.names());
        link.wake();
        self.handle_session_events(addr.slot);
        Ok(Answered::Taken)
    }

    fn resume_ended(&mut self, addr: LinkAddr, resume: &Resume, stream: TcpStream) -> Result<Answered, RefusedStream> {
        let Some(ended) = self.ended.find(addr) else {
            return Err(RefusedStream { stream, status: Status::Expired });
        };
        let nothing = Backlog::new(0);
        let afford = || Some(&nothing);
        match ended.session.resume(resume, afford, Instant::now(), &mut rand::rng()) {
            Ok(dial) => {
                self.shared.sessions.rename(addr, ended.session.names());
                Ok(Answered::Over(stream, dial.bytes))
            }
            Err(status) => Err(RefusedStream { stream, status }),
        }
    }

    /// A link with a session is gone; `ended` is left of it if its peer may want to know how. One that was pushed out is
    /// not found any more.
    pub(super) fn session_gone(&mut self, addr: LinkAddr, side: Side, ended: Option<Session>) {
        let Some(session) = ended.filter(|_| self.shared.sessions.contains(addr)) else {
            return self.shared.sessions.remove(addr);
        };
        self.shared.sessions.end(addr);
        let SessionConfig { handshake_time, wait, .. } = self.config.settings.side(side).session;
        let time = if session.end() == Some(End::Closed) { handshake_time.unwrap_or(wait) } else { wait };
        let until = Instant::now() + time;
        if let Some(forgotten) = self.ended.keep(Ended { addr, session, until }) {
            self.shared.sessions.remove(forgotten);
        }
    }

    /// Forgets the ended sessions whose time is over.
    pub(super) fn forget_late(&mut self, now: Instant) {
        while let Some(forgotten) = self.ended.forget_late(now) {
            self.shared.sessions.remove(forgotten);
        }
    }

    /// Lets time pass for a session; what is to be said about its silence is its owner's business.
    pub(super) fn tick_session(&mut self, slot: Slot, now: Instant) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        let Some((session, ..)) = link.session_parts() else { return };
        session.tick(now);
        self.handle_session_events(slot);
    }

    /// Gives up the stream of a link's session: the session waits for another one.
    pub(super) fn drop_stream(&mut self, slot: Slot) {
        let parts = self.links.get_mut(slot.index()).and_then(|link| link.session_parts());
        if let Some((session, ..)) = parts {
            session.drop_stream();
            self.handle_session_events(slot);
        }
    }

    /// Begins the end of a session whose link closes in good order.
    pub(super) fn close_session(&mut self, slot: Slot, reason: &CloseReason) {
        let Some(link) = self.links.get_mut(slot.index()) else { return };
        let Some((session, outbox, _)) = link.session_parts() else { return };
        match reason {
            CloseReason::EndOfStream => session.close(outbox, &mut self.pool),
            _ => session.abort_when_sent(reason.abort_reason()),
        }
        self.mark_dirty(slot);
    }

    /// Tells the peer of a session that it is over, if that can be done at once.
    pub(super) fn abort_session(&mut self, slot: Slot, reason: &CloseReason) {
        let mut sealed = std::mem::take(&mut self.sealed);
        let parts = self.links.get_mut(slot.index()).and_then(|link| link.session_parts());
        if let Some((session, ..)) = parts {
            session.abort(reason.abort_reason(), &mut sealed);
        }
        self.sealed = sealed;
    }
}
