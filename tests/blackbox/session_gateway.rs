//! Sessions at the gateway: opened, cut, resumed, of every kind.

use std::time::{Duration, Instant};

use fastway_session::{Fault, Identity, KeyPair, PublicKey, Session, Status};
use fastway_testkit::{Client, Gateway, KEY, Link, Server, Tunnel};

/// Uses a connection, cuts the session under it, and uses it again.
fn survives_a_cut(gateway: &Gateway, link: Link, tunnel: &Tunnel) {
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"before");
    tunnel.cut();
    server.send(conn, b"while it is away");
    tunnel.resume();
    client.expect_data(conn, b"while it is away");
    client.exchange(&mut server, conn, b"after");
}

#[test]
fn a_secure_session_goes_on_after_a_cut() {
    let gateway = Gateway::with_sessions(&[]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    survives_a_cut(&gateway, link, &tunnel);
}

#[test]
fn a_legacy_session_goes_on_after_a_cut() {
    for encrypt in [false, true] {
        let gateway = Gateway::with_sessions(&[&format!("-ClientSnetEncrypt={encrypt}")]);
        let (link, tunnel) = Tunnel::legacy(gateway.client_addr(), encrypt);
        survives_a_cut(&gateway, link, &tunnel);
    }
}

#[test]
fn a_session_with_a_pinned_key_talks_to_the_gateway_that_has_it() {
    let (file, public) = key_file();
    let gateway = Gateway::with_sessions(&["--session-key", file.path().to_str().unwrap()]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Pinned(public));
    survives_a_cut(&gateway, link, &tunnel);

    let other = KeyPair::generate(&mut rand::rng()).public();
    let pinned = Session::secure(Identity::Pinned(other), Duration::from_secs(5), Instant::now());
    assert_eq!(Tunnel::open(gateway.client_addr(), pinned).err(), Some(Fault::Refused(Status::NotAuthentic)));
}

/// A private key as the gateway takes it, and its public half.
fn key_file() -> (tempfile::NamedTempFile, PublicKey) {
    let keys = KeyPair::generate(&mut rand::rng());
    let file = tempfile::NamedTempFile::new().unwrap();
    let digits: String = keys.private_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(file.path(), digits).unwrap();
    (file, keys.public())
}

#[test]
fn a_game_server_with_a_session_goes_on_after_a_cut() {
    let gateway = Gateway::with_admin(&["--server-link", "secure,legacy"]);
    for legacy in [false, true] {
        let (link, tunnel) = match legacy {
            false => Tunnel::secure(gateway.server_addr(), Identity::Anyone),
            true => Tunnel::legacy(gateway.server_addr(), false),
        };
        let (mut client, mut server) = (gateway.client(), Server::register_over(link, KEY, 7));
        let conn = client.open(&mut server);
        tunnel.cut();
        client.send(conn, b"while it is away");
        tunnel.resume();
        server.expect_data(conn, b"while it is away");
        client.exchange(&mut server, conn, b"after");
    }
}
