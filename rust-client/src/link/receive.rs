//! Splits the received stream into runs of whole frames (`docs/protocol.md` §1.1), without copies and, once warm,
//! without allocations.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use fastway_session::Status;
use fastway_wire::{Command, ConnId, frame_bytes, split_frame};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::ProtocolFault;

/// Blocks that are kept for reuse, until the application has dropped all of their messages. While none of them is free,
/// small runs are copied: so a small run does not keep a whole block for itself.
const RETIRED_BLOCKS: usize = 8;
/// A read has at least this fraction of a block as its space.
const LEAST_READ_FRACTION: usize = 4;

/// The block that is read into, and the ones that the application still uses.
#[derive(Debug)]
pub(super) struct Receiver {
    block: BytesMut,
    /// Bytes of the whole block.
    capacity: usize,
    retired: VecDeque<Retired>,
    /// No retired block is free.
    scarce: bool,
    block_bytes: usize,
    max_packet: u32,
}

/// A full block.
#[derive(Debug)]
struct Retired {
    space: BytesMut,
    capacity: usize,
}

impl Retired {
    /// Whether the application has dropped all of its messages.
    fn is_unused(&mut self) -> bool {
        self.space.try_reclaim(self.capacity)
    }
}

/// A unit of what the gateway sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Command(Command),
    Run(Run),
}

/// Consecutive whole frames of one connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) conn: ConnId,
    /// A slice of the block.
    pub(super) frames: BytesMut,
    pub(super) messages: usize,
    /// Whether to copy the run if it has to wait: the block is much larger than the run.
    pub(super) copy: bool,
}

impl Receiver {
    pub(super) fn new(block_bytes: usize, max_packet: u32) -> Self {
        let block = BytesMut::with_capacity(block_bytes);
        Self { block, capacity: block_bytes, retired: VecDeque::new(), scarce: false, block_bytes, max_packet }
    }

    /// Reads once. Returns the number of bytes, 0 at the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        self.scarce = self.retired.len() == RETIRED_BLOCKS && self.position_unused(0).is_none();
        pin!(stream.read_buf(&mut self.block)).poll(cx)
    }

    /// The next complete unit in the block.
    pub(super) fn next(&mut self) -> Result<Option<Received>, ProtocolFault> {
        let Some((first, _)) = split_frame(&self.block, self.max_packet)? else { return Ok(None) };
        let (conn, bytes) = (first.conn(), first.as_bytes().len());

        if conn.is_command() {
            let command = Command::decode(first.payload())?;
            self.block.advance(bytes);
            return Ok(Some(Received::Command(command)));
        }

        let (bytes, messages) = self.run_of(conn, bytes);
        let copy = self.scarce && bytes < self.capacity / 2;
        Ok(Some(Received::Run(Run { conn, frames: self.block.split_to(bytes), messages, copy })))
    }

    /// Whether the block holds only the status byte with which a port for sessions refuses a plain link
    /// (`docs/protocol.md` §3.6).
    pub(super) fn holds_refusal(&self) -> bool {
        self.block.as_ref() == [Status::NotAdmitted as u8]
    }

    /// Bytes and number of the frames of `conn` at the front, of which the first has `first_bytes`. A bad length behind
    /// them is left for the next call.
    fn run_of(&self, conn: ConnId, first_bytes: usize) -> (usize, usize) {
        let (mut rest, mut messages) = (self.block.get(first_bytes..).unwrap_or_default(), 1);
        while let Ok(Some((frame, after))) = split_frame(rest, self.max_packet)
            && frame.conn() == conn
        {
            rest = after;
            messages += 1;
        }
        (self.block.len() - rest.len(), messages)
    }

    /// Makes space for the next read. Memory follows the bytes received, not the length announced: a block at most
    /// doubles what has come.
    fn make_room(&mut self) {
        let received = self.block.len();
        let announced = frame_bytes(&self.block, self.max_packet).ok().flatten().unwrap_or_default();
        let target = announced.clamp(self.block_bytes, self.block_bytes.max(2 * received));
        let missing = announced.min(target).saturating_sub(received);

        let least = missing.max(self.block_bytes / LEAST_READ_FRACTION);
        if self.block.capacity() - received < least && !self.block.try_reclaim(least) {
            self.replace_block(target.max(received + least));
        }
    }

    /// Moves the unread bytes into another block, a reused one if possible.
    fn replace_block(&mut self, capacity: usize) {
        let unused = self.position_unused(capacity);
        let mut fresh = match unused.and_then(|index| self.retired.remove(index)) {
            Some(block) => block,
            None => Retired { space: BytesMut::with_capacity(capacity), capacity },
        };

        fresh.space.extend_from_slice(&self.block);

        let mut full = std::mem::replace(&mut self.block, fresh.space);
        full.clear();
        let capacity = std::mem::replace(&mut self.capacity, fresh.capacity);
        self.retire(Retired { space: full, capacity });
    }

    fn position_unused(&mut self, least: usize) -> Option<usize> {
        self.retired.iter_mut().position(|block| block.capacity >= least && block.is_unused())
    }

    /// Used blocks stay in the list, since they show that blocks are scarce.
    fn retire(&mut self, block: Retired) {
        if self.retired.len() == RETIRED_BLOCKS {
            let Some(unused) = self.position_unused(0) else { return };
            self.retired.remove(unused);
        }
        self.retired.push_front(block);
    }

    /// Frees the memory of a burst.
    pub(super) fn shrink(&mut self) {
        self.retired.retain_mut(|block| !block.is_unused());
        if self.block.is_empty() && self.capacity > self.block_bytes && self.block.try_reclaim(self.capacity) {
            self.block = BytesMut::with_capacity(self.block_bytes);
            self.capacity = self.block_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastway_wire::encode_data;
    use std::task::Waker;

    const BLOCK: usize = 1024;

    fn frame(conn: u32, payload_bytes: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        encode_data(ConnId::new(conn), &vec![7; payload_bytes], &mut frame).unwrap();
        frame
    }

    fn read(receiver: &mut Receiver, mut input: &[u8]) {
        let cx = &mut Context::from_waker(Waker::noop());
        while !input.is_empty() {
            assert!(receiver.poll_read(&mut input, cx).is_ready());
        }
    }

    fn run(conn: u32, count: usize, payload_bytes: usize) -> Received {
        let frames = frame(conn, payload_bytes).repeat(count)[..].into();
        Received::Run(Run { conn: ConnId::new(conn), frames, messages: count, copy: false })
    }

    #[test]
    fn frames_of_one_connection_in_a_row_are_one_run() {
        let mut receiver = Receiver::new(BLOCK, 1 << 20);
        let ping = Command::Ping.encode();
        read(&mut receiver, &[&frame(1, 5).repeat(3)[..], &frame(2, 0), &ping, &frame(2, 9)[..3]].concat());
        assert_eq!(receiver.next(), Ok(Some(run(1, 3, 5))));
        assert_eq!(receiver.next(), Ok(Some(run(2, 1, 0))));
        assert_eq!(receiver.next(), Ok(Some(Received::Command(Command::Ping))));
        assert_eq!(receiver.next(), Ok(None));
        read(&mut receiver, &frame(2, 9)[3..]);
        assert_eq!(receiver.next(), Ok(Some(run(2, 1, 9))));
    }

    #[test]
    fn memory_follows_the_bytes_received_not_the_length_announced() {
        let mut receiver = Receiver::new(BLOCK, 16 << 20);
        let large = frame(1, 10 << 20);
        read(&mut receiver, &large[..100]);
        assert!(receiver.block.capacity() <= 2 * BLOCK, "{}", receiver.block.capacity());
        for received in [10_000, 100_000, 1_000_000] {
            let before = receiver.block.len();
            read(&mut receiver, &large[before..received]);
            assert!(receiver.block.capacity() <= 4 * received, "{} for {received}", receiver.block.capacity());
        }
        read(&mut receiver, &large[1_000_000..]);
        assert_eq!(receiver.next(), Ok(Some(run(1, 1, 10 << 20))));
    }

    #[test]
    fn blocks_that_nobody_uses_any_more_are_used_again() {
        let mut receiver = Receiver::new(BLOCK, 1 << 20);
        let mut blocks = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            read(&mut receiver, &frame(1, 100));
            blocks.insert(receiver.block.as_ptr() as usize / (2 * BLOCK));
            assert!(matches!(receiver.next(), Ok(Some(Received::Run(_)))));
        }
        assert!(blocks.len() <= 4, "{}", blocks.len());
        receiver.shrink();
        assert!(receiver.retired.is_empty());
    }

    fn next_run(receiver: &mut Receiver) -> Run {
        let Ok(Some(Received::Run(run))) = receiver.next() else { panic!("no run") };
        run
    }

    #[test]
    fn while_no_block_comes_back_small_runs_are_to_be_copied_and_large_ones_are_not() {
        let mut receiver = Receiver::new(BLOCK, 1 << 20);
        let mut kept = Vec::new();
        while kept.len() < 1000 {
            read(&mut receiver, &frame(1, 10));
            let small = next_run(&mut receiver);
            kept.extend((!small.copy).then_some(small.frames));
            read(&mut receiver, &frame(2, BLOCK - 100));
            assert!(!next_run(&mut receiver).copy);
            if receiver.scarce {
                break;
            }
        }
        assert!((1..=RETIRED_BLOCKS + 1).contains(&kept.len()), "{}", kept.len());
        // A larger block does not push the kept ones out of sight, nor does the end of a burst.
        read(&mut receiver, &frame(3, 10 * BLOCK));
        let large = next_run(&mut receiver);
        receiver.shrink();
        read(&mut receiver, &frame(1, 10));
        assert!(!large.copy && next_run(&mut receiver).copy);

        drop(kept);
        read(&mut receiver, &frame(1, 10));
        assert!(!next_run(&mut receiver).copy, "blocks have come back");
    }
}
