//! The Rust SDK's futures through the built gateway, dropped at every point where they wait; and its handles, dropped.

use std::time::Duration;

use fastway_client::{
    Backoff, Client, ClientConfig, CloseReason, Connection, GroupConfig, GroupEventKind, GroupEvents, LinkEnd, Pace,
    ServerGroup, ServerId, TrySendError, WhenFull,
};
use fastway_testkit::cancel::up_to;
use fastway_testkit::watch::DEADLINE;
use fastway_testkit::{Gateway, KEY};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::sdk::{SERVER, client, open, server};

/// [`Gateway::expect_sockets`] that lets the links' own tasks run.
async fn expect_sockets(gateway: &Gateway, count: usize) {
    let gone = async {
        while gateway.sockets() > count {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, gone).await.unwrap();
}

/// Makes the future and drops it where it waits first, then makes another and drops it where it waits for the second time,
/// and so on, until one is done before; says also how many were dropped.
async fn interrupted<T>(mut make: impl AsyncFnMut() -> T) -> (T, usize) {
    let mut dropped = 0;
    loop {
        if let Some(value) = up_to(dropped, make()).await {
            return (value, dropped);
        }
        dropped += 1;
    }
}

#[tokio::test]
async fn a_dropped_connect_leaves_no_link_behind() {
    let gateway = Gateway::start(&[]);
    let before = gateway.sockets();
    let (client, dropped) = interrupted(async || client(&gateway).await).await;
    // The TCP connection and the answer to the ping were waited for.
    assert!(dropped >= 2, "{dropped}");
    let (server, dropped) = interrupted(async || server(&gateway).await).await;
    // And the challenge.
    assert!(dropped >= 3, "{dropped}");
    expect_sockets(&gateway, before + 2).await;
    open(&client, &server).await;
}

#[tokio::test]
async fn a_dropped_dial_leaves_no_connection_behind() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    for _ in 0..10 {
        assert!(up_to(0, client.dial(SERVER)).await.is_none());
    }
    let (kept, dropped) = interrupted(async || client.dial(SERVER).await.unwrap()).await;
    for _ in 0..10 + dropped {
        let connection = server.accept().await.unwrap();
        assert_ne!(connection.conn_id(), kept.conn_id());
        assert!(matches!(connection.closed().await, CloseReason::Remote));
    }
    let mut theirs = server.accept().await.unwrap();
    assert_eq!(theirs.conn_id(), kept.conn_id());
    kept.send("still here").await.unwrap();
    assert_eq!(theirs.recv().await.unwrap(), "still here");

    let player = theirs.remote_id();
    let (dialed, dropped) = interrupted(async || server.dial(player).await.unwrap()).await;
    for _ in 0..dropped {
        assert!(matches!(client.accept().await.unwrap().closed().await, CloseReason::Remote));
    }
    assert_eq!(client.accept().await.unwrap().conn_id(), dialed.conn_id());
}

#[tokio::test]
async fn a_dropped_accept_loses_no_connection() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let mut dropped_accepts = 0;
    for _ in 0..12 {
        let (dialed, (accepted, dropped)) =
            tokio::join!(client.dial(SERVER), interrupted(async || server.accept().await.unwrap()));
        assert_eq!(accepted.conn_id(), dialed.unwrap().conn_id());
        dropped_accepts += dropped;
    }
    assert!(dropped_accepts > 0);
}

const MESSAGES: u32 = 1000;

fn message(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + number as usize % 300)
}

#[tokio::test]
async fn dropped_sends_and_receives_neither_lose_nor_double_a_message() {
    let gateway = Gateway::start(&[]);
    let mut config = ClientConfig::default();
    config.link.send_buffer_bytes = 1000;
    let client = Client::connect(gateway.client_addr(), config).await.unwrap();
    let server = server(&gateway).await;
    let (ours, mut theirs) = open(&client, &server).await;
    let send = async {
        let mut dropped_sends = 0;
        for number in 0..MESSAGES {
            let message = message(number);
            let (_, dropped) = match number % 3 {
                0 => interrupted(async || ours.send(message.clone()).await.unwrap()).await,
                1 => interrupted(async || ours.send_slice(&message).await.unwrap()).await,
                _ => interrupted(async || patiently(&ours, message.clone()).await).await,
            };
            dropped_sends += dropped;
            if number % 50 == 0 {
                interrupted(async || ours.flush().await.unwrap()).await;
            }
        }
        assert!(dropped_sends > 0);
        // The end, in order behind the last message.
        ours.close();
    };
    let receive = async {
        let mut dropped_receives = 0;
        for number in 0..MESSAGES {
            let (came, dropped) = match number % 2 {
                0 => interrupted(async || theirs.recv().await.unwrap().to_vec()).await,
                _ => interrupted(async || theirs.recv_ref().await.unwrap().to_vec()).await,
            };
            assert!(came == message(number), "message {number}");
            dropped_receives += dropped;
        }
        assert!(dropped_receives > 0);
        let (reason, _) = interrupted(async || theirs.closed().await).await;
        assert!(matches!(reason, CloseReason::Remote), "{reason}");
        assert_eq!(theirs.recv().await, None);
    };
    tokio::join!(send, receive);
}

async fn patiently(connection: &Connection<ServerId>, message: Vec<u8>) -> Pace {
    match connection.send_timeout(message, Duration::from_secs(60)).await {
        Ok(pace) => pace,
        Err(TrySendError::HeldUp(_)) => panic!("held up for a minute"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_dropped_close_goes_on_and_delivers() {
    let gateway = Gateway::start(&[]);
    let server = server(&gateway).await;
    for waits in 0.. {
        let client = client(&gateway).await;
        let (ours, mut theirs) = open(&client, &server).await;
        ours.send("last words").await.unwrap();
        let closed = up_to(waits, client.close()).await;
        let (end, _) = interrupted(async || client.closed().await).await;
        assert!(matches!(end, LinkEnd::Closed), "{end}");
        assert_eq!(theirs.recv().await.unwrap(), "last words");
        assert_eq!(theirs.recv().await, None);
        if closed.is_some() {
            assert!(waits > 0);
            return;
        }
    }
}

/// A group of one gateway that is up.
async fn group_at(gateway: &Gateway) -> (ServerGroup, GroupEvents) {
    let mut config = GroupConfig::default();
    config.backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
    let group = ServerGroup::new(KEY, SERVER, config);
    let mut events = group.subscribe();
    assert!(group.add(gateway.server_addr()).unwrap());
    up(&mut events).await;
    (group, events)
}

/// The next that happens is that the gateway is there.
async fn up(events: &mut GroupEvents) {
    let (event, _) = interrupted(async || events.next().await.unwrap()).await;
    assert!(matches!(event.kind, GroupEventKind::Up), "{event:?}");
}

#[tokio::test]
async fn a_groups_dropped_accepts_and_dials_lose_nothing() {
    let gateway = Gateway::start(&[]);
    let (group, _events) = group_at(&gateway).await;
    let client = client(&gateway).await;
    let accepting = interrupted(async || group.accept().await.unwrap());
    let (dialed, (accepted, _)) = tokio::join!(client.dial(SERVER), accepting);
    assert_eq!(accepted.connection.conn_id(), dialed.unwrap().conn_id());

    let player = accepted.connection.remote_id();
    let (dialed, dropped) = interrupted(async || group.dial(&accepted.gateway, player).await.unwrap()).await;
    for _ in 0..dropped {
        assert!(matches!(client.accept().await.unwrap().closed().await, CloseReason::Remote));
    }
    assert_eq!(client.accept().await.unwrap().conn_id(), dialed.conn_id());
}

#[tokio::test]
async fn a_groups_dropped_remove_ends_the_link_and_the_gateway_may_be_added_again() {
    let gateway = Gateway::start(&[]);
    let name = gateway.server_addr().to_string();
    let before = gateway.sockets();
    let (group, mut events) = group_at(&gateway).await;
    for waits in 0.. {
        let removed = up_to(waits, group.remove(&name)).await;
        expect_sockets(&gateway, before).await;
        assert!(group.health().is_empty());
        if let Some(removed) = removed {
            assert!(matches!(removed.unwrap().end, Some(LinkEnd::Closed)));
            assert!(waits > 0);
            return;
        }
        assert!(group.add(&name).unwrap());
        // The end of the link before may be told first, or not at all.
        while !matches!(events.next().await.unwrap().kind, GroupEventKind::Up) {}
    }
}

#[tokio::test]
async fn a_groups_dropped_close_goes_on() {
    let gateway = Gateway::start(&[]);
    let before = gateway.sockets();
    for waits in 0.. {
        let (group, _events) = group_at(&gateway).await;
        let closed = up_to(waits, group.close()).await;
        assert!(group.accept().await.is_none());
        assert!(group.add(gateway.server_addr()).is_err());
        expect_sockets(&gateway, before).await;
        let again = group.close().await;
        assert!(matches!(again[0].end, Some(LinkEnd::Closed)), "{again:?}");
        if closed.is_some() {
            assert!(waits > 0);
            return;
        }
    }
}

#[tokio::test]
async fn dropped_endpoints_end_their_links_and_connections() {
    let gateway = Gateway::start(&[]);
    let before = gateway.sockets();
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let (ours, theirs) = open(&client, &server).await;
    drop(server);
    assert!(matches!(theirs.closed().await, CloseReason::Link(LinkEnd::Dropped)));
    assert!(matches!(ours.closed().await, CloseReason::Remote));
    expect_sockets(&gateway, before + 1).await;
    drop(client);
    expect_sockets(&gateway, before).await;
}

#[tokio::test]
async fn a_dropped_group_ends_its_links_connections_and_events() {
    let gateway = Gateway::start(&[]);
    let before = gateway.sockets();
    let (group, mut events) = group_at(&gateway).await;
    drop(group.subscribe());
    let client = client(&gateway).await;
    let (ours, accepted) = tokio::join!(client.dial(SERVER), group.accept());
    drop(group);
    assert!(matches!(accepted.unwrap().connection.closed().await, CloseReason::Link(LinkEnd::Dropped)));
    assert!(matches!(ours.unwrap().closed().await, CloseReason::Remote));
    while events.next().await.is_some() {}
    expect_sockets(&gateway, before + 1).await;
}

#[tokio::test]
async fn a_dropped_byte_stream_closes_its_connection_behind_what_was_written() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let (ours, theirs) = open(&client, &server).await;
    let (mut ours, mut theirs) = (ours.into_io(), theirs.into_io());
    ours.write_all(&[7; 100_000]).await.unwrap();
    drop(ours);
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).await.unwrap();
    assert!(all == [7; 100_000]);
}

#[tokio::test]
async fn a_dropped_receiver_is_no_end_for_the_sender_under_either_policy() {
    let gateway = Gateway::start(&[]);
    for policy in [WhenFull::Hold, WhenFull::CloseConnection] {
        let mut config = ClientConfig::default();
        config.link.receive_queue.max_messages = 10;
        config.link.receive_queue.when_full = policy;
        let client = Client::connect(gateway.client_addr(), config).await.unwrap();
        let server = server(&gateway).await;
        let (ours, theirs) = open(&client, &server).await;
        let (mut other, their_other) = open(&client, &server).await;
        let (sending, receiving) = ours.split();
        drop(receiving);
        for _ in 0..200 {
            theirs.send("thrown away").await.unwrap();
        }
        their_other.send("behind").await.unwrap();
        assert_eq!(other.recv().await.unwrap(), "behind");
        assert!(sending.close_reason().is_none());
    }
}
