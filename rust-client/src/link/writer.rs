//! Writes an outbox to the stream, several frames at once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::carrier::Carrier;
use super::outbox::{MAX_SLICES, Outbox};

/// The frames that the task has taken from the queue, and the state of the stream's own buffer.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) outbox: Outbox,
    /// Whether bytes were written since the last flush.
    needs_flush: bool,
}

impl Writer {
    /// Whether everything was written and flushed.
    pub(super) fn is_done(&self) -> bool {
        self.outbox.is_empty() && !self.needs_flush
    }

    /// Writes once. Returns the number of bytes, for [`Writer::written`]; 0 if there are none.
    pub(super) fn poll_write(&mut self, stream: &mut impl Carrier, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = self.outbox.slices(&mut slices);

        let stream = Pin::new(stream);
        let written = match slices.get(..filled).unwrap_or_default() {
            [] => return Poll::Ready(Ok(0)),
            [only] => ready!(stream.poll_write(cx, only)),
            several => ready!(stream.poll_write_vectored(cx, several)),
        };

        Poll::Ready(match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        })
    }

    /// Removes written bytes. Returns whether some are left: then the stream took only a part.
    pub(super) fn written(&mut self, count: usize) -> bool {
        self.outbox.consume(count);
        self.needs_flush = true;
        !self.outbox.is_empty()
    }

    /// Flushes the stream if something was written.
    pub(super) fn flush(&mut self, stream: &mut impl Carrier, cx: &mut Context<'_>) -> io::Result<()> {
        if self.needs_flush
            && let Poll::Ready(flushed) = Pin::new(stream).poll_flush(cx)
        {
            self.needs_flush = false;
            flushed?;
        }
        Ok(())
    }
}
