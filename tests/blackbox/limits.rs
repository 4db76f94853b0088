//! Each limit against floods, at its bound and after it.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fastway_testkit::{Client, Gateway, Link, Message, on_every_setup, watch};
use fastway_wire::Command;

#[test]
fn max_links_bounds_the_clients_and_not_the_servers() {
    on_every_setup(&["--max-links", "3"], |gateway| {
        let mut servers: Vec<_> = (0..5).map(|id| gateway.server(id)).collect();
        let mut clients: Vec<Client> = (0..3).map(|_| gateway.client()).collect();
        clients.iter_mut().for_each(|client| client.expect_silence());
        gateway.client().expect_eof();

        drop(clients.pop());
        let mut next = admitted(gateway.client_addr(), "a place was freed");
        next.open(&mut servers[0]);
        gateway.client().expect_eof();
        gateway.server(6);
    });
}

/// A client that is let in, sooner or later.
fn admitted(addr: SocketAddr, why: &str) -> Client {
    let mut admitted = None;
    watch::eventually(why, || {
        let mut client = Client::connect(addr);
        if client.try_send_raw(&Command::Ping.encode()).is_ok() && client.receive().is_some() {
            admitted = Some(client);
        }
        admitted.is_some()
    });
    admitted.unwrap()
}

#[test]
fn max_links_per_address_bounds_each_address() {
    on_every_setup(&["--max-links-per-address", "2"], |gateway| {
        let from = |ip: [u8; 4]| Client::over(Link::connect_from((ip, 0).into(), gateway.client_addr()));
        for ip in [[127, 0, 0, 1], [127, 0, 0, 2]] {
            let mut clients = [from(ip), from(ip)];
            clients.iter_mut().for_each(|client| client.expect_silence());
            from(ip).expect_eof();
            let mut other = from([127, 0, 0, 3]);
            other.expect_silence();
        }
        drop(admitted(gateway.client_addr(), "the links from 127.0.0.1 are gone"));
    });
}

#[test]
fn dials_beyond_max_dials_per_second_are_refused() {
    on_every_setup(&["--max-dials-per-second", "5", "--client-max-conn", "0"], |gateway| {
        let (mut client, mut other, mut server) = (gateway.client(), gateway.client(), gateway.server(7));
        client.send_raw(&Command::Dial { remote: 7 }.encode().repeat(100));
        let answers: Vec<Message> = (0..100).map(|_| client.receive().unwrap()).collect();
        let refused =
            answers.iter().filter(|answer| **answer == Message::Command(Command::Refuse { remote: 7 })).count();
        // All in one write: even a slow machine reads them within a few seconds.
        assert!((1..=95).contains(&refused), "{refused} of 100 were refused");
        (0..100 - refused).for_each(|_| assert!(!server.expect_connect().0.is_command()));

        other.open(&mut server); // it has not dialed yet
        watch::eventually("a dial is accepted a second later", || {
            client.dial(7);
            client.receive().unwrap() != Message::Command(Command::Refuse { remote: 7 })
        });
    });
}

#[test]
fn max_bytes_per_second_slows_a_client_down_alone_and_loses_nothing() {
    on_every_setup(&["--max-bytes-per-second", "64K"], |gateway| {
        let (mut fast, mut server) = (gateway.client(), gateway.server(7));
        let (mut other, mut other_server) = (gateway.client(), gateway.server(8));
        let (conn, used) = (fast.open(&mut server), other.open(&mut other_server));
        let (mut sender, start) = (fast.sender(), Instant::now());
        thread::scope(|scope| {
            scope.spawn(move || (0..64_u32).for_each(|n| sender.send(conn, &n.to_le_bytes().repeat(1024))));
            (0..64_u32).for_each(|n| {
                server.expect_data(conn, &n.to_le_bytes().repeat(1024));
                other.exchange(&mut other_server, used, b"as ever");
            });
        });
        assert!(start.elapsed() >= Duration::from_secs(2), "256 KiB took only {:?}", start.elapsed());
    });
}

#[test]
fn without_descriptors_newcomers_are_turned_away_at_once_and_nobody_else_notices() {
    let gateway = Gateway::with_admin(&[]);
    gateway.leave_descriptors(7);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let conn = client.open(&mut server);

    let mut newcomers: Vec<Client> = (0..20).map(|_| gateway.client()).collect();
    let is_served =
        |newcomer: &mut Client| newcomer.try_send_raw(&Command::Ping.encode()).is_ok() && newcomer.receive().is_some();
    let served = newcomers.iter_mut().map(is_served).filter(|served| *served).count();
    assert!((1..20).contains(&served), "{served} of 20 were served");
    (0..100).for_each(|_| client.exchange(&mut server, conn, b"as ever"));
    for path in ["/live", "/ready", "/live"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
    drop(newcomers);
    drop(admitted(gateway.client_addr(), "descriptors are free again"));
    gateway.still_serves();
}

#[test]
fn one_read_of_a_client_brings_no_more_frames_than_a_turn_has_time_for() {
    let gateway = Gateway::with_admin(&["--workers", "1"]);
    let (mut flooding, mut honest) = (gateway.client(), gateway.client());
    let mut sender = flooding.sender();
    thread::scope(|scope| {
        scope.spawn(move || sender.send_raw(&Command::Ping.encode().repeat(200_000)));
        (0..200_000).for_each(|_| flooding.expect_pong());
    });
    honest.expect_silence();

    let metrics = String::from_utf8(gateway.get("/metrics").body).unwrap();
    let reads = |bound: &str| {
        let name = format!("fastway_received_batch_frames_bucket{{side=\"client\",le=\"{bound}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse::<u64>().unwrap()
    };
    assert!(reads("+Inf") > 200, "{} reads", reads("+Inf"));
    assert_eq!(reads("1024"), reads("+Inf"), "reads with 1,024 frames at most, and all reads");
}

#[test]
fn clients_leave_descriptors_for_servers_and_operators() {
    for kinds in ["plain", "plain,legacy"] {
        let gateway = Gateway::with_descriptors(300, &["--client-link", kinds]);
        let silent: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(gateway.client_addr()).unwrap()).collect();
        for id in 0..5 {
            gateway.server(id);
        }
        let answers = ["/live", "/ready", "/api/stats"].map(|path| gateway.get(path).status);
        assert_eq!(answers, [200; 3]);
        let asked = gateway.ctl(&["stats"]);
        assert_eq!(asked.code, Some(0), "{}", asked.stderr);
        drop(silent);
        drop(admitted(gateway.client_addr(), "the silent ones are gone"));
        gateway.still_serves();
    }
}
