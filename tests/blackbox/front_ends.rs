//! Real load balancers in front of the gateway, configured as the handbook says.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use fastway_session::Identity;
use fastway_testkit::{Client, FrontEnd, Gateway, Link, Server, Tunnel, watch};

const REQUIRED: [&str; 6] =
    ["--client-proxy-protocol", "required", "--proxy-trusted", "127.0.0.1", "--log-level", "debug"];

/// A player's address, which no load balancer has.
const PLAYER: [u8; 4] = [127, 0, 0, 77];

fn gateway(flags: &[&str]) -> Gateway {
    Gateway::with_admin(&[&REQUIRED, flags].concat())
}

/// A block of the handbook's page "Behind a load balancer", with addresses of this machine.
fn block(language: &str, gateway: SocketAddr) -> String {
    block_of("Behind a load balancer", language).replace("10.0.0.20:10010", &gateway.to_string())
}

/// The first block in a language below a heading of the handbook.
pub(crate) fn block_of(heading: &str, language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("## {heading}\n")).unwrap();
    let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.replace("bind :10010", "bind LISTEN").replace("listen 10010", "listen LISTEN")
}

/// A player of `front` opens a connection, and the gateway shows the player's own address.
fn a_player_comes_through(gateway: &mut Gateway, front: &FrontEnd) {
    let mut server = gateway.server(7);
    let player = Link::connect_from((PLAYER, 0).into(), front.addr());
    let mut client = Client::over(player);
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"through the balancer");
    let links = gateway.json("/api/links?filter=client");
    let peers: Vec<_> = links["links"].as_array().unwrap().iter().map(|link| link["peer"].as_str().unwrap()).collect();
    assert!(peers.len() == 1 && peers[0].starts_with("127.0.0.77:"), "{peers:?}");
    gateway.wait_log_with(&["client link opened", &format!("peer={}", peers[0])]);
    drop(client);
    watch::eventually("the link is gone", || gateway.stats()["client"]["links"] == 0);
}

#[test]
fn haproxy_as_the_handbook_configures_it() {
    let mut gateway = gateway(&[]);
    let config = block("haproxy", gateway.client_addr());
    assert!(config.contains("send-proxy-v2 check check-send-proxy"), "{config}");
    let front = FrontEnd::haproxy(&config);
    a_player_comes_through(&mut gateway, &front);
}

#[test]
fn haproxy_with_either_version_and_with_tlvs() {
    for options in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2-ssl-cn",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn,ssl-cipher,cert-sig,cert-key",
    ] {
        let mut gateway = gateway(&[]);
        let config = block("haproxy", gateway.client_addr());
        let config = config.replace("send-proxy-v2 check check-send-proxy", options);
        let config = config.replace("    mode tcp\n", "    mode tcp\n    unique-id-format %Ts-%pid-%rt\n");
        let front = FrontEnd::haproxy(&config);
        a_player_comes_through(&mut gateway, &front);
    }
}

#[test]
fn health_checks_of_haproxy_are_no_links_and_no_log_lines() {
    for check in ["send-proxy-v2 check check-send-proxy", "send-proxy check check-send-proxy", "send-proxy-v2 check"] {
        for kinds in ["plain", "plain,secure"] {
            let gateway = gateway(&["--client-link", kinds]);
            let config = block("haproxy", gateway.client_addr());
            let config = config.replace("send-proxy-v2 check check-send-proxy", &format!("{check} inter 50ms"));
            let _front = FrontEnd::haproxy(&config);
            watch::eventually("checks come", || gateway.stats()["refused"]["proxy"]["unused"].as_u64().unwrap() >= 3);
            let log = gateway.log();
            assert!(!log.contains("turned away") && !log.contains("link opened"), "{check}: {log}");
            assert_eq!(gateway.stats()["client"]["opened"], 0, "{check}");
        }
    }
}

#[test]
fn a_session_behind_haproxy_is_resumed_from_another_address() {
    let mut gateway = gateway(&["--client-link", "secure"]);
    let front = FrontEnd::haproxy(&block("haproxy", gateway.client_addr()));
    let session = || fastway_session::Session::secure(Identity::Anyone, watch::DEADLINE, std::time::Instant::now());
    let (link, tunnel) = Tunnel::open_from(PLAYER.into(), front.addr(), session()).unwrap();
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    tunnel.resume_from([127, 0, 0, 78].into());
    client.exchange(&mut server, conn, b"from elsewhere");
    let peer = gateway.json("/api/links?filter=client")["links"][0]["peer"].as_str().unwrap().to_owned();
    assert!(peer.starts_with("127.0.0.78:"), "{peer}");
    gateway.wait_log_with(&["session resumed", "peer=127.0.0.78:"]);
}

#[test]
fn nginx_as_the_handbook_configures_it() {
    let mut gateway = gateway(&[]);
    let front = FrontEnd::nginx(&block("nginx", gateway.client_addr()));
    a_player_comes_through(&mut gateway, &front);
}

#[test]
fn a_game_server_behind_haproxy_registers_with_its_own_address() {
    let flags = ["--server-proxy-protocol", "required", "--proxy-trusted", "127.0.0.1"];
    let mut gateway = Gateway::with_admin(&flags);
    let front = FrontEnd::haproxy(&block("haproxy", gateway.server_addr()));
    let link = Link::connect_from((PLAYER, 0).into(), front.addr());
    let mut server = Server::register_over(link, fastway_testkit::KEY, 7);
    gateway.wait_log_with(&["server registered", "peer=127.0.0.77:"]);
    let mut client = gateway.client();
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"hello");
    assert!(!gateway.log().contains("turned away"), "{}", gateway.log());
}

#[test]
fn a_balancer_that_is_not_trusted_is_refused() {
    let mut gateway = gateway(&["--client-proxy-protocol", "optional", "--proxy-trusted", "192.0.2.1"]);
    let front = FrontEnd::haproxy(&block("haproxy", gateway.client_addr()));
    let mut player = Link::connect_from((PLAYER, 0).into(), front.addr());
    player.raw_until_eof();
    gateway.wait_log_with(&["WARN", "peer=127.0.0.1:", "sent a PROXY header", "--proxy-trusted"]);
    assert_eq!(gateway.stats()["client"]["opened"], 0);
}

#[test]
fn curl_behind_its_own_header_is_answered_and_named() {
    let mut gateway = gateway(&[]);
    let url = format!("http://{}/", gateway.client_addr());
    let curl = Command::new("curl")
        .args(["--silent", "--max-time", "20", "--haproxy-protocol", "--noproxy", "*"])
        .args(["--output", "/dev/null", "--write-out", "%{http_code}", &url])
        .output()
        .expect("curl is missing; install it (Debian: apt-get install curl)");
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "400", "{curl:?}");
    let line = gateway.wait_log_with(&["the peer came with HTTP"]);
    assert!(line.contains("peer=127.0.0.1:"), "{line}");
    assert!(!gateway.log().contains("PROXY"), "{}", gateway.log());
}
