//! Streams in memory, for tests of what stands on streams: no socket, and nothing happens by itself.

use std::cmp::min;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Two ends, each the other's peer. At most `room` bytes are on their way in each direction.
pub(crate) fn pair(room: usize) -> [MemorySocket; 2] {
    let (there, back) = (Pipe::new(room), Pipe::new(room));
    let here = MemorySocket { incoming: back.clone(), outgoing: there.clone() };
    [here, MemorySocket { incoming: there, outgoing: back }]
}

/// One end of a pair.
#[derive(Debug)]
pub(crate) struct MemorySocket {
    incoming: Pipe,
    outgoing: Pipe,
}

/// One direction.
#[derive(Clone, Debug)]
struct Pipe(Arc<Mutex<PipeState>>);

#[derive(Debug)]
struct PipeState {
    bytes: VecDeque<u8>,
    room: usize,
    is_ended: bool,
    reader: Waker,
    writer: Waker,
}

impl Pipe {
    fn new(room: usize) -> Self {
        let noop = || Waker::noop().clone();
        let state = PipeState { bytes: VecDeque::new(), room, is_ended: false, reader: noop(), writer: noop() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, PipeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let mut state = self.state();
        state.is_ended = true;
        state.reader.wake_by_ref();
        state.writer.wake_by_ref();
    }
}

impl PipeState {
    fn recv(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() && !self.is_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = min(self.bytes.len(), space.len());
        for (to, from) in space.iter_mut().zip(self.bytes.drain(..count)) {
            *to = from;
        }
        self.writer.wake_by_ref();
        Ok(count)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = min(bytes.len(), self.room - self.bytes.len());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.bytes.extend(bytes.get(..count).unwrap_or_default());
        self.reader.wake_by_ref();
        Ok(count)
    }
}

impl MemorySocket {
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut incoming = self.incoming.state();
        incoming.reader.clone_from(cx.waker());
        poll(incoming.recv(space))
    }

    pub(crate) fn recv_now(&self, space: &mut [u8]) -> io::Result<usize> {
        self.incoming.state().recv(space)
    }

    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut outgoing = self.outgoing.state();
        outgoing.writer.clone_from(cx.waker());
        poll(outgoing.send(bytes))
    }

    pub(crate) fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.state().send(bytes)
    }

    pub(crate) fn finish(&self) -> bool {
        self.outgoing.end();
        self.outgoing.state().bytes.is_empty()
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        self.outgoing.end();
        self.incoming.end();
    }
}

fn poll(done: io::Result<usize>) -> Poll<io::Result<usize>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}
