//! One physical link of the yardstick.

use std::os::fd::OwnedFd;

use fastway_wire::{Challenge, ConnId, ServerId};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// Which port a link came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// The peer left, broke the protocol, or cannot be written to.
pub(super) struct Gone;

pub(super) enum Stage {
    Client,
    /// A server that has not answered yet.
    Challenged(Challenge),
    Server(ServerId),
}

pub(super) struct Link {
    pub(super) socket: OwnedFd,
    pub(super) stage: Stage,
    /// The part of a frame that the last read ended in.
    pub(super) partial: Vec<u8>,
    pub(super) outbox: Vec<u8>,
    /// Bytes at the front of `outbox` that the socket has taken.
    sent: usize,
    /// It stands in the list of links to be flushed.
    pub(super) dirty: bool,
    /// The socket takes no more for now; epoll tells when it does.
    pub(super) blocked: bool,
    /// Connections that it is or was an end of.
    pub(super) connections: Vec<ConnId>,
}

impl Link {
    pub(super) fn client(socket: OwnedFd) -> Self {
        Self::new(socket, Stage::Client)
    }

    pub(super) fn server(socket: OwnedFd, challenge: Challenge) -> Self {
        Self { outbox: challenge.as_bytes().to_vec(), ..Self::new(socket, Stage::Challenged(challenge)) }
    }

    fn new(socket: OwnedFd, stage: Stage) -> Self {
        Self {
            socket,
            stage,
            partial: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
            dirty: false,
            blocked: false,
            connections: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn side(&self) -> Side {
        match self.stage {
            Stage::Client => Side::Client,
            Stage::Challenged(_) | Stage::Server(_) => Side::Server,
        }
    }

    /// One read behind what was left by the last; gives the bytes of `scratch` that are filled then.
    #[inline]
    pub(super) fn fill(&mut self, scratch: &mut [u8]) -> Result<usize, Gone> {
        let before = self.partial.len();
        let (kept, room) = scratch.split_at_mut_checked(before).ok_or(Gone)?;
        kept.copy_from_slice(&self.partial);
        match recv(&self.socket, room, RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(Gone),
            Ok((count, _)) => Ok(before + count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(before),
            Err(_) => Err(Gone),
        }
    }

    /// Writes what waits until all is written or the socket takes no more.
    #[inline]
    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        self.blocked = false;
        while let Some(waiting) = self.outbox.get(self.sent..).filter(|waiting| !waiting.is_empty()) {
            match send(&self.socket, waiting, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.blocked = true;
                    self.forget_sent();
                    return Ok(());
                }
                Err(_) => return Err(Gone),
            }
        }
        self.outbox.clear();
        self.sent = 0;
        Ok(())
    }

    /// Moving what waits to the front costs a copy, so it must be worth it.
    fn forget_sent(&mut self) {
        if self.sent > 256 << 10 {
            self.outbox.drain(..self.sent);
            self.sent = 0;
        }
    }
}
