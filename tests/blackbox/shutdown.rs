//! SIGTERM with live links: the ends are told, what waits is delivered, and the process ends in time with code 0.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use fastway_testkit::process::Signal;
use fastway_testkit::{Client, Gateway, Link, Server, data, on_every_setup, watch};
use fastway_wire::{Command, ConnId};
use serde_json::Value;

/// Lets so much wait for a client that no socket can take it all.
const PATIENT: [&str; 2] = ["--client-send-bytes=1G", "--client-slow-grace=60s"];

/// Makes 20 MiB wait for a client that does not read.
fn overfill(server: &mut Server, conn: ConnId) {
    (0..320).for_each(|_| server.send(conn, &MESSAGE));
    server.expect_silence();
}

static MESSAGE: [u8; 64 << 10] = [b'm'; 64 << 10];

#[test]
fn every_end_is_told_and_the_gateway_ends_at_once_when_nothing_waits() {
    for signal in [Signal::TERM, Signal::INT] {
        on_every_setup(&["--shutdown-grace", "25s"], |gateway| {
            let (mut one, mut two) = (gateway.server(1), gateway.server(2));
            let mut clients: Vec<Client> = (0..10).map(|_| gateway.client()).collect();
            let conns: Vec<[ConnId; 2]> =
                clients.iter_mut().map(|client| [client.open(&mut one), client.open(&mut two)]).collect();
            let idle = gateway.client();

            let start = Instant::now();
            gateway.signal(signal);
            for (client, conns) in clients.iter_mut().zip(&conns) {
                client.expect_closes(conns);
                client.expect_eof();
            }
            for (server, number) in [(&mut one, 0), (&mut two, 1)] {
                server.expect_closes(&conns.iter().map(|conns| conns[number]).collect::<Vec<_>>());
                server.expect_eof();
            }
            drop(idle);
            gateway.expect_clean_exit();
            assert!(start.elapsed() < Duration::from_secs(25), "took {:?}", start.elapsed());
        });
    }
}

#[test]
fn what_waits_for_slow_readers_is_delivered_first() {
    on_every_setup(&[&PATIENT[..], &["--shutdown-grace", "20s"]].concat(), |gateway| {
        let (mut client, mut server) = (gateway.narrow_client(), gateway.narrow_server(7));
        let (mut talker, mut other_server) = (gateway.client(), gateway.server(8));
        let (to_client, to_server) = (client.open(&mut other_server), talker.open(&mut server));
        overfill(&mut other_server, to_client);
        (0..150).for_each(|_| talker.send(to_server, &MESSAGE)); // less than a server's bound
        talker.flush();

        gateway.signal(Signal::TERM);
        for (link, conn, messages) in [(&mut *client as &mut Link, to_client, 320), (&mut *server, to_server, 150)] {
            (0..messages).for_each(|_| link.expect_data(conn, &MESSAGE));
            link.expect_close(conn);
            link.expect_eof();
        }
        gateway.expect_clean_exit();
    });
}

#[test]
fn a_peer_that_does_not_read_holds_the_gateway_up_for_the_grace_time_only() {
    on_every_setup(&[&PATIENT[..], &["--shutdown-grace", "1s"]].concat(), |gateway| {
        let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = client.open(&mut server);
        overfill(&mut server, conn);

        let start = Instant::now();
        gateway.signal(Signal::TERM);
        server.expect_close(conn);
        gateway.expect_clean_exit();
        assert!(start.elapsed() >= Duration::from_secs(1), "gave up after {:?}", start.elapsed());
    });
}

#[test]
fn a_signal_to_stop_more_than_a_second_after_the_first_ends_it_at_once() {
    on_every_setup(&[&PATIENT[..], &["--shutdown-grace", "60s"]].concat(), |gateway| {
        let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = client.open(&mut server);
        overfill(&mut server, conn);

        gateway.signal(Signal::TERM);
        server.expect_close(conn);
        server.expect_eof(); // now only the client is waited for
        watch::eventually("a later signal is none that came twice", || {
            gateway.signal(Signal::TERM);
            !gateway.is_running()
        });
        assert_eq!(gateway.wait_exit().code, Some(1));
    });
}

#[test]
fn signals_that_come_twice_at_once_stop_it_gracefully() {
    let pairs = [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT), (Signal::TERM, Signal::INT)];
    for (first, second) in pairs {
        let mut gateway = Gateway::start(&[&PATIENT[..], &["--shutdown-grace", "20s"]].concat());
        let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = client.open(&mut server);
        overfill(&mut server, conn);

        gateway.signal(first);
        gateway.signal(second);
        (0..320).for_each(|_| client.expect_data(conn, &MESSAGE));
        client.expect_close(conn);
        client.expect_eof();
        gateway.expect_clean_exit();
    }
}

#[test]
fn what_a_stop_could_not_deliver_is_counted_in_the_log() {
    let flags = ["--shutdown-grace", "1s", "--log-format=json"];
    on_every_setup(&[&PATIENT[..], &flags].concat(), |gateway| {
        let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = client.open(&mut server);
        overfill(&mut server, conn);

        gateway.signal(Signal::TERM);
        server.expect_close(conn);
        let exit = gateway.wait_exit();
        assert_eq!(exit.code, Some(0), "that is the peer's doing: {}", exit.stderr);
        let lines = exit.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let warnings: Vec<Value> = lines.filter(|line| line["message"].as_str().unwrap().contains("lost")).collect();
        assert_eq!(warnings.len(), 1, "{}", exit.stderr);
        assert_eq!((&warnings[0]["level"], &warnings[0]["links"]), (&"WARN".into(), &1.into()));
        let sent = 320 * data(conn, &MESSAGE).len() + Command::Close { conn }.encode().len();
        let taken = client.bytes_until_eof();
        assert_eq!(warnings[0]["bytes"], sent - taken);
    });
}

#[test]
fn a_stop_that_delivers_everything_warns_of_nothing() {
    let mut gateway = Gateway::start(&[]);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);
    server.send(conn, b"the last words");
    server.expect_silence();
    gateway.signal(Signal::TERM);
    client.expect_data(conn, b"the last words");
    client.expect_close(conn);
    client.until_eof();
    drop((client, server));
    let log = gateway.wait_exit().stderr;
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn nobody_is_let_in_while_it_stops() {
    let mut gateway = Gateway::start(&[&PATIENT[..], &["--shutdown-grace", "60s"]].concat());
    let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
    let conn = client.open(&mut server);
    overfill(&mut server, conn);

    gateway.signal(Signal::TERM);
    server.expect_close(conn);
    server.expect_eof();
    for addr in [gateway.client_addr(), gateway.server_addr()] {
        watch::eventually("the port is closed", || TcpStream::connect(addr).is_err());
    }
    assert!(gateway.is_running(), "the client has not got what waits for it");
    client.until_eof();
    gateway.expect_clean_exit();
}

#[test]
fn half_open_handshakes_and_half_sent_messages_do_not_hold_it_up() {
    on_every_setup(&["--shutdown-grace", "25s"], |gateway| {
        let half_open: Vec<_> = (0..20).map(|_| gateway.half_open_server()).collect();
        let mut client = gateway.client();
        client.expect_silence();
        client.send_raw(&[100, 0, 0, 0, 1, 2, 3]);
        let start = Instant::now();
        gateway.signal(Signal::TERM);
        client.until_eof();
        gateway.expect_clean_exit();
        assert!(start.elapsed() < Duration::from_secs(25), "took {:?}", start.elapsed());
        drop(half_open);
    });
}

#[test]
fn a_client_that_goes_on_sending_does_not_hold_it_up() {
    on_every_setup(&["--shutdown-grace", "25s"], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        gateway.signal(Signal::TERM);
        while client.try_send_raw(&fastway_testkit::data(conn, &[0; 1000])).is_ok() {}
        server.until_eof();
        gateway.expect_clean_exit();
    });
}
