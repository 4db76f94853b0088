//! One transport of a stream, with the sealed bytes that it has not taken yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::clock::now;
use super::supply::Settled;
use crate::{Dial, TransportId};

/// How long a transport is still read after a write has failed: its user may not read, or its end may never be seen.
const LAST_READS: Duration = Duration::from_secs(1);

/// A transport and the sealed bytes that it has not taken.
#[derive(Debug)]
pub(super) struct Carrier<T> {
    transport: T,
    /// None: a refused transport, which ends once the refusal is written.
    pub(super) id: Option<TransportId>,
    pub(super) out: Vec<u8>,
    written: usize,
    /// Set when writing has failed: until then the transport is read to its end.
    read_until: Option<Instant>,
    /// Whether it carries the session.
    pub(super) is_live: bool,
    /// Whether it ends once all waiting bytes are written.
    pub(super) is_ending: bool,
    /// Where the outcome of a [`super::Dialer::attempt`] is reported.
    attempt: Option<oneshot::Sender<Settled>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Carrier<T> {
    pub(super) fn new(transport: T, first: Dial) -> Self {
        let (id, out) = (Some(first.transport), first.bytes);
        Self { transport, id, out, written: 0, read_until: None, is_live: false, is_ending: false, attempt: None }
    }

    /// Reports the outcome of this transport to `attempt`.
    pub(super) fn awaited(self, attempt: oneshot::Sender<Settled>) -> Self {
        Self { attempt: Some(attempt), ..self }
    }

    pub(super) fn refusal(transport: T, out: Vec<u8>) -> Self {
        Self { transport, id: None, out, written: 0, read_until: None, is_live: false, is_ending: true, attempt: None }
    }

    /// Reports the outcome, once.
    pub(super) fn settle(&mut self, settled: Settled) {
        if let Some(attempt) = self.attempt.take() {
            // The receiver may have been dropped.
            let _ = attempt.send(settled);
        }
    }

    /// Whether the receiver of the outcome was dropped, or the time of the last reads is over.
    pub(super) fn is_given_up(&mut self, cx: &mut Context<'_>) -> bool {
        let nobody_waits = self.attempt.as_mut().is_some_and(|attempt| attempt.poll_closed(cx).is_ready());
        nobody_waits || self.read_until.is_some_and(|until| until <= now())
    }

    /// Sealed bytes that the transport has not taken.
    pub(super) fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    /// Whether everything sealed is written, and more can be.
    pub(super) fn takes_more(&self) -> bool {
        self.waiting() == 0 && !self.has_write_failed()
    }

    /// Whether writing has failed.
    pub(super) fn has_write_failed(&self) -> bool {
        self.read_until.is_some()
    }

    /// Writes the waiting bytes once, and returns whether that changed anything. A failed write does not end the
    /// transport: bytes that have arrived, such as the other end's reason to close, can still be read.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let waiting = self.out.get(self.written..).unwrap_or_default();
        if waiting.is_empty() {
            return false;
        }

        match Pin::new(&mut self.transport).poll_write(cx, waiting) {
            Poll::Pending => return false,
            Poll::Ready(Ok(written @ 1..)) => self.written += written,
            Poll::Ready(Ok(0) | Err(_)) => {
                self.read_until = Some(now() + LAST_READS);
                self.written = self.out.len();
            }
        }

        if self.waiting() == 0 {
            self.out.clear();
            self.written = 0;
        }
        true
    }

    /// The end of the last reads, after a failed write.
    pub(super) fn read_until(&self) -> Option<Instant> {
        self.read_until
    }

    /// Reads into `to`; 0 is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(to);
        let polled = Pin::new(&mut self.transport).poll_read(cx, &mut buffer);
        polled.map_ok(|()| buffer.filled().len())
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }
}
