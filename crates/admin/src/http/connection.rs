//! One connection: the bounds on its requests and its time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::access::ClientTrust;
use super::app::App;

/// The time for the head of a request, from the connection or the answer before it.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// Most headers of a request.
const HEADERS: usize = 64;
/// The time in which a peer must read something of an answer.
const STALL_TIME: Duration = Duration::from_secs(10);

/// Answers the requests of a connection until it ends or the listener does.
pub(super) async fn serve(stream: TcpStream, app: Arc<App>, trust: ClientTrust) {
    let answering = Arc::clone(&app);
    let service = service_fn(move |request| Arc::clone(&answering).answer(request, trust.clone()));

    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(TimedStream { stream, stalled: None }), service);

    let mut connection = std::pin::pin!(connection);
    // An early end is the peer's doing, and has been answered if that was possible.
    let _ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = app.ended() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

/// A stream that fails when its peer reads nothing for too long.
struct TimedStream {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl TimedStream {
    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }

        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_TIME)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _far = listener.accept().await.unwrap();
        let mut patient = TimedStream { stream: near, stalled: None };
        let block = vec![0; 1 << 20];
        let error = loop {
            if let Err(error) = patient.write_all(&block).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
