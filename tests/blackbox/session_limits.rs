//! Bounds and states that a peer with a session of its own would like to get around.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::{Backlog, Event, Identity, Session, Status, TransportId};
use fastway_testkit::process::Signal;
use fastway_testkit::{ALL_CLIENT_LINKS, Client, Gateway, Message, Tunnel, on_every_setup, watch};
use fastway_wire::Command;
use serde_json::{Value, json};

fn client_link(gateway: &Gateway) -> Value {
    let links = gateway.json("/api/links?filter=client");
    links["links"][0].clone()
}

/// A session that has the gateway's reply to its first message, and has not sent its proof.
struct Replied {
    session: Session,
    stream: TcpStream,
    id: TransportId,
}

impl Replied {
    fn open(gateway: &Gateway) -> Self {
        let mut session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        let dial = session.connect(Instant::now(), &mut rand::rng()).unwrap();
        let stream = TcpStream::connect(gateway.client_addr()).unwrap();
        Self { session, stream, id: dial.transport }.greet(&dial.bytes)
    }

    fn resume(mut self, gateway: &Gateway) -> Self {
        let dial = self.session.connect(Instant::now(), &mut rand::rng()).unwrap();
        self.stream = TcpStream::connect(gateway.client_addr()).unwrap();
        self.id = dial.transport;
        self.greet(&dial.bytes)
    }

    fn greet(mut self, first: &[u8]) -> Self {
        self.stream.set_nodelay(true).unwrap();
        self.stream.set_read_timeout(Some(watch::DEADLINE)).unwrap();
        self.stream.write_all(first).unwrap();
        let mut room = [0; 4096];
        while !self.is_live() {
            let count = self.stream.read(self.session.read_into(self.id, &mut room)).unwrap();
            assert!(count > 0, "the gateway replies");
            let (now, mut nothing) = (Instant::now(), Backlog::new(1 << 10));
            let received = self.session.receive_read(self.id, &mut room, count, now, &mut nothing);
            assert_eq!(received.fault, None);
        }
        self
    }

    fn is_live(&mut self) -> bool {
        let mut events = std::iter::from_fn(|| self.session.poll_event());
        events.any(|event| matches!(event, Event::Established { .. } | Event::Resumed { .. }))
    }

    fn proof(&mut self) -> Vec<u8> {
        let mut proof = Vec::new();
        self.session.send(Instant::now(), &mut Backlog::new(1 << 10), &mut proof, 1 << 10);
        proof
    }

    fn prove(mut self) -> Self {
        let proof = self.proof();
        self.stream.write_all(&proof).unwrap();
        self
    }
}

#[test]
fn a_session_that_is_proven_while_the_gateway_stops_does_not_hold_it_up() {
    let flags = ["--client-send-bytes=1G", "--client-slow-grace=60s", "--shutdown-grace=2s", "-ClientIdleTimeout=0"];
    on_every_setup(&[&ALL_CLIENT_LINKS[..], &flags].concat(), |gateway| {
        let (mut slow, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = slow.open(&mut server);
        (0..320).for_each(|_| server.send(conn, &[b'm'; 64 << 10]));
        server.expect_silence();
        let mut late: Vec<Replied> = (0..4).map(|_| Replied::open(gateway)).collect();
        gateway.signal(Signal::TERM);
        server.expect_close(conn);
        for late in &mut late {
            let proof = late.proof();
            late.stream.write_all(&proof).unwrap();
        }
        gateway.expect_clean_exit();
    });
}

#[test]
fn answers_count_against_the_link_until_they_are_acknowledged() {
    const PINGS: usize = 300_000;
    let gateway = Gateway::with_sessions(&[]);
    let mut stranger = Replied::open(&gateway).prove();
    let pings = Command::Ping.encode().repeat(PINGS);
    let mut backlog = Backlog::new(pings.len());
    backlog.push(&pings);
    let mut sealed = Vec::new();
    stranger.session.send(Instant::now(), &mut backlog, &mut sealed, usize::MAX);
    let mut reading = stranger.stream.try_clone().unwrap();
    thread::scope(|scope| {
        // It takes all that comes, and acknowledges nothing.
        scope.spawn(move || while let Ok(1..) = reading.read(&mut [0; 64 << 10]) {});
        // Ends when the gateway gives the transport up, on which the acknowledgements cannot be reached.
        let _cut_off = stranger.stream.write_all(&sealed);
        watch::eventually("it waits", || gateway.stats()["sessions"]["waiting"] == json!(1));
    });
    let link = client_link(&gateway);
    assert_eq!(link["state"], json!("interrupted"));
    assert!(link["received_bytes"].as_u64() < Some(pings.len() as u64 / 2), "{link}");
    // One read's worth of answers, and what was read ahead.
    let kept = gateway.stats()["sessions"]["waiting_bytes"].as_u64();
    assert!(kept < Some(700 << 10), "{kept:?}");
}

#[test]
fn a_session_that_was_interrupted_with_unread_answers_is_read_again_after_the_resume() {
    const PINGS: usize = 3000;
    let gateway = Gateway::with_sessions(&[]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    watch::eventually("nothing is on its way", || tunnel.unacknowledged_bytes() == 0);
    for _ in 0..3 {
        // The gateway finds all requests and the end of the transport at one stroke.
        gateway.pause();
        let pings = Command::Ping.encode().repeat(PINGS);
        client.send_raw(&pings);
        watch::eventually("all is sent", || tunnel.unacknowledged_bytes() == pings.len());
        tunnel.cut();
        gateway.resume();
        watch::eventually("it waits", || gateway.stats()["sessions"]["waiting"] == json!(1));
        tunnel.resume();
        (0..PINGS).for_each(|_| client.expect_pong());
        client.exchange(&mut server, conn, b"as ever");
    }
}

#[test]
fn the_grace_of_a_slow_client_begins_anew_when_its_session_is_resumed() {
    let flags = ["--client-send-chan-size", "10", "--client-send-bytes", "1G", "--client-slow-grace", "2s"];
    let gateway = Gateway::with_sessions(&flags);
    let session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    let (link, tunnel) = Tunnel::open_narrow(gateway.client_addr(), session).unwrap();
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    (0..300).for_each(|_| server.send(conn, &[b'm'; 32 << 10]));
    watch::eventually("too much waits", || client_link(&gateway)["held_up"]["outbox_full"].is_u64());
    tunnel.cut();
    let away_ms = || client_link(&gateway)["held_up"]["no_transport"].as_u64();
    watch::eventually("it is away for longer than the grace", || away_ms() > Some(2500));
    tunnel.resume();
    let slow_ms = || client_link(&gateway)["held_up"]["outbox_full"].as_u64();
    watch::eventually("it is still slow, and still there", || slow_ms() > Some(700));
    (0..300).for_each(|_| client.expect_data(conn, &[b'm'; 32 << 10]));
    client.exchange(&mut server, conn, b"caught up");
}

#[test]
fn a_session_that_is_proven_as_it_has_to_make_room_is_kept() {
    let gateway = Gateway::with_sessions(&["--max-waiting", "1"]);
    let older = Replied::open(&gateway).prove();
    watch::eventually("it is open", || gateway.stats()["sessions"]["open"] == json!(1));
    let mut older = older.resume(&gateway);
    watch::eventually("it waits", || gateway.stats()["sessions"]["waiting"] == json!(1));
    let newer = Replied::open(&gateway).prove();
    watch::eventually("both are open", || gateway.stats()["sessions"]["open"] == json!(2));
    // The newer one is cut off, so that the older has to go; and has come back when its worker hears of that.
    gateway.pause();
    drop(newer.stream);
    let proof = older.proof();
    older.stream.write_all(&proof).unwrap();
    gateway.resume();
    watch::eventually("the older goes on", || gateway.stats()["sessions"]["resumes"]["resumed"] == json!(1));
    watch::eventually("the newer waits", || gateway.stats()["sessions"]["waiting"] == json!(1));
    let after = gateway.stats();
    assert_eq!((&after["client"]["closed"]["pushed_out"], &after["sessions"]["open"]), (&json!(0), &json!(2)));
    // It is found, too.
    older.resume(&gateway).prove();
    watch::eventually("it goes on", || gateway.stats()["sessions"]["resumes"]["resumed"] == json!(2));
}

#[test]
fn what_a_waiting_session_has_sent_in_part_counts_against_its_bounds() {
    let gateway = Gateway::with_sessions(&["--max-waiting-bytes-per-address", "100K"]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    let in_part = [&(400u32 << 10).to_le_bytes()[..], &vec![0; 300 << 10]].concat();
    client.send_raw(&in_part);
    watch::eventually("it has arrived", || client_link(&gateway)["received_bytes"].as_u64() > Some(300 << 10));
    tunnel.cut();
    server.expect_close(conn);
    assert_eq!(gateway.stats()["client"]["closed"]["pushed_out"], json!(1));
}

#[test]
fn a_session_whose_server_is_full_can_be_resumed() {
    let gateway = Gateway::with_sessions(&["--max-packet", "64K", "--server-send-bytes", "64K"]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (mut client, mut server) = (Client::over(link), gateway.narrow_server(7));
    let conn = client.open(&mut server);
    let mut sender = client.sender();
    let sending = thread::spawn(move || (0..128).for_each(|_| sender.send(conn, &[7; 32 << 10])));
    watch::eventually("nothing more is taken from the player", || tunnel.is_full());
    for _ in 0..6 {
        tunnel.resume();
        server.send(conn, b"hello");
        client.expect_data(conn, b"hello");
    }
    (0..128).for_each(|_| server.expect_data(conn, &[7; 32 << 10]));
    sending.join().unwrap();
}

#[test]
fn who_acknowledges_is_not_too_slow_while_what_he_sends_waits_for_a_server() {
    let gateway =
        Gateway::with_sessions(&["--max-packet", "64K", "--server-send-bytes", "64K", "--client-send-bytes", "1M"]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let mut client = Client::over(link);
    let (mut full, mut pushing) = (gateway.narrow_server(7), gateway.server(8));
    let (waiting, pushed) = (client.open(&mut full), client.open(&mut pushing));
    let mut sender = client.sender();
    let sending = thread::spawn(move || (0..256).for_each(|_| sender.send(waiting, &[7; 32 << 10])));
    let taken = || client_link(&gateway)["received_bytes"].as_u64().unwrap();
    watch::wait_until_stuck(Duration::from_millis(200), taken);
    assert!(tunnel.is_full(), "nothing more is taken from the player");
    // One and a half times what may wait for him, all of which he takes as it comes.
    for _ in 0..48 {
        pushing.send(pushed, &[8; 32 << 10]);
        client.expect_data(pushed, &[8; 32 << 10]);
    }
    (0..256).for_each(|_| full.expect_data(waiting, &[7; 32 << 10]));
    sending.join().unwrap();
}

#[test]
fn who_was_refused_takes_no_place_of_a_handshake() {
    let gateway = Gateway::with_sessions(&["-ClientSnetInitTimeout", "1h"]);
    let mut resumed = Replied::open(&gateway).prove().session;
    watch::eventually("it is open", || gateway.stats()["sessions"]["open"] == json!(1));
    let dial = resumed.connect(Instant::now(), &mut rand::rng()).unwrap();
    let mut refused = TcpStream::connect(gateway.client_addr()).unwrap();
    let (last, rest) = dial.bytes.split_last().unwrap();
    refused.write_all(&[rest, &[!last]].concat()).unwrap();
    let mut answer = Vec::new();
    refused.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [Status::NotAuthentic as u8]);
    let in_progress = || gateway.stats()["sessions"]["handshakes"]["in_progress"] == json!(0);
    watch::eventually("nothing is in progress while the peer stays", in_progress);
}

#[test]
fn bytes_per_second_are_limited_in_sessions_too() {
    let gateway = Gateway::with_sessions(&["--max-bytes-per-second", "20000"]);
    let (link, _tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    let began = Instant::now();
    (0..300).for_each(|_| client.send(conn, &[7; 1000]));
    for _ in 0..60 {
        assert!(matches!(server.receive(), Some(Message::Data(..))));
    }
    // A second's worth may come at once, and a record with it.
    assert!(began.elapsed() > Duration::from_secs(1), "60,000 bytes took {:?}", began.elapsed());
}

#[test]
fn a_fault_right_behind_the_proof_ends_the_transport_alone() {
    let gateway = Gateway::with_sessions(&[]);
    let opened = Replied::open(&gateway).prove();
    watch::eventually("it is open", || gateway.stats()["sessions"]["open"] == json!(1));
    let first = opened.stream.try_clone().unwrap();
    let mut again = opened.resume(&gateway);
    let proof = again.proof();
    again.stream.write_all(&[&proof[..], &[40, 0], &[7; 40]].concat()).unwrap();
    watch::eventually("it waits", || gateway.stats()["sessions"]["waiting"] == json!(1));
    assert_eq!(gateway.stats()["sessions"]["resumes"], json!({ "resumed": 1, "not_proven": 0, "refused": 0 }));
    drop(first);
    again.resume(&gateway).prove();
    watch::eventually("it goes on", || gateway.stats()["sessions"]["resumes"]["resumed"] == json!(2));
}

#[test]
fn a_fault_right_behind_the_first_proof_leaves_a_session_to_resume() {
    let gateway = Gateway::with_sessions(&[]);
    let mut opened = Replied::open(&gateway);
    let proof = opened.proof();
    opened.stream.write_all(&[&proof[..], &[40, 0], &[7; 40]].concat()).unwrap();
    watch::eventually("it waits", || gateway.stats()["sessions"]["waiting"] == json!(1));
    opened.resume(&gateway).prove();
    watch::eventually("it goes on", || gateway.stats()["sessions"]["resumes"]["resumed"] == json!(1));
}

#[test]
fn strangers_who_open_sessions_do_not_keep_players_from_resuming() {
    let gateway = Gateway::with_sessions(&["--max-handshakes-per-second", "4"]);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let (mut client, mut server) = (Client::over(link), gateway.server(7));
    let conn = client.open(&mut server);
    let open = || {
        let mut session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        let dial = session.connect(Instant::now(), &mut rand::rng()).unwrap();
        let mut stream = TcpStream::connect(gateway.client_addr()).unwrap();
        stream.write_all(&dial.bytes).unwrap();
        stream
    };
    let _strangers: Vec<TcpStream> = (0..100).map(|_| open()).collect();
    for _ in 0..3 {
        tunnel.resume();
        client.exchange(&mut server, conn, b"hello");
    }
    let in_progress = gateway.stats()["sessions"]["handshakes"]["in_progress"].as_u64().unwrap();
    assert!(in_progress > 50, "{in_progress} strangers wait");
}
