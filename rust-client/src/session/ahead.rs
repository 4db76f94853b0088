//! Read-ahead of a session while its link is not read.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use fastway_session::SessionStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// So many bytes are acknowledged before the link has read them.
const ACKNOWLEDGED_BYTES: usize = 4 << 20;
/// Bytes at most. The gateway keeps less than the difference for a link (`--client-send-bytes`, `--server-send-bytes`),
/// except during `--client-slow-grace`.
const MAX_BYTES: usize = 64 << 20;
/// Bytes of one read.
const READ_BYTES: usize = 16 << 10;

/// Bytes of the stream that were read ahead. Acknowledgements of the gateway are behind them, and a writer that waits
/// for one may be the reason why the link is not read.
///
/// Bytes beyond a bound are acknowledged once the link has read them. The gateway keeps a bounded number of
/// unacknowledged bytes, so its acknowledgements are found however much it has to send.
#[derive(Debug, Default)]
pub(super) struct ReadAhead(BytesMut);

impl ReadAhead {
    /// Reads on while the stream has no room for writes. Returns whether it has room again.
    pub(super) fn make_room<T>(&mut self, stream: &mut SessionStream<T>, cx: &mut Context<'_>) -> bool
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        if stream.has_room() {
            return false;
        }

        while !stream.has_room() && self.0.len() < MAX_BYTES {
            self.0.reserve(READ_BYTES);
            // An end of either kind is reported when the link is read again.
            let Poll::Ready(Ok(1..)) = pin!(stream.read_buf(&mut self.0)).poll(cx) else { break };
            self.withhold(stream);
        }
        stream.has_room()
    }

    /// Reads the bytes that were read ahead, then the stream.
    pub(super) fn poll_read<T>(
        &mut self,
        stream: &mut SessionStream<T>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        if self.0.is_empty() {
            return Pin::new(stream).poll_read(cx, to);
        }

        let taken = self.0.len().min(to.remaining());
        to.put_slice(&self.0.split_to(taken));
        self.withhold(stream);

        if self.0.is_empty() {
            // Frees the buffer, which may be large.
            self.0 = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    fn withhold<T: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut SessionStream<T>) {
        stream.withhold(self.0.len().saturating_sub(ACKNOWLEDGED_BYTES));
    }
}
