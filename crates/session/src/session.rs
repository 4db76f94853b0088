//! One interface for both protocols and both ends.

use std::slice;
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

/// A byte stream in each direction that outlives its transports. It does no I/O: bytes, time and randomness go in,
/// bytes, times and [`Event`]s come out.
///
/// ```text
///                ┌────── Established ─────┐              ┌──────── Resumed ────────┐
///                │                        ▼              │                         ▼
///   new ──▶ Interrupted                 Live ──cut, fault, connect──▶ Interrupted ──wait time──▶ Ended
///                └──patience──▶ Ended     ├──proof on a newer transport──▶ Live
///                                         └──closed on both sides, aborted, fault of the peer──▶ Ended
/// ```
///
/// What the owner does:
/// * it appends what it has to say to its [`ReplayBuffer`], never more than its bound, and calls [`Session::send`];
/// * it reads a transport into the space that [`Session::read_into`] gives, and calls [`Session::receive_read`];
/// * it acts on [`Session::poll_event`] after each call, and calls [`Session::tick`] at [`Session::timeout`].
pub struct Session(Machine);

/// The state machine of one of the two protocols. Boxed, as an owner keeps many that differ in size.
enum Machine {
    Secure(Box<SecureSession>),
    Legacy(Box<LegacySession>),
}

/// Candidates of a legacy session, see [`Session::resume`], that its owner should keep at most. An initiator gets in if his
/// proof comes before that many further resumes: at a round trip of 100 ms an attacker has to repeat one 160 times a second to
/// keep him out.
pub const MAX_CANDIDATES: usize = 16;

/// The least that a buffer to read into must hold: a whole record.
pub const MIN_READ_BYTES: usize = MAX_RECORD_BYTES;

impl Session {
    /// A secure session, to be opened by [`Self::connect`] within `patience`.
    pub fn secure(identity: Identity, patience: Duration, now: Instant) -> Self {
        SecureSession::initiator(identity, patience, now).into()
    }

    /// A legacy session, to be opened by [`Self::connect`] within `patience`, which is its wait time, too.
    pub fn legacy(config: LegacyConfig, patience: Duration, now: Instant) -> Self {
        LegacySession::initiator(config, patience, now).into()
    }

    /// Initiator: opens or resumes the session by a new transport, whose first bytes are returned. The older transport
    /// is given up. Until [`Event::Established`] or [`Event::Resumed`] nothing else is sent.
    ///
    /// # Errors
    /// The session is over, or not an initiator's.
    pub fn connect(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        match &mut self.0 {
            Machine::Secure(session) => session.connect(now, rng),
            Machine::Legacy(session) => session.connect(now, rng),
        }
    }

    /// Initiator: opens or resumes the session by one more transport, beside others whose first messages are not answered
    /// yet. The first that is answered carries the session, and [`Event::GivenUp`] tells which ones are of no more use. Of
    /// a secure session that is resumed, newer ones than the one that carries it stay until that is acknowledged: the
    /// acceptor may go on by one of them, and then [`Event::Resumed`] follows once more.
    ///
    /// # Errors
    /// The session is over, not an initiator's, or carried by a transport.
    pub fn connect_beside(&mut self, rng: &mut impl CryptoRng) -> Result<Dial, Fault> {
        match &mut self.0 {
            Machine::Secure(session) => session.connect_beside(rng),
            Machine::Legacy(session) => session.connect_beside(rng),
        }
    }

    /// Acceptor: replies to a resume that names this session. The older transport is not touched until the new one has
    /// proven itself, which [`Event::Resumed`] tells; [`Self::names`] may have changed.
    ///
    /// A transport that waits for its proof is a candidate. In a secure session a newer candidate replaces the one before,
    /// since only the initiator can make one. In a legacy session it does not, since an attacker can record a resume and
    /// repeat it: each candidate has a challenge of its own, and the first proof ends all others. The owner bounds their
    /// number, to [`MAX_CANDIDATES`] for instance, and gives candidates up by [`Self::transport_lost`].
    ///
    /// `afford` is asked once everything else is right, so after the resume was found authentic: `None` if there is no
    /// time for a Diffie-Hellman, else the owner's buffer, of which the first bytes travel with the reply. A legacy
    /// session asks nothing.
    ///
    /// A session that this end has aborted replies as well, and says so behind the reply: the other end may not have
    /// heard of it.
    ///
    /// # Errors
    /// What to refuse it with ([`Resume::refusal`]). The session is as before.
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

    /// Acceptor: a resume that names this session waits for its turn, or is to be refused as overloaded. If it is genuine,
    /// and newer than any before, a session without a transport does not expire before `until`: its initiator is there.
    /// That takes hashing alone. Says whether it is so, and those that wait are of no more use. In a legacy session a reconnect
    /// has no number: the wait gets at most twice as long, and nothing is known of others.
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

    /// Where to read what comes next by a transport: the space of `room` behind what was received of a message in part,
    /// which is copied to its front. There is some if `room` holds [`MIN_READ_BYTES`].
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

    /// Receives `count` bytes that were read into the space that [`Self::read_into`] gave. The stream's new bytes are left
    /// at the front of `room`. What the other end acknowledges is released from `buffer`.
    ///
    /// After a fault the session does not know the transport any more: close it.
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

    /// What was received of a message in part. It stands in front of what is read next from that transport.
    pub(crate) fn unfinished(&self, of: TransportId) -> &[u8] {
        match &self.0 {
            Machine::Secure(session) => session.unfinished(of),
            Machine::Legacy(session) => session.unfinished(of),
        }
    }

    /// The same, of bytes that begin with [`Self::unfinished`].
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

    /// Appends to `out` what is to be sent by the live transport now: about `room` bytes at most, and one record more.
    /// Sends nothing twice, so `out` must reach the transport, in order, or the transport be given up.
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

    /// A transport has ended or failed. One that was replaced changes nothing. The fault, if there is one, is what the end
    /// makes of the bytes before it: an acceptor of an older version that is overloaded sends one byte and closes.
    pub fn transport_lost(&mut self, id: TransportId, now: Instant) -> Option<Fault> {
        match &mut self.0 {
            Machine::Secure(session) => session.transport_lost(id, now),
            Machine::Legacy(session) => {
                session.transport_lost(id, now);
                None
            }
        }
    }

    /// Initiator: how long the acceptor wants it to wait before it calls [`Self::connect`] again, if the last refusal was
    /// [`Status::Overloaded`] and said that. It is not authenticated: bound it.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.0 {
            Machine::Secure(session) => session.retry_after(),
            Machine::Legacy(_) => None,
        }
    }

    /// Ends this direction behind what is in the buffer, to which nothing may be appended from now on. The session is
    /// over when the other end has closed as well, and everything has arrived. A legacy session is over when all is
    /// sent.
    ///
    /// An acceptor should keep a session that has ended with [`End::Closed`] for the time of a handshake: an initiator
    /// that has missed the last acknowledgement resumes once more to learn that all has arrived, and is told so. The same
    /// goes for one that it has aborted, for as long as the initiator may come back.
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

    /// Ends the session at once. What [`Self::send`] gives once more tells the other end.
    pub fn abort(&mut self, reason: AbortReason) {
        match &mut self.0 {
            Machine::Secure(session) => session.abort(reason),
            Machine::Legacy(session) => session.abort(reason),
        }
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        match &mut self.0 {
            Machine::Secure(session) => session.lifecycle.poll_event(),
            Machine::Legacy(session) => session.lifecycle.poll_event(),
        }
    }

    /// When [`Self::tick`] is to be called, and [`Self::send`] after it.
    pub fn timeout(&self) -> Option<Instant> {
        match &self.0 {
            Machine::Secure(session) => session.timeout(),
            Machine::Legacy(session) => session.timeout(),
        }
    }

    /// Time has passed. Early or late calls do no harm.
    pub fn tick(&mut self, now: Instant) {
        match &mut self.0 {
            Machine::Secure(session) => session.tick(now),
            Machine::Legacy(session) => session.tick(now),
        }
    }

    /// The names by which it can be resumed (acceptor). They change by [`Self::resume`] and with [`Event::Resumed`].
    pub fn names(&self) -> Names {
        match &self.0 {
            Machine::Secure(session) => session.names(),
            Machine::Legacy(session) => session.names(),
        }
    }

    /// Has the last `bytes` received not be acknowledged until this is called again with less: so whoever reads ahead of
    /// its user holds the other end back. What was acknowledged stays so, and a resume tells of all that was received.
    /// Legacy sessions acknowledge nothing.
    pub fn withhold(&mut self, bytes: usize, now: Instant) {
        if let Machine::Secure(session) = &mut self.0 {
            session.withhold(bytes, now);
        }
    }

    /// Count of what was received: bytes, and one for the close.
    pub fn received(&self) -> u64 {
        match &self.0 {
            Machine::Secure(session) => session.received(),
            Machine::Legacy(session) => session.received(),
        }
    }

    /// Bytes in the replay buffer that the session itself has, beside the owner's: none in a secure session.
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

    /// Why it is over, if it is.
    pub fn end(&self) -> Option<End> {
        match &self.0 {
            Machine::Secure(session) => session.lifecycle.end(),
            Machine::Legacy(session) => session.lifecycle.end(),
        }
    }
}

impl Open {
    /// Makes the session, at the cost of two or three Diffie-Hellmans, which an acceptor should bound. The session
    /// exists for its user with [`crate::Event::Established`], when the initiator has proven to have read the reply;
    /// until then it is a handshake.
    ///
    /// # Errors
    /// What to refuse it with ([`Self::refusal`]).
    pub fn accept(
        &self,
        keys: Option<&KeyPair>,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<(Session, Dial), Status> {
        self.accept_by_any(keys.map(slice::from_ref).unwrap_or_default(), limits, now, rng)
    }

    /// As [`Self::accept`], with the one of several keys that the initiator has pinned, so that players with the old key
    /// get in while others have the new one. A key further down the list costs its initiators one Diffie-Hellman more for each
    /// key above it.
    ///
    /// # Errors
    /// What to refuse it with ([`Self::refusal`]).
    pub fn accept_by_any(
        &self,
        keys: &[KeyPair],
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
