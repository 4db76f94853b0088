//! What comes and goes leaves nothing behind: no descriptor, no connection, no memory; and idle links cost little.

use std::io::{Read, Write};
use std::net::TcpStream;

use fastway_testkit::{Client, Gateway, Link, Message, on_every_setup, watch};
use fastway_wire::{Command, ConnId};

const MIB: u64 = 1 << 20;

/// Runs `round` a first time to warm up, then `rounds` times, and expects the gateway to be no bigger afterwards.
fn leaves_nothing(gateway: &Gateway, rounds: usize, mut round: impl FnMut()) {
    round();
    let (sockets, resident) = (gateway.sockets(), gateway.resident_bytes());
    (0..rounds).for_each(|_| round());
    gateway.expect_sockets(sockets);
    let grown = gateway.resident_bytes().saturating_sub(resident);
    assert!(grown < 4 * MIB, "{grown} bytes more than before, after {rounds} rounds");
}

#[test]
fn twenty_thousand_dials_and_closes_in_a_row() {
    on_every_setup(&["--client-max-conn", "100"], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let mut server_closes = false;
        leaves_nothing(gateway, 200, || {
            client.send_raw(&Command::Dial { remote: 7 }.encode().repeat(100));
            let conns: Vec<ConnId> = (0..100).map(|_| client.expect_accept(7)).collect();
            conns.iter().for_each(|&conn| assert_eq!(server.expect_connect().0, conn));
            let closes: Vec<u8> = conns.iter().flat_map(|&conn| Command::Close { conn }.encode().to_vec()).collect();
            server_closes = !server_closes;
            let closer: &mut Link = if server_closes { &mut server } else { &mut client };
            closer.send_raw(&closes);
            client.expect_closes(&conns);
            server.expect_closes(&conns);
        });
    });
}

#[test]
fn twenty_thousand_refused_dials() {
    on_every_setup(&[], |gateway| {
        let mut client = gateway.client();
        leaves_nothing(gateway, 20, || {
            client.send_raw(&Command::Dial { remote: 7 }.encode().repeat(1000));
            (0..1000).for_each(|_| client.expect_refuse(7));
        });
    });
}

#[test]
fn five_hundred_disconnects_between_dial_and_accept() {
    on_every_setup(&[], |gateway| {
        let mut server = gateway.server(7);
        let mut open = Vec::new();
        leaves_nothing(gateway, 5, || {
            let before = gateway.sockets();
            for n in 0..100 {
                let mut client = gateway.client();
                (0..n % 4).for_each(|_| client.dial(7));
                if n % 2 == 0 {
                    client.reset();
                }
            }
            gateway.expect_sockets(before);
            watch::eventually("a Close for each Connect", || {
                keep_books(&mut server, &mut open);
                open.is_empty()
            });
        });
        gateway.still_serves();
    });
}

/// Notes which connections the link was told of and not told the end of.
fn keep_books(link: &mut Link, open: &mut Vec<ConnId>) {
    link.ping();
    loop {
        match link.receive().unwrap() {
            Message::Command(Command::Connect { conn, .. } | Command::Accept { conn, .. }) => open.push(conn),
            Message::Command(Command::Refuse { remote: 7 }) => {}
            Message::Command(Command::Close { conn }) => {
                let index = open.iter().position(|&each| each == conn).expect("a Close of a connection that is open");
                open.swap_remove(index);
            }
            Message::Command(Command::Ping) => return,
            message => panic!("nobody sent {message:?}"),
        }
    }
}

#[test]
fn disconnects_of_servers_that_are_being_dialed() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut open) = (gateway.client(), Vec::new());
        leaves_nothing(gateway, 5, || {
            for _ in 0..20 {
                let server = gateway.server(7);
                (0..10).for_each(|_| client.dial(7));
                drop(server);
                watch::eventually("a Close for each Accept", || {
                    keep_books(&mut client, &mut open);
                    open.is_empty()
                });
            }
        });
        let mut server = gateway.server(7);
        client.open_many(&mut server, 16); // every place is free again
    });
}

#[test]
fn links_that_come_and_go() {
    on_every_setup(&[], |gateway| {
        let mut server = gateway.server(7);
        leaves_nothing(gateway, 5, || {
            let before = gateway.sockets();
            for _ in 0..100 {
                let mut client = gateway.client();
                let conn = client.open(&mut server);
                client.exchange(&mut server, conn, &[b'x'; 10_000]);
                drop(client);
                server.expect_close(conn);
            }
            (0..100).for_each(|id| drop(gateway.server(id + 100)));
            (0..100).for_each(|_| drop(gateway.half_open_server()));
            gateway.expect_sockets(before);
        });
    });
}

#[test]
fn who_reads_where_it_listens_finds_all_workers_serving() {
    let gateway = Gateway::start(&["--workers", "16"]);
    let files = watch::open_files(gateway.pid()).len();
    gateway.still_serves();
    watch::eventually("no more files than at first", || watch::open_files(gateway.pid()).len() == files);
}

#[test]
fn idle_clients_work_and_cost_little() {
    let clients = watch::scaled(1_000);
    watch::raise_descriptor_limit();
    let gateway = Gateway::start(&["-ClientIdleTimeout=0", "-ServerIdleTimeout=0"]);
    let mut server = gateway.server(7);
    gateway.still_serves();
    let (sockets, before) = (gateway.sockets(), gateway.resident_bytes());

    let mut links: Vec<TcpStream> = (0..clients).map(|_| TcpStream::connect(gateway.client_addr()).unwrap()).collect();
    links.iter_mut().for_each(|link| link.write_all(&Command::Ping.encode()).unwrap());
    links.iter_mut().for_each(|link| link.read_exact(&mut [0; 9]).unwrap());
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown / (clients as u64) < 8 << 10, "{grown} bytes for {clients} idle links");

    for link in links.iter().step_by(clients / 20) {
        let mut client = Client::over(Link::new(link.try_clone().unwrap()));
        let conn = client.open(&mut server);
        client.exchange(&mut server, conn, b"awake");
    }
    drop(links);
    gateway.expect_sockets(sockets);
}
