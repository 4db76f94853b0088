//! Gateways that are about to stop, played by the test.

use std::time::Duration;

use crate::support::FakeGateway;
use crate::support::acceptor::{Accepted, Acceptor, secure};
use fastway_client::{
    Backoff, Client, ClientConfig, CloseReason, ConnectError, Gateways, GroupConfig, GroupEventKind, GroupEvents,
    LinkEnd, Server, ServerGroup, ServerId, SessionEnd, SessionEvent, SessionStatus,
};
use fastway_testkit::watch::DEADLINE;
use fastway_wire::{Challenge, Command};
use tokio::time::timeout;

const SERVER: ServerId = ServerId::new(7);

fn config() -> ClientConfig {
    let mut config = crate::support::quiet();
    config.link.session = Some(secure());
    config
}

/// A group whose pauses are short.
fn group() -> ServerGroup {
    let mut config = GroupConfig::default();
    config.server.link.ping_interval = None;
    config.server.link.session = Some(secure());
    config.backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(20));
    config.drain_jitter = Duration::from_millis(2);
    ServerGroup::new("key", SERVER, config)
}

async fn answer(acceptor: &mut Acceptor) -> Accepted {
    let mut accepted = acceptor.accept().await;
    accepted.gateway.answer_pings(1).await;
    accepted
}

/// Takes the registration of a game server.
async fn register(acceptor: &mut Acceptor) -> FakeGateway {
    let mut gateway = acceptor.accept().await.gateway;
    gateway.challenge(Challenge::new([5; _])).await;
    gateway.answer_pings(1).await;
    gateway
}

async fn wait_for(events: &mut GroupEvents, acceptor: &Acceptor, wanted: fn(&GroupEventKind) -> bool) {
    let name = acceptor.addr().to_string();
    let came = async {
        loop {
            let event = events.next().await.unwrap();
            if *event.gateway == *name && wanted(&event.kind) {
                return;
            }
        }
    };
    timeout(DEADLINE, came).await.unwrap();
}

#[tokio::test]
async fn a_client_whose_gateway_drains_comes_to_the_other_gateway_of_its_list() {
    let (mut first, mut second) = (Acceptor::start(&secure()).await, Acceptor::start(&secure()).await);
    let mut gateways = Gateways::new([first.addr(), second.addr()]).with_drain_jitter(Duration::ZERO);
    let (client, mut accepted) = tokio::join!(Client::connect(gateways.addr(), config()), answer(&mut first));
    let client = client.unwrap();
    let connection = accepted.gateway.open(&client, 1).await;
    let mut events = client.session_events();

    first.drain();
    let end = client.closed().await;
    assert!(end.is_draining(), "{end}");
    let closed = connection.closed().await;
    assert!(closed.is_draining() && matches!(closed, CloseReason::Link(_)), "{closed}");
    assert!(matches!(events.next().await, Some(SessionEvent::Lost(end)) if end.is_draining()));

    gateways.link_ended(&end, Duration::ZERO);
    gateways.wait().await;
    let (client, mut accepted) = tokio::join!(Client::connect(gateways.addr(), config()), answer(&mut second));
    accepted.gateway.open(&client.unwrap(), 1).await;
}

#[tokio::test]
async fn an_open_that_is_answered_with_draining_is_told_from_failures() {
    let (first, mut second) = (Acceptor::start(&secure()).await, Acceptor::start(&secure()).await);
    let mut gateways = Gateways::new([first.addr(), second.addr()]).with_drain_jitter(Duration::ZERO);
    first.drain();
    let error = Client::connect(gateways.addr(), config()).await.map(drop).unwrap_err();
    assert!(error.is_draining() && matches!(error, ConnectError::NoSession { .. }), "{error}");

    gateways.connect_failed(&error);
    gateways.wait().await;
    let (client, _accepted) = tokio::join!(Client::connect(gateways.addr(), config()), answer(&mut second));
    assert!(client.unwrap().end().is_none());

    second.refuse(SessionStatus::Unknown);
    let error = Client::connect(second.addr(), config()).await.map(drop).unwrap_err();
    assert!(!error.is_draining(), "{error}");
}

#[tokio::test]
async fn resumes_that_are_answered_with_draining_end_the_session_with_the_reason() {
    let mut first = Acceptor::start(&secure()).await;
    let (client, mut accepted) = tokio::join!(Client::connect(first.addr(), config()), answer(&mut first));
    let client = client.unwrap();
    let connection = accepted.gateway.open(&client, 1).await;
    first.refuse(SessionStatus::Draining);
    first.proxy.cut();
    let end = timeout(DEADLINE, client.closed()).await.unwrap();
    assert!(matches!(end, LinkEnd::SessionLost(SessionEnd::Refused(SessionStatus::Draining))), "{end}");
    assert!(end.is_draining() && connection.closed().await.is_draining());
    // One answer may be forged.
    assert_eq!(first.resumes(), 4);
}

#[tokio::test]
async fn a_server_whose_gateway_stops_as_it_registers_has_no_wrong_key() {
    let mut first = Acceptor::start(&secure()).await;
    let mut config = fastway_client::ServerConfig::default();
    config.link.session = Some(secure());
    let connecting = Server::connect(first.addr(), "key", SERVER, config);
    let stopping = async {
        let mut gateway = first.accept().await.gateway;
        gateway.challenge(Challenge::new([5; _])).await;
        first.drain();
        gateway
    };
    let (connected, _gateway) = tokio::join!(connecting, stopping);
    let error = connected.map(drop).unwrap_err();
    assert!(error.is_draining() && matches!(error, ConnectError::TurnedAway { .. }), "{error}");
}

#[tokio::test]
async fn a_group_keeps_its_other_links_and_comes_back_to_the_gateway_that_drained() {
    let (mut first, mut second) = (Acceptor::start(&secure()).await, Acceptor::start(&secure()).await);
    let group = group();
    let mut events = group.subscribe();
    group.add(first.addr()).unwrap();
    let _drained = register(&mut first).await;
    wait_for(&mut events, &first, |kind| matches!(kind, GroupEventKind::Up)).await;
    group.add(second.addr()).unwrap();
    let mut other = register(&mut second).await;
    wait_for(&mut events, &second, |kind| matches!(kind, GroupEventKind::Up)).await;

    first.drain();
    wait_for(&mut events, &first, |kind| matches!(kind, GroupEventKind::Down { end, .. } if end.is_draining())).await;
    for _ in 0..3 {
        wait_for(&mut events, &first, |kind| matches!(kind, GroupEventKind::Draining { .. })).await;
    }
    first.admit();
    let _next_process = register(&mut first).await;
    wait_for(&mut events, &first, |kind| matches!(kind, GroupEventKind::Up)).await;

    let health = group.health();
    let of = |acceptor: &Acceptor| health.iter().find(|one| *one.gateway == *acceptor.addr().to_string()).unwrap();
    assert_eq!((of(&first).connects, of(&first).failures), (2, 0));
    assert!(of(&first).drains >= 4, "{:?}", of(&first));
    assert_eq!((of(&second).connects, of(&second).drains, of(&second).failures), (1, 0, 0));
    other.command(Command::Connect { conn: fastway_wire::ConnId::new(1), remote: 9 }).await;
    assert_eq!(*group.accept().await.unwrap().gateway, *second.addr().to_string());
}
