//! Links against a gateway that the test plays: handshake, pings, faults, ends.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::{FakeGateway, client_over, connected};
use fastway_client::{
    Client, ClientConfig, ClientId, CloseReason, ConnectError, ConnectStep, DialError, LinkEnd, ProtocolFault, Server,
    ServerConfig, ServerId,
};
use fastway_wire::{Challenge, Command, ConnId};
use tokio::io::duplex;
use tokio::time::Instant;

const CHALLENGE: Challenge = Challenge::new([1, 2, 3, 4, 5, 6, 7, 8]);

/// A server that registers, and what its gateway does with the answer.
async fn registering(
    gateway: impl AsyncFnOnce(&mut FakeGateway, [u8; 20]),
) -> (Result<Server, ConnectError>, FakeGateway) {
    let (ours, theirs) = duplex(1 << 16);
    let mut fake = FakeGateway::new(theirs);
    let server = Server::over(ours, "secret", ServerId::new(7), ServerConfig::default());
    let play = async {
        let answer = fake.challenge(CHALLENGE).await;
        gateway(&mut fake, answer).await;
    };
    let (server, ()) = tokio::join!(server, play);
    (server, fake)
}

#[tokio::test]
async fn a_server_proves_its_key_and_is_there_when_the_gateway_says_something() {
    let (server, mut gateway) = registering(async |gateway, answer| {
        assert_eq!(CHALLENGE.verify(b"secret", &answer), Ok(ServerId::new(7)));
        gateway.expect(Command::Ping).await;
        gateway.command(Command::Connect { conn: ConnId::new(5), remote: 3 }).await;
    })
    .await;
    let server = server.unwrap();
    let player = server.accept().await.unwrap();
    assert_eq!((player.conn_id(), player.remote_id()), (ConnId::new(5), ClientId::new(3)));
    player.send("hi").await.unwrap();
    gateway.expect_data(5, b"hi").await;
}

#[tokio::test]
async fn a_gateway_that_closes_after_the_answer_means_a_wrong_key() {
    let (ours, theirs) = duplex(1 << 16);
    let play = async move { FakeGateway::new(theirs).challenge(CHALLENGE).await };
    let server = Server::over(ours, "wrong", ServerId::new(7), ServerConfig::default());
    let (server, _) = tokio::join!(server, play);
    let error = server.unwrap_err();
    assert!(matches!(error, ConnectError::WrongKey { server } if server == ServerId::new(7)), "{error}");
}

#[tokio::test]
async fn a_stream_that_ends_before_the_challenge_is_no_wrong_key() {
    let (ours, theirs) = duplex(1 << 16);
    drop(theirs);
    let server = Server::over(ours, "", ServerId::new(7), ServerConfig::default()).await;
    let error = server.unwrap_err();
    assert!(matches!(error, ConnectError::TurnedAway { end: LinkEnd::Gateway, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_says_nothing_times_out() {
    let (ours, _theirs) = duplex(1 << 16);
    let start = Instant::now();
    let server = Server::over(ours, "", ServerId::new(7), ServerConfig::default()).await;
    assert!(matches!(server.unwrap_err(), ConnectError::TimedOut { step: ConnectStep::Challenge, .. }));
    assert_eq!(start.elapsed(), ServerConfig::default().link.connect_timeout);
}

#[tokio::test]
async fn addresses_are_judged_by_kind_of_fault() {
    let unknown = Client::connect("no port", ClientConfig::default()).await.unwrap_err();
    assert!(matches!(&unknown, ConnectError::Address { addr, .. } if addr == "no port"), "{unknown}");
    // Port 1 of loopback: nothing listens there.
    let unreachable = Client::connect("127.0.0.1:1", ClientConfig::default()).await.unwrap_err();
    assert!(matches!(unreachable, ConnectError::Unreachable { .. }), "{unreachable}");
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let (ours, _theirs) = duplex(64);
    assert!(matches!(Client::over(ours, ClientConfig::default()).unwrap_err(), ConnectError::NoRuntime));
}

#[test]
fn dials_and_sends_may_be_polled_outside_of_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (client, mut gateway, connection) = runtime.block_on(connected());
    let mut dial = pin!(client.dial(ServerId::new(7)));
    assert!(dial.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut send = pin!(connection.send_timeout("hi", Duration::from_secs(1)));
    assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    runtime.block_on(async {
        gateway.expect(Command::Dial { remote: 7 }).await;
        gateway.expect_data(1, b"hi").await;
    });
    drop(runtime);
    assert!(matches!(dial.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(DialError::LinkClosed(_)))));
}

#[tokio::test(start_paused = true)]
async fn the_gateway_is_pinged_and_given_up_when_it_stays_silent() {
    let (client, mut gateway) = client_over(1 << 16, ClientConfig::default());
    let mut connection = gateway.open(&client, 1).await;
    let start = Instant::now();
    for _ in 0..5 {
        gateway.expect(Command::Ping).await;
        gateway.command(Command::Ping).await;
    }
    assert_eq!(start.elapsed(), Duration::from_secs(50));
    let end = client.closed().await;
    assert!(matches!(end, LinkEnd::Silent { silent_for } if silent_for == Duration::from_secs(30)), "{end}");
    assert_eq!(start.elapsed(), Duration::from_secs(90));
    assert_eq!(connection.recv().await, None);
    assert!(matches!(connection.close_reason(), Some(CloseReason::Link(LinkEnd::Silent { .. }))));
}

#[tokio::test]
async fn a_gateway_that_ended_before_it_had_read_all_has_not_agreed_to_a_close() {
    let (client, mut gateway, connection) = connected().await;
    connection.send("not read").await.unwrap();
    // The task of the link does not run in between.
    gateway.end_of_stream().await;
    let end = client.close().await;
    assert!(matches!(end, LinkEnd::Gateway), "{end}");
}

#[tokio::test(start_paused = true)]
async fn pings_can_be_turned_off() {
    let mut config = ClientConfig::default();
    config.link.ping_interval = None;
    let (client, mut gateway) = client_over(1 << 16, config);
    tokio::time::advance(Duration::from_secs(3600)).await;
    let connection = gateway.open(&client, 1).await;
    assert!(connection.close_reason().is_none());
}

#[tokio::test]
async fn a_ping_interval_beyond_the_end_of_time_sends_none() {
    let mut config = ClientConfig::default();
    config.link.ping_interval = Some(Duration::MAX);
    let (client, mut gateway) = client_over(1 << 16, config);
    let connection = gateway.open(&client, 1).await;
    assert!(connection.close_reason().is_none());
}

#[tokio::test]
async fn what_no_gateway_sends_ends_the_link_with_its_name() {
    let accept = Command::Accept { conn: ConnId::new(9), remote: 7 };
    let connect = |conn| Command::Connect { conn: ConnId::new(conn), remote: 7 };
    type IsIt = fn(&ProtocolFault) -> bool;
    let faults: [(&[u8], IsIt); 7] = [
        (b"\x03\0\0\0\0\0\0\0", |fault| matches!(fault, ProtocolFault::Frame(_))),
        (b"\xff\xff\xff\x7f", |fault| matches!(fault, ProtocolFault::Frame(_))),
        (b"\x05\0\0\0\0\0\0\0\x09", |fault| matches!(fault, ProtocolFault::Command(_))),
        (&Command::Dial { remote: 1 }.encode(), |fault| *fault == ProtocolFault::DialFromGateway),
        (&accept.encode(), |fault| *fault == ProtocolFault::UnexpectedAnswer { remote: 7 }),
        (&connect(0).encode(), |fault| matches!(fault, ProtocolFault::BadConnId { .. })),
        (&connect(1).encode(), |fault| *fault == ProtocolFault::BadConnId { conn: ConnId::new(1) }),
    ];
    for (bytes, is_it) in faults {
        let (client, mut gateway, mut connection) = connected().await;
        gateway.data(1, b"before").await;
        gateway.raw(bytes).await;
        let LinkEnd::Protocol(fault) = client.closed().await else { panic!("not the fault of {bytes:?}") };
        assert!(is_it(&fault), "{fault}");
        assert_eq!(connection.recv().await.unwrap(), "before");
        assert_eq!(connection.recv().await, None);
    }
}

#[tokio::test]
async fn the_end_of_the_stream_reaches_all_who_wait() {
    let (client, gateway, mut connection) = connected().await;
    let waiting =
        async { tokio::join!(client.accept(), client.dial(ServerId::new(8)), connection.recv(), client.closed()) };
    let cut = async {
        tokio::task::yield_now().await;
        drop(gateway);
    };
    let ((accepted, dialed, received, end), ()) = tokio::join!(waiting, cut);
    assert!(accepted.is_none() && received.is_none());
    assert!(dialed.is_err());
    assert!(matches!(end, LinkEnd::Gateway | LinkEnd::Lost(_)), "{end}");
    assert!(matches!(
        connection.send("late").await.unwrap_err().to_string().as_str(),
        "the gateway closed the link; its log says why" | "the link to the gateway was lost: broken pipe"
    ));
}

#[tokio::test]
async fn closing_delivers_what_was_sent_and_waits_for_the_gateway() {
    let (client, mut gateway, connection) = connected().await;
    for number in 0..100u8 {
        connection.send(vec![number; 5000]).await.unwrap();
    }
    let check = async {
        for number in 0..100u8 {
            gateway.expect_data(1, &[number; 5000]).await;
        }
        gateway.agree_to_close().await;
    };
    let (end, ()) = tokio::join!(client.close(), check);
    assert!(matches!(end, LinkEnd::Closed), "{end}");
    assert!(matches!(connection.close_reason(), Some(CloseReason::Link(LinkEnd::Closed))));
}

#[tokio::test(start_paused = true)]
async fn closing_ends_after_its_grace_when_the_gateway_takes_nothing() {
    let (client, mut gateway) = client_over(256, ClientConfig::default());
    let connection = gateway.open(&client, 1).await;
    connection.send(vec![0; 50_000]).await.unwrap();
    let start = Instant::now();
    let end = client.close().await;
    assert!(matches!(end, LinkEnd::Unconfirmed { unsent_bytes: 49_000..=50_017 }), "{end}");
    assert_eq!(start.elapsed(), ClientConfig::default().link.close_grace);
}

#[tokio::test(start_paused = true)]
async fn closing_is_unconfirmed_when_the_gateway_takes_all_and_does_not_agree() {
    let (client, mut gateway, connection) = connected().await;
    connection.send("last words").await.unwrap();
    let start = Instant::now();
    let take_all = async {
        gateway.expect_data(1, b"last words").await;
        gateway.expect(Command::Ping).await;
        gateway.expect_end().await;
    };
    let (end, ()) = tokio::join!(client.close(), take_all);
    assert!(matches!(end, LinkEnd::Unconfirmed { unsent_bytes: 0 }), "{end}");
    assert_eq!(start.elapsed(), ClientConfig::default().link.close_grace);
}

#[tokio::test]
async fn closing_tells_of_a_gateway_that_is_gone_before_it_has_all() {
    let (client, mut gateway) = client_over(256, ClientConfig::default());
    let connection = gateway.open(&client, 1).await;
    connection.send(vec![0; 50_000]).await.unwrap();
    let leave = async {
        tokio::task::yield_now().await;
        drop(gateway);
    };
    let (end, ()) = tokio::join!(client.close(), leave);
    assert!(matches!(end, LinkEnd::Gateway | LinkEnd::Lost(_)), "{end}");
}

#[test]
fn the_end_of_the_runtime_ends_the_link() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, _gateway, connection) = runtime.block_on(connected());
    drop(runtime);
    assert!(matches!(client.end(), Some(LinkEnd::RuntimeStopped)));
    assert!(matches!(connection.close_reason(), Some(CloseReason::Link(LinkEnd::RuntimeStopped))));
}
