//! The Rust SDK when gateways come and go: link loss, restarts, groups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use fastway_client::{
    Backoff, Client, ClientConfig, CloseReason, Connection, DialError, GatewayState, GroupConfig, GroupDialError,
    GroupEvent, GroupEventKind, GroupEvents, LinkEnd, Server, ServerConfig, ServerGroup, ServerId,
};
use fastway_testkit::{Gateway, KEY};

const SERVER: ServerId = ServerId::new(7);

/// A gateway on the ports of one that is gone.
fn restarted(client: SocketAddr, server: SocketAddr) -> Gateway {
    Gateway::start(&["--client-addr", &client.to_string(), "--server-addr", &server.to_string()])
}

fn quick() -> GroupConfig {
    let mut config = GroupConfig::default();
    config.backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
    config
}

async fn client(gateway: &Gateway) -> Client {
    Client::connect(gateway.client_addr(), ClientConfig::default()).await.unwrap()
}

async fn wait_for(events: &mut GroupEvents, gateway: SocketAddr, wanted: fn(&GroupEventKind) -> bool) {
    loop {
        let GroupEvent { gateway: of, kind } = events.next().await.unwrap();
        if *of == *gateway.to_string() && wanted(&kind) {
            return;
        }
    }
}

async fn up(events: &mut GroupEvents, gateway: SocketAddr) {
    wait_for(events, gateway, |kind| matches!(kind, GroupEventKind::Up)).await;
}

async fn exchange<R: Copy, S: Copy>(ours: &mut Connection<R>, theirs: &mut Connection<S>) {
    ours.send("hi").await.unwrap();
    assert_eq!(theirs.recv().await.unwrap(), "hi");
    theirs.send("ho").await.unwrap();
    assert_eq!(ours.recv().await.unwrap(), "ho");
}

#[tokio::test]
async fn the_loss_of_the_gateway_ends_everything_with_a_reason() {
    let mut gateway = Gateway::start(&[]);
    let server = Server::connect(gateway.server_addr(), KEY, SERVER, ServerConfig::default()).await.unwrap();
    let client = client(&gateway).await;
    let (ours, theirs) = tokio::join!(client.dial(SERVER), server.accept());
    let (mut ours, theirs) = (ours.unwrap(), theirs.unwrap());
    gateway.kill();
    assert!(matches!(client.closed().await, LinkEnd::Gateway | LinkEnd::Lost(_)));
    assert_eq!(ours.recv().await, None);
    assert!(matches!(ours.close_reason(), Some(CloseReason::Link(_))));
    assert!(matches!(theirs.closed().await, CloseReason::Link(_)));
    assert!(matches!(client.dial(SERVER).await, Err(DialError::LinkClosed(_))));
    assert!(server.accept().await.is_none());
}

#[tokio::test]
async fn a_group_and_a_client_come_back_to_a_restarted_gateway() {
    let mut gateway = Gateway::start(&[]);
    let (client_addr, server_addr) = (gateway.client_addr(), gateway.server_addr());
    let group = ServerGroup::new(KEY, SERVER, quick());
    let mut events = group.subscribe();
    assert!(group.add(server_addr).unwrap());
    assert!(!group.add(server_addr).unwrap());
    for round in 0..3 {
        up(&mut events, server_addr).await;
        let client = reconnected(client_addr).await;
        let (ours, accepted) = tokio::join!(client.dial(SERVER), group.accept());
        let (mut ours, mut accepted) = (ours.unwrap(), accepted.unwrap());
        assert_eq!(*accepted.gateway, *server_addr.to_string());
        exchange(&mut ours, &mut accepted.connection).await;
        assert_eq!(group.health()[0].connects, round + 1);

        gateway.kill();
        wait_for(&mut events, server_addr, |kind| matches!(kind, GroupEventKind::Down(_))).await;
        wait_for(&mut events, server_addr, |kind| matches!(kind, GroupEventKind::Failed { .. })).await;
        assert!(matches!(ours.closed().await, CloseReason::Link(_)));
        gateway = restarted(client_addr, server_addr);
    }
    group.close().await;
    assert!(group.accept().await.is_none());
}

/// What a client does after a loss.
async fn reconnected(addr: SocketAddr) -> Client {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
    loop {
        if let Ok(client) = Client::connect(addr, ClientConfig::default()).await {
            return client;
        }
        backoff.wait().await;
    }
}

#[tokio::test]
async fn a_group_merges_the_accepts_of_its_gateways_and_dials_by_each() {
    let (one, two) = (Gateway::start(&[]), Gateway::start(&[]));
    let group = ServerGroup::new(KEY, SERVER, quick());
    let mut events = group.subscribe();
    for gateway in [&one, &two] {
        group.add(gateway.server_addr()).unwrap();
        up(&mut events, gateway.server_addr()).await;
        let client = client(gateway).await;
        let (ours, accepted) = tokio::join!(client.dial(SERVER), group.accept());
        let (mut ours, mut accepted) = (ours.unwrap(), accepted.unwrap());
        exchange(&mut ours, &mut accepted.connection).await;
        let player = accepted.connection.remote_id();
        let (dialed, answered) = tokio::join!(group.dial(&accepted.gateway, player), client.accept());
        exchange(&mut dialed.unwrap(), &mut answered.unwrap()).await;
    }
    assert!(group.health().iter().all(|gateway| gateway.state == GatewayState::Up && gateway.stats.is_some()));
}

#[tokio::test]
async fn a_removed_gateway_is_let_go_and_the_others_stay() {
    let (one, two) = (Gateway::start(&[]), Gateway::start(&[]));
    let group = ServerGroup::new(KEY, SERVER, quick());
    let mut events = group.subscribe();
    for gateway in [&one, &two] {
        group.add(gateway.server_addr()).unwrap();
        up(&mut events, gateway.server_addr()).await;
    }
    let name = one.server_addr().to_string();
    let client_of_one = client(&one).await;
    let (ours, accepted) = tokio::join!(client_of_one.dial(SERVER), group.accept());
    let (ours, accepted) = (ours.unwrap(), accepted.unwrap());
    assert!(group.remove(&name).await);
    assert!(!group.remove(&name).await);
    assert!(matches!(ours.closed().await, CloseReason::Remote));
    assert!(matches!(accepted.connection.closed().await, CloseReason::Link(LinkEnd::Closed)));
    let player = accepted.connection.remote_id();
    assert!(matches!(group.dial(&name, player).await, Err(GroupDialError::UnknownGateway { .. })));

    let client_of_two = client(&two).await;
    let (ours, accepted) = tokio::join!(client_of_two.dial(SERVER), group.accept());
    exchange(&mut ours.unwrap(), &mut accepted.unwrap().connection).await;
    let kept = client_of_two.dial(SERVER).await.unwrap();
    drop(group);
    kept.closed().await;
}
