//! Counts of both directions of a stream: sent, received, acknowledged (`docs/protocol.md` §3.2, §3.4).

use std::time::{Duration, Instant};

use crate::{ReplayBuffer, SessionError};

/// So many received bytes are acknowledged at once; fewer wait for more.
const ACK_AT_ONCE_BYTES: u64 = 16 << 10;
/// An acknowledgement waits at most this long for data to travel with.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// The direction that this end sends. The close counts as one byte behind the last.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Count that the other end has received.
    acknowledged: u64,
    /// The highest count sent on any transport.
    sent: u64,
    close: Close,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Close {
    #[default]
    None,
    Wanted,
    Acknowledged,
}

/// What a transport has to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes, from this place in the replay buffer on.
    Bytes {
        from: usize,
        bytes: usize,
    },
    /// The close.
    Close,
    Nothing,
}

impl Outgoing {
    /// Ends the stream behind what the owner has written.
    pub(super) fn close(&mut self) {
        if self.close == Close::None {
            self.close = Close::Wanted;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.close != Close::None
    }

    /// Whether the other end has acknowledged everything, the close included.
    pub(super) fn is_done(&self) -> bool {
        self.close == Close::Acknowledged
    }

    /// Whether a transport can begin at `count`.
    pub(super) fn can_continue_from(&self, count: u64) -> bool {
        (self.acknowledged..=self.sent).contains(&count)
    }

    /// Takes a count that the other end acknowledges. It is an error above `sent`, what this transport has sent, or
    /// below what was acknowledged before.
    pub(super) fn acknowledge(
        &mut self,
        count: u64,
        sent: u64,
        buffer: &mut impl ReplayBuffer,
    ) -> Result<(), SessionError> {
        let acknowledged = self.acknowledged;
        if count < acknowledged || count > sent {
            return Err(SessionError::BadCount { count, acknowledged, sent });
        }

        let newly = usize::try_from(count - acknowledged).unwrap_or(usize::MAX);
        let bytes = newly.min(buffer.len());
        if bytes > 0 {
            buffer.release(bytes);
        }
        // The close is the byte behind the buffer's last one.
        if newly > bytes {
            self.close = Close::Acknowledged;
        }

        self.acknowledged = count;
        Ok(())
    }

    /// What a transport at `cursor` has to send next, of the `unacked` bytes in the buffer.
    pub(super) fn next(&self, cursor: u64, unacked: usize) -> Next {
        let from = usize::try_from(cursor.saturating_sub(self.acknowledged)).unwrap_or(usize::MAX);
        match unacked.checked_sub(from) {
            Some(0) if self.close == Close::Wanted => Next::Close,
            Some(bytes @ 1..) => Next::Bytes { from, bytes },
            _ => Next::Nothing,
        }
    }

    /// A transport has sent everything before `cursor`.
    pub(super) fn advance(&mut self, cursor: u64) {
        self.sent = self.sent.max(cursor);
    }

    /// Whether a transport that begins at `count` can still send everything from there on: nothing behind it was
    /// released.
    pub(super) fn check_start(&self, count: u64) -> Result<(), SessionError> {
        let (acknowledged, sent) = (self.acknowledged, self.sent);
        if count < acknowledged { Err(SessionError::BadCount { count, acknowledged, sent }) } else { Ok(()) }
    }
}

/// The direction that this end receives.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    received: u64,
    /// What the live transport brought, repeated or new. An acknowledgement may not exceed it: the other end checks it
    /// against what it has sent on this transport.
    given: u64,
    /// How many of the last bytes received are not acknowledged for now.
    withheld: u64,
    /// Count of the last acknowledgement.
    acked_to_peer: u64,
    ack_due: Option<Instant>,
    closed: bool,
}

impl Incoming {
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes `bytes` bytes at `position` of the stream. Returns how many are new, the last ones: the others came on an
    /// earlier transport.
    pub(super) fn take(&mut self, position: u64, bytes: usize, now: Instant) -> Result<usize, SessionError> {
        let end = position.saturating_add(bytes as u64);
        let fresh = end.saturating_sub(self.received);
        if fresh > 0 && self.closed {
            return Err(SessionError::AfterClose);
        }

        self.reach(end, now);
        Ok(usize::try_from(fresh).map_or(bytes, |fresh| fresh.min(bytes)))
    }

    /// Takes the close at `position`, and says whether it is new.
    pub(super) fn close(&mut self, position: u64, now: Instant) -> Result<bool, SessionError> {
        let end = position.saturating_add(1);
        let is_new = position >= self.received;
        if is_new && self.closed {
            return Err(SessionError::AfterClose);
        }

        self.closed |= is_new;
        self.reach(end, now);
        Ok(is_new)
    }

    /// The live transport has brought everything before `end`.
    fn reach(&mut self, end: u64, now: Instant) {
        if end > self.received {
            self.owe(now + ACK_DELAY);
        } else if end > self.given {
            // The other end repeats what has arrived: it missed the acknowledgement.
            self.owe(now);
        }

        self.received = self.received.max(end);
        self.given = self.given.max(end);
    }

    /// An acknowledgement is due at `due` at the latest.
    fn owe(&mut self, due: Instant) {
        self.ack_due = Some(self.ack_due.map_or(due, |before| before.min(due)));
    }

    /// See [`crate::Session::withhold`].
    pub(super) fn withhold(&mut self, bytes: usize, now: Instant) {
        self.withheld = bytes as u64;
        if self.owes_ack() {
            self.owe(now + ACK_DELAY);
        }
    }

    /// The highest count that may be acknowledged. It never falls.
    fn acknowledgeable(&self) -> u64 {
        self.given.min(self.received.saturating_sub(self.withheld)).max(self.acked_to_peer)
    }

    /// Whether something new may be acknowledged.
    pub(super) fn owes_ack(&self) -> bool {
        self.acked_to_peer < self.acknowledgeable()
    }

    /// Whether everything received is acknowledged.
    pub(super) fn is_all_acked(&self) -> bool {
        self.acked_to_peer == self.received
    }

    /// Whether an acknowledgement must be sent now, even without data.
    pub(super) fn is_ack_due(&self, now: Instant) -> bool {
        self.owes_ack()
            && (self.closed
                || self.acknowledgeable() - self.acked_to_peer >= ACK_AT_ONCE_BYTES
                || self.ack_due.is_some_and(|due| due <= now))
    }

    /// The time at which an acknowledgement becomes due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ack_due.filter(|_| self.owes_ack())
    }

    /// The count of an acknowledgement that is being sent.
    pub(super) fn take_ack(&mut self) -> u64 {
        self.acked_to_peer = self.acknowledgeable();
        self.ack_due = None;
        self.acked_to_peer
    }

    #[cfg(test)]
    pub(super) fn lie(&mut self, more: u64) {
        self.received += more;
        self.given += more;
    }

    /// A transport begins. The other end knows that this much has arrived.
    pub(super) fn begin(&mut self, acked_to_peer: u64) {
        self.acked_to_peer = acked_to_peer;
        self.given = acked_to_peer;
        self.ack_due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_is_acknowledged_when_it_is_taken_and_nothing_is_taken_back() {
        let (mut incoming, now) = (Incoming::default(), Instant::now());
        let later = now + ACK_DELAY;
        incoming.take(0, 1000, now).unwrap();
        incoming.withhold(400, now);
        assert_eq!((incoming.due(), incoming.take_ack()), (Some(later), 600));
        incoming.withhold(1000, now);
        assert_eq!((incoming.owes_ack(), incoming.due()), (false, None), "what was told is not taken back");

        incoming.take(1000, 50_000, now).unwrap();
        incoming.withhold(50_400, now);
        assert!(!incoming.is_ack_due(later) && incoming.due().is_none(), "nothing of it was taken");
        incoming.withhold(50_399, later);
        assert_eq!((incoming.is_ack_due(later), incoming.due()), (true, Some(later)));
        assert_eq!(incoming.take_ack(), 601);
        incoming.withhold(50_398, later);
        assert_eq!((incoming.is_ack_due(later), incoming.due()), (false, Some(later + ACK_DELAY)));
        incoming.withhold(0, later);
        assert!(incoming.is_ack_due(later), "it is much");
        assert_eq!(incoming.take_ack(), 51_000);
    }

    #[test]
    fn a_resume_tells_of_what_was_withheld() {
        let (mut incoming, now) = (Incoming::default(), Instant::now());
        incoming.take(0, 1000, now).unwrap();
        incoming.withhold(1000, now);
        incoming.begin(incoming.received());
        assert_eq!((incoming.owes_ack(), incoming.is_all_acked()), (false, true));
        incoming.take(1000, 10, now).unwrap();
        incoming.withhold(1010, now);
        assert!(!incoming.owes_ack(), "what came since is withheld as well");
        incoming.withhold(0, now);
        assert_eq!(incoming.take_ack(), 1010);
    }
}
