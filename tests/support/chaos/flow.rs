//! One direction of a connection: a thread that reads, and one that delivers.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Plan;
use crate::watch::DEADLINE;

/// Bytes of one read.
const CHUNK_BYTES: usize = 16 << 10;
/// Reads that wait to be delivered, as they would in a network and in sockets.
const CHUNKS: usize = 16;
/// How finely a rate is kept.
const THROTTLE_STEP: Duration = Duration::from_millis(5);

/// A fault at a place in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Cut,
    Hold,
    Flip { bit: u8 },
    LeaveOut { count: u64 },
}

impl Act {
    /// Whether it comes as soon as the byte before its place has passed, or else with the byte at it.
    fn comes_behind_a_byte(self) -> bool {
        matches!(self, Self::Cut | Self::Hold)
    }
}

/// What the test and the threads share.
pub(super) struct Flow {
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
    /// Ends both sockets.
    cut: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    held: bool,
    cut: bool,
    /// Nothing can pass any more.
    ended: bool,
    passed: u64,
    recorded: Vec<u8>,
}

/// What was read at once, and when it is to be delivered.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

impl Flow {
    pub(super) fn new(plan: Plan, cut: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { plan, state: Mutex::default(), changed: Condvar::new(), cut: Box::new(cut) })
    }

    pub(super) fn start(self: &Arc<Self>, from: &TcpStream, to: &TcpStream) -> [JoinHandle<()>; 2] {
        let (read, waiting) = sync_channel(CHUNKS);
        let [from, to] = [from, to].map(|end| end.try_clone().expect("a second handle"));
        let latency = self.plan.latency;
        let flow = Arc::clone(self);
        [thread::spawn(move || read_all(from, &read, latency)), thread::spawn(move || flow.deliver_all(&waiting, to))]
    }

    pub(super) fn set_held(&self, held: bool) {
        self.change(|state| state.held = held);
    }

    pub(super) fn cut(&self) {
        (self.cut)();
        self.change(|state| state.cut = true);
    }

    pub(super) fn passed(&self) -> u64 {
        self.lock().passed
    }

    pub(super) fn recorded(&self) -> Vec<u8> {
        self.lock().recorded.clone()
    }

    #[track_caller]
    pub(super) fn wait(&self, done: impl Fn(u64, bool) -> bool) {
        let waits = |state: &mut State| !done(state.passed, state.ended);
        let (state, waited) = self.changed.wait_timeout_while(self.lock(), DEADLINE, waits).unwrap();
        assert!(!waited.timed_out(), "not within {DEADLINE:?}; {} bytes have passed", state.passed);
    }

    fn deliver_all(&self, waiting: &Receiver<Chunk>, mut to: TcpStream) {
        let mut acts = self.plan.acts.clone();
        let mut place = 0;
        for Chunk { due, mut bytes } in waiting {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.deliver(&mut bytes, &mut place, &mut acts, &mut to).is_none() {
                break;
            }
        }
        // Who is held is not told of the end either.
        if self.wait_while_held().is_some() {
            let _ = to.shutdown(Shutdown::Write);
        }
        self.change(|state| state.ended = true);
    }

    /// Delivers a chunk, with its faults; nothing when it was cut off.
    fn deliver(
        &self,
        bytes: &mut [u8],
        place: &mut u64,
        acts: &mut VecDeque<(u64, Act)>,
        to: &mut TcpStream,
    ) -> Option<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = *place + rest.len() as u64;
            let due = |(at, act): &(u64, Act)| *at < end || *at == end && act.comes_behind_a_byte();
            let Some((at, act)) = acts.front().copied().filter(due) else {
                *place += rest.len() as u64;
                return self.write(rest, to);
            };
            acts.pop_front();
            let (before, behind) = rest.split_at_mut(at.saturating_sub(*place) as usize);
            self.write(before, to)?;
            *place += before.len() as u64;
            rest = behind;
            match act {
                Act::Cut => {
                    self.cut();
                    return None;
                }
                Act::Hold => self.set_held(true),
                Act::Flip { bit } => rest[0] ^= 1 << bit,
                Act::LeaveOut { count } => {
                    let left_out = rest.len().min(count as usize);
                    *place += left_out as u64;
                    rest = &mut rest[left_out..];
                    if count > left_out as u64 {
                        acts.push_front((*place, Act::LeaveOut { count: count - left_out as u64 }));
                    }
                }
            }
        }
        Some(())
    }

    fn write(&self, bytes: &[u8], to: &mut TcpStream) -> Option<()> {
        let step = self.plan.bytes_per_second.map(|rate| (rate as usize / 200).max(1));
        for part in bytes.chunks(step.unwrap_or(CHUNK_BYTES)) {
            self.wait_while_held()?;
            to.write_all(part).ok()?;
            self.change(|state| state.pass(part, self.plan.recorded));
            if step.is_some() {
                thread::sleep(THROTTLE_STEP);
            }
        }
        // Bytes of nothing are held as well: a fault in front of them may have begun that.
        self.wait_while_held()
    }

    fn wait_while_held(&self) -> Option<()> {
        let state = self.changed.wait_while(self.lock(), |state| state.held && !state.cut).unwrap();
        (!state.cut).then_some(())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn pass(&mut self, bytes: &[u8], recorded: bool) {
        self.passed += bytes.len() as u64;
        if recorded {
            self.recorded.extend_from_slice(bytes);
        }
    }
}

/// Reads until the end, or until nobody delivers any more.
fn read_all(mut from: TcpStream, read: &SyncSender<Chunk>, latency: Duration) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        let chunk = Chunk { due: Instant::now() + latency, bytes: chunk[..count].to_vec() };
        if read.send(chunk).is_err() {
            return;
        }
    }
}
