//! Sessions of the Rust SDK with the gateway: what a player and a game server notice of a network that fails.

use std::net::SocketAddr;
use std::panic::Location;
use std::time::{Duration, Instant};

use fastway_client::{
    AbortReason, Backoff, Client, ClientConfig, ClientId, CloseReason, ConnectError, Connection, GatewayPort, LinkEnd,
    PublicKey, Server, ServerConfig, ServerId, SessionConfig, SessionEnd, SessionEvent, SessionEvents, SessionFault,
    SessionStatus,
};
use fastway_testkit::chaos::Direction::{ToClient, ToServer};
use fastway_testkit::chaos::{Direction, Faults, Proxy};
use fastway_testkit::process::Signal;
use fastway_testkit::sessions::SessionGateway;
use fastway_testkit::watch::{DEADLINE, eventually};
use fastway_testkit::{Gateway, KEY};
use tokio::time::timeout;

const SERVER: ServerId = ServerId::new(7);

fn secure() -> SessionConfig {
    hasty(SessionConfig::secure(Some(SessionGateway::key())))
}

fn hasty(mut session: SessionConfig) -> SessionConfig {
    session.backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(50));
    session
}

fn config(session: SessionConfig) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.link.session = Some(session);
    config
}

async fn server(addr: SocketAddr) -> Server {
    Server::connect(addr, KEY, SERVER, ServerConfig::default()).await.unwrap()
}

/// A gateway, a player and a game server, and a connection between them.
struct Scene {
    stage: SessionGateway,
    client: Client,
    server: Server,
    player: Connection<ServerId>,
    game: Connection<ClientId>,
}

impl Scene {
    async fn set(flags: &[&str], session: SessionConfig) -> Self {
        Self::set_with(flags, config(session)).await
    }

    async fn set_with(flags: &[&str], config: ClientConfig) -> Self {
        let stage = SessionGateway::start(flags);
        let server = server(stage.gateway.server_addr()).await;
        let client = Client::connect(stage.addr(), config).await.unwrap();
        let (player, game) = tokio::join!(client.dial(SERVER), server.accept());
        let (player, game) = (player.unwrap(), game.unwrap());
        Self { stage, client, server, player, game }
    }

    /// A message each way.
    async fn exchange(&mut self) {
        self.player.send("hi").await.unwrap();
        assert_eq!(within(self.game.recv()).await.unwrap(), "hi");
        self.game.send("ho").await.unwrap();
        assert_eq!(within(self.player.recv()).await.unwrap(), "ho");
    }

    fn network(&self) -> &Proxy {
        &self.stage.proxy
    }
}

#[track_caller]
fn within<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move { timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("it takes too long, at {caller}")) }
}

async fn resumed(events: &mut SessionEvents) {
    assert!(matches!(within(events.next()).await, Some(SessionEvent::Interrupted)));
    assert!(matches!(within(events.next()).await, Some(SessionEvent::Resumed { .. })));
}

#[tokio::test]
async fn player_and_game_go_on_after_each_cut_and_the_game_notices_nothing() {
    for session in [secure(), hasty(SessionConfig::secure(None)), hasty(SessionConfig::legacy(false))] {
        let mut scene = Scene::set(&[], session).await;
        for cuts in 1..=5 {
            scene.network().cut();
            scene.exchange().await;
            assert_eq!(scene.client.stats().resumes, cuts);
        }
        // Both of them are dialed as before.
        let another = scene.client.dial(SERVER).await.unwrap();
        let remote = scene.server.accept().await.unwrap().remote_id();
        assert_eq!(remote, scene.game.remote_id());
        let (dialed, accepted) = tokio::join!(scene.server.dial(remote), scene.client.accept());
        assert_eq!(dialed.unwrap().conn_id(), accepted.unwrap().conn_id());
        drop(another);
    }
}

#[tokio::test]
async fn a_player_who_was_too_slow_is_told_so() {
    let flags = ["--client-send-bytes", "512K", "--client-slow-grace", "1h"];
    let mut scene = Scene::set(&flags, secure()).await;
    // The player's program reads nothing, and so its link does not, once its receive queue is full.
    while scene.game.send_slice(&[0; 64 << 10]).await.is_ok() {}
    while within(scene.player.recv()).await.is_some() {}
    let end = within(scene.client.closed()).await;
    let told = matches!(end, LinkEnd::SessionLost(SessionEnd::AbortedByPeer(AbortReason::TooSlow)));
    assert!(told, "{end}");
}

#[tokio::test]
async fn a_game_server_goes_on_after_each_cut_as_well() {
    let gateway = Gateway::start(&["--server-link", "secure,legacy"]);
    for session in [hasty(SessionConfig::secure(None)), hasty(SessionConfig::legacy(false))] {
        let network = Proxy::to(gateway.server_addr());
        let mut config = ServerConfig::default();
        config.link.session = Some(session);
        let server = Server::connect(network.addr(), KEY, SERVER, config).await.unwrap();
        let client = Client::connect(gateway.client_addr(), ClientConfig::default()).await.unwrap();
        let (player, game) = tokio::join!(client.dial(SERVER), server.accept());
        let (mut player, mut game) = (player.unwrap(), game.unwrap());
        for cuts in 1..=5 {
            network.cut();
            game.send("to the player").await.unwrap();
            assert_eq!(within(player.recv()).await.unwrap(), "to the player");
            player.send("to the game").await.unwrap();
            assert_eq!(within(game.recv()).await.unwrap(), "to the game");
            assert_eq!(server.stats().resumes, cuts);
        }
        assert!(matches!(server.close().await, LinkEnd::Closed));
    }
}

#[tokio::test]
async fn a_game_server_with_the_wrong_key_is_told_so_inside_of_a_session() {
    let gateway = Gateway::start(&["--server-link", "secure"]);
    let mut config = ServerConfig::default();
    config.link.session = Some(SessionConfig::secure(None));
    let error = Server::connect(gateway.server_addr(), "wrong", SERVER, config).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongKey { server: SERVER }), "{error}");
}

/// Nothing tells either end that the old connection is gone, and no time-out of theirs is over so soon.
#[tokio::test]
async fn after_a_black_hole_data_flows_both_ways_within_two_round_trips_of_the_new_connection() {
    const ONE_WAY: Duration = Duration::from_millis(600);
    let mut scene = Scene::set(&[], secure()).await;
    scene.network().always(Faults::default().latency(ToServer, ONE_WAY).latency(ToClient, ONE_WAY));
    // Once the SDK knows how long an answer takes here, it makes no attempt beside one that is on its way.
    let mut events = scene.client.session_events();
    scene.client.reconnect_now();
    resumed(&mut events).await;
    scene.exchange().await;
    for _ in 0..2 {
        let connections = scene.network().count();
        scene.network().black_hole();
        scene.player.send("to the game").await.unwrap();
        scene.game.send("to the player").await.unwrap();
        let start = Instant::now();
        scene.client.reconnect_now();
        let (to_player, to_game) = tokio::join!(within(scene.player.recv()), within(scene.game.recv()));
        let took = start.elapsed();
        assert_eq!((to_player.unwrap(), to_game.unwrap()), ("to the player".into(), "to the game".into()));
        assert!(took < 4 * ONE_WAY, "{took:?}");
        assert!(took >= 3 * ONE_WAY, "it cannot be that fast: {took:?}");
        assert_eq!(scene.network().count(), connections + 1);
    }
}

/// Attempts beside each other replace each other at the gateway: more of them than are answered would never end.
#[tokio::test]
async fn a_network_that_becomes_slow_costs_a_few_attempts_and_not_one_after_the_other() {
    const ONE_WAY: Duration = Duration::from_millis(600);
    let mut scene = Scene::set(&[], secure()).await;
    scene.exchange().await;
    let connections = scene.network().count();
    scene.network().always(Faults::default().latency(ToServer, ONE_WAY).latency(ToClient, ONE_WAY));
    scene.client.reconnect_now();
    for _ in 0..3 {
        scene.exchange().await;
    }
    let attempts = scene.network().count() - connections;
    assert!(attempts <= 5, "{attempts} attempts");
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_by_the_gateways_silence() {
    for silent in [&[ToServer][..], &[ToClient], &[ToServer, ToClient]] {
        let mut session = secure();
        session.silent_after = Duration::from_millis(300);
        let mut scene = Scene::set(&[], session).await;
        scene.exchange().await;
        let mut events = scene.client.session_events();
        let connection = scene.network().newest().unwrap();
        silent.iter().for_each(|direction: &Direction| connection.hold(*direction));
        scene.player.send("to the game").await.unwrap();
        scene.game.send("to the player").await.unwrap();
        resumed(&mut events).await;
        assert_eq!(within(scene.game.recv()).await.unwrap(), "to the game");
        assert_eq!(within(scene.player.recv()).await.unwrap(), "to the player");
    }
}

#[tokio::test]
async fn a_resume_that_is_cut_or_damaged_anywhere_is_tried_again() {
    let mut session = secure();
    session.attempt_timeout = Duration::from_millis(300);
    let mut scene = Scene::set(&[], session).await;
    // The messages have 79 and 107 bytes; behind them come the first records.
    let places = [0, 1, 17, 22, 50, 78, 90].map(|place| (ToServer, place));
    for (direction, place) in places.into_iter().chain([0, 1, 50, 106, 110].map(|place| (ToClient, place))) {
        for faults in [Faults::default().cut_after(direction, place), Faults::default().flip_bit(direction, place, 2)] {
            let transports = scene.network().count();
            scene.network().next(faults);
            scene.network().cut();
            scene.exchange().await;
            assert!(scene.network().count() > transports);
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_or_a_truncated_record_ends_the_link_and_not_the_session() {
    for faults in [
        Faults::default().flip_bit(ToServer, 3000, 6),
        Faults::default().flip_bit(ToClient, 3000, 1),
        Faults::default().leave_out(ToServer, 3000, 5),
        Faults::default().leave_out(ToClient, 3000, 500),
    ] {
        let mut scene = Scene::set(&[], secure()).await;
        let (before, mut events) = (scene.client.stats().resumes, scene.client.session_events());
        scene.network().next(faults);
        scene.client.reconnect_now();
        let mut sent = 0_u32;
        while scene.client.stats().resumes < before + 2 {
            scene.player.send_slice(&[&sent.to_le_bytes()[..], &[7; 200]].concat()).await.unwrap();
            scene.game.send_slice(&[&sent.to_le_bytes()[..], &[8; 200]].concat()).await.unwrap();
            sent += 1;
            // Whatever happens, or a moment.
            let _ = timeout(Duration::from_millis(1), events.next()).await;
        }
        for number in 0..sent {
            let (player, game) = (within(scene.player.recv()).await.unwrap(), within(scene.game.recv()).await.unwrap());
            assert_eq!((&player[..4], &game[..4]), (&number.to_le_bytes()[..], &number.to_le_bytes()[..]));
        }
    }
}

#[tokio::test]
async fn a_gateway_that_was_restarted_refuses_and_then_a_new_link_is_made() {
    let mut scene = Scene::set(&[], secure()).await;
    let mut events = scene.client.session_events();
    scene.stage.restart();
    let refused = SessionEnd::Refused(SessionStatus::Unknown);
    let lost = loop {
        match within(events.next()).await.unwrap() {
            SessionEvent::Lost(end) => break end,
            event => assert!(matches!(event, SessionEvent::Interrupted), "{event:?}"),
        }
    };
    assert!(matches!(lost, LinkEnd::SessionLost(end) if end == refused), "{lost}");
    let closed = within(scene.player.closed()).await;
    assert!(matches!(closed, CloseReason::Link(LinkEnd::SessionLost(end)) if end == refused), "{closed}");

    // The whole link anew, as without sessions.
    scene.server = server(scene.stage.gateway.server_addr()).await;
    scene.client = Client::connect(scene.stage.addr(), config(secure())).await.unwrap();
    let (player, game) = tokio::join!(scene.client.dial(SERVER), scene.server.accept());
    (scene.player, scene.game) = (player.unwrap(), game.unwrap());
    scene.exchange().await;
}

#[tokio::test]
async fn whoever_stays_away_for_too_long_is_closed_for_the_game_and_lost_for_the_player() {
    let scene = Scene::set(&["--client-snet-wait-timeout", "1s"], secure()).await;
    scene.network().turn_away(true);
    scene.network().cut();
    let start = Instant::now();
    assert!(matches!(within(scene.game.closed()).await, CloseReason::Remote));
    // Its clock may be as late as its sweep.
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    let closed = within(scene.player.closed()).await;
    assert!(matches!(closed, CloseReason::Link(LinkEnd::SessionLost(SessionEnd::Expired))), "{closed}");
    scene.network().turn_away(false);
    assert!(scene.client.end().is_some());
}

#[tokio::test]
async fn a_player_who_closes_or_drops_its_link_leaves_nothing_waiting_in_the_gateway() {
    for drops in [false, true] {
        let mut scene = Scene::set(&[], secure()).await;
        scene.network().cut();
        scene.exchange().await;
        assert!(links(&scene.stage.gateway).contains("side=client"), "{}", links(&scene.stage.gateway));
        scene.player.send("last words").await.unwrap();
        if drops {
            // A dropped link sends what it can at once.
            scene.player.flush().await.unwrap();
            drop(scene.client);
        } else {
            let end = within(scene.client.close()).await;
            assert!(matches!(end, LinkEnd::Closed), "{end}");
            drop(scene.client);
        }
        assert_eq!(within(scene.game.recv()).await.unwrap(), "last words");
        // The gateway's wait time is longer than this test has patience.
        assert!(within(scene.game.recv()).await.is_none());
        eventually("the client's link is gone", || !links(&scene.stage.gateway).contains("side=client"));
    }
}

fn links(gateway: &Gateway) -> String {
    gateway.ctl(&["links"]).stdout
}

#[tokio::test]
async fn a_gateway_that_stops_ends_its_sessions_with_all_that_was_sent() {
    let mut scene = Scene::set(&[], secure()).await;
    scene.game.send("before the end").await.unwrap();
    // The gateway has read that when it has answered what came behind it.
    assert!(scene.server.dial(ClientId::new(u32::MAX)).await.is_err());
    let mut events = scene.client.session_events();
    scene.stage.gateway.signal(Signal::TERM);
    assert_eq!(within(scene.player.recv()).await.unwrap(), "before the end");
    assert!(within(scene.player.recv()).await.is_none());
    let end = within(scene.client.closed()).await;
    assert!(matches!(end, LinkEnd::Gateway | LinkEnd::SessionLost(SessionEnd::AbortedByPeer(_))), "{end}");
    assert!(matches!(within(events.next()).await, Some(SessionEvent::Lost(_))));
}

#[tokio::test]
async fn another_key_than_the_gateways_or_a_gateway_without_sessions_is_an_error_that_says_so() {
    let stage = SessionGateway::start(&[]);
    let pinned = PublicKey::new([3; 32]);
    let error = Client::connect(stage.addr(), config(SessionConfig::secure(Some(pinned)))).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongGatewayKey { key } if key == pinned), "{error}");

    let plain = Gateway::start(&[]);
    let error = Client::connect(plain.client_addr(), config(SessionConfig::secure(None))).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoSession { .. }), "{error}");
    assert!(
        error.to_string().contains("does not admit this kind of session there (its --client-link): plain links alone"),
        "{error}"
    );

    let legacy = Gateway::start(&["--client-link", "legacy"]);
    let error = Client::connect(legacy.client_addr(), config(SessionConfig::secure(None))).await.unwrap_err();
    let refused = SessionFault::Refused(SessionStatus::NotAdmitted);
    assert!(matches!(error, ConnectError::NoSession { fault: Some(fault), .. } if fault == refused), "{error}");
    let error = Client::connect(legacy.client_addr(), ClientConfig::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::SessionNeeded { port: GatewayPort::Client }), "{error}");
    assert_eq!(
        error.to_string(),
        "the gateway's client port admits no plain links, but sessions (its --client-link): set `session` in the link's config"
    );
}

/// What players say to each other here is nothing that could come about by chance.
const SECRET: &[u8] = b"the treasure is buried under the old oak";

fn holds_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

/// What crosses the network while both ends say the secret, before and after a cut.
async fn overheard(config: ClientConfig) -> [bool; 2] {
    let has_session = config.link.session.is_some();
    let stage = SessionGateway::start(&[]);
    stage.proxy.always(Faults::default().recorded());
    let server = server(stage.gateway.server_addr()).await;
    let client = Client::connect(stage.addr(), config).await.unwrap();
    let (player, game) = tokio::join!(client.dial(SERVER), server.accept());
    let (mut player, mut game) = (player.unwrap(), game.unwrap());
    for _ in 0..2 {
        player.send(SECRET).await.unwrap();
        game.send(SECRET).await.unwrap();
        assert_eq!(within(game.recv()).await.unwrap(), SECRET);
        assert_eq!(within(player.recv()).await.unwrap(), SECRET);
        if has_session {
            stage.proxy.cut();
        }
    }
    let connections: Vec<_> = (0..stage.proxy.count()).map(|index| stage.proxy.connection(index)).collect();
    [ToServer, ToClient].map(|way| connections.iter().any(|connection| holds_secret(&connection.recorded(way))))
}

#[tokio::test]
async fn nothing_of_what_a_secure_session_carries_is_visible_on_the_wire() {
    assert_eq!(overheard(ClientConfig::default()).await, [true; 2], "it is not looked for in the right way");
    assert_eq!(overheard(config(secure())).await, [false; 2]);
}
