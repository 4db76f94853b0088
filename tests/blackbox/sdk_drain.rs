//! What clients and game servers of the Rust SDK do when one of two gateways is stopped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_client::{
    Backoff, Client, ClientConfig, ConnectError, GatewayHealth, GatewayState, Gateways, GroupConfig, LinkEnd,
    ServerGroup, SessionConfig,
};
use fastway_testkit::KEY;
use fastway_testkit::process::Signal;
use fastway_testkit::sessions::SessionGateway;
use fastway_testkit::watch::eventually;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::sdk::SERVER;

const CLIENTS: usize = 20;

/// What a client tells of its way.
#[derive(Debug)]
enum Step {
    /// It has a link, and a connection to the game server.
    Linked(SocketAddr),
    /// Its link has ended.
    Ended(LinkEnd),
    /// There was no link.
    Failed(ConnectError),
}

/// A client that keeps a link to one of the gateways, for ever.
async fn keep_linked(addrs: [SocketAddr; 2], config: ClientConfig, steps: mpsc::UnboundedSender<Step>) {
    let mut gateways = Gateways::new(addrs).with_drain_jitter(Duration::from_millis(100));
    loop {
        match Client::connect(gateways.addr(), config.clone()).await {
            Ok(client) => {
                let since = Instant::now();
                let _connection = client.dial(SERVER).await;
                steps.send(Step::Linked(gateways.addr().parse().unwrap())).unwrap();
                let end = client.closed().await;
                gateways.link_ended(&end, since.elapsed());
                steps.send(Step::Ended(end)).unwrap();
            }
            Err(error) => {
                gateways.connect_failed(&error);
                steps.send(Step::Failed(error)).unwrap();
            }
        }
        gateways.wait().await;
    }
}

fn health(group: &ServerGroup, gateway: SocketAddr) -> GatewayHealth {
    group.health().into_iter().find(|one| *one.gateway == *gateway.to_string()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_gateway_that_is_stopped_come_to_the_other_one_and_none_counts_an_error() {
    let plain = ClientConfig::default();
    let mut secure = ClientConfig::default();
    secure.link.session = Some(SessionConfig::secure(Some(SessionGateway::key())));
    for (config, is_told) in [(secure, true), (plain, false)] {
        let (mut first, second) = (SessionGateway::start(&[]).gateway, SessionGateway::start(&[]).gateway);
        let mut settings = GroupConfig::default();
        settings.backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
        let group = ServerGroup::new(KEY, SERVER, settings);
        for gateway in [&first, &second] {
            group.add(gateway.server_addr()).unwrap();
            let addr = gateway.server_addr();
            eventually("the group is up", || health(&group, addr).state == GatewayState::Up);
        }

        let (told, mut steps) = mpsc::unbounded_channel();
        let addrs = [first.client_addr(), second.client_addr()];
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(keep_linked(addrs, config.clone(), told.clone()));
        }
        for _ in 0..CLIENTS {
            let step = steps.recv().await.unwrap();
            assert!(matches!(step, Step::Linked(addr) if addr == first.client_addr()), "{step:?}");
        }

        first.signal(Signal::TERM);
        first.expect_clean_exit();
        let mut came = 0;
        while came < CLIENTS {
            match steps.recv().await.unwrap() {
                Step::Linked(addr) => {
                    assert_eq!(addr, second.client_addr());
                    came += 1;
                }
                Step::Ended(end) if is_told => assert!(end.is_draining(), "{end}"),
                Step::Ended(end) => assert!(matches!(end, LinkEnd::Gateway), "{end}"),
                Step::Failed(error) => panic!("{error}"),
            }
        }
        let kept = health(&group, second.server_addr());
        assert_eq!((kept.state, kept.connects, kept.failures), (GatewayState::Up, 1, 0));
        assert_ne!(health(&group, first.server_addr()).state, GatewayState::Up);
    }
}
