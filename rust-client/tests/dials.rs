//! Dials and accepts against a gateway that the test plays: answers, time-outs, bounds, ends.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use fastway_client::{DialError, Remote, ServerId};
use fastway_wire::{Command, ConnId};
use support::{accept, client_over, close, connect, quiet};

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
