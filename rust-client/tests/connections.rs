//! Connections against a gateway that the test plays: dials, messages, back-pressure, ends.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "the suites share their support, and no suite needs all of it")]

mod support;

use std::time::Duration;

use fastway_client::{
    Bytes, ClientConfig, CloseReason, DialError, LinkEnd, Pace, Remote, SendError, ServerId, TryRecv, TrySendError,
    WhenFull,
};
use fastway_wire::{Command, ConnId};
use futures_util::{SinkExt, StreamExt};
use support::{Message, client_over, connected, quiet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: ServerId = ServerId::new(7);

fn accept(conn: u32, remote: u32) -> Command {
    Command::Accept { conn: ConnId::new(conn), remote }
}

fn close(conn: u32) -> Command {
    Command::Close { conn: ConnId::new(conn) }
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_dials() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    let dials = async { tokio::join!(client.dial(SERVER), client.dial(ServerId::new(8)), client.dial(SERVER)) };
    let answers = async {
        for remote in [7, 8, 7] {
            gateway.expect(Command::Dial { remote }).await;
        }
        gateway.command(accept(1, 7)).await;
        gateway.command(Command::Refuse { remote: 8 }).await;
        gateway.command(accept(2, 7)).await;
    };
    let ((first, second, third), ()) = tokio::join!(dials, answers);
    assert_eq!(first.unwrap().conn_id(), ConnId::new(1));
    let refused = Remote::Server(ServerId::new(8));
    assert!(matches!(second.unwrap_err(), DialError::Refused { remote } if remote == refused));
    let third = third.unwrap();
    assert_eq!((third.conn_id(), third.remote_id()), (ConnId::new(2), SERVER));
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_timed_out_leaves_nothing_behind() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    let limit = Duration::from_secs(1);
    let error = client.dial_timeout(SERVER, limit).await.unwrap_err();
    assert!(matches!(error, DialError::TimedOut { after, .. } if after == limit), "{error}");
    gateway.expect(Command::Dial { remote: 7 }).await;
    gateway.command(accept(1, 7)).await;
    gateway.expect(close(1)).await;
    gateway.command(close(1)).await;
    assert_eq!(client.stats().late_accepts, 1);
    let connection = gateway.open(&client, 2).await;
    assert_eq!(connection.conn_id(), ConnId::new(2));
}

#[tokio::test]
async fn a_dial_dropped_with_its_answer_under_way_leaves_nothing_behind() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    {
        let mut dial = std::pin::pin!(client.dial(SERVER));
        assert!(futures_util::poll!(&mut dial).is_pending());
        gateway.expect(Command::Dial { remote: 7 }).await;
        gateway.command(accept(1, 7)).await;
        gateway.data(1, b"early").await;
        gateway.command(Command::Connect { conn: ConnId::new(2), remote: 7 }).await;
        // What came last has been seen, so the answer waits in the dial that is dropped now.
        client.accept().await.unwrap();
    }
    gateway.expect(close(2)).await;
    gateway.expect(close(1)).await;
}

#[tokio::test]
async fn messages_arrive_whole_and_in_order_however_the_stream_is_cut() {
    let messages: Vec<Vec<u8>> = (0..30u8).map(|n| vec![n; usize::from(n) * 331 % 5000]).collect();
    for pipe_bytes in [3, 64, 5000, 1 << 20] {
        let (client, mut gateway) = client_over(pipe_bytes, quiet());
        let mut connection = gateway.open(&client, 1).await;
        let play = async {
            for message in &messages {
                gateway.data(1, message).await;
                gateway.expect_data(1, message).await;
            }
        };
        let echo = async {
            for expected in &messages {
                let message = connection.recv().await.unwrap();
                assert!(message == *expected);
                connection.send(message).await.unwrap();
            }
        };
        tokio::join!(play, echo);
    }
}

#[tokio::test]
async fn a_message_too_long_is_the_senders_own_error() {
    let (_client, mut gateway, connection) = connected().await;
    let max = ClientConfig::default().link.max_message_bytes();
    let error = connection.send(vec![0; max + 1]).await.unwrap_err();
    assert!(matches!(error, SendError::TooLong { bytes, max: allowed } if bytes == max + 1 && allowed == max));
    connection.send(vec![1; max]).await.unwrap();
    gateway.expect_data(1, &vec![1; max]).await;
}

#[tokio::test]
async fn an_end_from_either_side_is_seen_by_all_and_told_once() {
    let (_client, mut gateway, mut connection) = connected().await;
    gateway.data(1, b"last").await;
    gateway.command(close(1)).await;
    assert!(matches!(connection.closed().await, CloseReason::Remote));
    assert_eq!(connection.recv().await.unwrap(), "last");
    assert_eq!(connection.recv().await, None);
    assert!(matches!(connection.try_recv(), Err(TryRecv::Closed(CloseReason::Remote))));
    assert!(matches!(connection.send("late").await, Err(SendError::Closed(CloseReason::Remote))));
    drop(connection); // and no Close for it

    let other = gateway.open(&_client, 2).await;
    other.close();
    other.close();
    assert!(matches!(other.send("late").await, Err(SendError::Closed(CloseReason::Local))));
    drop(other);
    gateway.expect(close(2)).await;
    let next = gateway.open(&_client, 3).await;
    assert_eq!(next.conn_id(), ConnId::new(3));
}

#[tokio::test]
async fn the_last_half_that_is_dropped_closes_the_connection() {
    let (client, mut gateway, connection) = connected().await;
    let (sending, receiving) = connection.split();
    let clone = sending.clone();
    drop(receiving);
    drop(sending);
    gateway.data(1, b"nobody reads").await;
    clone.send("still open").await.unwrap();
    gateway.expect_data(1, b"still open").await;
    drop(clone);
    gateway.expect(close(1)).await;

    let (sending, mut receiving) = gateway.open(&client, 2).await.split();
    drop(sending);
    gateway.data(2, b"hi").await;
    assert_eq!(receiving.recv().await.unwrap(), "hi");
    drop(receiving);
    gateway.expect(close(2)).await;
}

#[tokio::test]
async fn a_dropped_endpoint_ends_its_link_and_its_connections() {
    let (client, mut gateway, mut connection) = connected().await;
    drop(client);
    assert_eq!(connection.recv().await, None);
    assert!(matches!(connection.close_reason(), Some(CloseReason::Link(LinkEnd::Dropped))));
    gateway.expect_end().await;
    // The stream is gone, so the task is, too.
    assert!(matches!(connection.send("late").await, Err(SendError::Closed(CloseReason::Link(LinkEnd::Dropped)))));
}

#[tokio::test]
async fn connections_nobody_accepted_end_with_the_endpoint() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    gateway.command(Command::Connect { conn: ConnId::new(1), remote: 7 }).await;
    gateway.command(Command::Connect { conn: ConnId::new(2), remote: 7 }).await;
    assert_eq!(client.accept().await.unwrap().conn_id(), ConnId::new(1));
    gateway.expect(close(1)).await;
    drop(client);
    gateway.expect_end().await;
}

#[tokio::test]
async fn more_accepts_than_may_wait_are_closed() {
    let mut config = quiet();
    config.link.pending_accepts = 2;
    let (client, mut gateway) = client_over(1 << 16, config);
    for conn in 1..=3 {
        gateway.command(Command::Connect { conn: ConnId::new(conn), remote: 7 }).await;
    }
    gateway.expect(close(3)).await;
    let waiting = [client.accept().await.unwrap(), client.accept().await.unwrap()];
    assert_eq!(waiting.map(|connection| connection.conn_id()), [1, 2].map(ConnId::new));
    assert_eq!(client.stats().accepts_overflowed, 1);
}

#[tokio::test(start_paused = true)]
async fn send_waits_while_the_link_is_held_up_and_says_so() {
    let mut config = quiet();
    config.link.send_buffer_bytes = 1000;
    let (client, mut gateway) = client_over(64, config);
    let connection = gateway.open(&client, 1).await;
    assert_eq!(connection.send(vec![1; 2000]).await.unwrap(), Pace::Free);
    assert!(connection.is_held_up() && client.is_held_up());
    let message = Bytes::from_static(b"later");
    let Err(TrySendError::HeldUp(back)) = connection.try_send(message.clone()) else { panic!("not held up") };
    assert_eq!(back, message);
    let limited = connection.send_timeout(message.clone(), Duration::from_secs(1)).await;
    assert!(matches!(limited, Err(TrySendError::HeldUp(_))));

    let read = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        gateway.expect_data(1, &[1; 2000]).await;
        gateway.expect_data(1, b"later").await;
    };
    let (sent, ()) = tokio::join!(connection.send(message), read);
    assert!(matches!(sent.unwrap(), Pace::HeldUp(_)));
    assert!(!connection.is_held_up());
    assert_eq!(client.stats().sends_held_up, 2);
}

#[tokio::test]
async fn a_send_that_waits_ends_with_its_connection() {
    let mut config = quiet();
    config.link.send_buffer_bytes = 1000;
    let (client, mut gateway) = client_over(64, config);
    let connection = gateway.open(&client, 1).await;
    connection.send(vec![1; 2000]).await.unwrap();
    let (sent, ()) = tokio::join!(connection.send("more"), gateway.command(close(1)));
    assert!(matches!(sent, Err(SendError::Closed(CloseReason::Remote))));
}

#[tokio::test]
async fn flush_waits_until_the_stream_has_all() {
    let (client, mut gateway) = client_over(64, quiet());
    let connection = gateway.open(&client, 1).await;
    connection.send(vec![1; 1000]).await.unwrap();
    let mut flush = std::pin::pin!(connection.flush());
    for _ in 0..10 {
        tokio::task::yield_now().await;
        assert!(futures_util::poll!(&mut flush).is_pending());
    }
    let (flushed, ()) = tokio::join!(flush, gateway.expect_data(1, &[1; 1000]));
    flushed.unwrap();
    assert_eq!(client.stats().waiting_bytes, 0);
}

#[tokio::test]
async fn a_full_queue_holds_the_link_until_half_of_it_is_read() {
    let mut config = quiet();
    config.link.receive_queue.max_messages = 10;
    config.link.read_block_bytes = 1024;
    let (client, mut gateway) = client_over(256, config);
    let mut slow = gateway.open(&client, 1).await;
    let mut other = gateway.open(&client, 2).await;
    let flood = async {
        for number in 0..1000u32 {
            gateway.data(1, &number.to_le_bytes()).await;
        }
        gateway.data(2, b"behind").await;
    };
    let mut flood = std::pin::pin!(flood);
    while client.stats().reads_held == 0 {
        assert!(futures_util::poll!(&mut flood).is_pending());
        tokio::task::yield_now().await;
    }
    // Held for good: neither the flood nor the other connection gets on.
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut flood).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(matches!(other.try_recv(), Err(TryRecv::Empty)));
    let read = async {
        for number in 0..1000u32 {
            assert_eq!(slow.recv().await.unwrap(), number.to_le_bytes()[..]);
        }
    };
    tokio::join!(flood, read);
    assert_eq!(other.recv().await.unwrap(), "behind");
    assert!(client.stats().reads_held > 1);
}

#[tokio::test]
async fn a_held_link_goes_on_when_the_last_message_is_taken_whatever_is_awaited_then() {
    let mut config = quiet();
    config.link.receive_queue.max_messages = 1;
    let (client, mut gateway) = client_over(1 << 16, config);
    let mut connection = gateway.open(&client, 1).await;
    for _ in 0..3 {
        gateway.data(1, b"only one").await;
        assert_eq!(connection.recv().await.unwrap(), "only one");
        gateway.open(&client, 2).await.close();
        gateway.expect(close(2)).await;
    }
    gateway.command(close(1)).await;
    connection.closed().await;
    assert_eq!(client.stats().reads_held, 3);
}

#[tokio::test]
async fn a_full_queue_closes_its_connection_alone() {
    let mut config = quiet();
    config.link.receive_queue.max_messages = 10;
    config.link.receive_queue.when_full = WhenFull::CloseConnection;
    config.link.read_block_bytes = 1024;
    let (client, mut gateway) = client_over(256, config);
    let mut slow = gateway.open(&client, 1).await;
    let mut other = gateway.open(&client, 2).await;
    for number in 0..1000u32 {
        gateway.data(1, &number.to_le_bytes()).await;
    }
    gateway.data(2, b"behind").await;
    assert_eq!(other.recv().await.unwrap(), "behind");
    gateway.expect(close(1)).await;
    assert!(matches!(slow.closed().await, CloseReason::QueueFull { messages, .. } if messages >= 10));
    let mut read = 0u32;
    while let Some(message) = slow.recv().await {
        assert_eq!(message, read.to_le_bytes()[..]);
        read += 1;
    }
    assert!((10..200).contains(&read), "{read}");
    assert_eq!(client.stats().closed_queue_full, 1);
}

#[tokio::test]
async fn a_connection_that_holds_the_link_releases_it_when_dropped() {
    for drop_all in [false, true] {
        let mut config = quiet();
        config.link.receive_queue.max_messages = 1;
        let (client, mut gateway) = client_over(1 << 16, config);
        let (sending, receiving) = gateway.open(&client, 1).await.split();
        gateway.data(1, b"nobody reads").await;
        while client.stats().reads_held == 0 {
            tokio::task::yield_now().await;
        }
        drop(receiving);
        let kept = (!drop_all).then_some(sending);
        gateway.command(Command::Connect { conn: ConnId::new(2), remote: 7 }).await;
        assert_eq!(client.accept().await.unwrap().conn_id(), ConnId::new(2));
        drop(kept);
    }
}

#[tokio::test]
async fn connections_are_streams_and_sinks() {
    let (_client, mut gateway, mut connection) = connected().await;
    connection.send_all(&mut futures_util::stream::iter((0..9u8).map(|n| Ok(vec![n].into())))).await.unwrap();
    for number in 0..9 {
        gateway.expect_data(1, &[number]).await;
        gateway.data(1, &[number]).await;
    }
    gateway.command(close(1)).await;
    let received: Vec<Bytes> = connection.by_ref().collect().await;
    assert_eq!(received.concat(), (0..9).collect::<Vec<u8>>());
    assert!(SinkExt::close(&mut connection).await.is_err());
}

#[tokio::test]
async fn a_sink_that_is_closed_has_sent_all() {
    let (_client, mut gateway, mut connection) = connected().await;
    connection.feed("last words".into()).await.unwrap();
    SinkExt::close(&mut connection).await.unwrap();
    gateway.expect_data(1, b"last words").await;
    gateway.expect(close(1)).await;
    SinkExt::close(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_a_byte_stream() {
    let (_client, mut gateway, connection) = connected().await;
    let mut io = connection.into_io();
    let bytes: Vec<u8> = (0..100_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let echo = async {
        let mut echoed = 0;
        while echoed < bytes.len() {
            let Some(Message::Data(_, part)) = gateway.receive().await else { panic!("not data") };
            echoed += part.len();
            gateway.data(1, &part).await;
        }
        gateway.expect(close(1)).await;
    };
    let copy = async {
        io.write_all(&bytes).await.unwrap();
        let mut back = vec![0; bytes.len()];
        io.read_exact(&mut back).await.unwrap();
        assert!(back == bytes);
        io.shutdown().await.unwrap();
        assert_eq!(io.read(&mut back).await.unwrap(), 0);
    };
    tokio::join!(echo, copy);
}

#[tokio::test]
async fn a_byte_stream_tells_a_cut_from_an_end() {
    let (client, gateway, connection) = connected().await;
    let mut io = connection.into_io();
    drop((client, gateway));
    let error = io.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
}
