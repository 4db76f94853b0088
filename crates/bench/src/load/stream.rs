//! One direction of a connection: what was sent, and whether it arrives once, whole and in order.

use std::collections::VecDeque;

use super::pattern::{Pattern, Tag};

/// So many frames may come after a missing one before it is called lost: it could still be on a slower way.
const OVERTAKEN_BY: u32 = 16;

/// A frame on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flying {
    /// When it was to be sent, in nanoseconds of the run's clock.
    pub(crate) since: u64,
    pub(crate) bytes: u32,
}

/// A stream of numbered frames.
#[derive(Debug)]
pub(crate) struct Stream {
    id: u32,
    sent: u32,
    /// The number of the frame that is to arrive next.
    next: u32,
    flying: VecDeque<Flying>,
    gap: Option<Gap>,
}

/// Frames that others have overtaken.
#[derive(Clone, Copy, Debug)]
struct Gap {
    first: u32,
    /// The one behind the last of them.
    end: u32,
    /// Frames that came since.
    since: u32,
}

/// What is wrong with what arrived, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("{} lost: {behind} later frames came", Frames(*.first, *.end))]
    Lost { first: u32, end: u32, behind: u32 },
    #[error("{} lost: nothing came any more", Frames(*.first, *.end))]
    Missing { first: u32, end: u32 },
    #[error("frames were reordered: frame {late} came after frame {early}")]
    Reordered { late: u32, early: u32 },
    #[error("frame {number} came twice; frame {next} was next")]
    Duplicate { number: u32, next: u32 },
    #[error("frame {number} was corrupted: byte {at} of its {bytes} bytes of payload is wrong")]
    Corrupt { number: u32, at: usize, bytes: usize },
    #[error("frame {number} came with {got} bytes of payload, not {wanted}")]
    Length { number: u32, wanted: u32, got: usize },
    #[error("frame {number} of stream {stream} came instead of frame {next}: it belongs to another connection")]
    Misdelivered { stream: u32, number: u32, next: u32 },
}

struct Frames(u32, u32);

impl std::fmt::Display for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.1.wrapping_sub(self.0) {
            1 => write!(f, "frame {} was", self.0),
            count => write!(f, "{count} frames from frame {} on were", self.0),
        }
    }
}

impl Stream {
    /// `id` is different for every stream of a run.
    pub(crate) const fn new(id: u32) -> Self {
        Self { id, sent: 0, next: 0, flying: VecDeque::new(), gap: None }
    }

    /// Notes that a frame is sent; gives the tag of its payload.
    #[inline]
    pub(crate) fn send(&mut self, frame: Flying) -> Tag {
        let tag = Tag { stream: self.id, number: self.sent };
        self.sent = self.sent.wrapping_add(1);
        self.flying.push_back(frame);
        tag
    }

    /// Checks what arrived; gives what was noted when it was sent.
    #[inline]
    pub(crate) fn receive(&mut self, pattern: &Pattern, payload: &[u8]) -> Result<Flying, Wrong> {
        let awaited = Tag { stream: self.id, number: self.next };
        match self.flying.front() {
            Some(&frame) if payload.len() == frame.bytes as usize && pattern.matches(awaited, payload) => {
                self.flying.pop_front();
                self.next = self.next.wrapping_add(1);
                self.pass_gap()?;
                Ok(frame)
            }
            _ => self.judge(pattern, payload),
        }
    }

    /// What is missing now that nothing is expected to come any more.
    pub(crate) fn end(&self) -> Result<(), Wrong> {
        match self.gap {
            Some(Gap { first, end, .. }) => Err(Wrong::Missing { first, end }),
            None if !self.flying.is_empty() => Err(Wrong::Missing { first: self.next, end: self.sent }),
            None => Ok(()),
        }
    }

    #[inline]
    fn pass_gap(&mut self) -> Result<(), Wrong> {
        let Some(gap) = &mut self.gap else { return Ok(()) };
        gap.since += 1;
        match gap.since < OVERTAKEN_BY {
            true => Ok(()),
            false => Err(Wrong::Lost { first: gap.first, end: gap.end, behind: gap.since }),
        }
    }

    #[cold]
    fn judge(&mut self, pattern: &Pattern, payload: &[u8]) -> Result<Flying, Wrong> {
        let next = self.next;
        let claimed = Tag::split(payload).map(|(tag, _)| tag).filter(|tag| pattern.matches(*tag, payload));
        let Some(Tag { stream, number }) = claimed else { return Err(self.damage(pattern, payload)) };
        if stream != self.id {
            return Err(Wrong::Misdelivered { stream, number, next });
        }
        if number >= self.sent {
            return Err(self.damage(pattern, payload));
        }
        if number < next {
            return Err(match self.gap {
                Some(gap) if (gap.first..gap.end).contains(&number) => {
                    Wrong::Reordered { late: number, early: next.wrapping_sub(1) }
                }
                _ => Wrong::Duplicate { number, next },
            });
        }
        self.skip_to(number, payload)
    }

    /// A frame that is right in itself and came before others: the last word on them is spoken later.
    fn skip_to(&mut self, number: u32, payload: &[u8]) -> Result<Flying, Wrong> {
        if number > self.next {
            let first = self.gap.map_or(self.next, |gap| gap.first);
            self.gap = Some(Gap { first, end: number, since: 0 });
            self.flying.drain(..(number.wrapping_sub(self.next)) as usize);
        }
        let Some(frame) = self.flying.pop_front() else {
            return Err(Wrong::Duplicate { number, next: self.next });
        };
        if frame.bytes as usize != payload.len() {
            return Err(Wrong::Length { number, wanted: frame.bytes, got: payload.len() });
        }
        self.next = number.wrapping_add(1);
        self.pass_gap()?;
        Ok(frame)
    }

    fn damage(&self, pattern: &Pattern, payload: &[u8]) -> Wrong {
        let awaited = Tag { stream: self.id, number: self.next };
        let wanted = self.flying.front().map_or(0, |frame| frame.bytes);
        match pattern.first_difference(awaited, payload) {
            Some(at) if payload.len() == wanted as usize => {
                Wrong::Corrupt { number: self.next, at, bytes: payload.len() }
            }
            _ => Wrong::Length { number: self.next, wanted, got: payload.len() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u32 = 40;

    struct Line {
        stream: Stream,
        pattern: Pattern,
        wire: Vec<Vec<u8>>,
    }

    /// A stream with `count` frames on its way.
    fn line(count: u32) -> Line {
        let mut line = Line { stream: Stream::new(3), pattern: Pattern::new(1, 64), wire: Vec::new() };
        for since in 0..count {
            let tag = line.stream.send(Flying { since: since.into(), bytes: BYTES });
            let mut payload = Vec::new();
            line.pattern.write(tag, BYTES as usize, &mut payload);
            line.wire.push(payload);
        }
        line
    }

    impl Line {
        /// Everything on the wire arrives; gives the first fault.
        fn deliver(&mut self) -> Result<(), Wrong> {
            for payload in std::mem::take(&mut self.wire) {
                self.stream.receive(&self.pattern, &payload)?;
            }
            self.stream.end()
        }
    }

    #[test]
    fn frames_in_order_are_right_and_give_back_when_they_were_sent() {
        let mut line = line(3);
        for since in 0..3 {
            let payload = line.wire.remove(0);
            assert_eq!(line.stream.receive(&line.pattern, &payload), Ok(Flying { since, bytes: BYTES }));
        }
        assert_eq!(line.stream.end(), Ok(()));
    }

    #[test]
    fn a_frame_that_never_comes_is_lost() {
        let mut line = line(40);
        line.wire.remove(5);
        assert_eq!(line.deliver(), Err(Wrong::Lost { first: 5, end: 6, behind: 16 }));
    }

    #[test]
    fn the_last_frame_is_missed_at_the_end() {
        let mut line = line(4);
        line.wire.pop();
        assert_eq!(line.deliver(), Err(Wrong::Missing { first: 3, end: 4 }));
        assert_eq!(line.stream.end().unwrap_err().to_string(), "frame 3 was lost: nothing came any more");
    }

    #[test]
    fn a_gap_near_the_end_is_missed_at_the_end() {
        let mut line = line(4);
        line.wire.drain(1..3);
        assert_eq!(line.deliver(), Err(Wrong::Missing { first: 1, end: 3 }));
    }

    #[test]
    fn swapped_frames_are_reordered_and_not_lost() {
        let mut line = line(40);
        line.wire.swap(5, 6);
        assert_eq!(line.deliver(), Err(Wrong::Reordered { late: 5, early: 6 }));
    }

    #[test]
    fn a_frame_that_is_far_too_late_is_reordered_too() {
        let mut line = line(14);
        let late = line.wire.remove(2);
        line.wire.push(late);
        assert_eq!(line.deliver(), Err(Wrong::Reordered { late: 2, early: 13 }));
    }

    #[test]
    fn a_repeated_frame_is_a_duplicate() {
        let mut line = line(8);
        line.wire.insert(6, line.wire[5].clone());
        assert_eq!(line.deliver(), Err(Wrong::Duplicate { number: 5, next: 6 }));
    }

    #[test]
    fn one_wrong_byte_is_corruption_wherever_it_is() {
        for at in 0..BYTES as usize {
            let mut line = line(8);
            line.wire[4][at] ^= 0x80;
            assert_eq!(line.deliver(), Err(Wrong::Corrupt { number: 4, at, bytes: 40 }));
        }
    }

    #[test]
    fn a_cut_or_grown_payload_is_named_by_its_length() {
        for change in [|wire: &mut Vec<u8>| wire.truncate(39), |wire: &mut Vec<u8>| wire.push(0)] {
            let mut line = line(8);
            change(&mut line.wire[4]);
            let got = line.wire[4].len();
            assert_eq!(line.deliver(), Err(Wrong::Length { number: 4, wanted: 40, got }));
        }
    }

    #[test]
    fn a_frame_of_another_connection_is_misdelivered() {
        let mut line = line(8);
        let mut other = Vec::new();
        line.pattern.write(Tag { stream: 9, number: 1 }, 40, &mut other);
        line.wire[4] = other;
        assert_eq!(line.deliver(), Err(Wrong::Misdelivered { stream: 9, number: 1, next: 4 }));
    }

    #[test]
    fn a_frame_that_nobody_sent_is_an_error() {
        let mut line = line(2);
        let mut future = Vec::new();
        line.pattern.write(Tag { stream: 3, number: 7 }, 40, &mut future);
        line.wire.push(future);
        assert!(line.deliver().is_err());
    }
}
