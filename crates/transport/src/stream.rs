//! A byte stream to a peer.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[cfg(feature = "memory")]
use crate::memory::{self, MemorySocket};
use crate::unread::Unread;
use crate::{TransportKind, tcp};

/// Bytes that a look at a stream reads at most.
pub const PEEKED_BYTES: usize = 2 << 10;

/// A byte stream to a peer, on the runtime of a worker.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    unread: Unread,
}

/// What a stream is made of.
#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(feature = "memory")]
    Memory(MemorySocket),
}

/// A stream on its way to another worker. It belongs to no runtime.
#[derive(Debug)]
pub struct DetachedStream {
    socket: DetachedSocket,
    unread: Unread,
}

#[derive(Debug)]
enum DetachedSocket {
    Tcp(std::net::TcpStream),
    #[cfg(feature = "memory")]
    Memory(MemorySocket),
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self { socket: Socket::Tcp(socket), unread: Unread::default() }
    }
}

impl Stream {
    /// Two streams without sockets, each the other's peer, for tests. At most `room` bytes are on their way in each
    /// direction.
    #[cfg(feature = "memory")]
    pub fn pair_in_memory(room: usize) -> [Self; 2] {
        memory::pair(room).map(|socket| Self { socket: Socket::Memory(socket), unread: Unread::default() })
    }

    /// What carries the bytes.
    pub const fn kind(&self) -> TransportKind {
        match self.socket {
            Socket::Tcp(_) => TransportKind::Tcp,
            // It stands for TCP in tests.
            #[cfg(feature = "memory")]
            Socket::Memory(_) => TransportKind::Tcp,
        }
    }

    /// Receives into `space`. 0 is the end of the stream, if there is space. Pending wakes the task of `cx` when there is
    /// more.
    ///
    /// # Errors
    /// The network or the peer's machine dropped the stream.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.unread.is_empty() {
            return Poll::Ready(self.unread.take(space));
        }
        self.socket.poll_recv(cx, space)
    }

    /// Receives what is there, whether the runtime has heard of it or not.
    ///
    /// # Errors
    /// Nothing is there ([`io::ErrorKind::WouldBlock`]), or the stream was dropped.
    pub fn recv_now(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            return self.unread.take(space);
        }
        match &mut self.socket {
            Socket::Tcp(socket) => tcp::recv_now(socket, space),
            #[cfg(feature = "memory")]
            Socket::Memory(socket) => socket.recv_now(space),
        }
    }

    /// Waits until something has come, and shows it, up to [`PEEKED_BYTES`]; it is received as if nobody had looked. Nothing
    /// is shown at the end of the stream.
    ///
    /// # Errors
    /// The network or the peer's machine dropped the stream.
    pub async fn peek(&mut self) -> io::Result<&[u8]> {
        poll_fn(|cx| self.poll_fill_unread(cx)).await?;
        Ok(self.unread.as_slice())
    }

    /// What looks have shown and nobody has received.
    pub fn peeked(&self) -> &[u8] {
        self.unread.as_slice()
    }

    /// Waits until more has come than [`Stream::peeked`] shows, and shows that as well, up to `most` bytes in all.
    ///
    /// # Errors
    /// Nothing more comes: the stream has ended, or was dropped, or has shown as much as it may.
    pub async fn peek_more(&mut self, most: usize) -> io::Result<&[u8]> {
        poll_fn(|cx| self.poll_peek_more(cx, most)).await?;
        Ok(self.peeked())
    }

    /// Drops bytes that looks have shown.
    pub fn skip_peeked(&mut self, count: usize) {
        self.unread.skip(count);
    }

    fn poll_peek_more(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        let mut space = [0; PEEKED_BYTES];
        let room = most.saturating_sub(self.unread.len()).min(PEEKED_BYTES);
        let room = space.get_mut(..room).unwrap_or_default();
        if room.is_empty() || self.unread.failure().is_some() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let count = ready!(self.socket.poll_recv(cx, room))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }

        self.unread.push(room.get(..count).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    fn poll_fill_unread(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shown = self.unread.as_slice().len();
        let mut space = [0; PEEKED_BYTES];
        let room = space.get_mut(shown..).unwrap_or_default();
        if room.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // Nothing comes behind an error, which is the answer once all that came before it was received.
        if self.unread.failure().is_some() {
            return Poll::Ready(if shown > 0 { Ok(()) } else { self.unread.take(&mut []).map(drop) });
        }

        match self.socket.poll_recv(cx, room) {
            Poll::Ready(Ok(count)) => self.unread.push(room.get(..count).unwrap_or_default()),
            Poll::Ready(Err(error)) if shown > 0 => self.unread.fail(error),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending if shown > 0 => {}
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }

    /// Sends some of `bytes`. Pending wakes the task of `cx` when there is room.
    ///
    /// # Errors
    /// The peer takes no more.
    #[inline]
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(socket) => tcp::poll_send(socket, cx, bytes),
            #[cfg(feature = "memory")]
            Socket::Memory(socket) => socket.poll_send(cx, bytes),
        }
    }

    /// Sends some of `slices`, one after the other. Pending wakes the task of `cx` when there is room.
    ///
    /// # Errors
    /// The peer takes no more.
    #[inline]
    pub fn poll_send_vectored(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(socket) => tcp::poll_send_vectored(socket, cx, slices),
            #[cfg(feature = "memory")]
            Socket::Memory(socket) => socket.poll_send(cx, slices.first().map_or(&[], |first| first)),
        }
    }

    /// Sends what the system takes at once, whether the runtime has heard of room or not.
    ///
    /// # Errors
    /// It takes nothing.
    pub fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Tcp(socket) => tcp::send_now(socket, bytes),
            #[cfg(feature = "memory")]
            Socket::Memory(socket) => socket.send_now(bytes),
        }
    }

    /// The round-trip time as the system has smoothed it; `None`: it is not known yet.
    pub fn round_trip(&self) -> Option<Duration> {
        match &self.socket {
            Socket::Tcp(socket) => tcp::round_trip(socket),
            #[cfg(feature = "memory")]
            Socket::Memory(_) => None,
        }
    }

    /// What the system found wrong with the stream, if anything. It says so once, unless a look has met it: then until it is
    /// received.
    pub fn take_error(&self) -> Option<io::Error> {
        if let Some(met) = self.unread.failure() {
            return Some(met.raw_os_error().map_or_else(|| met.kind().into(), io::Error::from_raw_os_error));
        }
        match &self.socket {
            Socket::Tcp(socket) => socket.take_error().ok().flatten(),
            #[cfg(feature = "memory")]
            Socket::Memory(_) => None,
        }
    }

    /// Ends the sending side, and says whether the peer's machine has all that was sent. Only then may the stream be dropped
    /// while the peer may still send: what it sends then can undo what is on its way to it.
    pub fn finish(&self) -> bool {
        match &self.socket {
            Socket::Tcp(socket) => tcp::finish(socket),
            #[cfg(feature = "memory")]
            Socket::Memory(socket) => socket.finish(),
        }
    }

    /// Takes the stream off this runtime.
    ///
    /// # Errors
    /// The system does not let go of it.
    pub fn detach(self) -> io::Result<DetachedStream> {
        let socket = match self.socket {
            Socket::Tcp(socket) => DetachedSocket::Tcp(socket.into_std()?),
            #[cfg(feature = "memory")]
            Socket::Memory(socket) => DetachedSocket::Memory(socket),
        };
        Ok(DetachedStream { socket, unread: self.unread })
    }
}

impl Socket {
    #[inline]
    fn poll_recv(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => tcp::poll_recv(socket, cx, space),
            #[cfg(feature = "memory")]
            Self::Memory(socket) => socket.poll_recv(cx, space),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            #[cfg(feature = "memory")]
            Self::Memory(socket) => {
                socket.finish();
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl DetachedStream {
    /// Puts the stream on the runtime of the worker that calls.
    ///
    /// # Errors
    /// The system refuses to watch it.
    pub fn attach(self) -> io::Result<Stream> {
        let socket = match self.socket {
            DetachedSocket::Tcp(socket) => Socket::Tcp(TcpStream::from_std(socket)?),
            #[cfg(feature = "memory")]
            DetachedSocket::Memory(socket) => Socket::Memory(socket),
        };
        Ok(Stream { socket, unread: self.unread })
    }
}

/// For handshakes, which are not on the data path.
impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = ready!(self.get_mut().poll_recv(cx, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// The gateway's end and the peer's.
    async fn connected() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0.into(), peer)
    }

    #[tokio::test]
    async fn bytes_that_were_looked_at_are_received_first_even_on_another_runtime() {
        let (mut stream, mut peer) = connected().await;
        peer.write_all(b"hello").await.unwrap();
        let shown = stream.peek().await.unwrap().len();
        assert!((1..=5).contains(&shown), "{shown}");
        let detached = stream.detach().unwrap();
        peer.write_all(b" world").await.unwrap();

        let other_worker = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async {
                let mut stream = detached.attach().unwrap();
                let mut received = [0; 11];
                stream.read_exact(&mut received).await.unwrap();
                received
            })
        });
        assert_eq!(&other_worker.join().unwrap(), b"hello world");
    }

    #[tokio::test]
    async fn a_look_shows_all_that_has_come_and_takes_nothing() {
        let (mut stream, mut peer) = connected().await;
        for sent in [&b"ab"[..], b"cde"] {
            peer.write_all(sent).await.unwrap();
        }
        while stream.peek().await.unwrap().len() < 5 {}
        assert_eq!(stream.peek().await.unwrap(), b"abcde");

        let mut received = [0; 3];
        assert_eq!(stream.recv_now(&mut received).unwrap(), 3);
        assert_eq!((&received, stream.peek().await.unwrap()), (b"abc", &b"de"[..]));
    }

    #[tokio::test]
    async fn a_look_reads_no_more_than_its_bound() {
        let (mut stream, mut peer) = connected().await;
        peer.write_all(&[7; 2 * PEEKED_BYTES]).await.unwrap();
        while stream.peek().await.unwrap().len() < PEEKED_BYTES {}
        assert_eq!(stream.peek().await.unwrap().len(), PEEKED_BYTES);
        let mut received = [0; 2 * PEEKED_BYTES];
        stream.read_exact(&mut received).await.unwrap();
    }

    #[tokio::test]
    async fn a_look_for_more_waits_for_it_and_what_is_skipped_is_not_received() {
        let (mut stream, mut peer) = connected().await;
        for (sent, shown) in [(&b"ab"[..], &b"ab"[..]), (b"cd", b"abcd")] {
            peer.write_all(sent).await.unwrap();
            while stream.peek_more(100).await.unwrap() != shown {}
        }
        assert_eq!(stream.peek_more(4).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "no more than this");
        stream.skip_peeked(3);
        assert_eq!(stream.peeked(), b"d");

        peer.write_all(&[7; 2 * PEEKED_BYTES]).await.unwrap();
        while stream.peek_more(2 * PEEKED_BYTES).await.unwrap().len() < 2 * PEEKED_BYTES {}
        drop(peer);
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!((received.len(), stream.peek_more(100).await.is_err()), (1 + 2 * PEEKED_BYTES, true));
    }

    #[tokio::test]
    async fn the_end_of_a_stream_comes_behind_what_was_looked_at() {
        let (mut stream, mut peer) = connected().await;
        peer.write_all(b"bye").await.unwrap();
        peer.shutdown().await.unwrap();
        while stream.peek().await.unwrap().len() < 3 {}
        assert_eq!(stream.peek().await.unwrap(), b"bye");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!((received.as_slice(), stream.peek().await.unwrap()), (&b"bye"[..], &b""[..]));
    }

    /// A stream of which "bye" was looked at, and whose peer has broken off since.
    async fn broken_off_behind_what_was_looked_at() -> Stream {
        let (mut stream, mut peer) = connected().await;
        peer.write_all(b"bye").await.unwrap();
        while stream.peek().await.unwrap().len() < 3 {}
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        let Socket::Tcp(socket) = &stream.socket else { panic!("no socket") };
        socket.readable().await.unwrap();
        assert_eq!(stream.peek().await.unwrap(), b"bye");
        stream
    }

    #[tokio::test]
    async fn an_error_of_a_stream_comes_behind_what_was_looked_at() {
        let mut stream = broken_off_behind_what_was_looked_at().await;
        assert_eq!(stream.peek().await.unwrap(), b"bye", "however often one looks");

        let mut received = [0; 3];
        stream.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"bye");
        let broken_off = stream.read(&mut received).await.unwrap_err();
        assert_eq!(broken_off.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn an_error_behind_what_was_looked_at_is_known_though_nothing_is_received() {
        let stream = broken_off_behind_what_was_looked_at().await;
        let found = stream.take_error().unwrap();
        assert_eq!(found.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn an_error_behind_what_was_looked_at_goes_with_the_stream_to_another_runtime() {
        let stream = broken_off_behind_what_was_looked_at().await;
        let mut stream = stream.detach().unwrap().attach().unwrap();
        let mut received = [0; 3];
        assert_eq!(stream.recv_now(&mut received).unwrap(), 3);
        assert_eq!(stream.recv_now(&mut received).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_stream_is_finished_once_the_peer_has_all() {
        let (mut stream, mut peer) = connected().await;
        assert_eq!(stream.send_now(b"last").unwrap(), 4);
        while !stream.finish() {
            tokio::task::yield_now().await;
        }
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"last");
    }
}
