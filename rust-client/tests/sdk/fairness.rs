//! Who has always something to do lets the others have their turn.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use crate::support::{FakeGateway, client_over, connect, quiet};
use fastway_client::{Client, Connection, ServerId};
use fastway_wire::Command;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;

/// More than a task may take or give in one turn.
const MANY: u32 = 8000;

/// A task of the same runtime that wants one turn.
struct Other(Arc<AtomicBool>);

impl Other {
    fn start() -> Self {
        let ran = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ran);
        tokio::spawn(async move { flag.store(true, Ordering::Relaxed) });
        Self(ran)
    }

    fn had_its_turn(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection for which many messages wait already.
async fn with_many_waiting() -> (Client, FakeGateway, Connection<ServerId>) {
    let mut config = quiet();
    config.link.receive_queue.max_messages = usize::MAX;
    let (client, mut gateway) = client_over(1 << 20, config);
    let connection = gateway.open(&client, 1).await;
    for number in 0..MANY {
        gateway.data(1, &number.to_le_bytes()).await;
    }
    while client.stats().received_messages < u64::from(MANY) {
        tokio::task::yield_now().await;
    }
    (client, gateway, connection)
}

#[tokio::test]
async fn receiving_what_is_there_already_takes_turns() {
    let (_client, _gateway, mut connection) = with_many_waiting().await;
    let other = Other::start();
    for _ in 0..MANY {
        connection.recv().await.unwrap();
    }
    assert!(other.had_its_turn(), "recv");

    let (_client, _gateway, mut connection) = with_many_waiting().await;
    let other = Other::start();
    for _ in 0..MANY {
        connection.recv_ref().await.unwrap();
    }
    assert!(other.had_its_turn(), "recv_ref");

    let (_client, _gateway, mut connection) = with_many_waiting().await;
    let other = Other::start();
    for _ in 0..MANY {
        connection.next().await.unwrap();
    }
    assert!(other.had_its_turn(), "Stream");
}

#[tokio::test]
async fn reading_one_long_message_byte_by_byte_takes_turns() {
    let (client, mut gateway) = client_over(1 << 20, quiet());
    let mut io = gateway.open(&client, 1).await.into_io();
    gateway.data(1, &[7; 8000]).await;
    io.read_u8().await.unwrap();
    let other = Other::start();
    for _ in 1..8000 {
        io.read_u8().await.unwrap();
    }
    assert!(other.had_its_turn());
}

#[tokio::test]
async fn sending_into_a_large_buffer_takes_turns() {
    let mut config = quiet();
    config.link.send_buffer_bytes = usize::MAX;
    let (client, mut gateway) = client_over(64, config);
    let mut connection = gateway.open(&client, 1).await;

    let other = Other::start();
    for _ in 0..MANY {
        connection.send("again").await.unwrap();
    }
    assert!(other.had_its_turn(), "send");

    let other = Other::start();
    for _ in 0..MANY {
        connection.send_slice(b"again").await.unwrap();
    }
    assert!(other.had_its_turn(), "send_slice");

    let other = Other::start();
    for _ in 0..MANY {
        connection.feed("again".into()).await.unwrap();
    }
    assert!(other.had_its_turn(), "Sink");

    let mut io = connection.into_io();
    let other = Other::start();
    for _ in 0..MANY {
        io.write_u8(7).await.unwrap();
    }
    assert!(other.had_its_turn(), "AsyncWrite");
}

#[tokio::test]
async fn accepting_what_is_there_already_takes_turns() {
    let (client, mut gateway) = client_over(1 << 20, quiet());
    for conn in 1..=500 {
        gateway.command(connect(conn)).await;
    }
    while client.stats().received_bytes < 500 * connect(1).encode().len() as u64 {
        tokio::task::yield_now().await;
    }
    let other = Other::start();
    for _ in 0..500 {
        client.accept().await.unwrap();
    }
    assert!(other.had_its_turn());
}

/// A link that always has pings to read, until it ends.
struct Endless {
    reads: Arc<AtomicUsize>,
}

impl AsyncRead for Endless {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reads.fetch_add(1, Ordering::Relaxed) < 1_000_000 {
            buf.put_slice(&Command::Ping.encode());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_busy_link_lets_its_runtime_look_for_events_after_each_turn() {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let waiting = tokio::spawn(async move { ours.read_u8().await.unwrap() });
    let reads = Arc::new(AtomicUsize::new(0));
    let _client = Client::over(Endless { reads: Arc::clone(&reads) }, quiet()).unwrap();
    while reads.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    theirs.write_u8(7).await.unwrap();
    let before = reads.load(Ordering::Relaxed);
    assert!(before < 40, "{before} reads in one turn");
    assert_eq!(waiting.await.unwrap(), 7);
    let meanwhile = reads.load(Ordering::Relaxed) - before;
    assert!(meanwhile < 40, "{meanwhile} reads before the runtime looked");
}
