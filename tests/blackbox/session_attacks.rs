//! Those who attack sessions meet their own errors: forged and replayed resumes, races, floods, altered bytes.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::{Fault, Identity, MAX_CANDIDATES, Session, Status};
use fastway_testkit::{Client, Gateway, Server, Tunnel, connect_from, seeded, watch};
use fastway_wire::ConnId;
use serde_json::{Value, json};

fn playing(gateway: &Gateway) -> (Client, Tunnel, Server, ConnId) {
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    (client, tunnel, server, conn)
}

fn sessions(gateway: &Gateway) -> Value {
    let stats = gateway.stats();
    stats["sessions"].clone()
}

/// A connection of a stranger, who has said `first`.
fn stranger(addr: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(watch::DEADLINE)).unwrap();
    stream.write_all(first).unwrap();
    stream
}

/// What the gateway answers to a first message before it closes the stream.
fn answer(addr: SocketAddr, first: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let _a_reset_is_an_end_too = stranger(addr, first).read_to_end(&mut answer);
    answer
}

#[test]
fn forged_resumes_change_nothing_and_are_counted() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    // Somebody on the path has seen this one, and was faster.
    let (transport, seen) = tunnel.dial().unwrap();
    let last = seen.len() - 1;
    for place in [17, 18, 23, 40, last] {
        let mut forged = seen.clone();
        forged[place] ^= 1;
        assert_eq!(answer(gateway.client_addr(), &forged), [Status::NotAuthentic as u8], "byte {place}");
    }
    let mut unknown = seen.clone();
    unknown[1] ^= 1;
    assert_eq!(answer(gateway.client_addr(), &unknown), [Status::Unknown as u8]);
    let counted = sessions(&gateway);
    assert_eq!((&counted["interrupted"], &counted["waiting"]), (&json!(0), &json!(0)), "the live one was disturbed");
    assert_eq!((&counted["refused"]["not_authentic"], &counted["refused"]["unknown"]), (&json!(5), &json!(1)));
    assert_eq!(counted["resumes"], json!({ "refused": 6, "not_proven": 0, "resumed": 0 }));
    tunnel.connect_with((transport, seen)).unwrap();
    client.exchange(&mut server, conn, b"hello");
}

#[test]
fn nothing_of_a_session_moves_for_a_forged_resume() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.cut();
    watch::eventually("it waits", || sessions(&gateway)["waiting"] == json!(1));
    (0..10).for_each(|number| server.send(conn, &[number; 100]));
    server.expect_silence();
    let waiting = || {
        let links = gateway.json("/api/links?filter=client");
        links["links"][0]["waiting_packets"].clone()
    };
    assert_eq!(waiting(), json!(10));
    let (transport, seen) = tunnel.dial().unwrap();
    let mut forged = seen.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(answer(gateway.client_addr(), &forged), [Status::NotAuthentic as u8]);
    assert_eq!(waiting(), json!(10), "it has not been taken out for a stranger");
    tunnel.connect_with((transport, seen)).unwrap();
    (0..10).for_each(|number| client.expect_data(conn, &[number; 100]));
}

#[test]
fn a_replayed_resume_is_refused() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    let (transport, seen) = tunnel.dial().unwrap();
    tunnel.connect_with((transport, seen.clone())).unwrap();
    client.exchange(&mut server, conn, b"hello");
    assert_eq!(answer(gateway.client_addr(), &seen), [Status::Unknown as u8], "its ticket was replaced");
    client.exchange(&mut server, conn, b"hello");
    assert_eq!(sessions(&gateway)["interrupted"], json!(0));
}

/// Bytes of the gateway's reply to the reconnect of a legacy session.
const LEGACY_REPLY_BYTES: usize = 24;

/// The player with a legacy session, at 127.0.0.1, and the server that he plays on.
fn playing_legacy(gateway: &Gateway) -> (Client, Tunnel, Server, ConnId) {
    let (link, tunnel) = Tunnel::legacy(gateway.client_addr(), false);
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    (client, tunnel, server, conn)
}

/// Repeats a reconnect that was seen on the wire from 127.0.0.`last`; it has been answered.
fn repeat(gateway: &Gateway, reconnect: &[u8], last: u8) -> TcpStream {
    let mut stream = connect_from((Ipv4Addr::new(127, 0, 0, last), 0).into(), gateway.client_addr());
    stream.set_read_timeout(Some(watch::DEADLINE)).unwrap();
    stream.write_all(reconnect).unwrap();
    let mut reply = [0; LEGACY_REPLY_BYTES];
    stream.read_exact(&mut reply).unwrap();
    assert_ne!(reply, [0; LEGACY_REPLY_BYTES], "it is the reconnect of the session");
    stream
}

/// Waits until the gateway has closed a stream on which it has nothing more to say.
fn is_closed(mut stream: &TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// While the player's own reconnect waits for its proof, the gateway answers its repetitions from these addresses. He
/// is in all the same, at once, and all of the others are closed.
fn the_player_gets_in_while_his_reconnect_is_repeated_from(addresses: &[u8]) {
    let gateway = Gateway::with_sessions(&["--workers", "2"]);
    let (mut client, tunnel, mut server, conn) = playing_legacy(&gateway);
    client.exchange(&mut server, conn, b"before");
    tunnel.cut();
    watch::eventually("the session waits", || sessions(&gateway)["waiting"] == json!(1));
    server.send(conn, b"while he is away");

    let dial = tunnel.dial().unwrap();
    let reconnect = dial.1.clone();
    let mut repeated = Vec::new();
    let meanwhile = || repeated.extend(addresses.iter().map(|last| repeat(&gateway, &reconnect, *last)));
    tunnel.connect_slowly(dial, meanwhile).unwrap();

    client.expect_data(conn, b"while he is away");
    client.exchange(&mut server, conn, b"after");
    assert_eq!(tunnel.resumed(), 1, "at the first attempt");
    assert!(repeated.iter().all(is_closed), "the proof has ended the others");
    let counted = sessions(&gateway);
    assert_eq!(counted["resumes"], json!({ "refused": 0, "not_proven": addresses.len(), "resumed": 1 }));
    watch::eventually("nothing is in progress", || sessions(&gateway)["handshakes"]["in_progress"] == json!(0));
}

#[test]
fn a_reconnect_that_is_repeated_from_elsewhere_keeps_nobody_out() {
    the_player_gets_in_while_his_reconnect_is_repeated_from(&[2; 100]);
    let many = (2..16).cycle().take(100).collect::<Vec<_>>();
    the_player_gets_in_while_his_reconnect_is_repeated_from(&many);
}

#[test]
fn fifteen_repetitions_of_a_reconnect_from_the_players_own_address_do_not_keep_him_out() {
    the_player_gets_in_while_his_reconnect_is_repeated_from(&[1; MAX_CANDIDATES - 1]);
}

#[test]
fn a_reconnect_that_was_repeated_before_keeps_nobody_out() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing_legacy(&gateway);
    client.exchange(&mut server, conn, b"before");
    tunnel.cut();
    watch::eventually("the session waits", || sessions(&gateway)["waiting"] == json!(1));
    let dial = tunnel.dial().unwrap();
    let repeated = [1, 2, 3].map(|last| [(); MAX_CANDIDATES].map(|()| repeat(&gateway, &dial.1, last)));
    tunnel.connect_with(dial).unwrap();
    client.exchange(&mut server, conn, b"after");
    assert!(repeated.iter().flatten().all(is_closed));
}

#[test]
fn what_repeated_reconnects_of_a_legacy_session_hold_is_bounded() {
    let gateway = Gateway::with_sessions(&[
        "--workers",
        "1",
        "--max-handshakes-per-address",
        "8",
        "-ClientSnetInitTimeout",
        "60s",
    ]);
    let (mut client, tunnel, mut server, conn) = playing_legacy(&gateway);
    let (_, reconnect) = tunnel.dial().unwrap();
    let in_progress = || sessions(&gateway)["handshakes"]["in_progress"].clone();

    // The bound of an address.
    let here = [(); 2 * MAX_CANDIDATES].map(|()| repeat(&gateway, &reconnect, 2));
    watch::eventually("only as many wait as an address may have", || in_progress() == json!(8));
    assert!(here[1..here.len() - 8].iter().all(is_closed), "the first one does not count");

    // The bound of a session.
    let there = [3, 4].map(|last| [(); 8].map(|()| repeat(&gateway, &reconnect, last)));
    watch::eventually("no more wait than a session may have", || in_progress() == json!(MAX_CANDIDATES));
    tunnel.try_connect().unwrap();
    client.exchange(&mut server, conn, b"after");
    assert!(here.iter().chain(there.iter().flatten()).all(is_closed));
    watch::eventually("nothing is in progress", || in_progress() == json!(0));
}

#[test]
fn sessions_are_opened_while_reconnects_of_legacy_sessions_are_repeated() {
    let limits = ["--workers", "1", "--max-handshakes", "48", "--max-handshakes-per-address", "48"];
    let gateway = Gateway::with_sessions(&[&limits[..], &["-ClientSnetInitTimeout", "60s"]].concat());
    // Up to 30 candidates that count as handshakes, of 48 in all: half of these are for peers that were answered.
    let others = [(); 2].map(|()| Tunnel::legacy(gateway.client_addr(), false));
    let (is_over, repeated) = (AtomicBool::new(false), AtomicUsize::new(0));
    let repeat_on = |reconnect: Vec<u8>| {
        let mut last = VecDeque::new();
        while !is_over.load(Relaxed) {
            last.push_back(repeat(&gateway, &reconnect, 2));
            last.drain(..last.len().saturating_sub(MAX_CANDIDATES));
            repeated.fetch_add(1, Relaxed);
        }
    };
    let opened = thread::scope(|scope| {
        for (_, tunnel) in &others {
            let reconnect = tunnel.dial().unwrap().1;
            scope.spawn(|| repeat_on(reconnect));
        }
        watch::eventually("many are repeated", || repeated.load(Relaxed) > 100);
        let secure = || Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        let opened = [(); 5].map(|()| Tunnel::open(gateway.client_addr(), secure()).map(drop));
        is_over.store(true, Relaxed);
        opened
    });
    assert_eq!(opened, [Ok(()); 5]);
    assert!(sessions(&gateway)["handshakes"]["in_progress"].as_u64() <= Some(16), "what candidates may take");
    gateway.still_serves();
}

#[test]
fn reconnects_of_a_legacy_session_that_are_not_proven_end_with_the_time_of_a_handshake() {
    let gateway = Gateway::with_sessions(&["-ClientSnetInitTimeout", "1s"]);
    let (mut client, tunnel, mut server, conn) = playing_legacy(&gateway);
    let (_, reconnect) = tunnel.dial().unwrap();
    let repeated = [1, 1, 2, 2, 3].map(|last| repeat(&gateway, &reconnect, last));
    assert!(repeated.iter().all(is_closed));
    let counted = sessions(&gateway);
    assert_eq!(counted["resumes"], json!({ "refused": 0, "not_proven": 5, "resumed": 0 }));
    tunnel.resume();
    client.exchange(&mut server, conn, b"after");
}

#[test]
fn a_wrong_proof_ends_its_own_reconnect_and_no_other() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing_legacy(&gateway);
    let dial = tunnel.dial().unwrap();
    let reconnect = dial.1.clone();
    let meanwhile = || {
        for _ in 0..3 * MAX_CANDIDATES {
            let mut guessing = repeat(&gateway, &reconnect, 1);
            guessing.write_all(&[7; 16]).unwrap();
            assert!(is_closed(&guessing));
        }
    };
    tunnel.connect_slowly(dial, meanwhile).unwrap();
    client.exchange(&mut server, conn, b"after");
    assert_eq!(tunnel.resumed(), 1);
}

#[test]
fn a_session_is_resumed_at_its_own_port_only() {
    let gateway = Gateway::with_sessions(&["--server-link", "secure"]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let mut client = Client::over(link);
    client.expect_silence();
    let (transport, resume) = tunnel.dial().unwrap();
    assert_eq!(answer(gateway.server_addr(), &resume), [Status::Unknown as u8]);
    tunnel.connect_with((transport, resume)).unwrap();
    client.expect_silence();
}

#[test]
fn a_resume_that_was_held_back_delays_and_does_no_more() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    let (transport, seen) = tunnel.dial().unwrap();
    let mut attacker = stranger(gateway.client_addr(), &seen);
    let mut status = [0xff];
    attacker.read_exact(&mut status).unwrap();
    assert_eq!(status, [0], "who cannot read the reply gets it all the same");
    assert_eq!(tunnel.connect_with((transport, seen)), Err(Fault::Refused(Status::StaleAttempt)));
    server.send(conn, b"for the player alone");
    tunnel.resume();
    client.expect_data(conn, b"for the player alone");
    client.exchange(&mut server, conn, b"hello");
    let counted = sessions(&gateway);
    assert_eq!(counted["resumes"], json!({ "refused": 1, "not_proven": 1, "resumed": 1 }));
    assert!(matches!(attacker.read_to_end(&mut Vec::new()), Ok(_) | Err(_)), "its stream is closed");
}

#[test]
fn of_two_resumes_at_once_the_later_one_wins() {
    let gateway = Gateway::with_sessions(&["--workers", "2"]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    for _ in 0..10 {
        let (_, earlier) = tunnel.dial().unwrap();
        let addr = gateway.client_addr();
        let raced = thread::spawn(move || answer(addr, &earlier));
        // The earlier one may come late, or be replied to and replaced.
        tunnel.resume();
        client.exchange(&mut server, conn, b"by the later one");
        raced.join().unwrap();
    }
    assert_eq!(tunnel.resumed(), 10);
}

#[test]
fn a_flipped_bit_ends_the_transport_and_not_the_session() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.stream().write_all(&[&[40, 0][..], &[7; 40]].concat()).unwrap();
    watch::eventually("the gateway has given the transport up", || sessions(&gateway)["waiting"] == json!(1));
    server.expect_silence();
    tunnel.resume();
    client.exchange(&mut server, conn, b"hello");
}

/// A relay that keeps what passes through it, both ways.
fn tapped(gateway: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
    let kept = Arc::clone(&seen);
    thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            let far = TcpStream::connect(gateway).unwrap();
            for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    let mut chunk = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut chunk) {
                        kept.lock().unwrap().extend_from_slice(&chunk[..count]);
                        let _it_may_be_closed = to.write_all(&chunk[..count]);
                    }
                });
            }
        }
    });
    (addr, seen)
}

#[test]
fn nothing_of_the_content_is_visible_on_the_wire() {
    const SECRET: &[u8] = b"the princess is in another castle";
    let gateway = Gateway::with_sessions(&["-ClientSnetEncrypt"]);
    let shows = |seen: &Mutex<Vec<u8>>| {
        seen.lock().unwrap().windows(12).any(|window| SECRET.windows(12).any(|part| part == window))
    };
    for (kind, visible) in [("plain", true), ("secure", false), ("legacy", false)] {
        let (addr, seen) = tapped(gateway.client_addr());
        let (mut client, _tunnel) = match kind {
            "plain" => (Client::connect(addr), None),
            "secure" => {
                let (link, tunnel) = Tunnel::secure(addr, Identity::Anyone);
                (Client::over(link), Some(tunnel))
            }
            _ => {
                let (link, tunnel) = Tunnel::legacy(addr, true);
                (Client::over(link), Some(tunnel))
            }
        };
        let mut server = gateway.server(7);
        let conn = client.open(&mut server);
        client.exchange(&mut server, conn, SECRET);
        assert!(seen.lock().unwrap().len() > 2 * SECRET.len());
        assert_eq!(shows(&seen), visible, "{kind}");
    }
}

#[test]
fn half_open_handshakes_are_bounded_in_number_and_time() {
    let limits = ["--max-handshakes", "20", "--max-handshakes-per-address", "10", "-ClientSnetInitTimeout", "2s"];
    let gateway = Gateway::with_sessions(&limits);
    let (mut client, _tunnel, mut server, conn) = playing(&gateway);
    let firsts: [&[u8]; 4] = [&[], &[1], &[2, 0, 0], &[0]];
    let strangers: Vec<_> = (0..100).map(|index| stranger(gateway.client_addr(), firsts[index % 4])).collect();
    watch::eventually("the oldest are dropped", || sessions(&gateway)["handshakes"]["failed"]["dropped"] == json!(90));
    assert_eq!(sessions(&gateway)["handshakes"]["in_progress"], json!(10));
    client.exchange(&mut server, conn, b"hello");
    let (_other, _its_tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    watch::eventually("the others are late", || sessions(&gateway)["handshakes"]["failed"]["too_slow"] == json!(9));
    assert_eq!(sessions(&gateway)["handshakes"]["in_progress"], json!(0));
    for mut stranger in strangers {
        assert!(matches!(stranger.read(&mut [0]), Ok(0) | Err(_)), "the gateway has closed it");
    }
    client.exchange(&mut server, conn, b"hello");
}

#[test]
fn who_never_proves_to_have_read_the_reply_gets_no_session() {
    let gateway = Gateway::with_sessions(&["-ClientSnetInitTimeout", "300ms"]);
    let mut session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    let open = session.connect(Instant::now(), &mut rand::rng()).unwrap();
    let mut stream = stranger(gateway.client_addr(), &open.bytes);
    let mut reply = Vec::new();
    let _a_reset_is_an_end_too = stream.read_to_end(&mut reply);
    assert_eq!(reply.first(), Some(&0), "it was replied to");
    let counted = sessions(&gateway);
    assert_eq!((&counted["open"], &counted["opened"]["secure"]), (&json!(0), &json!(0)));
    assert_eq!(counted["handshakes"]["failed"]["too_slow"], json!(1));
}

#[test]
fn handshakes_beyond_what_a_second_may_cost_wait_for_their_turn() {
    let gateway = Gateway::with_sessions(&["--max-handshakes-per-second", "20"]);
    let (mut client, _tunnel, mut server, conn) = playing(&gateway);
    let began = Instant::now();
    let open =
        || Tunnel::open(gateway.client_addr(), Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now()));
    let opened: Vec<_> = thread::scope(|scope| {
        let opening: Vec<_> = (0..21).map(|_| scope.spawn(open)).collect();
        opening.into_iter().map(|opening| opening.join().unwrap().map_err(|fault| fault.to_string())).collect()
    });
    assert!(opened.iter().all(Result::is_ok), "{:?}", opened.iter().filter_map(|it| it.as_ref().err()).next());
    // Two come at once, and the others 50 ms apart.
    assert!(began.elapsed() >= Duration::from_millis(900), "after {:?}", began.elapsed());
    assert_eq!(sessions(&gateway)["refused"]["overloaded"], json!(0));
    client.exchange(&mut server, conn, b"hello");
}

#[test]
fn peers_that_leave_while_they_wait_for_their_turn_hold_nobody_up() {
    let gateway = Gateway::with_sessions(&["--max-handshakes-per-second", "1", "-ClientSnetInitTimeout", "2m"]);
    let first = || {
        let mut session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        session.connect(Instant::now(), &mut rand::rng()).unwrap().bytes
    };
    let strangers: Vec<_> = (0..100).map(|_| stranger(gateway.client_addr(), &first())).collect();
    let in_progress = || sessions(&gateway)["handshakes"]["in_progress"].as_u64().unwrap();
    watch::eventually("they wait", || in_progress() > 90);
    drop(strangers);
    watch::eventually("nobody waits for those who have left", || in_progress() == 0);
    let (_link, _tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
}

#[test]
fn any_first_bytes_cost_their_own_stream_and_no_more() {
    let gateway = Gateway::with_sessions(&["-ClientSnetInitTimeout", "1s"]);
    let (mut client, _tunnel, mut server, conn) = playing(&gateway);
    let mut random = seeded::Seeded::new(7);
    for round in 0..200 {
        let mut bytes = random.bytes(1 + round * 7 % 1500);
        bytes[0] = [0, 1, 2, 0xff, 9][round % 5];
        let mut stream = stranger(gateway.client_addr(), &bytes);
        let _it_may_be_closed = stream.write_all(&bytes);
    }
    client.exchange(&mut server, conn, b"hello");
    gateway.still_serves();
    watch::eventually("nothing is left of them", || sessions(&gateway)["handshakes"]["in_progress"] == json!(0));
}
