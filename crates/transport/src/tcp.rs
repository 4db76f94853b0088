//! Streams over TCP.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[inline]
pub(crate) fn poll_recv(socket: &mut TcpStream, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(space);
    ready!(Pin::new(socket).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// The runtime, which may not have heard yet that there is something to read, is not asked.
pub(crate) fn recv_now(socket: &TcpStream, space: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(socket)).read(space)
}

#[inline]
pub(crate) fn poll_send(socket: &mut TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(socket).poll_write(cx, bytes)
}

#[inline]
pub(crate) fn poll_send_vectored(
    socket: &mut TcpStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    Pin::new(socket).poll_write_vectored(cx, slices)
}

/// The runtime is not asked whether there is room.
pub(crate) fn send_now(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(socket).send(bytes)
}

pub(crate) fn round_trip(socket: &TcpStream) -> Option<Duration> {
    fastway_sys::round_trip_time(socket).ok().filter(|time| !time.is_zero())
}

/// A byte that comes for a closed socket is answered with a reset, which takes what is on its way to the peer with it; so
/// the system is asked what the peer has acknowledged.
pub(crate) fn finish(socket: &TcpStream) -> bool {
    let _gone_already = SockRef::from(socket).shutdown(Shutdown::Write);
    !matches!(fastway_sys::unacknowledged_bytes(socket), Ok(1..))
}
