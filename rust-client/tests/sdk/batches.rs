//! Several messages at a time, in both directions, against a gateway that the test plays.

use std::iter;

use crate::support::{client_over, close, connected, quiet};
use fastway_client::{CloseReason, Pace, SendError, TryRecv};
use futures_util::FutureExt;

#[tokio::test]
async fn a_batch_has_the_messages_that_came_in_order_and_none_twice() {
    let (_client, mut gateway, mut connection) = connected().await;
    let numbers: Vec<[u8; 4]> = (0..1000u32).map(u32::to_le_bytes).collect();
    let mut received = Vec::new();
    for some in numbers.chunks(100) {
        for number in some {
            gateway.data(1, number).await;
        }
        while received.len() < some[99].len() * 100 {
            let batch = connection.recv_batch().await.unwrap();
            assert!(batch.clone().count() > 0);
            received.extend(batch.flatten().copied());
        }
        assert_eq!(received, some.concat());
        received.clear();
    }
}

#[tokio::test]
async fn messages_of_no_byte_are_messages_of_a_batch_too() {
    let (_client, mut gateway, mut connection) = connected().await;
    gateway.data(1, b"").await;
    assert_eq!(connection.recv_batch().await.unwrap().collect::<Vec<_>>(), [b""]);
    gateway.command(close(1)).await;
    assert!(connection.recv_batch().await.is_none());
}

#[tokio::test]
async fn single_messages_and_batches_take_turns() {
    let (_client, mut gateway, mut connection) = connected().await;
    for message in [b"one", b"two", b"six"] {
        gateway.data(1, message).await;
    }
    assert_eq!(connection.recv().await.unwrap(), "one");
    assert_eq!(connection.recv_ref().await.unwrap(), b"two");
    assert_eq!(connection.recv_batch().await.unwrap().collect::<Vec<_>>(), [b"six"]);
    assert!(matches!(connection.try_recv(), Err(TryRecv::Empty)));
    gateway.data(1, b"end").await;
    assert_eq!(connection.recv().await.unwrap(), "end");
}

#[tokio::test]
async fn a_waiting_batch_that_is_dropped_takes_nothing() {
    let (_client, mut gateway, mut connection) = connected().await;
    assert!(connection.recv_batch().now_or_never().is_none());
    gateway.data(1, b"still there").await;
    assert_eq!(connection.recv_batch().await.unwrap().next().unwrap(), b"still there");
}

#[tokio::test]
async fn a_batch_is_sent_in_order_however_long_it_is() {
    let (_client, mut gateway, connection) = connected().await;
    let numbers: Vec<[u8; 4]> = (0..100u32).map(u32::to_le_bytes).collect();
    let pace = connection.send_batch(numbers.iter().map(<[u8; 4]>::as_slice)).await.unwrap();
    assert_eq!(pace, Pace::Free);
    for number in &numbers {
        gateway.expect_data(1, number).await;
    }
    assert_eq!(connection.send_batch(iter::empty()).await.unwrap(), Pace::Free);
}

#[tokio::test]
async fn a_batch_waits_while_the_link_is_held_up() {
    let mut config = quiet();
    config.link.send_buffer_bytes = 1000;
    let (client, mut gateway) = client_over(64, config);
    let connection = gateway.open(&client, 1).await;
    let messages: Vec<[u8; 300]> = (0..50).map(|byte| [byte; 300]).collect();
    let reading = async {
        for message in &messages {
            while !connection.is_held_up() && client.stats().sends_held_up == 0 {
                tokio::task::yield_now().await;
            }
            assert!(client.stats().waiting_bytes <= 1000 + 308);
            gateway.expect_data(1, message).await;
        }
    };
    let (pace, ()) = tokio::join!(connection.send_batch(messages.iter().map(<[u8; 300]>::as_slice)), reading);
    assert!(matches!(pace.unwrap(), Pace::HeldUp(_)));
}

#[tokio::test]
async fn a_batch_that_is_dropped_has_sent_the_first_messages_and_none_behind_them() {
    let mut config = quiet();
    config.link.send_buffer_bytes = 1000;
    let (client, mut gateway) = client_over(64, config);
    let connection = gateway.open(&client, 1).await;
    let messages: Vec<[u8; 300]> = (0..50).map(|byte| [byte; 300]).collect();
    assert!(connection.send_batch(messages.iter().map(<[u8; 300]>::as_slice)).now_or_never().is_none());
    let mut sent = 0;
    while client.stats().waiting_bytes > 0 {
        gateway.expect_data(1, &messages[sent]).await;
        sent += 1;
    }
    assert!((1..50).contains(&sent));
    connection.send("behind").await.unwrap();
    gateway.expect_data(1, b"behind").await;
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_its_batch() {
    let mut config = quiet();
    config.link.max_packet = 100;
    let (client, mut gateway) = client_over(1 << 16, config);
    let connection = gateway.open(&client, 1).await;
    let messages: [&[u8]; 3] = [b"before", &[0; 97], b"after"];
    let sent = connection.send_batch(messages).await;
    assert!(matches!(sent, Err(SendError::TooLong { bytes: 97, max: 96 })), "{sent:?}");
    connection.send("then").await.unwrap();
    gateway.expect_data(1, b"before").await;
    gateway.expect_data(1, b"then").await;
}

#[tokio::test]
async fn a_batch_of_a_connection_that_has_ended_is_refused() {
    let (_client, mut gateway, connection) = connected().await;
    gateway.command(close(1)).await;
    connection.closed().await;
    let sent = connection.send_batch([&b"late"[..]]).await;
    assert!(matches!(sent, Err(SendError::Closed(CloseReason::Remote))), "{sent:?}");
}

#[tokio::test]
async fn messages_may_be_made_by_code_that_uses_the_same_link() {
    let (_client, mut gateway, connection) = connected().await;
    let made = iter::once(()).map(|()| {
        connection.try_send("made on the way").unwrap();
        &b"made"[..]
    });
    connection.send_batch(made).await.unwrap();
    gateway.expect_data(1, b"made on the way").await;
    gateway.expect_data(1, b"made").await;
}
