//! A player whose address really changes: it runs in a network namespace of its own. As root, and where the system
//! allows it; `test.sh` skips the test elsewhere, and says so.

use std::env;
use std::io::stdin;
use std::time::Duration;

use fastway_client::{Client, ClientConfig, PublicKey, ServerId, SessionConfig};
use fastway_testkit::namespace::Namespace;
use fastway_testkit::process::Process;
use fastway_testkit::sessions::SessionGateway;
use fastway_testkit::watch::eventually;

/// Where the player finds the gateway, and its key.
const GATEWAY: &str = "FASTWAY_TEST_GATEWAY";
const GATEWAY_KEY: &str = "FASTWAY_TEST_GATEWAY_KEY";

/// What a player types when its system has told it of a new network.
const CHANGED: &str = "the network has changed";

#[test]
fn a_player_whose_address_changes_plays_on() {
    let network =
        Namespace::new().expect("no network namespace can be made here: be root, or skip this test by its name");
    let place = format!("{}:0", network.near());
    let stage = SessionGateway::start(&["--client-addr", &place]);
    let mut server = stage.gateway.server(7);
    let mut command = network.command(env::current_exe().unwrap());
    command.args(["--exact", "sdk_session_address::the_player", "--ignored", "--nocapture"]);
    command.env(GATEWAY, stage.gateway.client_addr().to_string()).env(GATEWAY_KEY, SessionGateway::key().to_string());
    let mut player = Process::start_program(command);
    let (conn, _) = server.expect_connect();
    let mut exchange = |player: &mut Process, words: &str| {
        player.type_line(words);
        server.expect_data(conn, words.as_bytes());
        server.send(conn, words.as_bytes());
        player.wait_stdout(|line| line.ends_with(&format!("came back: {words}")));
    };
    let seen_from = |last| {
        let address = format!("{}:", network.far(last));
        eventually("the gateway sees the address", || stage.gateway.ctl(&["links"]).stdout.contains(&address));
    };
    exchange(&mut player, "at home");
    seen_from(2);
    network.change_address(2, 3);
    player.type_line(CHANGED);
    exchange(&mut player, "on the way");
    seen_from(3);
    // Nobody tells it this time.
    network.change_address(3, 4);
    exchange(&mut player, "at the sea");
    seen_from(4);
    player.end_input();
    assert_eq!(player.wait_exit().code, Some(0));
}

/// The program in the namespace: says what is typed to server 7, and prints what comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a_player_whose_address_changes_plays_on runs it"]
async fn the_player() {
    let Ok(gateway) = env::var(GATEWAY) else { return };
    let key: PublicKey = env::var(GATEWAY_KEY).unwrap().parse().unwrap();
    let mut config = ClientConfig::default();
    let mut session = SessionConfig::secure(Some(key));
    session.silent_after = Duration::from_millis(500);
    config.link.session = Some(session);
    let client = Client::connect(gateway, config).await.unwrap();
    let mut connection = client.dial(ServerId::new(7)).await.unwrap();
    // The link's tasks have threads of their own, so this may wait for who types.
    for line in stdin().lines().map_while(Result::ok) {
        if line == CHANGED {
            client.reconnect_now();
        } else {
            connection.send(line).await.unwrap();
            println!("came back: {}", String::from_utf8_lossy(&connection.recv().await.unwrap()));
        }
    }
    client.close().await;
}
