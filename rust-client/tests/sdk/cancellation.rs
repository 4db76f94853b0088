//! Every future may be dropped wherever it waits: nothing is lost, doubled or left behind.
//!
//! Futures are polled a few times and dropped, again and again, over a stream that stops at random places.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::{FakeGateway, Message, quiet};
use fastway_client::{Client, ServerId};
use fastway_wire::{Command, ConnId};
use futures_util::poll;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

const SERVER: ServerId = ServerId::new(7);
const SEEDS: u64 = 12;

/// A stream that is not ready every now and then, and takes and gives a few bytes at a time.
struct Choppy {
    inner: DuplexStream,
    random: SmallRng,
}

impl Choppy {
    fn stops(&mut self, cx: &Context<'_>) -> bool {
        let stops = self.random.random_bool(0.3);
        if stops {
            cx.waker().wake_by_ref();
        }
        stops
    }
}

impl AsyncRead for Choppy {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stops(cx) {
            return Poll::Pending;
        }
        let most = buf.remaining().min(self.random.random_range(1..40));
        let mut few = vec![0; most];
        let mut part = ReadBuf::new(&mut few);
        let read = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        read
    }
}

impl AsyncWrite for Choppy {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.stops(cx) {
            return Poll::Pending;
        }
        let most = buf.len().min(self.random.random_range(1..40));
        Pin::new(&mut self.inner).poll_write(cx, &buf[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stops(cx) { Poll::Pending } else { Pin::new(&mut self.inner).poll_flush(cx) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stops(cx) { Poll::Pending } else { Pin::new(&mut self.inner).poll_shutdown(cx) }
    }
}

/// A client on such a stream whose queues are as small as can be, so that everything has to wait.
fn choppy(seed: u64) -> (Client, FakeGateway, SmallRng) {
    let mut random = SmallRng::seed_from_u64(seed);
    let (ours, theirs) = duplex(random.random_range(1..200));
    let mut config = quiet();
    config.link.send_buffer_bytes = random.random_range(1..100);
    config.link.receive_queue.max_messages = random.random_range(1..5);
    config.link.read_block_bytes = 1024;
    let stream = Choppy { inner: ours, random: SmallRng::seed_from_u64(seed + 1000) };
    (Client::over(stream, config).unwrap(), FakeGateway::new(theirs), random)
}

/// Makes the future again and again, drops it after a few polls, and gives what the first to get through gives.
async fn interrupted<T>(random: &mut SmallRng, mut make: impl AsyncFnMut() -> T) -> T {
    loop {
        let mut future = Box::pin(make());
        for _ in 0..random.random_range(1..6) {
            if let Poll::Ready(value) = poll!(&mut future) {
                return value;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn number(message: &[u8]) -> u32 {
    u32::from_le_bytes(message[..4].try_into().unwrap())
}

#[tokio::test]
async fn send_queues_a_message_as_a_whole_or_not_at_all() {
    for seed in 0..SEEDS {
        let (client, mut gateway, mut random) = choppy(seed);
        let connection = gateway.open(&client, 1).await;
        let send = async {
            for number in 0..300u32 {
                let message = number.to_le_bytes().repeat(random.random_range(1..20));
                match number % 3 {
                    0 => interrupted(&mut random, async || connection.send(message.clone()).await.unwrap()).await,
                    1 => interrupted(&mut random, async || connection.send_slice(&message).await.unwrap()).await,
                    _ => {
                        let limit = Duration::from_secs(60);
                        let send = async || connection.send_timeout(message.clone(), limit).await.unwrap();
                        interrupted(&mut random, send).await
                    }
                };
                if number % 10 == 0 {
                    interrupted(&mut random, async || connection.flush().await.unwrap()).await;
                }
            }
        };
        let check = async {
            for expected in 0..300u32 {
                let Some(Message::Data(_, message)) = gateway.receive().await else { panic!("not data") };
                assert_eq!(number(&message), expected, "seed {seed}");
            }
        };
        tokio::join!(send, check);
    }
}

#[tokio::test]
async fn recv_takes_a_message_or_leaves_it() {
    for seed in 0..SEEDS {
        let (client, mut gateway, mut random) = choppy(seed);
        let mut connection = gateway.open(&client, 1).await;
        let feed = async {
            for number in 0..300u32 {
                gateway.data(1, &number.to_le_bytes()).await;
            }
            gateway.command(Command::Close { conn: ConnId::new(1) }).await;
        };
        let read = async {
            for expected in 0..300u32 {
                let got = match expected % 2 {
                    0 => interrupted(&mut random, async || number(&connection.recv().await.unwrap())).await,
                    _ => interrupted(&mut random, async || number(connection.recv_ref().await.unwrap())).await,
                };
                assert_eq!(got, expected, "seed {seed}");
            }
            interrupted(&mut random, async || connection.closed().await).await;
            assert_eq!(interrupted(&mut random, async || connection.recv().await).await, None);
        };
        tokio::join!(feed, read);
    }
}

#[tokio::test]
async fn accept_takes_a_connection_or_leaves_it() {
    for seed in 0..SEEDS {
        let (client, mut gateway, mut random) = choppy(seed);
        let feed = async {
            for conn in (1..=200).map(ConnId::new) {
                gateway.command(Command::Connect { conn, remote: 7 }).await;
            }
            gateway
        };
        let accept = async {
            let mut accepted = Vec::new();
            for conn in 1..=200 {
                accepted.push(interrupted(&mut random, async || client.accept().await.unwrap()).await);
                assert_eq!(accepted.last().unwrap().conn_id(), ConnId::new(conn), "seed {seed}");
            }
            accepted
        };
        let (_gateway, accepted) = tokio::join!(feed, accept);
        assert!(accepted.iter().all(|connection| connection.close_reason().is_none()));
    }
}

/// Each dial that was dropped before it was answered is answered all the same, and that connection closed.
#[tokio::test]
async fn dial_gives_a_connection_or_leaves_nothing_behind() {
    for seed in 0..SEEDS {
        let (client, mut gateway, mut random) = choppy(seed);
        let answer = async {
            let (mut opened, mut open) = (0, BTreeSet::new());
            // The last dial is for a server that is not there.
            while let Some(Message::Command(command)) = gateway.receive().await {
                match command {
                    Command::Dial { remote: 7 } => {
                        opened += 1;
                        open.insert(ConnId::new(opened));
                        gateway.command(Command::Accept { conn: ConnId::new(opened), remote: 7 }).await;
                    }
                    Command::Close { conn } => assert!(open.remove(&conn), "{conn} closed twice, seed {seed}"),
                    command => {
                        assert_eq!(command, Command::Dial { remote: 8 });
                        gateway.command(Command::Refuse { remote: 8 }).await;
                        break;
                    }
                }
            }
            (open, gateway)
        };
        let dial = async {
            let mut kept = BTreeSet::new();
            let mut connections = Vec::new();
            for _ in 0..50 {
                let connection = interrupted(&mut random, async || client.dial(SERVER).await.unwrap()).await;
                kept.insert(connection.conn_id());
                connections.push(connection);
            }
            client.dial(ServerId::new(8)).await.unwrap_err();
            (kept, connections)
        };
        let ((mut open, mut gateway), (kept, _connections)) = tokio::join!(answer, dial);
        // Its answer came behind those of all dials before, so what is too much has been closed, or is being.
        while open != kept {
            let Some(Message::Command(Command::Close { conn })) = gateway.receive().await else { panic!("no Close") };
            assert!(open.remove(&conn) && !kept.contains(&conn), "seed {seed}");
        }
    }
}

#[tokio::test]
async fn close_goes_on_when_it_is_dropped() {
    for seed in 0..SEEDS {
        let (client, mut gateway, mut random) = choppy(seed);
        let connection = gateway.open(&client, 1).await;
        connection.send("last words").await.unwrap();
        let check = async {
            gateway.expect_data(1, b"last words").await;
            gateway.agree_to_close().await;
        };
        tokio::join!(check, interrupted(&mut random, async || client.close().await));
        interrupted(&mut random, async || client.closed().await).await;
    }
}
