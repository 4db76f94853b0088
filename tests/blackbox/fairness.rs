//! What one address takes is not taken from others: limits are shared out by address.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use fastway_session::{Identity, LegacyConfig, Session, Status};
use fastway_testkit::{Client, Gateway, KEY, Link, Server, Tunnel, challenge_of, connect_from, watch};
use fastway_wire::{Command, ServerId};
use serde_json::{Value, json};

/// How many handshakes the gateways of these tests take, on one worker.
const MAX_HANDSHAKES: usize = 64;

fn gateway(flags: &[&str]) -> Gateway {
    let ours = ["--workers", "1", "--client-link", "plain,secure", "--max-handshakes", &MAX_HANDSHAKES.to_string()];
    Gateway::with_admin(&[&ours, flags].concat())
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Connections from eight addresses, which say nothing: more than twice as many as the gateway takes.
fn silent_connections(to: SocketAddr) -> Vec<TcpStream> {
    (0..160).map(|number| connect_from((address(1 + number % 8), 0).into(), to)).collect()
}

/// How many handshakes had to make room.
fn dropped(handshakes: &Value) -> usize {
    usize::try_from(handshakes["failed"]["dropped"].as_u64().unwrap()).unwrap()
}

#[test]
fn silent_connections_from_eight_addresses_do_not_keep_a_distant_player_out() {
    let gateway = gateway(&[]);
    // What it sends is still on its way.
    let mut distant = connect_from((address(9), 0).into(), gateway.client_addr());
    let silent = silent_connections(gateway.client_addr());
    let too_many = silent.len() + 1 - MAX_HANDSHAKES;
    watch::eventually("the others had to make room", || {
        dropped(&gateway.stats()["sessions"]["handshakes"]) == too_many
    });

    distant.write_all(&open()).unwrap();
    expect_answer(&distant);
}

#[test]
fn silent_connections_from_eight_addresses_do_not_keep_a_distant_server_out() {
    let gateway = gateway(&[]);
    let mut distant = Link::connect_from((address(9), 0).into(), gateway.server_addr());
    let challenge = challenge_of(&mut distant);
    let silent = silent_connections(gateway.server_addr());
    let too_many = silent.len() + 1 - MAX_HANDSHAKES;
    watch::eventually("the others had to make room", || dropped(&gateway.stats()["handshakes"]) == too_many);

    distant.send_raw(&challenge.respond(KEY.as_bytes(), ServerId::new(7)));
    distant.expect_silence();
    let (mut client, mut server) = (gateway.client(), Server::over(distant, 7));
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"hi");
}

#[test]
fn a_session_that_moves_takes_no_more_links_than_its_new_address_may_have() {
    let gateway = gateway(&["--max-links-per-address", "3"]);
    let open = || {
        let session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        Tunnel::open_from(address(8), gateway.client_addr(), session)
    };
    let mut links: Vec<(Client, Tunnel)> = Vec::new();
    for _ in 0..6 {
        let Ok((link, tunnel)) = open() else { break };
        let mut client = Client::over(link);
        client.expect_silence();
        tunnel.resume_from(address(9));
        client.expect_silence();
        links.push((client, tunnel));
    }
    assert_eq!(links.len(), 6, "three are counted at each address");
    assert!(open().is_err(), "the next session would be the fourth at its address, and could move to no other");
    links.iter_mut().for_each(|(client, _)| client.expect_silence());
    assert_eq!(gateway.stats()["client"]["links"], json!(6));
}

/// A connection that has sent the first message of a handshake.
fn asking(from: IpAddr, gateway: &Gateway, first: &[u8]) -> TcpStream {
    let mut stream = connect_from((from, 0).into(), gateway.client_addr());
    stream.set_read_timeout(Some(watch::DEADLINE)).unwrap();
    stream.write_all(first).unwrap();
    stream
}

/// The first message that opens a secure session.
fn open() -> Vec<u8> {
    let mut session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    session.connect(Instant::now(), &mut rand::rng()).unwrap().bytes
}

/// Expects that most of these had no turn: the others did not have to wait for all of them.
fn expect_few_turns(asking: &[TcpStream]) {
    let has_reply = |stream: &&TcpStream| {
        let mut status = [0xff];
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut status), Ok(1)) && status == [0]
    };
    let replied = asking.iter().filter(has_reply).count();
    assert!(replied < asking.len() / 2, "{replied} of {} had their turn", asking.len());
}

fn expect_answer(mut stream: &TcpStream) {
    let mut status = [0xff];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(status, [0], "it is let in; its refusal would be {:?}", Status::from_byte(status[0]));
}

#[test]
fn a_flood_of_opens_from_one_address_makes_others_wait_for_one_turn_each() {
    let gateway = gateway(&["--max-handshakes", "1024", "--max-handshakes-per-second", "4"]);
    let flood: Vec<TcpStream> = (0..200).map(|_| asking(address(8), &gateway, &open())).collect();
    (0..3).for_each(|_| expect_answer(&asking(address(9), &gateway, &open())));
    expect_few_turns(&flood);
}

#[test]
fn a_session_that_is_resumed_over_and_over_makes_others_wait_for_one_turn_each() {
    let gateway = gateway(&["--max-handshakes", "1024", "--max-handshakes-per-second", "4"]);
    let (_link, attacker) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (link, honest) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let mut client = Client::over(link);
    client.expect_silence();
    let dials = (0..200).map(|_| attacker.dial().unwrap().1);
    let flood: Vec<TcpStream> = dials.map(|first| asking(address(1), &gateway, &first)).collect();
    for _ in 0..3 {
        honest.resume();
        client.expect_silence();
    }
    expect_few_turns(&flood);
}

#[test]
fn the_newest_resume_of_a_session_has_the_place_of_those_that_wait() {
    let gateway = gateway(&["--max-handshakes-per-second", "2"]);
    let (_link, ours) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (_other_link, other) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    // One has its turn at once, so that the others wait.
    let _first = asking(address(1), &gateway, &other.dial().unwrap().1);
    let older: Vec<TcpStream> = (0..10).map(|_| asking(address(1), &gateway, &ours.dial().unwrap().1)).collect();
    let newest = asking(address(1), &gateway, &ours.dial().unwrap().1);
    expect_answer(&newest);
    for mut stream in older {
        let mut status = [0xff];
        stream.read_exact(&mut status).unwrap();
        // One may have had the first turn after all.
        assert!(matches!(Status::from_byte(status[0]), Some(Status::StaleAttempt) | None), "{status:?}");
    }
}

#[test]
fn an_honest_ping_waits_for_few_of_the_pings_that_strangers_send_at_full_speed() {
    let gateway = gateway(&[]);
    let strangers: Vec<TcpStream> =
        (2..4).map(|last| connect_from((address(last), 0).into(), gateway.client_addr())).collect();
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for stranger in &strangers {
            scope.spawn(|| keep_writing(stranger, &Command::Ping.encode().repeat(4096)));
            scope.spawn(|| count_bytes(stranger, &answered));
        }
        watch::eventually("the strangers are at full speed", || answered.load(Relaxed) > 10 << 20);

        let mut honest = gateway.client();
        let mut waited_for: Vec<usize> = (0..31)
            .map(|_| {
                let before = answered.load(Relaxed);
                honest.expect_silence();
                (answered.load(Relaxed) - before) / Command::Ping.encode().len()
            })
            .collect();
        waited_for.sort_unstable();
        strangers.iter().for_each(|stranger| stranger.shutdown(Shutdown::Both).unwrap());
        // Those of one turn or two: in a turn, each stranger has about a thousand.
        assert!(waited_for[15] < 8_000, "while one was answered, so many others were: {waited_for:?}");
    });
}

fn keep_writing(mut stream: &TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

fn count_bytes(mut stream: &TcpStream, count: &AtomicUsize) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        count.fetch_add(read, Relaxed);
    }
}

#[test]
fn two_hundred_legacy_clients_that_open_at_once_are_all_let_in() {
    let gateway = Gateway::with_admin(&["--client-link", "legacy"]);
    let open = || {
        let config = LegacyConfig { encrypt: false, replay_bytes: 32 << 10 };
        let mut session = Session::legacy(config, watch::DEADLINE, Instant::now());
        session.connect(Instant::now(), &mut rand::rng()).unwrap().bytes
    };
    let asking: Vec<TcpStream> = (0..200).map(|_| asking(address(1), &gateway, &open())).collect();
    for mut stream in &asking {
        // Public key, encrypted name, challenge.
        stream.read_exact(&mut [0; 24]).unwrap();
    }
}
