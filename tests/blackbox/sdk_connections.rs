//! The Rust SDK through the built gateway: dials, messages, ends, slow receivers.

use std::time::Duration;

use fastway_client::{
    Client, ClientConfig, ClientId, CloseReason, ConnectError, DialError, LinkEnd, RecvHalf, SendHalf, Server,
    ServerConfig, ServerId, WhenFull,
};
use fastway_testkit::{Gateway, KEY};

use crate::sdk::{SERVER, client, open, server};

#[tokio::test]
async fn either_side_dials_and_both_know_the_connection() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let (mut ours, mut theirs) = open(&client, &server).await;
    assert_eq!((ours.conn_id(), ours.remote_id()), (theirs.conn_id(), SERVER));
    ours.send("ping").await.unwrap();
    assert_eq!(theirs.recv().await.unwrap(), "ping");
    theirs.send("pong").await.unwrap();
    assert_eq!(ours.recv().await.unwrap(), "pong");

    let (dialed, accepted) = tokio::join!(server.dial(theirs.remote_id()), client.accept());
    let (mut dialed, mut accepted) = (dialed.unwrap(), accepted.unwrap());
    assert_eq!((dialed.conn_id(), dialed.remote_id()), (accepted.conn_id(), theirs.remote_id()));
    assert_eq!(accepted.remote_id(), SERVER);
    dialed.send("hey").await.unwrap();
    assert_eq!(accepted.recv().await.unwrap(), "hey");
    accepted.send("ho").await.unwrap();
    assert_eq!(dialed.recv().await.unwrap(), "ho");
}

#[tokio::test]
async fn who_is_not_there_is_refused() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    assert!(matches!(client.dial(ServerId::new(8)).await, Err(DialError::Refused { .. })));
    assert!(matches!(server.dial(ClientId::new(12345)).await, Err(DialError::Refused { .. })));
    open(&client, &server).await;
}

#[tokio::test]
async fn a_client_at_its_limit_is_refused_and_may_dial_again_after_a_close() {
    let gateway = Gateway::start(&["-ClientMaxConn=2"]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let (first, _) = (open(&client, &server).await, ());
    let _second = open(&client, &server).await;
    assert!(matches!(client.dial(SERVER).await, Err(DialError::Refused { .. })));
    let (ours, theirs) = first;
    drop(ours);
    theirs.closed().await;
    open(&client, &server).await;
}

#[tokio::test]
async fn a_wrong_key_has_an_error_of_its_own() {
    let gateway = Gateway::start(&[]);
    let server = Server::connect(gateway.server_addr(), "wrong", SERVER, ServerConfig::default()).await;
    let error = server.unwrap_err();
    assert!(matches!(error, ConnectError::WrongKey { server: SERVER }), "{error}");
}

#[tokio::test]
async fn a_close_from_either_side_is_seen_at_both_after_the_last_message() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let (ours, mut theirs) = open(&client, &server).await;
    ours.send("last").await.unwrap();
    ours.close();
    assert_eq!(theirs.recv().await.unwrap(), "last");
    assert_eq!(theirs.recv().await, None);
    assert!(matches!(theirs.close_reason(), Some(CloseReason::Remote)));
    assert!(matches!(ours.close_reason(), Some(CloseReason::Local)));

    let (mut ours, theirs) = open(&client, &server).await;
    theirs.send("last").await.unwrap();
    drop(theirs);
    assert_eq!(ours.recv().await.unwrap(), "last");
    assert_eq!(ours.recv().await, None);
    assert!(matches!(ours.closed().await, CloseReason::Remote));
}

#[tokio::test]
async fn a_replaced_server_learns_that_its_link_is_gone() {
    let gateway = Gateway::start(&[]);
    let (first, client) = (server(&gateway).await, client(&gateway).await);
    let (ours, theirs) = open(&client, &first).await;
    let second = server(&gateway).await;
    assert!(matches!(first.closed().await, LinkEnd::Gateway | LinkEnd::Lost(_)));
    // Its own connections may be closed one by one before.
    assert!(matches!(theirs.closed().await, CloseReason::Link(_) | CloseReason::Remote));
    assert!(matches!(ours.closed().await, CloseReason::Remote));
    assert!(first.accept().await.is_none());
    open(&client, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_each_way_stay_in_order() {
    let gateway = Gateway::start(&[]);
    // Nothing may be lost, however late the readers are.
    let mut config = ServerConfig::default();
    config.link.receive_queue.when_full = WhenFull::Hold;
    let server = Server::connect(gateway.server_addr(), KEY, SERVER, config).await.unwrap();
    let client = client(&gateway).await;
    let (ours, theirs) = open(&client, &server).await;
    let (our_sending, our_receiving) = ours.split();
    let (their_sending, their_receiving) = theirs.split();
    let tasks = (
        tokio::spawn(send_numbers(our_sending)),
        tokio::spawn(send_numbers(their_sending)),
        tokio::spawn(expect_numbers(our_receiving)),
        tokio::spawn(expect_numbers(their_receiving)),
    );
    // The halves that send come back, so that neither end closes before the other has got all.
    let (_ours, _theirs) = (tasks.0.await.unwrap(), tasks.1.await.unwrap());
    tasks.2.await.unwrap();
    tasks.3.await.unwrap();
}

const MESSAGES: u32 = 10_000;

async fn send_numbers<R>(sending: SendHalf<R>) -> SendHalf<R> {
    for number in 0..MESSAGES {
        sending.send_slice(&number.to_le_bytes().repeat(1 + number as usize % 40)).await.unwrap();
        if number % 400 == 399 {
            sending.flush().await.unwrap();
        }
    }
    sending
}

async fn expect_numbers<R>(mut receiving: RecvHalf<R>) {
    for number in 0..MESSAGES {
        let message = receiving.recv().await.unwrap();
        assert!(message == number.to_le_bytes().repeat(1 + number as usize % 40), "message {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_connections_of_a_link_work_at_once() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16u8 {
        let (mut ours, mut theirs) = open(&client, &server).await;
        tasks.spawn(async move {
            while let Some(message) = theirs.recv().await {
                theirs.send(message).await.unwrap();
            }
        });
        tasks.spawn(async move {
            for round in 0..200u8 {
                ours.send(vec![number, round]).await.unwrap();
                assert_eq!(ours.recv().await.unwrap(), [number, round][..]);
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn a_slow_receiver_under_hold_gets_every_message() {
    let gateway = Gateway::start(&["--client-send-bytes", "64M", "-ClientSendChanSize=100000"]);
    let mut config = ClientConfig::default();
    config.link.receive_queue.max_messages = 100;
    config.link.receive_queue.when_full = WhenFull::Hold;
    let client = Client::connect(gateway.client_addr(), config).await.unwrap();
    let server = server(&gateway).await;
    let (mut slow, theirs) = open(&client, &server).await;
    let (mut other, their_other) = open(&client, &server).await;
    for number in 0..5000u32 {
        theirs.send_slice(&number.to_le_bytes().repeat(100)).await.unwrap();
    }
    their_other.send("behind").await.unwrap();
    while client.stats().reads_held == 0 {
        tokio::task::yield_now().await;
    }
    assert!(other.try_recv().is_err());
    for number in 0..5000u32 {
        assert_eq!(slow.recv().await.unwrap(), number.to_le_bytes().repeat(100));
    }
    assert_eq!(other.recv().await.unwrap(), "behind");
}

#[tokio::test]
async fn a_slow_receiver_under_close_loses_its_connection_alone() {
    let gateway = Gateway::start(&[]);
    let mut config = ServerConfig::default();
    config.link.receive_queue.max_messages = 100;
    let server = Server::connect(gateway.server_addr(), KEY, SERVER, config).await.unwrap();
    let client = client(&gateway).await;
    let (flooding, mut slow) = open(&client, &server).await;
    let (ours, mut theirs) = open(&client, &server).await;
    let flood = async {
        while flooding.send(vec![0; 1000]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let (reason, ()) = tokio::join!(slow.closed(), flood);
    assert!(matches!(reason, CloseReason::QueueFull { messages, .. } if messages >= 100), "{reason}");
    assert!(matches!(flooding.closed().await, CloseReason::Remote));
    assert!(slow.recv().await.is_some());
    ours.send("fine").await.unwrap();
    assert_eq!(theirs.recv().await.unwrap(), "fine");
    assert_eq!(server.stats().closed_queue_full, 1);
}

#[tokio::test]
async fn dropped_handles_are_seen_at_the_other_end() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    let (ours, theirs) = open(&client, &server).await;
    let (sending, receiving) = ours.split();
    drop(receiving);
    assert!(theirs.close_reason().is_none());
    drop(sending);
    assert!(matches!(theirs.closed().await, CloseReason::Remote));

    let (_kept, theirs) = open(&client, &server).await;
    drop(client);
    assert!(matches!(theirs.closed().await, CloseReason::Remote));
}

#[tokio::test]
async fn idle_links_outlive_the_idle_timeout_by_their_pings() {
    let gateway = Gateway::start(&["-ClientIdleTimeout=2s", "-ServerIdleTimeout=2s"]);
    let (mut client_config, mut server_config) = (ClientConfig::default(), ServerConfig::default());
    client_config.link.ping_interval = Some(Duration::from_millis(500));
    server_config.link.ping_interval = Some(Duration::from_millis(500));
    let server = Server::connect(gateway.server_addr(), KEY, SERVER, server_config).await.unwrap();
    let client = Client::connect(gateway.client_addr(), client_config).await.unwrap();
    let (_ours, _theirs) = open(&client, &server).await;
    let silent = Client::connect(gateway.client_addr(), ClientConfig::default()).await.unwrap();
    // One idle timeout and more has passed for all of them when it has for this one, which pings too seldom.
    silent.closed().await;
    assert!(client.end().is_none() && server.end().is_none());
}

#[tokio::test]
async fn a_dial_that_the_gateway_answers_too_late_times_out_and_leaves_nothing_behind() {
    let gateway = Gateway::start(&[]);
    let (server, client) = (server(&gateway).await, client(&gateway).await);
    gateway.pause();
    let limit = Duration::from_millis(100);
    let error = client.dial_timeout(SERVER, limit).await.unwrap_err();
    assert!(matches!(error, DialError::TimedOut { after, .. } if after == limit), "{error}");
    let error = server.dial_timeout(ClientId::new(1), limit).await.unwrap_err();
    assert!(matches!(error, DialError::TimedOut { .. }), "{error}");
    gateway.resume();
    let late = server.accept().await.unwrap();
    assert!(matches!(late.closed().await, CloseReason::Remote));
    assert_eq!(client.stats().late_accepts, 1);
    open(&client, &server).await;
}

#[tokio::test]
async fn a_gateway_that_hangs_is_given_up_when_its_pings_stay_away() {
    let gateway = Gateway::start(&[]);
    let mut config = ClientConfig::default();
    config.link.ping_interval = Some(Duration::from_millis(100));
    let client = Client::connect(gateway.client_addr(), config).await.unwrap();
    gateway.pause();
    let end = client.closed().await;
    assert!(matches!(end, LinkEnd::Silent { silent_for } if silent_for >= Duration::from_millis(300)), "{end}");
    gateway.resume();
}

#[tokio::test]
async fn a_close_tells_of_what_a_gateway_that_hangs_did_not_take() {
    let gateway = Gateway::start(&[]);
    let server = server(&gateway).await;
    let mut config = ClientConfig::default();
    config.link.close_grace = Duration::from_millis(200);
    let client = Client::connect(gateway.client_addr(), config).await.unwrap();
    let (ours, _theirs) = open(&client, &server).await;
    gateway.pause();
    // Until the network takes no more.
    while ours.send_timeout(vec![0; 100_000], Duration::from_millis(500)).await.is_ok() {}
    let end = client.close().await;
    assert!(matches!(end, LinkEnd::Unconfirmed { unsent_bytes: 100_000.. }), "{end}");
    gateway.resume();
}
