//! While a session has no transport: what its servers see, what is kept, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::{AbortReason, End, Fault, Identity, Session, Status};
use fastway_testkit::process::Signal;
use fastway_testkit::{ALL_CLIENT_LINKS, Client, Gateway, Server, Tunnel, on_every_setup, watch};
use fastway_wire::ConnId;
use serde_json::json;

/// A player with a secure session, and a server that has a connection to it.
fn playing(gateway: &Gateway) -> (Client, Tunnel, Server, ConnId) {
    let mut server = gateway.server(7);
    let (client, tunnel, conn) = joined(gateway, &mut server);
    (client, tunnel, server, conn)
}

/// A further player with a secure session and a connection to the server.
fn joined(gateway: &Gateway, server: &mut Server) -> (Client, Tunnel, ConnId) {
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let mut client = Client::over(link);
    let conn = client.open(server);
    (client, tunnel, conn)
}

fn expect_interrupted(gateway: &Gateway) {
    watch::eventually("the gateway has noticed the cut", || gateway.stats()["sessions"]["waiting"] == json!(1));
}

#[test]
fn servers_see_nothing_of_an_interruption() {
    on_every_setup(&ALL_CLIENT_LINKS, |gateway| {
        let (mut client, tunnel, mut server, conn) = playing(gateway);
        for round in 0u8..20 {
            client.send(conn, &[round; 100]);
            tunnel.cut();
            client.send(conn, &[round; 10]);
            server.send(conn, &[round; 1000]);
            tunnel.resume();
            server.expect_data(conn, &[round; 100]);
            server.expect_data(conn, &[round; 10]);
            client.expect_data(conn, &[round; 1000]);
        }
        server.expect_silence();
        client.expect_silence();
        assert_eq!(tunnel.resumed(), 20);
    });
}

#[test]
fn a_session_is_resumed_on_the_worker_that_has_its_link() {
    let gateway = Gateway::with_sessions(&["--workers", "2"]);
    let mut server = gateway.server(7);
    let players: Vec<_> = (0..6).map(|_| joined(&gateway, &mut server)).collect();
    let links = gateway.json("/api/links?filter=client");
    let on =
        |worker: u64| links["links"].as_array().unwrap().iter().filter(|link| link["worker"] == json!(worker)).count();
    assert_eq!((on(0) > 0, on(1) > 0), (true, true), "both workers have some, and worker 0 accepts for both: {links}");
    for (mut client, tunnel, conn) in players {
        tunnel.cut();
        server.send(conn, b"while it is away");
        tunnel.resume();
        client.expect_data(conn, b"while it is away");
        client.exchange(&mut server, conn, b"after");
    }
    assert_eq!(gateway.stats()["sessions"]["resumes"]["resumed"], json!(6));
}

#[test]
fn a_server_can_dial_a_player_that_is_away() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, _) = playing(&gateway);
    tunnel.cut();
    expect_interrupted(&gateway);
    server.dial(client.id());
    let conn = server.expect_accept(client.id());
    tunnel.resume();
    assert_eq!(client.expect_connect(), (conn, server.id()));
    client.exchange(&mut server, conn, b"hello");
}

#[test]
fn after_the_wait_time_the_connections_are_closed() {
    let gateway = Gateway::with_sessions(&["-ClientSnetWaitTimeout", "1s"]);
    let (_client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.cut();
    let cut = Instant::now();
    let (_, late) = tunnel.dial().unwrap();
    server.expect_close(conn);
    assert!(cut.elapsed() >= Duration::from_secs(1), "{:?}", cut.elapsed());
    let stats = gateway.stats();
    assert_eq!((&stats["client"]["closed"]["expired"], &stats["client"]["links"]), (&json!(1), &json!(0)));
    assert_eq!((&stats["sessions"]["open"], &stats["sessions"]["waiting"]), (&json!(0), &json!(0)));
    let mut stream = TcpStream::connect(gateway.client_addr()).unwrap();
    stream.write_all(&late).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [Status::Expired as u8]);
}

#[test]
fn a_black_hole_is_left_without_waiting_for_any_timeout() {
    let gateway = Gateway::with_sessions(&["-ClientIdleTimeout", "1h"]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    // The older transport stays open and looks alive; `resume` does not close it.
    let older = tunnel.stream();
    tunnel.resume();
    client.exchange(&mut server, conn, b"by the new one");
    older.set_read_timeout(Some(watch::DEADLINE)).unwrap();
    let closed = (&older).read(&mut [0; 1024]);
    assert!(matches!(closed, Ok(0) | Err(_)), "the older one is closed: {closed:?}");
    assert_eq!(gateway.stats()["sessions"]["waiting"], json!(0));
}

#[test]
fn a_silent_transport_is_given_up_and_its_session_waits() {
    let gateway = Gateway::with_sessions(&["-ClientIdleTimeout", "1s"]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    watch::eventually("the gateway has given the transport up", || {
        server.expect_silence();
        gateway.stats()["sessions"]["waiting"] == json!(1)
    });
    tunnel.resume();
    client.exchange(&mut server, conn, b"here again");
}

#[test]
fn what_waits_for_a_player_that_is_away_is_bounded() {
    let gateway = Gateway::with_sessions(&["--client-send-bytes", "600K"]);
    let (_client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.cut();
    expect_interrupted(&gateway);
    for _ in 0..7 {
        server.send(conn, &[1; 100 << 10]);
    }
    server.expect_close(conn);
    let stats = gateway.stats();
    assert_eq!((&stats["client"]["closed"]["too_slow"], &stats["sessions"]["open"]), (&json!(1), &json!(0)));
}

#[test]
fn too_many_packets_may_wait_for_a_player_that_is_away() {
    let gateway = Gateway::with_sessions(&["--client-send-chan-size", "10", "--client-slow-grace", "100ms"]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.cut();
    expect_interrupted(&gateway);
    (0..100u8).for_each(|number| server.send(conn, &[number]));
    thread::sleep(Duration::from_millis(400));
    server.expect_silence();
    tunnel.resume();
    (0..100u8).for_each(|number| client.expect_data(conn, &[number]));
}

#[test]
fn who_waits_longest_makes_room_when_too_many_do() {
    let gateway = Gateway::with_sessions(&["--max-waiting", "2"]);
    let mut server = gateway.server(7);
    let players: Vec<_> = (0..3).map(|_| joined(&gateway, &mut server)).collect();
    for (waiting, (_, tunnel, _)) in players.iter().enumerate() {
        tunnel.cut();
        let expected = json!((waiting + 1).min(2));
        watch::eventually("it waits", || {
            gateway.stats()["sessions"]["waiting"] == expected && waiting < 2 || waiting == 2
        });
    }
    server.expect_close(players[0].2);
    let stats = gateway.stats();
    assert_eq!((&stats["client"]["closed"]["pushed_out"], &stats["sessions"]["waiting"]), (&json!(1), &json!(2)));
    assert_eq!(players[0].1.try_connect(), Err(Fault::Refused(Status::Expired)));
    players[1].1.resume();
}

#[test]
fn bytes_that_wait_for_one_address_are_bounded() {
    let gateway = Gateway::with_sessions(&["--max-waiting-bytes-per-address", "100K"]);
    let (_client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.cut();
    expect_interrupted(&gateway);
    assert!(gateway.stats()["sessions"]["waiting_bytes"].as_u64() < Some(1 << 10));
    server.send(conn, &[1; 50 << 10]);
    server.expect_silence();
    assert!(gateway.stats()["sessions"]["waiting_bytes"].as_u64() >= Some(50 << 10));
    server.send(conn, &[1; 50 << 10]);
    server.expect_close(conn);
    assert_eq!(gateway.stats()["client"]["closed"]["pushed_out"], json!(1));
}

#[test]
fn links_that_wait_are_shown() {
    let mut gateway = Gateway::with_sessions(&[]);
    let (_client, tunnel, _server, _) = playing(&gateway);
    let links = |gateway: &Gateway| gateway.json("/api/links?filter=client");
    let link = links(&gateway)["links"][0].clone();
    assert_eq!((&link["transport"], &link["protocol"]), (&json!("tcp"), &json!("secure")));
    assert_eq!(link["state"], "open");
    tunnel.cut();
    expect_interrupted(&gateway);
    let link = links(&gateway)["links"][0].clone();
    assert_eq!(link["state"], json!("interrupted"));
    assert!(link["held_up"]["no_transport"].is_u64(), "{link}");
    let shown = gateway.ctl(&["links", "interrupted"]).stdout;
    assert!(shown.contains("state=interrupted no_transport="), "{shown}");
    let metrics = gateway.get("/metrics");
    assert!(metrics.text().contains("fastway_sessions_waiting 1\n"), "{}", metrics.text());
    tunnel.resume();
    let metrics = gateway.get("/metrics");
    assert!(metrics.text().contains("fastway_session_resumes_total{outcome=\"resumed\"} 1\n"), "{}", metrics.text());
    assert!(gateway.is_running());
}

#[test]
fn a_stop_tells_those_who_are_there_and_those_who_come() {
    let gateway_flags = ["--shutdown-grace", "10s"];
    let mut gateway = Gateway::with_sessions(&gateway_flags);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    let (_away, away) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    away.cut();
    expect_interrupted(&gateway);
    // A peer that takes nothing keeps the gateway from its end for a while.
    let mut narrow = gateway.narrow_client();
    let flooded = narrow.open(&mut server);
    (0..40).for_each(|_| server.send(flooded, &[0; 64 << 10]));
    server.send(conn, b"the last word");
    server.expect_silence();
    gateway.signal(Signal::TERM);
    client.expect_data(conn, b"the last word");
    client.expect_close(conn);
    assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::Shutdown));
    let newcomer = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    let refused = Tunnel::open(gateway.client_addr(), newcomer).map(drop);
    assert_eq!(refused, Err(Fault::Refused(Status::Draining)));
    drop(away);
    drop(narrow);
    drop(server);
    gateway.expect_clean_exit();
}

#[test]
fn those_who_come_while_the_gateway_stops_are_told_so_though_the_worker_that_they_belong_to_has_ended() {
    let mut gateway = Gateway::with_sessions(&["--workers", "2", "--shutdown-grace", "60s"]);
    // In turns on worker 0 and worker 1.
    let mut server = gateway.server(7);
    let (client, tunnel, conn) = joined(&gateway, &mut server);
    let mut narrow = gateway.narrow_client();
    // A session that is over, whose player does not know; and a peer that takes nothing.
    tunnel.cut();
    expect_interrupted(&gateway);
    assert_eq!(gateway.ctl(&["kick", &client.id().to_string()]).code, Some(0));
    server.expect_close(conn);
    let flooded = narrow.open(&mut server);
    (0..40).for_each(|_| server.send(flooded, &[0; 64 << 10]));
    server.expect_silence();

    gateway.signal(Signal::TERM);
    watch::eventually("the worker without links has ended", || !gateway.has_thread("worker-1"));
    assert_eq!(tunnel.try_connect(), Err(Fault::Refused(Status::Draining)));
    let newcomer = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    let refused = Tunnel::open(gateway.client_addr(), newcomer).map(drop);
    assert_eq!(refused, Err(Fault::Refused(Status::Draining)));

    drop((narrow, server));
    gateway.expect_clean_exit();
}

#[test]
fn a_player_who_is_away_when_the_gateway_stops_gets_his_bytes_and_the_reason_within_the_grace() {
    let flags = [&ALL_CLIENT_LINKS[..], &["--shutdown-grace", "20s", "--admin-addr", "127.0.0.1:0"]].concat();
    on_every_setup(&flags, |gateway| {
        let (mut client, tunnel, mut server, conn) = playing(gateway);
        tunnel.cut();
        expect_interrupted(gateway);
        server.send(conn, b"while he is away");
        server.expect_silence();
        gateway.signal(Signal::TERM);
        server.expect_close(conn);
        server.expect_eof();
        drop(server);
        let is_deaf = watch::holds_within(Duration::from_millis(300), || gateway.listeners() == 0);
        assert!(
            !is_deaf,
            "the gateway listens as long as a session waits, even if the worker that accepts has no link left"
        );
        tunnel.resume();
        client.expect_data(conn, b"while he is away");
        client.expect_close(conn);
        assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::Shutdown));
        gateway.expect_clean_exit();
    });
}

#[test]
fn a_session_that_waits_keeps_the_gateway_no_longer_than_the_grace() {
    let mut gateway = Gateway::with_sessions(&["--shutdown-grace", "1s"]);
    let (_client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.cut();
    expect_interrupted(&gateway);
    gateway.signal(Signal::TERM);
    server.expect_close(conn);
    gateway.expect_clean_exit();
}

#[test]
fn a_player_that_says_goodbye_is_gone_at_once() {
    on_every_setup(&ALL_CLIENT_LINKS, |gateway| {
        let (client, tunnel, mut server, conn) = playing(gateway);
        drop(client);
        server.expect_close(conn);
        assert_eq!(tunnel.expect_end(), End::Closed);
    });
}

#[test]
fn a_session_that_has_ended_is_not_counted_as_open() {
    let gateway = Gateway::with_sessions(&["-ClientSnetInitTimeout", "1h"]);
    let (client, tunnel, mut server, conn) = playing(&gateway);
    drop(client);
    server.expect_close(conn);
    assert_eq!(tunnel.expect_end(), End::Closed);
    watch::eventually("it is not open", || gateway.stats()["sessions"]["open"] == json!(0));
}

#[test]
fn a_player_that_missed_the_last_acknowledgement_learns_that_all_has_arrived() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    client.send(conn, b"goodbye");
    // What the gateway says from here on is lost.
    let lost = tunnel.ignore_input();
    drop(client);
    server.expect_data(conn, b"goodbye");
    server.expect_close(conn);
    drop(lost);
    watch::eventually("the session ends", || tunnel.try_connect().is_err());
    assert_eq!(tunnel.expect_end(), End::Closed);
}

#[test]
fn a_player_who_is_kicked_while_he_is_away_is_told_when_he_comes_back() {
    let gateway = Gateway::with_sessions(&[]);
    let (client, tunnel, mut server, conn) = playing(&gateway);
    tunnel.cut();
    expect_interrupted(&gateway);
    gateway.ctl(&["kick", &client.id().to_string()]);
    server.expect_close(conn);
    assert_eq!(gateway.stats()["sessions"]["open"], json!(0));
    let _over = tunnel.try_connect();
    assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::Operator));
}

#[test]
fn a_player_who_was_too_slow_is_told_so() {
    let flags = [&ALL_CLIENT_LINKS[..], &["--client-send-bytes", "512K", "--client-slow-grace", "1h"]].concat();
    on_every_setup(&flags, |gateway| {
        let session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        let (link, tunnel) = Tunnel::open_narrow(gateway.client_addr(), session).unwrap();
        let (mut client, mut server) = (Client::over(link), gateway.server(7));
        let conn = client.open(&mut server);
        (0..160).for_each(|_| server.send(conn, &[0; 64 << 10]));
        server.expect_close(conn);
        // He goes on, and finds the transport closed.
        let reading = thread::spawn(move || client.until_eof());
        watch::eventually("the transport is closed", || !tunnel.is_connected());
        let _over = tunnel.try_connect();
        assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::TooSlow));
        reading.join().unwrap();
    });
}

#[test]
fn kicked_players_are_told() {
    let gateway = Gateway::with_sessions(&[]);
    let (client, tunnel, mut server, conn) = playing(&gateway);
    gateway.ctl(&["kick", &client.id().to_string()]);
    assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::Operator));
    server.expect_close(conn);
}

#[test]
fn a_frame_that_the_grammar_forbids_ends_the_session() {
    let gateway = Gateway::with_sessions(&[]);
    let (mut client, tunnel, mut server, conn) = playing(&gateway);
    client.send_raw(&[0xff; 8]);
    assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::PeerFault));
    server.expect_close(conn);
    assert_eq!(gateway.stats()["client"]["closed"]["bad_bytes"], json!(1));
}

#[test]
fn nothing_is_left_behind() {
    on_every_setup(
        &[
            &ALL_CLIENT_LINKS[..],
            &["-ClientSnetWaitTimeout", "1s", "-ClientSnetInitTimeout", "500ms", "--admin-addr", "127.0.0.1:0"],
        ]
        .concat(),
        |gateway| {
            let before = gateway.sockets();
            for _ in 0..10 {
                let (client, tunnel, server, _) = playing(gateway);
                tunnel.cut();
                tunnel.resume();
                let (_other, legacy) = Tunnel::legacy(gateway.client_addr(), false);
                legacy.cut();
                drop((client, server));
            }
            gateway.expect_sockets(before);
            watch::eventually("no session is left", || {
                let stats = gateway.stats();
                stats["sessions"]["open"] == json!(0) && stats["sessions"]["handshakes"]["in_progress"] == json!(0)
            });
            let stats = gateway.stats();
            assert_eq!((&stats["client"]["links"], &stats["connections"]["open"]), (&json!(0), &json!(0)));
            assert_eq!(stats["sessions"]["waiting_bytes"], json!(0));
        },
    );
}
