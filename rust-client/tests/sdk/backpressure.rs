//! Bounds of what waits, in both directions, against a gateway that the test plays.

use std::time::Duration;

use crate::support::{FakeGateway, accept, client_over, close, connect, quiet};
use fastway_client::{
    Bytes, Client, CloseReason, Connection, Pace, SendError, ServerId, TryRecv, TrySendError, WhenFull,
};
use fastway_wire::{Command, ConnId};
use futures_util::FutureExt;
use tokio::time::Instant;

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
        while client.stats().sends_held_up < 2 {
            tokio::task::yield_now().await;
        }
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
async fn a_held_link_goes_on_at_half_though_the_reader_stops_there() {
    let mut config = quiet();
    config.link.receive_queue.max_messages = 80;
    let (client, mut gateway) = client_over(1 << 16, config);
    let mut slow = gateway.open(&client, 1).await;
    let mut other = gateway.open(&client, 2).await;
    for _ in 0..80 {
        gateway.data(1, b"one of many").await;
    }
    while client.stats().reads_held == 0 {
        tokio::task::yield_now().await;
    }
    gateway.data(2, b"behind").await;
    for _ in 0..35 {
        slow.recv().await.unwrap();
    }
    assert!(other.recv().now_or_never().is_none());
    // Half, and what may be read between two looks.
    for _ in 35..50 {
        slow.recv().await.unwrap();
    }
    assert_eq!(other.recv().await.unwrap(), "behind");
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
        gateway.command(connect(2)).await;
        assert_eq!(client.accept().await.unwrap().conn_id(), ConnId::new(2));
        drop(kept);
    }
}

#[tokio::test]
async fn a_connection_that_nobody_has_been_handed_never_holds_the_link() {
    let mut config = quiet();
    config.link.receive_queue.max_messages = 10;
    config.link.read_block_bytes = 1024;
    let (client, mut gateway) = client_over(256, config);
    gateway.command(connect(1)).await;
    for number in 0..1000u32 {
        gateway.data(1, &number.to_le_bytes()).await;
    }
    gateway.expect(close(1)).await;
    let mut other = gateway.open(&client, 2).await;
    gateway.data(2, b"behind").await;
    assert_eq!(other.recv().await.unwrap(), "behind");

    let mut late = client.accept().await.unwrap();
    assert!(matches!(late.close_reason(), Some(CloseReason::QueueFull { messages, .. }) if messages >= 10));
    assert_eq!(late.recv().await.unwrap(), 0u32.to_le_bytes()[..]);
    let stats = client.stats();
    assert_eq!((stats.closed_queue_full, stats.reads_held), (1, 0));
}

#[tokio::test]
async fn a_dial_that_was_answered_and_not_taken_never_holds_the_link() {
    let mut config = quiet();
    config.link.receive_queue.max_messages = 1;
    let (client, mut gateway) = client_over(1 << 16, config);
    let mut dial = std::pin::pin!(client.dial(ServerId::new(7)));
    assert!(futures_util::poll!(&mut dial).is_pending());
    gateway.expect(Command::Dial { remote: 7 }).await;
    gateway.command(accept(1, 7)).await;
    gateway.data(1, b"one fills it").await;
    gateway.command(connect(2)).await;
    assert_eq!(client.accept().await.unwrap().conn_id(), ConnId::new(2));
    assert_eq!(dial.await.unwrap().recv().await.unwrap(), "one fills it");
}

/// A client whose connections may have 20,000 bytes waiting together, and a lot each.
fn with_a_total(when_full: WhenFull) -> (Client, FakeGateway) {
    let mut config = quiet();
    config.link.receive_total_bytes = 20_000;
    config.link.receive_queue.when_full = when_full;
    config.link.read_block_bytes = 1024;
    client_over(1 << 20, config)
}

/// Sends, and waits until the link has taken it.
async fn received(gateway: &mut FakeGateway, client: &Client, conn: u32, payload_bytes: usize) {
    let before = client.stats().received_messages;
    gateway.data(conn, &vec![7; payload_bytes]).await;
    while client.stats().received_messages == before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn when_all_together_are_full_the_largest_is_closed_and_its_memory_free() {
    let (client, mut gateway) = with_a_total(WhenFull::CloseConnection);
    let mut connections = Vec::new();
    for conn in 1..=3 {
        connections.push(gateway.open(&client, conn).await);
    }
    for (conn, payload_bytes) in [(1, 5000), (2, 9000), (3, 4000), (1, 100), (3, 4000)] {
        received(&mut gateway, &client, conn, payload_bytes).await;
    }
    gateway.expect(close(2)).await;
    let full = connections[1].close_reason();
    assert!(matches!(full, Some(CloseReason::QueueFull { messages: 1, bytes: 9008 })), "{full:?}");
    assert_eq!(connections[1].recv().await, None);
    assert_eq!(client.stats().unread_bytes, 13_132);
    assert_eq!((client.stats().closed_queue_full, client.stats().reads_held), (1, 0));
    for (index, sizes) in [(0, [5000, 100]), (2, [4000, 4000])] {
        for size in sizes {
            assert_eq!(connections[index].recv().await.unwrap().len(), size);
        }
        assert!(connections[index].close_reason().is_none());
    }
    assert_eq!(client.stats().unread_bytes, 0);
}

#[tokio::test]
async fn what_ended_connections_left_counts_and_goes_first_when_it_is_the_largest() {
    let (client, mut gateway) = with_a_total(WhenFull::CloseConnection);
    let mut ended = gateway.open(&client, 1).await;
    let mut open = gateway.open(&client, 2).await;
    received(&mut gateway, &client, 1, 12_000).await;
    gateway.command(close(1)).await;
    assert!(matches!(ended.closed().await, CloseReason::Remote));
    received(&mut gateway, &client, 2, 9000).await;
    assert_eq!(client.stats().unread_bytes, 9008);
    assert_eq!(ended.recv().await, None);
    assert_eq!(open.recv().await.unwrap().len(), 9000);
    assert_eq!(client.stats().closed_queue_full, 0);
}

#[tokio::test]
async fn when_all_together_are_full_the_link_is_held_until_half_is_read() {
    let (client, mut gateway) = with_a_total(WhenFull::Hold);
    let mut first = gateway.open(&client, 1).await;
    let mut second = gateway.open(&client, 2).await;
    received(&mut gateway, &client, 1, 11_000).await;
    received(&mut gateway, &client, 2, 10_000).await;
    assert_eq!(client.stats().reads_held, 1);
    gateway.data(2, b"behind").await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.stats().received_messages, 2);
    assert_eq!(second.recv().await.unwrap().len(), 10_000);
    assert_eq!(client.stats().unread_bytes, 11_008);
    assert!(matches!(second.try_recv(), Err(TryRecv::Empty)));
    assert_eq!(first.recv().await.unwrap().len(), 11_000);
    assert_eq!(second.recv().await.unwrap(), "behind");
}

/// A connection whose reader has taken three messages at once and read the first of them.
async fn with_a_batch(client: &Client, gateway: &mut FakeGateway, sizes: [usize; 3]) -> Connection<ServerId> {
    let mut connection = gateway.open(client, 1).await;
    for payload_bytes in sizes {
        received(gateway, client, 1, payload_bytes).await;
    }
    assert_eq!(connection.recv().await.unwrap().len(), sizes[0]);
    connection
}

#[tokio::test]
async fn a_message_read_in_the_middle_of_a_batch_frees_a_held_link() {
    let (client, mut gateway) = with_a_total(WhenFull::Hold);
    let mut connection = with_a_batch(&client, &mut gateway, [100, 15_000, 100]).await;
    let _other = gateway.open(&client, 2).await;
    received(&mut gateway, &client, 2, 6000).await;
    assert_eq!(client.stats().reads_held, 1);
    assert_eq!(connection.recv().await.unwrap().len(), 15_000);
    received(&mut gateway, &client, 2, 10).await;
}

#[tokio::test]
async fn what_a_reader_has_read_of_its_batch_does_not_count_against_it() {
    let (client, mut gateway) = with_a_total(WhenFull::CloseConnection);
    let connection = with_a_batch(&client, &mut gateway, [15_000, 100, 100]).await;
    received(&mut gateway, &client, 1, 8000).await;
    assert!(connection.close_reason().is_none());
    assert_eq!(client.stats().unread_bytes, 8224);
}

#[tokio::test]
async fn connections_nobody_was_handed_make_room_before_the_link_is_held() {
    let (client, mut gateway) = with_a_total(WhenFull::Hold);
    let mut open = gateway.open(&client, 1).await;
    for conn in 2..=5 {
        gateway.command(connect(conn)).await;
        received(&mut gateway, &client, conn, 6000).await;
    }
    received(&mut gateway, &client, 1, 6000).await;
    assert_eq!(open.recv().await.unwrap().len(), 6000);
    let stats = client.stats();
    assert_eq!((stats.closed_queue_full, stats.reads_held), (2, 0));
}

#[tokio::test]
async fn what_is_dropped_unread_no_longer_counts() {
    let (client, mut gateway) = with_a_total(WhenFull::Hold);
    let connection = gateway.open(&client, 1).await;
    received(&mut gateway, &client, 1, 6000).await;
    let (_sending, receiving) = gateway.open(&client, 2).await.split();
    received(&mut gateway, &client, 2, 6000).await;
    assert_eq!(client.stats().unread_bytes, 12_016);
    drop(receiving);
    assert_eq!(client.stats().unread_bytes, 6008);
    drop(connection);
    assert_eq!(client.stats().unread_bytes, 0);
    gateway.command(connect(3)).await;
    received(&mut gateway, &client, 3, 6000).await;
    drop(client.accept().await);
    assert_eq!(client.stats().unread_bytes, 0);

    let mut dial = Box::pin(client.dial(ServerId::new(7)));
    assert!(futures_util::poll!(&mut dial).is_pending());
    gateway.expect(close(1)).await;
    gateway.expect(close(3)).await;
    gateway.expect(Command::Dial { remote: 7 }).await;
    gateway.command(accept(4, 7)).await;
    received(&mut gateway, &client, 4, 6000).await;
    assert_eq!(client.stats().unread_bytes, 6008);
    drop(dial);
    assert_eq!(client.stats().unread_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_hears_the_gateway_even_if_its_link_was_held() {
    let (client, mut gateway) = with_a_total(WhenFull::Hold);
    let _connection = gateway.open(&client, 1).await;
    received(&mut gateway, &client, 1, 21_000).await;
    assert_eq!(client.stats().reads_held, 1);
    let start = Instant::now();
    tokio::join!(client.close(), gateway.agree_to_close());
    assert_eq!(start.elapsed(), Duration::ZERO);
}
