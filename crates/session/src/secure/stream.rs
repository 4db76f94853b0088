//! Counts of both directions of a stream: what was sent, received and acknowledged.

use std::time::{Duration, Instant};

use crate::{ReplayBuffer, SessionError};

/// Bytes received and not acknowledged that are acknowledged without waiting for more.
const ACK_AT_ONCE_BYTES: u64 = 16 << 10;
/// Longest that an acknowledgement waits for something to travel with.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// What this end sends. The close counts as one byte behind the last.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    acknowledged: u64,
    /// Count before which the replay buffer holds nothing: acknowledged, and given to the transport in use.
    released: u64,
    /// The furthest that any transport was given.
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

/// What a transport is to be given next.
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

    /// Whether the other end has all, the close included.
    pub(super) fn is_done(&self) -> bool {
        self.close == Close::Acknowledged
    }

    /// Whether a transport can begin at `count`.
    pub(super) fn can_continue_from(&self, count: u64) -> bool {
        (self.acknowledged..=self.sent).contains(&count)
    }

    /// Takes the other end's count, on a transport that was given everything before `cursor`. The count may be ahead of
    /// that: what came by the older transport was acknowledged, and is given to the newer one all the same.
    pub(super) fn acknowledge(
        &mut self,
        count: u64,
        cursor: u64,
        buffer: &mut impl ReplayBuffer,
    ) -> Result<(), SessionError> {
        let (acknowledged, sent) = (self.acknowledged, self.sent);
        if count < acknowledged || count > sent {
            return Err(SessionError::BadCount { count, acknowledged, sent });
        }
        self.acknowledged = count;
        self.release(cursor, buffer);
        Ok(())
    }

    /// Drops what was acknowledged and given to the transport in use, which was given everything before `cursor`.
    pub(super) fn release(&mut self, cursor: u64, buffer: &mut impl ReplayBuffer) {
        let until = self.acknowledged.min(cursor);
        let newly = usize::try_from(until.saturating_sub(self.released)).unwrap_or(usize::MAX);
        let bytes = newly.min(buffer.len());
        if bytes > 0 {
            buffer.release(bytes);
        }
        if newly > bytes {
            self.close = Close::Acknowledged;
        }
        self.released = self.released.max(until);
    }

    /// What a transport that was given everything before `cursor` needs next, of the `kept` bytes in the buffer.
    pub(super) fn next(&self, cursor: u64, kept: usize) -> Next {
        let from = usize::try_from(cursor.saturating_sub(self.released)).unwrap_or(usize::MAX);
        match kept.checked_sub(from) {
            Some(0) if self.close == Close::Wanted => Next::Close,
            Some(bytes @ 1..) => Next::Bytes { from, bytes },
            _ => Next::Nothing,
        }
    }

    /// A transport was given everything before `cursor`.
    pub(super) fn gave(&mut self, cursor: u64) {
        self.sent = self.sent.max(cursor);
    }

    /// Whether a transport that begins at `count` can still be given everything: the other end acknowledged no more
    /// before.
    pub(super) fn check_start(&self, count: u64) -> Result<(), SessionError> {
        let (acknowledged, sent) = (self.acknowledged, self.sent);
        if count < acknowledged { Err(SessionError::BadCount { count, acknowledged, sent }) } else { Ok(()) }
    }
}

/// What this end receives.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    received: u64,
    /// What the other end was last told.
    told: u64,
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

    /// Takes `bytes` that begin at `position` of the stream, and says how many of them are new: the last ones. The
    /// others came by another transport before.
    pub(super) fn take(&mut self, position: u64, bytes: usize, now: Instant) -> Result<usize, SessionError> {
        let end = position.saturating_add(bytes as u64);
        let fresh = end.saturating_sub(self.received);
        if fresh == 0 {
            return Ok(0);
        }
        if self.closed {
            return Err(SessionError::AfterClose);
        }
        self.received = end;
        self.owe(now);
        Ok(usize::try_from(fresh).map_or(bytes, |fresh| fresh.min(bytes)))
    }

    /// Takes the close at `position`, and says whether it is new.
    pub(super) fn close(&mut self, position: u64, now: Instant) -> Result<bool, SessionError> {
        if position < self.received {
            return Ok(false);
        }
        if self.closed {
            return Err(SessionError::AfterClose);
        }
        self.received = position.saturating_add(1);
        self.closed = true;
        self.owe(now);
        Ok(true)
    }

    fn owe(&mut self, now: Instant) {
        self.ack_due.get_or_insert(now + ACK_DELAY);
    }

    /// Whether something was received that the other end was not told of.
    pub(super) fn has_news(&self) -> bool {
        self.told < self.received
    }

    /// Whether that must be told even when there is nothing else to send.
    pub(super) fn is_urgent(&self, now: Instant) -> bool {
        self.has_news()
            && (self.closed
                || self.received - self.told >= ACK_AT_ONCE_BYTES
                || self.ack_due.is_some_and(|due| due <= now))
    }

    /// When it becomes urgent.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ack_due
    }

    /// The other end is being told all of it.
    pub(super) fn tell(&mut self) -> u64 {
        self.told = self.received;
        self.ack_due = None;
        self.received
    }

    #[cfg(test)]
    pub(super) fn lie(&mut self, more: u64) {
        self.received += more;
    }

    /// A transport begins, and the other end knows of this much. What it does not know of, it sends again for nothing,
    /// so it must be told even if nothing else comes.
    pub(super) fn begin(&mut self, told: u64, now: Instant) {
        self.told = told;
        self.ack_due = self.has_news().then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backlog;

    #[test]
    fn an_acknowledgement_may_run_ahead_of_the_transport_that_brings_it() {
        let mut buffer = Backlog::new(1 << 16);
        buffer.push(&[7; 1000]);
        let mut outgoing = Outgoing::default();
        outgoing.gave(1000);
        outgoing.acknowledge(400, 400, &mut buffer).unwrap();
        // The newer transport was given nothing behind its start; what came by the older one is acknowledged.
        outgoing.acknowledge(900, 400, &mut buffer).unwrap();
        assert_eq!(outgoing.next(400, buffer.len()), Next::Bytes { from: 0, bytes: 600 }, "it is given all the same");
        assert!(!outgoing.can_continue_from(899), "a count never falls");
        outgoing.release(1000, &mut buffer);
        assert_eq!(buffer.len(), 100);
        assert!(outgoing.acknowledge(1001, 1000, &mut buffer).is_err());
        assert!(outgoing.acknowledge(899, 1000, &mut buffer).is_err());
    }
}
