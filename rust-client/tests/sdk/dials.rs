//! Dials and accepts against a gateway that the test plays: answers, time-outs, bounds, ends.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::support::{accept, client_over, close, connect, connected, quiet};
use fastway_client::{Client, DialError, LinkEnd, Remote, SendHalf, ServerId};
use fastway_wire::{Command, ConnId, encode_data};
use tokio::time::Instant;

const SERVER: ServerId = ServerId::new(7);

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
        gateway.command(connect(2)).await;
        // What came last has been seen, so the answer waits in the dial that is dropped now.
        client.accept().await.unwrap();
    }
    gateway.expect(close(2)).await;
    gateway.expect(close(1)).await;
}

#[tokio::test]
async fn connections_nobody_accepted_end_with_the_endpoint() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    gateway.command(connect(1)).await;
    gateway.command(connect(2)).await;
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
        gateway.command(connect(conn)).await;
    }
    gateway.expect(close(3)).await;
    let waiting = [client.accept().await.unwrap(), client.accept().await.unwrap()];
    assert_eq!(waiting.map(|connection| connection.conn_id()), [1, 2].map(ConnId::new));
    assert_eq!(client.stats().accepts_overflowed, 1);
}

#[tokio::test]
async fn an_endpoint_that_accepts_nothing_closes_what_is_opened_at_once() {
    let mut config = quiet();
    config.link.pending_accepts = 0;
    let (client, mut gateway) = client_over(1 << 16, config);
    gateway.command(connect(1)).await;
    gateway.expect(close(1)).await;
    assert_eq!(client.stats().accepts_overflowed, 1);
    assert_eq!(gateway.open(&client, 2).await.conn_id(), ConnId::new(2));
}

#[tokio::test]
async fn what_came_before_the_link_was_lost_is_still_accepted_and_read() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    for conn in [1, 2] {
        gateway.command(connect(conn)).await;
        gateway.data(conn, b"before the end").await;
    }
    drop(gateway);
    assert!(matches!(client.closed().await, LinkEnd::Gateway | LinkEnd::Lost(_)));
    for conn in [1, 2] {
        let mut connection = client.accept().await.unwrap();
        assert_eq!(connection.conn_id(), ConnId::new(conn));
        assert_eq!(connection.recv().await.unwrap(), "before the end");
        assert_eq!(connection.recv().await, None);
    }
    assert!(client.accept().await.is_none());
}

#[tokio::test]
async fn an_endpoint_that_is_closed_accepts_no_more_even_after_the_link_was_lost() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    gateway.command(connect(1)).await;
    drop(gateway);
    client.closed().await;
    client.close().await;
    assert!(client.accept().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dial_waits_for_room_like_a_message_and_no_longer_than_its_time() {
    let mut config = quiet();
    config.link.send_buffer_bytes = 1000;
    let (client, mut gateway) = client_over(64, config);
    let connection = gateway.open(&client, 1).await;
    connection.send(vec![1; 2000]).await.unwrap();
    let before = client.stats().waiting_bytes;
    for _ in 0..10 {
        let error = client.dial_timeout(SERVER, Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, DialError::TimedOut { .. }), "{error}");
    }
    assert!(client.stats().waiting_bytes <= before);
    let read = async {
        gateway.expect_data(1, &[1; 2000]).await;
        gateway.expect(Command::Dial { remote: 7 }).await;
        gateway.command(accept(2, 7)).await;
    };
    let (dialed, ()) = tokio::join!(client.dial(SERVER), read);
    assert_eq!(dialed.unwrap().conn_id(), ConnId::new(2));
}

/// Dials while the client is closed; the gateway neither answers nor ends the link.
async fn dial_into_a_close(client: &Client, dialed: impl Future<Output = ()>) {
    let start = Instant::now();
    let dial = async {
        let error = client.dial(SERVER).await.unwrap_err();
        assert!(matches!(error, DialError::LinkClosed(LinkEnd::Closed)), "{error}");
        assert_eq!(start.elapsed(), Duration::ZERO);
    };
    let close = async {
        dialed.await;
        client.close().await;
    };
    tokio::join!(dial, close);
}

#[tokio::test(start_paused = true)]
async fn closing_gives_up_a_dial_that_waits_for_its_answer() {
    let (client, mut gateway) = client_over(1 << 16, quiet());
    dial_into_a_close(&client, gateway.expect(Command::Dial { remote: 7 })).await;
}

#[tokio::test(start_paused = true)]
async fn closing_gives_up_a_dial_that_waits_for_room() {
    let mut config = quiet();
    config.link.send_buffer_bytes = 1000;
    let (client, mut gateway) = client_over(64, config);
    let connection = gateway.open(&client, 1).await;
    connection.send(vec![1; 2000]).await.unwrap();
    dial_into_a_close(&client, tokio::task::yield_now()).await;
}

/// Closes a connection in the moment in which its reader is woken.
struct ClosesWhenWoken(SendHalf<ServerId>);

impl Wake for ClosesWhenWoken {
    fn wake(self: Arc<Self>) {
        self.0.close();
    }
}

#[tokio::test]
async fn a_conn_id_that_is_used_again_at_once_belongs_to_the_new_connection() {
    let (client, mut gateway, connection) = connected().await;
    let (sending, mut receiving) = connection.split();
    let waker = Waker::from(Arc::new(ClosesWhenWoken(sending)));
    let mut recv = Box::pin(receiving.recv());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut both = Vec::new();
    encode_data(ConnId::new(1), b"old", &mut both).unwrap();
    both.extend_from_slice(&connect(1).encode());
    gateway.raw(&both).await;
    gateway.expect(close(1)).await;
    let mut new = client.accept().await.unwrap();
    gateway.data(1, b"new").await;
    assert_eq!(new.recv().await.unwrap(), "new");
}
