//! A drain: newcomers go elsewhere, clients that are there go on until they leave or their time is over, servers stay.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use fastway_session::{AbortReason, End, Fault, Identity, Session, Status};
use fastway_testkit::process::Signal;
use fastway_testkit::{Client, Gateway, Tunnel, watch};
use serde_json::{Value, json};

/// Has a command carried out.
#[track_caller]
fn command(gateway: &Gateway, line: &str) {
    let answer = gateway.post_commands(&json!({ "commands": [line] }).to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// What a command that is not carried out is answered with.
#[track_caller]
fn refused(gateway: &Gateway, line: &str) -> String {
    let answer = gateway.post_commands(&json!({ "commands": [line] }).to_string());
    assert_eq!(answer.status, 422, "{}", answer.text());
    answer.json()["results"][0]["error"].as_str().unwrap().to_owned()
}

fn ready(gateway: &Gateway) -> (u16, Value) {
    let answer = gateway.get("/ready");
    (answer.status, answer.json()["status"].clone())
}

fn phase(gateway: &Gateway) -> Value {
    gateway.stats()["drain"]["phase"].clone()
}

fn refuses(addr: SocketAddr) -> bool {
    matches!(TcpStream::connect(addr), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

fn expect_phase(gateway: &Gateway, wanted: &str) {
    watch::eventually(&format!("the drain is {wanted}"), || phase(gateway) == json!(wanted));
}

#[test]
fn a_signal_drains_and_the_process_ends_when_the_last_client_has_gone() {
    for flags in [&["--drain-timeout=10m"][..], &["--drain-timeout=10m", "--workers=2", "--reuse-port"]] {
        let (mut gateway, mut client, mut server, conn) = Gateway::with_admin(flags).playing();
        gateway.signal(Signal::TERM);
        expect_phase(&gateway, "waiting");
        assert_eq!(ready(&gateway), (503, json!("draining")));
        assert_eq!(gateway.get("/live").status, 200);
        watch::eventually("both ports are closed", || refuses(gateway.client_addr()) && refuses(gateway.server_addr()));

        client.exchange(&mut server, conn, b"who is there goes on");
        let again = client.open(&mut server);
        client.exchange(&mut server, again, b"and may dial");
        let metrics = gateway.get("/metrics");
        assert!(metrics.text().contains("fastway_draining 1\n"), "{}", metrics.text());

        drop(client);
        server.expect_closes(&[conn, again]);
        server.expect_eof();
        drop(server);
        gateway.expect_clean_exit();
    }
}

#[test]
fn newcomers_are_let_in_until_the_delay_is_over() {
    let mut gateway = Gateway::with_admin(&["--drain-delay=10m", "--drain-timeout=10m"]);
    gateway.signal(Signal::TERM);
    expect_phase(&gateway, "announced");
    assert_eq!(ready(&gateway), (503, json!("draining")));
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"in time");
    assert!(gateway.is_running());
}

#[test]
fn clients_that_stay_are_closed_when_the_timeout_is_over_and_get_what_waits_for_them() {
    let (mut gateway, mut client, mut server, conn) = Gateway::with_admin(&["--drain-timeout=500ms"]).playing();
    let idle = gateway.client();
    gateway.signal(Signal::TERM);
    expect_phase(&gateway, "waiting");
    server.send(conn, b"the last word");
    client.expect_data(conn, b"the last word");
    client.expect_close(conn);
    client.expect_eof();
    drop(idle);
    server.expect_close(conn);
    server.expect_eof();
    drop((client, server));
    gateway.expect_clean_exit();
}

#[test]
fn a_port_with_sessions_lets_them_resume_and_sends_everybody_else_away() {
    let mut gateway = Gateway::with_sessions(&["--drain-timeout=10m"]);
    let mut server = gateway.server(7);
    let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    let mut client = Client::over(link);
    let conn = client.open(&mut server);
    gateway.signal(Signal::TERM);
    expect_phase(&gateway, "waiting");

    tunnel.cut();
    tunnel.resume();
    client.exchange(&mut server, conn, b"after a resume");
    let newcomer = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    assert_eq!(Tunnel::open(gateway.client_addr(), newcomer).map(drop), Err(Fault::Refused(Status::Draining)));
    let mut plain = gateway.client();
    plain.ping();
    watch::eventually("the plain link is closed", || plain.is_closed());
    watch::eventually("the server port is closed", || refuses(gateway.server_addr()));

    // A session without its client is a client until its wait time is over.
    tunnel.cut();
    watch::eventually("the session waits", || gateway.stats()["sessions"]["waiting"] == json!(1));
    assert_eq!(gateway.stats()["drain"]["clients"], json!(1));
    tunnel.resume();
    // The times of a second drain count.
    command(&gateway, "drain 0s");
    client.expect_close(conn);
    assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::Shutdown));
    drop(server);
    gateway.expect_clean_exit();
}

#[test]
fn a_shared_port_closes_though_it_admits_sessions() {
    let flags = ["--drain-timeout=10m", "--reuse-port", "--workers=2"];
    let gateway = Gateway::with_sessions(&flags);
    let (_client, _tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
    gateway.signal(Signal::TERM);
    watch::eventually("the port is closed", || refuses(gateway.client_addr()));
}

#[test]
fn sessions_are_closed_last_and_the_ends_are_spread() {
    let flags = ["--drain-spread=2s", "--log-level=debug", "--log-format=json"];
    let mut gateway = Gateway::with_sessions(&flags);
    let sessions: Vec<_> = (0..5).map(|_| Tunnel::secure(gateway.client_addr(), Identity::Anyone)).collect();
    let mut plain: Vec<Client> = (0..5).map(|_| gateway.client()).collect();
    // On a port with sessions they are links from their first byte on.
    plain.iter_mut().for_each(|client| client.ping());
    plain.iter_mut().for_each(|client| client.expect_pong());
    watch::eventually("all are there", || gateway.stats()["client"]["links"] == json!(10));
    let all = gateway.get("/api/links?filter=client&limit=100").json();
    let ids = |protocol: &str| -> Vec<u64> {
        let links = all["links"].as_array().unwrap().iter();
        links.filter(|link| link["protocol"] == protocol).map(|link| link["link"].as_u64().unwrap()).collect()
    };
    let (plain_ids, session_ids) = (ids("plain"), ids("secure"));
    assert_eq!((plain_ids.len(), session_ids.len()), (5, 5), "{all}");

    gateway.signal(Signal::TERM);
    let readers = plain.into_iter().map(|mut client| std::thread::spawn(move || client.expect_eof()));
    readers.collect::<Vec<_>>().into_iter().for_each(|reader| reader.join().unwrap());
    for (_link, tunnel) in &sessions {
        assert_eq!(tunnel.expect_end(), End::AbortedByPeer(AbortReason::Shutdown));
    }
    gateway.expect_clean_exit();

    let closed = |line: &str| -> Option<(u64, String)> {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["message"] == "client link closed")
            .then(|| (line["link"].as_u64().unwrap(), line["timestamp"].as_str().unwrap().to_owned()))
    };
    let log = gateway.log();
    let ends: Vec<(u64, String)> = log.lines().filter_map(closed).collect();
    let order: Vec<bool> = ends.iter().map(|(link, _)| session_ids.contains(link)).collect();
    assert_eq!(order, [[false; 5], [true; 5]].concat(), "{log}");
    let seconds: std::collections::BTreeSet<&str> = ends.iter().map(|(_, time)| &time[..19]).collect();
    assert!(seconds.len() >= 2, "{ends:?}");
}

#[test]
fn a_process_that_stays_can_open_its_ports_again() {
    for flags in [&[][..], &["--workers=2", "--reuse-port"]] {
        let mut gateway = Gateway::with_admin(flags);
        let server = gateway.server(7);
        command(&gateway, "drain --stay");
        expect_phase(&gateway, "drained");
        assert!(refuses(gateway.client_addr()) && refuses(gateway.server_addr()));
        assert_eq!(gateway.stats()["state"], json!("draining"));

        command(&gateway, "undrain");
        assert_eq!(ready(&gateway), (200, json!("ready")));
        assert_eq!(gateway.stats()["state"], json!("running"));
        let mut client = gateway.client();
        let mut server_again = gateway.server(8);
        let conn = client.open(&mut server_again);
        client.exchange(&mut server_again, conn, b"open again");

        command(&gateway, "drain --stay 0s");
        expect_phase(&gateway, "drained");
        drop((client, server, server_again));
        assert!(gateway.is_running());
        // It is the first signal.
        gateway.signal(Signal::TERM);
        gateway.expect_clean_exit();
    }
}

#[test]
fn a_drain_is_taken_back_only_while_it_can_be() {
    let gateway = Gateway::with_admin(&["--drain-delay=10m"]);
    assert_eq!(refused(&gateway, "undrain"), "the gateway does not drain");
    command(&gateway, "drain");
    assert_eq!(ready(&gateway), (503, json!("draining")));
    command(&gateway, "undrain");
    assert_eq!(ready(&gateway), (200, json!("ready")));
    for line in ["drain soon", "drain 5s 6s", "drain --now", "undrain 5s"] {
        let error = refused(&gateway, line);
        assert!(error.contains("expected: "), "{line}: {error}");
    }
    assert_eq!(ready(&gateway), (200, json!("ready")));

    // The port is another program's by then.
    let gateway = Gateway::with_admin(&[]);
    command(&gateway, "drain --stay");
    expect_phase(&gateway, "drained");
    let _other = std::net::TcpListener::bind(gateway.client_addr()).unwrap();
    let error = refused(&gateway, "undrain");
    assert!(error.contains("--client-addr"), "{error}");
    expect_phase(&gateway, "drained");
    assert!(refuses(gateway.server_addr()), "nothing has changed");
}

#[test]
fn a_signal_during_a_drain_by_command_is_the_first_and_the_next_one_ends_at_once() {
    let (mut gateway, _client, _server, _conn) = Gateway::with_admin(&["--drain-timeout=10m"]).playing();
    command(&gateway, "drain");
    expect_phase(&gateway, "waiting");
    gateway.signal(Signal::TERM);
    gateway.signal(Signal::TERM);
    assert!(!watch::holds_within(std::time::Duration::from_millis(1_100), || !gateway.is_running()), "a repetition");
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().code, Some(1));
}

#[test]
fn ctl_drain_waits_until_the_gateway_has_ended() {
    let (mut gateway, client, _server, _conn) = Gateway::with_admin(&[]).playing();
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| gateway.ctl(&["drain", "10m"]));
        expect_phase(&gateway, "waiting");
        drop(client);
        asked.join().unwrap()
    });
    assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), ""), "{asked:?}");
    assert!(asked.stdout.contains("drain phase=waiting clients=1 remaining="), "{asked:?}");
    gateway.expect_clean_exit();
}

#[test]
fn ctl_drain_tells_a_drain_that_makes_no_progress_or_is_taken_back() {
    let (mut gateway, client, _server, _conn) = Gateway::with_admin(&[]).playing();
    let late = gateway.ctl(&["--timeout", "200ms", "drain", "10m"]);
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("no progress for 200ms (--timeout); it goes on"), "{late:?}");

    assert_eq!(gateway.ctl(&["undrain"]).code, Some(0));
    let taken_back = std::thread::scope(|scope| {
        let asked = scope.spawn(|| gateway.ctl(&["drain", "--stay", "10m"]));
        expect_phase(&gateway, "waiting");
        assert_eq!(gateway.ctl(&["undrain"]).code, Some(0));
        asked.join().unwrap()
    });
    assert_eq!(taken_back.code, Some(1), "{taken_back:?}");
    assert!(taken_back.stderr.contains("the drain was taken back"), "{taken_back:?}");

    drop(client);
    let stays = gateway.ctl(&["drain", "--stay"]);
    assert_eq!(stays.code, Some(0), "{stays:?}");
    assert!(stays.stdout.ends_with("drain phase=drained clients=0"), "{stays:?}");
    assert!(gateway.is_running());
    let status = gateway.ctl(&["drain", "status"]);
    assert_eq!(status.stdout, "drain phase=drained clients=0");
}
