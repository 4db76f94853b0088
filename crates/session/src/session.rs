//! [`Session`]: one interface for both protocols (`docs/protocol.md` §2 and §3) and both ends.

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

use crate::legacy::LegacySession;
use crate::request::OpenKind;
use crate::secure::record::MAX_RECORD_BYTES;
use crate::secure::{SecureSession, message as secure};
use crate::{
    AbortReason, Dial, End, Event, Fault, Identity, KeyPair, LegacyConfig, Limits, Names, Open, Pattern, Received,
    ReplayBuffer, Resume, Status, TransportId,
};

/// A byte stream in each direction that outlives its transports. It does no I/O and reads no clock: bytes, time and
/// randomness are arguments; bytes, deadlines and [`Event`]s are results.
///
/// ```text
///                ┌────── Established ─────┐              ┌──────── Resumed ────────┐
///                │                        ▼              │                         ▼
///   new ──▶ Interrupted                 Live ──cut, fault, connect──▶ Interrupted ──wait time──▶ Ended
///                └──patience──▶ Ended     ├──proof on a newer transport──▶ Live
///                                         └──closed on both sides, aborted, fault of the peer──▶ Ended
/// ```
///
/// The owner
/// * appends data to its [`ReplayBuffer`], up to its own bound, and calls [`Session::send`];
/// * reads a transport into the space of [`Session::read_into`], and calls [`Session::receive_read`];
/// * acts on [`Session::poll_event`] after each call, and calls [`Session::tick`] at [`Session::timeout`].
pub struct Session(Machine);

/// The state machine of one of the two protocols. Boxed, as an owner keeps many sessions and the two differ in size.
enum Machine {
    Secure(Box<SecureSession>),
    Legacy(Box<LegacySession>),
}

/// The number of candidates of a legacy session, see [`Session::resume`], that its owner should keep. The initiator's
/// proof must arrive before so many further resumes: at a round trip of 100 ms, an attacker has to repeat a recorded
/// one 160 times a second to keep the initiator out.
pub const MAX_CANDIDATES: usize = 16;

/// The smallest buffer to read into, in bytes: it must hold a whole record.
pub const MIN_READ_BYTES: usize = MAX_RECORD_BYTES;

impl Session {
    /// An initiator's secure session. It ends unless [`Self::connect`] has opened it within `patience`.
    pub fn secure(identity: Identity, patience: Duration, now: Instant) -> Self {
        SecureSession::initiator(identity, patience, now).into()
    }

    /// An initiator's legacy session. It ends unless [`Self::connect`] has opened it within `patience`, which is its
    /// wait time as well.
    pub fn legacy(config: LegacyConfig, patience: Duration, now: Instant) -> Self {
        LegacySession::initiator(config, patience, now).into()
    }

    /// Initiator: opens or resumes the session on a new transport, and returns its first bytes. The older transport is
    /// given up. The initiator sends nothing else before [`Event::Established`] or [`Event::Resumed`].
    ///
    /// # Errors
    /// The session has ended, or this is an acceptor.
    pub fn connect(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        match &mut self.0 {
            Machine::Secure(session) => session.connect(now, rng),
            Machine::Legacy(session) => session.connect(now, rng),
        }
    }

    /// Initiator: opens or resumes the session on one more transport, beside others without a reply. The first one with
    /// a reply carries the session; [`Event::GivenUp`] names the others. When a secure session is resumed, attempts
    /// newer than the answered one remain until the acceptor acknowledges something: it may have switched to one of
    /// them, and then [`Event::Resumed`] follows once more (`docs/protocol.md` §3.4, 8).
    ///
    /// # Errors
    /// The session has ended or has a live transport, or this is an acceptor.
    pub fn connect_beside(&mut self, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        match &mut self.0 {
            Machine::Secure(session) => session.connect_beside(rng),
            Machine::Legacy(session) => session.connect_beside(rng),
        }
    }

    /// Acceptor: replies to a resume that names this session. The older transport stays live until the proof on the new
    /// one, reported by [`Event::Resumed`]. [`Self::names`] may have changed.
    ///
    /// A transport without its proof is a candidate. In a secure session a newer candidate replaces the one before,
    /// since only the initiator can make one. In a legacy session it does not, since an attacker can repeat a recorded
    /// resume: each candidate has a challenge of its own, and the first proof ends all others. The owner bounds their
    /// number, to [`MAX_CANDIDATES`] for instance, and gives up candidates with [`Self::transport_lost`].
    ///
    /// `afford` is called when all other checks have passed, so for authentic resumes only. It returns `None` if there
    /// is no time for a Diffie-Hellman, else the owner's buffer, whose first bytes travel with the reply. A legacy
    /// session does not call it.
    ///
    /// A session that this end has aborted replies as well, with the abort behind the reply: the other end may have
    /// missed it.
    ///
    /// # Errors
    /// The status of the refusal ([`Resume::refusal`]). The session is unchanged.
    pub fn resume<'b, B: ReplayBuffer + 'b>(
        &mut self,
        resume: &Resume,
        afford: impl FnOnce() -> Option<&'b B>,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Dial, Status> {
        match (&mut self.0, resume) {
            (Machine::Secure(session), resume) => {
                session.resume(&resume.as_secure().ok_or(Status::Unknown)?, afford, now, rng)
            }
            (Machine::Legacy(session), resume) => session.resume(&resume.as_legacy().ok_or(Status::Unknown)?, now, rng),
        }
    }

    /// Acceptor: a resume that names this session waits for its turn, or will be refused as overloaded. If it is
    /// authentic and newer than any before, a session without a transport does not expire before `until`, as its
    /// initiator is present. The check takes hashing alone. Returns whether that is so: then older resumes in the queue
    /// are stale. A reconnect of a legacy session has no number: its wait time at most doubles, and the result is
    /// false.
    pub fn postpone_expiry(&mut self, resume: &Resume, until: Instant, rng: &mut impl CryptoRng) -> bool {
        match &mut self.0 {
            Machine::Secure(session) => {
                resume.as_secure().is_some_and(|resume| session.postpone_expiry(&resume, until, rng))
            }
            Machine::Legacy(session) => {
                if let Some(reconnect) = resume.as_legacy() {
                    session.postpone_expiry(&reconnect, until);
                }
                false
            }
        }
    }

    /// The space for the next read of a transport: `room` behind the bytes of an incomplete message, which are copied
    /// to its front. It is never empty if `room` has [`MIN_READ_BYTES`].
    ///
    /// ```no_run
    /// # use std::{io::Read, net::TcpStream, time::Instant};
    /// # use fastway_session::{Backlog, MIN_READ_BYTES, Received, Session, TransportId};
    /// # fn read(
    /// #     session: &mut Session, transport: TransportId, stream: &mut TcpStream, unacked: &mut Backlog,
    /// # ) -> std::io::Result<Received> {
    /// let mut room = vec![0; MIN_READ_BYTES];
    /// let count = stream.read(session.read_into(transport, &mut room))?;
    /// let received = session.receive_read(transport, &mut room, count, Instant::now(), unacked);
    /// let plaintext = &room[..received.bytes];
    /// # let _ = plaintext;
    /// # Ok(received)
    /// # }
    /// ```
    pub fn read_into<'room>(&self, from: TransportId, room: &'room mut [u8]) -> &'room mut [u8] {
        let unfinished = self.unfinished(from);
        match room.split_at_mut_checked(unfinished.len()) {
            Some((front, space)) => {
                front.copy_from_slice(unfinished);
                space
            }
            None => &mut [],
        }
    }

    /// Receives `count` bytes that were read into the space of [`Self::read_into`]. New bytes of the stream are moved
    /// to the front of `room`. Bytes that the other end acknowledges are released from `buffer`.
    ///
    /// After a fault the session has forgotten the transport: close it.
    pub fn receive_read(
        &mut self,
        from: TransportId,
        room: &mut [u8],
        count: usize,
        now: Instant,
        buffer: &mut impl ReplayBuffer,
    ) -> Received {
        let filled = self.unfinished(from).len() + count;
        self.receive(from, room.get_mut(..filled).unwrap_or_default(), now, buffer)
    }

    /// The bytes of an incomplete message. They precede the next bytes read from that transport.
    pub(crate) fn unfinished(&self, of: TransportId) -> &[u8] {
        match &self.0 {
            Machine::Secure(session) => session.unfinished(of),
            Machine::Legacy(session) => session.unfinished(of),
        }
    }

    /// Receives `bytes`, which begin with [`Self::unfinished`].
    pub(crate) fn receive(
        &mut self,
        from: TransportId,
        bytes: &mut [u8],
        now: Instant,
        buffer: &mut impl ReplayBuffer,
    ) -> Received {
        debug_assert!(bytes.starts_with(self.unfinished(from)), "what was left comes first");
        match &mut self.0 {
            Machine::Secure(session) => session.receive(from, bytes, now, buffer),
            Machine::Legacy(session) => session.receive(from, bytes, now),
        }
    }

    /// Appends to `out` the bytes to send on the live transport now, until it has `room` bytes more or nothing is left.
    /// It may exceed that by one record. Each byte is returned once per transport: write all of `out`, in order, or
    /// give up the transport.
    pub fn send(&mut self, now: Instant, buffer: &mut impl ReplayBuffer, out: &mut Vec<u8>, room: usize) {
        match &mut self.0 {
            Machine::Secure(session) => session.send(now, buffer, out, room),
            Machine::Legacy(session) => session.send(buffer, out, room),
        }
    }

    /// Whether [`Self::send`] has something to send.
    pub fn has_output(&self, now: Instant, buffer: &impl ReplayBuffer) -> bool {
        match &self.0 {
            Machine::Secure(session) => session.has_output(now, buffer),
            Machine::Legacy(session) => session.has_output(buffer),
        }
    }

    /// A transport has ended or failed. A replaced one changes nothing. The end can complete a refusal, which is then
    /// returned: an overloaded acceptor of an older version sends one byte and closes.
    pub fn transport_lost(&mut self, id: TransportId, now: Instant) -> Option<Fault> {
        match &mut self.0 {
            Machine::Secure(session) => session.transport_lost(id, now),
            Machine::Legacy(session) => {
                session.transport_lost(id, now);
                None
            }
        }
    }

    /// Initiator: the time that the acceptor asks to wait before the next [`Self::connect`], if the last refusal was
    /// [`Status::Overloaded`] with such a time. It is not authenticated: bound it.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.0 {
            Machine::Secure(session) => session.retry_after(),
            Machine::Legacy(_) => None,
        }
    }

    /// Closes this direction behind the bytes in the buffer. Append nothing from now on. The session ends when the
    /// other end has closed as well and everything has arrived (`docs/protocol.md` §3.5), a legacy session when
    /// everything is sent.
    ///
    /// An acceptor should keep a session that ended with [`End::Closed`] for the time of a handshake: an initiator that
    /// missed the last acknowledgement resumes once more to get it. An aborted session should be kept for its wait
    /// time, for the same reason.
    pub fn close(&mut self) {
        match &mut self.0 {
            Machine::Secure(session) => session.close(),
            Machine::Legacy(session) => session.close(),
        }
    }

    /// Whether [`Self::close`] was called.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            Machine::Secure(session) => session.is_closed(),
            Machine::Legacy(session) => session.is_closed(),
        }
    }

    /// Ends the session at once. Call [`Self::send`] once more: it returns the abort for the other end.
    pub fn abort(&mut self, reason: AbortReason) {
        match &mut self.0 {
            Machine::Secure(session) => session.abort(reason),
            Machine::Legacy(session) => session.abort(reason),
        }
    }

    /// The oldest event that was not returned yet.
    pub fn poll_event(&mut self) -> Option<Event> {
        match &mut self.0 {
            Machine::Secure(session) => session.lifecycle.poll_event(),
            Machine::Legacy(session) => session.lifecycle.poll_event(),
        }
    }

    /// The time to call [`Self::tick`], and [`Self::send`] after it.
    pub fn timeout(&self) -> Option<Instant> {
        match &self.0 {
            Machine::Secure(session) => session.timeout(),
            Machine::Legacy(session) => session.timeout(),
        }
    }

    /// Acts on everything that is due. May be called early or late.
    pub fn tick(&mut self, now: Instant) {
        match &mut self.0 {
            Machine::Secure(session) => session.tick(now),
            Machine::Legacy(session) => session.tick(now),
        }
    }

    /// Acceptor: the names by which the session can be resumed. [`Self::resume`] and [`Event::Resumed`] change them.
    pub fn names(&self) -> Names {
        match &self.0 {
            Machine::Secure(session) => session.names(),
            Machine::Legacy(session) => session.names(),
        }
    }

    /// Excludes the last `bytes` received bytes from acknowledgements until this is called with less. An owner that
    /// reads ahead of its user slows down the other end in this way. It does not undo acknowledgements, and a resume
    /// reports all received bytes. Legacy sessions have no acknowledgements.
    pub fn withhold(&mut self, bytes: usize, now: Instant) {
        if let Machine::Secure(session) = &mut self.0 {
            session.withhold(bytes, now);
        }
    }

    /// Count of received bytes, plus one for the close.
    pub fn received(&self) -> u64 {
        match &self.0 {
            Machine::Secure(session) => session.received(),
            Machine::Legacy(session) => session.received(),
        }
    }

    /// Bytes in the session's own replay buffer, beside the owner's. A secure session has none.
    pub fn replay_bytes(&self) -> usize {
        match &self.0 {
            Machine::Secure(_) => 0,
            Machine::Legacy(session) => session.replay_bytes(),
        }
    }

    #[cfg(test)]
    pub(crate) fn lie_about_received(&mut self, more: u64) {
        if let Machine::Secure(session) = &mut self.0 {
            session.lie_about_received(more);
        }
    }

    /// Why the session has ended; `None` while it lives.
    pub fn end(&self) -> Option<End> {
        match &self.0 {
            Machine::Secure(session) => session.lifecycle.end(),
            Machine::Legacy(session) => session.lifecycle.end(),
        }
    }
}

impl Open {
    /// Makes the session, at the cost of two or three Diffie-Hellmans, which an acceptor should bound. It is a
    /// handshake until [`crate::Event::Established`] reports that the initiator has read the reply; only then the
    /// session exists for its user.
    ///
    /// # Errors
    /// The status of the refusal ([`Self::refusal`]).
    pub fn accept(
        &self,
        keys: Option<&KeyPair>,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(Session, Dial), Status> {
        match &self.0 {
            OpenKind::Legacy { public } => {
                let (session, dial) = LegacySession::accept(*public, limits, now, rng)?;
                Ok((session.into(), dial))
            }
            OpenKind::Secure(hello) => {
                let Ok(Some(secure::Hello::Open { pattern, head, message })) = secure::Hello::decode(hello) else {
                    return Err(Status::NotAuthentic);
                };
                let pattern = Pattern::from_byte(pattern).ok_or(Status::NotAdmitted)?;
                let (session, dial) = SecureSession::accept(pattern, head, message, keys, limits, now, rng)?;
                Ok((session.into(), dial))
            }
        }
    }
}

impl From<SecureSession> for Session {
    fn from(session: SecureSession) -> Self {
        Self(Machine::Secure(Box::new(session)))
    }
}

impl From<LegacySession> for Session {
    fn from(session: LegacySession) -> Self {
        Self(Machine::Legacy(Box::new(session)))
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let machine = match &self.0 {
            Machine::Secure(_) => "Session::Secure",
            Machine::Legacy(_) => "Session::Legacy",
        };
        f.debug_struct(machine).field("received", &self.received()).field("end", &self.end()).finish_non_exhaustive()
    }
}
