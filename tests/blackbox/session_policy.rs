//! Which links are admitted where, the gateway's key, and the limits that count sessions.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use fastway_session::{Fault, Identity, KeyPair, LegacyConfig, LinkKind, Session, Status};
use fastway_testkit::process::{Exit, Process};
use fastway_testkit::{Client, Gateway, KEY, Link, Server, Tunnel, watch};
use serde_json::json;

fn secure() -> Session {
    Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now())
}

fn legacy() -> Session {
    let config = LegacyConfig { encrypt: false, replay_bytes: 1 << 10 };
    Session::legacy(config, watch::DEADLINE, Instant::now())
}

/// Whether a client of this kind gets in.
fn lets_in(gateway: &Gateway, kind: LinkKind) -> bool {
    let session = match kind {
        LinkKind::Plain => {
            let mut client = gateway.client();
            let _it_may_be_closed = client.try_send_raw(&fastway_wire::Command::Ping.encode());
            // Either the answer to the ping or the word for a link that is not admitted.
            let is_refused = client.raw(1) == [Status::NotAdmitted as u8];
            if is_refused {
                client.expect_eof();
            }
            return !is_refused;
        }
        LinkKind::Secure => secure(),
        LinkKind::Legacy => legacy(),
    };
    match Tunnel::open(gateway.client_addr(), session) {
        Ok((link, _tunnel)) => {
            Client::over(link).expect_silence();
            true
        }
        Err(fault) => {
            let refused = [Fault::Refused(Status::NotAdmitted), Fault::Replaced];
            assert_eq!(fault, refused[usize::from(kind == LinkKind::Legacy)]);
            false
        }
    }
}

#[test]
fn the_client_port_admits_what_is_listed_and_counts_what_is_not() {
    const KINDS: [(LinkKind, &str); 3] =
        [(LinkKind::Plain, "plain"), (LinkKind::Secure, "secure"), (LinkKind::Legacy, "legacy")];
    for mask in 1..8 {
        let listed: Vec<_> =
            KINDS.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, kind)| kind).collect();
        let list = listed.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(",");
        let gateway = Gateway::with_admin(&["--client-link", &list]);
        if list == "plain" {
            continue; // The mux protocol alone decides: see the next test.
        }
        for kind in &KINDS {
            assert_eq!(lets_in(&gateway, kind.0), listed.contains(&kind), "{list}: {}", kind.1);
        }
        let turned_away = &gateway.stats()["sessions"]["handshakes"]["failed"]["not_admitted"];
        watch::eventually("they are counted", || {
            gateway.stats()["sessions"]["handshakes"]["failed"]["not_admitted"] == json!(3 - listed.len())
        });
        assert!(turned_away.is_u64());
    }
}

#[test]
fn without_sessions_the_first_bytes_are_a_frame() {
    let gateway = Gateway::with_admin(&[]);
    let mut server = gateway.server(7);
    let mut client = gateway.client();
    let conn = client.open(&mut server);
    // A length whose low byte would be a session's.
    client.send(conn, &[5; 0x102 - 4]);
    server.expect_data(conn, &[5; 0x102 - 4]);
    let mut first = gateway.client();
    first.send_raw(&[1, 0, 0, 0]);
    first.expect_eof();
    assert_eq!(gateway.stats()["client"]["closed"]["bad_bytes"], json!(1));
}

#[test]
fn a_client_can_be_dialed_after_its_first_byte_where_sessions_are_admitted() {
    let gateway = Gateway::with_admin(&["--client-link", "plain,secure"]);
    let mut client = gateway.client();
    watch::eventually("its handshake is in progress", || {
        gateway.stats()["sessions"]["handshakes"]["in_progress"] == json!(1)
    });
    assert_eq!(gateway.stats()["client"]["links"], json!(0));
    client.expect_silence();
    assert_eq!(gateway.stats()["client"]["links"], json!(1));
}

#[test]
fn the_server_port_has_plain_links_or_sessions() {
    for (list, with_secure, with_legacy) in
        [("secure", true, false), ("legacy", false, true), ("secure,legacy", true, true)]
    {
        let gateway = Gateway::with_admin(&["--server-link", list]);
        for (session, admitted) in [(secure(), with_secure), (legacy(), with_legacy)] {
            match Tunnel::open(gateway.server_addr(), session) {
                Ok((link, _tunnel)) => {
                    assert!(admitted, "{list}");
                    let mut server = Server::register_over(link, KEY, 7);
                    let mut client = gateway.client();
                    let conn = client.open(&mut server);
                    client.exchange(&mut server, conn, b"hello");
                }
                Err(fault) => assert!(!admitted, "{list}: {fault}"),
            }
        }
        let mut plain = Link::connect(gateway.server_addr());
        plain.send_raw(&[9; 20]);
        plain.expect_raw(&[Status::NotAdmitted as u8]);
        plain.expect_eof();
    }
}

#[test]
fn a_server_with_the_wrong_key_stays_out_of_its_session_too() {
    let gateway = Gateway::with_admin(&["--server-link", "secure"]);
    let (mut link, _tunnel) = Tunnel::secure(gateway.server_addr(), Identity::Anyone);
    let answer = fastway_testkit::challenge_of(&mut link).respond(b"wrong", fastway_wire::ServerId::new(7));
    link.send_raw(&answer);
    watch::eventually("it is turned away", || {
        gateway.stats()["sessions"]["handshakes"]["failed"]["no_server"] == json!(1)
    });
    assert_eq!(gateway.stats()["servers"], json!(0));
}

#[test]
fn a_resume_is_no_new_client_for_the_limits() {
    let limits = ["--max-links", "2", "--max-links-per-address", "2"];
    let gateway = Gateway::with_admin(&[&["--client-link", "plain,secure"][..], &limits].concat());
    let players = [(); 2].map(|()| Tunnel::secure(gateway.client_addr(), Identity::Anyone));
    let one_more = Tunnel::open(gateway.client_addr(), secure());
    assert_eq!(one_more.err(), Some(Fault::Refused(Status::Overloaded)));
    gateway.client().finish_sending();
    let mut plain = gateway.client();
    plain.ping();
    plain.expect_eof();
    for (link, tunnel) in players {
        tunnel.resume();
        Client::over(link).expect_silence();
    }
    let refused = gateway.stats()["refused"]["links"].clone();
    let places: u64 = ["max_links", "max_links_per_address"].iter().filter_map(|name| refused[name].as_u64()).sum();
    assert_eq!(places, 2, "{refused}");
}

#[test]
fn a_gateway_without_a_key_does_not_pretend_to_have_one() {
    let gateway = Gateway::with_admin(&["--client-link", "secure"]);
    let pinned = KeyPair::generate(&mut rand::rng()).public();
    let session = Session::secure(Identity::Pinned(pinned), watch::DEADLINE, Instant::now());
    let refused = Tunnel::open(gateway.client_addr(), session).err();
    assert_eq!(refused, Some(Fault::Refused(Status::NotAdmitted)));
    assert!(gateway.log().contains("no session key"), "{}", gateway.log());
}

fn keygen(dir: &tempfile::TempDir, words: &[&str]) -> Exit {
    Process::run_in(dir, &[&["keygen"], words].concat())
}

#[test]
fn keygen_makes_a_key_that_the_gateway_takes_and_never_overwrites_one() {
    let dir = tempfile::tempdir().unwrap();
    let made = keygen(&dir, &["gateway.key"]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let public = made.stdout.trim_end();
    assert!(public.len() == 64 && public.chars().all(|c| c.is_ascii_hexdigit()), "{public}");
    let path = dir.path().join("gateway.key");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let again = keygen(&dir, &["gateway.key"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("gateway.key") && again.stderr.contains("exists"), "{}", again.stderr);

    let gateway = Gateway::start(&["--client-link", "secure", "--session-key", path.to_str().unwrap()]);
    let bytes: Vec<u8> = (0..32).map(|index| u8::from_str_radix(&public[2 * index..][..2], 16).unwrap()).collect();
    let public = fastway_session::PublicKey::new(bytes.try_into().unwrap());
    let (link, _tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Pinned(public));
    Client::over(link).expect_silence();
    assert!(!gateway.log().contains("no session key"), "{}", gateway.log());

    assert_eq!(keygen(&dir, &["--help"]).code, Some(0));
    for words in [&[][..], &["-x"], &["a", "b"]] {
        assert_eq!(keygen(&dir, words).code, Some(2), "{words:?}");
    }
}

#[test]
fn a_key_file_that_is_of_no_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let refusal = |expected: &str| {
        let exit = Process::run_in(&dir, &["--client-link", "secure", "--session-key", path.to_str().unwrap()]);
        assert_eq!(exit.code, Some(2), "{}", exit.stderr);
        for part in ["--session-key", "key", expected] {
            assert!(exit.stderr.contains(part), "{}", exit.stderr);
        }
        assert_eq!(exit.stderr.lines().count(), 1, "{}", exit.stderr);
    };
    refusal("No such file");
    keygen(&dir, &["key"]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    refusal("chmod 600");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "not a key\n").unwrap();
    refusal("64 hexadecimal digits");
}
