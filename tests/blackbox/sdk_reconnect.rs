//! The Rust SDK when gateways come and go: link loss, restarts, groups.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_client::{
    AddError, Backoff, Client, ClientConfig, CloseReason, Connection, DialError, GatewayState, GroupConfig,
    GroupDialError, GroupEvent, GroupEventKind, GroupEvents, LinkEnd, ServerGroup, WhenFull,
};
use fastway_testkit::cancel::up_to;
use fastway_testkit::{Gateway, KEY};
use tokio::time::timeout;

use crate::sdk::{SERVER, client, open, server};

/// A gateway on the ports of one that is gone.
fn restarted(client: SocketAddr, server: SocketAddr) -> Gateway {
    Gateway::start(&["--client-addr", &client.to_string(), "--server-addr", &server.to_string()])
}

fn quick() -> GroupConfig {
    let mut config = GroupConfig::default();
    config.backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
    config
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
    let server = server(&gateway).await;
    let client = client(&gateway).await;
    let (mut ours, theirs) = open(&client, &server).await;
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
        wait_for(&mut events, server_addr, |kind| matches!(kind, GroupEventKind::Down { .. })).await;
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
async fn a_connection_that_waits_for_the_accept_of_a_group_never_holds_the_link() {
    let gateway = Gateway::start(&[]);
    let mut config = quick();
    config.server.link.receive_queue.max_messages = 4;
    config.server.link.receive_queue.when_full = WhenFull::Hold;
    let group = ServerGroup::new(KEY, SERVER, config);
    let mut events = group.subscribe();
    group.add(gateway.server_addr()).unwrap();
    up(&mut events, gateway.server_addr()).await;
    let client = client(&gateway).await;
    let (mut first, ours) = (client.dial(SERVER).await.unwrap(), client.dial(SERVER).await.unwrap());
    // By the time that this has gone to and fro, the group has taken the other one from its link.
    exchange(&mut first, &mut group.accept().await.unwrap().connection).await;
    let sending = async { while ours.send("nobody reads this").await.is_ok() {} };
    timeout(Duration::from_secs(20), sending).await.expect("the group's link is held");
    let stats = group.health()[0].stats.unwrap();
    assert_eq!((stats.reads_held, stats.closed_queue_full), (0, 1));
    let accepted = group.accept().await.unwrap().connection;
    assert!(matches!(accepted.close_reason(), Some(CloseReason::QueueFull { .. })));
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
    let removed = group.remove(&name).await.unwrap();
    assert_eq!(*removed.gateway, *name);
    assert!(matches!(removed.end, Some(LinkEnd::Closed)), "{removed:?}");
    assert!(group.remove(&name).await.is_none());
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

#[tokio::test]
async fn a_closed_group_says_how_it_left_its_gateways_and_takes_no_more() {
    let gateway = Gateway::start(&[]);
    let group = ServerGroup::new(KEY, SERVER, quick());
    let mut events = group.subscribe();
    group.add(gateway.server_addr()).unwrap();
    group.add("127.0.0.1:1").unwrap();
    up(&mut events, gateway.server_addr()).await;
    let left = group.close().await;
    let [unreachable, closed] = left.as_slice() else { panic!("{left:?}") };
    assert!(*unreachable.gateway == *"127.0.0.1:1" && unreachable.end.is_none(), "{unreachable:?}");
    assert!(matches!(closed.end, Some(LinkEnd::Closed)), "{closed:?}");
    assert!(group.health().iter().all(|gateway| gateway.state == GatewayState::Closed));
    assert_eq!(group.add(gateway.server_addr()), Err(AddError::Closed));
    assert_eq!(group.add("127.0.0.1:2"), Err(AddError::Closed));
    assert!(group.accept().await.is_none());
}

#[tokio::test]
async fn a_close_of_a_group_that_is_dropped_goes_on() {
    let gateway = Gateway::start(&[]);
    let group = ServerGroup::new(KEY, SERVER, quick());
    let mut events = group.subscribe();
    group.add(gateway.server_addr()).unwrap();
    up(&mut events, gateway.server_addr()).await;
    let client = client(&gateway).await;
    let (early, late) = (client.dial(SERVER).await.unwrap(), client.dial(SERVER).await.unwrap());
    early.send("before the end").await.unwrap();
    let mut first = group.accept().await.unwrap().connection;
    while first.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    assert!(up_to(0, group.close()).await.is_none());

    assert_eq!(group.add("127.0.0.1:1"), Err(AddError::Closed));
    assert!(matches!(early.closed().await, CloseReason::Remote));
    assert!(matches!(late.closed().await, CloseReason::Remote));
    // What had come is given out all the same.
    assert_eq!(group.accept().await.unwrap().connection.conn_id(), late.conn_id());
    assert!(group.accept().await.is_none());
    let left = group.close().await;
    assert!(matches!(left[0].end, Some(LinkEnd::Closed)), "{left:?}");
}

/// Each of the two links replaces the other as soon as it is there.
#[tokio::test]
async fn one_gateway_under_two_names_is_seen_and_does_not_spin() {
    let gateway = Gateway::start(&[]);
    let mut config = GroupConfig::default();
    config.backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(400));
    let group = ServerGroup::new(KEY, SERVER, config);
    let mut events = group.subscribe();
    let start = Instant::now();
    group.add(gateway.server_addr()).unwrap();
    group.add(format!("localhost:{}", gateway.server_addr().port())).unwrap();

    let (mut ends, mut waits) = (0, Duration::ZERO);
    while ends < 8 {
        // Others come as well: that a link is up, or was replaced before it was through.
        if let GroupEventKind::Down { end, lived, retry_in } = events.next().await.unwrap().kind {
            assert!(matches!(end, LinkEnd::Gateway | LinkEnd::Lost(_)), "{end}");
            assert!(lived < Duration::from_secs(10), "{lived:?}");
            waits += retry_in.unwrap();
            ends += 1;
        }
    }
    // Of eight ends one name has had four at least: its waits, the last of which is not over, are 25, 50 and 100 ms or more.
    assert!(start.elapsed() >= Duration::from_millis(25 + 50 + 100), "{:?}", start.elapsed());
    assert!(waits >= Duration::from_millis(2 * (25 + 50 + 100 + 200)), "{waits:?}");
    assert!(group.health().iter().all(|gateway| gateway.connects >= 3), "{:#?}", group.health());
}
