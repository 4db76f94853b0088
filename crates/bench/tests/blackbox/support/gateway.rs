//! A gateway in this process: the yardstick's loop with something wrong.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastway_bench::yardstick::{Tap, Yardstick};
use fastway_wire::{Frame, split_frame};

/// A misdeed befalls one frame in so many.
const ONE_IN: u64 = 100_000;

/// What a gateway does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misdeed {
    Drop,
    Duplicate,
    /// One byte of the payload is changed.
    Corrupt,
    /// Two neighbouring frames of a connection change places.
    Reorder,
    /// One byte of the payload is missing.
    Cut,
    /// The frame comes to the right link on another connection.
    Misdeliver,
    /// Once, after some frames, the gateway stands still.
    Pause {
        after: u64,
        time: Duration,
    },
    /// Nothing is wrong.
    Nothing,
}

/// A running gateway; it stops when this is dropped.
pub(crate) struct TestGateway {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TestGateway {
    /// Starts a gateway that does `misdeed` to one frame in 100,000; which one, `seed` decides.
    pub(crate) fn start(misdeed: Misdeed, seed: u64) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let yardstick = Yardstick::bind(any, any, "secret", Fault::new(misdeed, seed)).unwrap();
        let (client, server) = (yardstick.client_addr().unwrap(), yardstick.server_addr().unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || yardstick.run(&stopped).unwrap());
        Self { client, server, stop, thread: Some(thread) }
    }

    /// The flags that lead to it.
    pub(crate) fn flags(&self) -> Vec<String> {
        self.flags_by(self.client)
    }

    /// The flags for players who come by another address.
    pub(crate) fn flags_by(&self, client: SocketAddr) -> Vec<String> {
        ["--client-addr", &client.to_string(), "--server-addr", &self.server.to_string(), "--key", "secret"]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It looks at `stop` when something arrives.
        drop(TcpStream::connect(self.client));
        self.thread.take().map(JoinHandle::join);
    }
}

struct Fault {
    misdeed: Misdeed,
    /// The number of the next frame that it befalls.
    victim: u64,
    frames: u64,
    paused: bool,
}

impl Fault {
    fn new(misdeed: Misdeed, seed: u64) -> Self {
        let victim = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % ONE_IN;
        Self { misdeed, victim, frames: 0, paused: false }
    }

    fn spoil(&self, frame: Frame<'_>, out: &mut Vec<u8>) {
        let mut bytes = frame.as_bytes().to_vec();
        match self.misdeed {
            Misdeed::Drop => bytes.clear(),
            Misdeed::Duplicate => bytes.extend_from_slice(frame.as_bytes()),
            Misdeed::Corrupt => bytes[8 + self.victim as usize % frame.payload().len()] ^= 1,
            Misdeed::Cut => {
                bytes.pop();
                bytes[0] -= 1;
            }
            // Both connections of such a pair are there when one link has IDs 1 to 16.
            Misdeed::Misdeliver if (2..16).contains(&bytes[4]) => bytes[4] ^= 1,
            Misdeed::Misdeliver | Misdeed::Reorder | Misdeed::Pause { .. } | Misdeed::Nothing => {}
        }
        out.extend_from_slice(&bytes);
    }

    fn pause(&mut self) {
        if let Misdeed::Pause { after, time } = self.misdeed
            && self.frames >= after
            && !self.paused
        {
            self.paused = true;
            thread::sleep(time);
        }
    }
}

impl Tap for Fault {
    fn pass(&mut self, frames: &[u8], out: &mut Vec<u8>) {
        let mut rest = frames;
        while let Ok(Some((frame, behind))) = split_frame(rest, u32::MAX) {
            self.frames += 1;
            self.pause();
            rest = behind;
            if self.frames <= self.victim {
                out.extend_from_slice(frame.as_bytes());
                continue;
            }
            if self.misdeed == Misdeed::Reorder {
                // It has to wait for two frames of one connection in a row.
                let next = split_frame(rest, u32::MAX).unwrap().filter(|(next, _)| next.conn() == frame.conn());
                if let Some((next, behind)) = next {
                    out.extend_from_slice(next.as_bytes());
                    self.victim += ONE_IN;
                    rest = behind;
                }
                out.extend_from_slice(frame.as_bytes());
                continue;
            }
            self.spoil(frame, out);
            self.victim += ONE_IN;
        }
    }
}
