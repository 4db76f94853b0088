//! Connections against a gateway that the test plays: messages, halves, adaptors, ends.

use crate::support::{Message, client_over, close, connected, quiet};
use fastway_client::{Bytes, ClientConfig, CloseReason, LinkEnd, SendError, ServerId, TryRecv};
use fastway_wire::ConnId;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
async fn halves_know_the_other_end_and_become_a_connection_again() {
    let (client, mut gateway, connection) = connected().await;
    let (sending, receiving) = connection.split();
    assert_eq!((sending.remote_id(), receiving.remote_id()), (ServerId::new(7), ServerId::new(7)));
    let (other_sending, other_receiving) = gateway.open(&client, 2).await.split();

    let error = receiving.reunite(other_sending).unwrap_err();
    assert_eq!(error.to_string(), "the halves belong to two connections, 2 and 1");
    let mut other = other_receiving.reunite(error.sending).unwrap();
    let mut connection = error.receiving.reunite(sending).unwrap();
    gateway.data(1, b"one").await;
    gateway.data(2, b"two").await;
    assert_eq!(connection.recv().await.unwrap(), "one");
    assert_eq!(other.recv().await.unwrap(), "two");
    drop(connection);
    gateway.expect(close(1)).await;
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
