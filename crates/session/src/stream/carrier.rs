//! One transport under a stream, and what is to be written to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::supply::Settled;
use crate::{Dial, TransportId};

/// A transport and the sealed bytes that it has not taken.
#[derive(Debug)]
pub(super) struct Carrier<T> {
    transport: T,
    /// None: it was refused, and ends when that is said.
    pub(super) id: Option<TransportId>,
    pub(super) out: Vec<u8>,
    written: usize,
    /// It carries the session.
    pub(super) is_live: bool,
    /// The session is over; it ends when what waits is written.
    pub(super) is_ending: bool,
    /// Who waits for what comes of it.
    attempt: Option<oneshot::Sender<Settled>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Carrier<T> {
    pub(super) fn new(transport: T, first: Dial) -> Self {
        let (id, out) = (Some(first.transport), first.bytes);
        Self { transport, id, out, written: 0, is_live: false, is_ending: false, attempt: None }
    }

    /// The same, for somebody who waits for what comes of it.
    pub(super) fn awaited(self, attempt: oneshot::Sender<Settled>) -> Self {
        Self { attempt: Some(attempt), ..self }
    }

    pub(super) fn refusal(transport: T, out: Vec<u8>) -> Self {
        Self { transport, id: None, out, written: 0, is_live: false, is_ending: true, attempt: None }
    }

    /// Tells who waits what came of it.
    pub(super) fn settle(&mut self, settled: Settled) {
        if let Some(attempt) = self.attempt.take() {
            // Nobody has to wait any more.
            let _ = attempt.send(settled);
        }
    }

    /// Whether nobody waits any more for what comes of it.
    pub(super) fn is_given_up(&mut self, cx: &mut Context<'_>) -> bool {
        self.attempt.as_mut().is_some_and(|attempt| attempt.poll_closed(cx).is_ready())
    }

    /// Bytes that it has not taken.
    pub(super) fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    /// Writes what waits, once; pending if it takes nothing.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let waiting = self.out.get(self.written..).unwrap_or_default();
        if waiting.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let polled = Pin::new(&mut self.transport).poll_write(cx, waiting);
        if let Poll::Ready(Ok(written)) = polled {
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            if self.waiting() == 0 {
                self.out.clear();
                self.written = 0;
            }
        }
        polled
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
