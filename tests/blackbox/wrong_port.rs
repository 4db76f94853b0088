//! Peers that come with something else than their port admits: the log says what, and so does the answer.

use std::time::Instant;

use fastway_session::{Fault, Identity, KeyPair, LegacyConfig, Session, Status};
use fastway_testkit::process::{Exit, Process};
use fastway_testkit::{Client, Gateway, Link, Tunnel, challenge_of, watch};

const TLS: &[u8] = b"\x16\x03\x01\x00\x20\x01\x00\x00\x1c\x03\x03";
const PROXY: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";

fn secure(identity: Identity) -> Session {
    Session::secure(identity, watch::DEADLINE, Instant::now())
}

/// What a peer gets that says `first` to the client port.
fn answer(gateway: &Gateway, first: &[u8]) -> Vec<u8> {
    let mut link = Link::connect(gateway.client_addr());
    link.send_raw(first);
    link.raw_until_eof()
}

#[test]
fn a_secure_session_at_a_plain_port_is_refused_at_once() {
    // With a large MaxPacket the first bytes of a session are the beginning of a frame.
    for packet in ["512K", "64M"] {
        let mut gateway = Gateway::start(&["--max-packet", packet]);
        let refused = Tunnel::open(gateway.client_addr(), secure(Identity::Anyone)).err();
        assert_eq!(refused, Some(Fault::Refused(Status::NotAdmitted)), "{packet}");
        gateway.wait_log_with(&["this port admits plain links (--client-link)", "the peer came with a secure session"]);
        gateway.still_serves();
    }
}

#[test]
fn a_legacy_session_at_a_plain_port_is_named() {
    let mut gateway = Gateway::start(&[]);
    let session =
        Session::legacy(LegacyConfig { encrypt: false, replay_bytes: 1 << 10 }, watch::DEADLINE, Instant::now());
    assert!(Tunnel::open(gateway.client_addr(), session).is_err());
    gateway.wait_log_with(&["this port admits plain links (--client-link)", "a legacy session"]);
}

#[test]
fn other_protocols_are_named_and_answered_on_every_port() {
    for kinds in ["plain", "secure", "plain,secure,legacy"] {
        let mut gateway = Gateway::start(&["--client-link", kinds]);
        assert!(answer(&gateway, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with(b"HTTP/1.1 400 "), "{kinds}");
        gateway.wait_log_with(&["(--client-link)", "the peer came with HTTP"]);
        assert_eq!(answer(&gateway, TLS), b"\x15\x03\x03\x00\x02\x02\x31", "{kinds}: the alert access_denied");
        gateway.wait_log_with(&["(--client-link)", "the peer came with TLS"]);
        assert_eq!(answer(&gateway, PROXY), b"", "{kinds}");
        gateway.wait_log_with(&["(--client-link)", "the peer came with a PROXY header"]);
    }
}

#[test]
fn a_plain_link_at_a_port_for_sessions_is_told_so() {
    let mut gateway = Gateway::start(&["--client-link", "secure"]);
    assert_eq!(answer(&gateway, &fastway_wire::Command::Ping.encode()), [Status::NotAdmitted as u8]);
    gateway.wait_log_with(&["this port admits secure sessions (--client-link)", "the peer came with a plain link"]);
}

#[test]
fn a_session_at_a_plain_server_port_is_named() {
    let mut gateway = Gateway::start(&[]);
    assert!(Tunnel::open(gateway.server_addr(), secure(Identity::Anyone)).is_err());
    gateway.wait_log_with(&["the peer came with a secure session", "(--server-link)"]);
    let mut browser = Link::connect(gateway.server_addr());
    challenge_of(&mut browser);
    browser.send_raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    gateway.wait_log_with(&["the peer came with HTTP", "(--server-link)"]);
}

#[test]
fn a_legacy_session_at_a_plain_server_port_is_named() {
    let mut gateway = Gateway::start(&[]);
    let session =
        Session::legacy(LegacyConfig { encrypt: false, replay_bytes: 1 << 10 }, watch::DEADLINE, Instant::now());
    assert!(Tunnel::open(gateway.server_addr(), session).is_err());
    gateway.wait_log_with(&["the peer came with a legacy session", "(--server-link)"]);
}

#[test]
fn a_plain_game_server_at_a_port_for_sessions_is_told_so() {
    for kinds in ["secure", "legacy", "secure,legacy"] {
        let mut gateway = Gateway::start(&["--server-link", kinds]);
        let mut server = Link::connect(gateway.server_addr());
        assert_eq!(server.raw_until_eof(), [Status::NotAdmitted as u8], "{kinds}");
        gateway.wait_log_with(&[
            "this port admits",
            "(--server-link)",
            "a plain link of a game server waits for a challenge",
        ]);
    }
}

#[test]
fn a_port_may_demand_that_its_key_is_pinned() {
    let dir = tempfile::tempdir().unwrap();
    let made = Process::run_in(dir.path(), &["keygen", "key"]);
    let key: fastway_session::PublicKey = made.stdout.trim_end().parse().unwrap();
    let file = dir.path().join("key");
    let flags = ["--session-key", file.to_str().unwrap(), "--client-link", "secure-nk", "--server-link", "secure-nk"];
    let mut gateway = Gateway::start(&flags);
    for addr in [gateway.client_addr(), gateway.server_addr()] {
        let refused = Tunnel::open(addr, secure(Identity::Anyone)).err();
        assert_eq!(refused, Some(Fault::Refused(Status::NotAdmitted)));
        gateway.wait_log_with(&["secure sessions with the gateway's key pinned", "a secure session without"]);
    }
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Pinned(key));
    let mut client = Client::over(link);
    client.expect_silence();
    tunnel.resume();
    client.expect_silence();
    let stranger = KeyPair::generate(&mut rand::rng()).public();
    assert!(Tunnel::open(gateway.client_addr(), secure(Identity::Pinned(stranger))).is_err());
    assert!(!gateway.log().contains("pattern NN"), "{}", gateway.log());
}

#[test]
fn servers_that_need_not_check_the_key_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    Process::run_in(dir.path(), &["keygen", "key"]);
    let mut gateway = Process::in_dir(dir.path(), &["--server-link", "secure", "--session-key", "key"]);
    gateway.wait_log_with(&["WARN", "pattern NN", "--server-link secure-nk"]);
    let Exit { code, stderr, .. } = Process::run_in(dir.path(), &["--client-link", "plain,secure-nk"]);
    assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("--client-link has secure-nk") && stderr.contains("--session-key"), "{stderr}");
}
