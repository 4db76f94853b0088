//! How links come and go: loss, return, replacement, idle timeouts, the server handshake, and IDs over time.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use fastway_testkit::{Client, Gateway, KEY, Link, Message, Server, challenge_of, data, on_every_setup, watch};
use fastway_wire::{Challenge, Command, ConnId, ServerId};

#[test]
fn a_lost_client_closes_each_of_its_connections_at_the_servers() {
    on_every_setup(&[], |gateway| {
        let (mut one, mut two) = (gateway.server(1), gateway.server(2));
        let mut stays = gateway.client();
        let kept = stays.open(&mut one);
        for end in [drop as fn(Client), Client::reset] {
            let mut client = gateway.client();
            let mut at_one = client.open_many(&mut one, 3);
            let at_two = client.open_many(&mut two, 2);
            at_one.push(one.open(&mut client));
            end(client);
            one.expect_closes(&at_one);
            two.expect_closes(&at_two);
        }
        stays.exchange(&mut one, kept, b"hi");
    });
}

#[test]
fn a_lost_server_closes_each_of_its_connections_at_the_clients() {
    on_every_setup(&[], |gateway| {
        let mut stays = gateway.server(1);
        let mut clients: Vec<Client> = (0..5).map(|_| gateway.client()).collect();
        for end in [drop as fn(Server), Server::reset] {
            let mut server = gateway.server(2);
            let conns: Vec<_> =
                clients.iter_mut().map(|client| (client.open(&mut server), client.open(&mut server))).collect();
            end(server);
            for (client, (first, second)) in clients.iter_mut().zip(conns) {
                client.expect_closes(&[first, second]);
                client.dial(2);
                client.expect_refuse(2);
                let conn = client.open(&mut stays);
                client.exchange(&mut stays, conn, b"hi");
            }
        }
    });
}

#[test]
fn a_server_that_comes_back_can_be_dialed_at_once() {
    on_every_setup(&[], |gateway| {
        let mut client = gateway.client();
        for _ in 0..20 {
            let mut server = gateway.server(7);
            let conn = client.open(&mut server);
            client.exchange(&mut server, conn, b"hi");
            drop(server);
            client.expect_close(conn);
        }
    });
}

#[test]
fn a_client_that_is_gone_cannot_be_dialed() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        let id = client.id();
        drop(client);
        server.expect_close(conn);
        server.dial(id);
        server.expect_refuse(id);
    });
}

#[test]
fn a_second_server_with_the_same_id_replaces_the_first() {
    on_every_setup(&[], |gateway| {
        let mut first = gateway.server(7);
        let mut clients: Vec<Client> = (0..4).map(|_| gateway.client()).collect();
        for _ in 0..10 {
            let conns: Vec<ConnId> = clients.iter_mut().map(|client| client.open(&mut first)).collect();
            let mut second = gateway.server(7);
            let left = first.until_eof();
            assert!(left.iter().all(|message| matches!(message, Message::Command(Command::Close { .. }))), "{left:?}");
            for (client, conn) in clients.iter_mut().zip(conns) {
                client.expect_close(conn);
                let conn = client.open(&mut second);
                client.exchange(&mut second, conn, b"hi");
                second.close(conn);
                second.expect_close(conn);
                client.expect_close(conn);
            }
            first = second;
        }
    });
}

#[test]
fn the_end_of_a_replaced_link_does_not_unregister_its_successor() {
    on_every_setup(&[], |gateway| {
        let (first, mut client) = (gateway.server(7), gateway.client());
        let mut second = gateway.server(7);
        drop(first);
        let before = gateway.server(8); // a whole handshake later
        let conn = client.open(&mut second);
        client.exchange(&mut second, conn, b"hi");
        drop(before);
    });
}

#[test]
fn a_silent_client_is_closed_at_its_idle_timeout_and_not_before() {
    on_every_setup(&["-ClientIdleTimeout=1s", "-ServerIdleTimeout=0"], |gateway| {
        let mut server = gateway.server(7);
        let start = Instant::now();
        let mut client = gateway.client();
        let conn = client.open(&mut server);
        // What it receives does not make it less silent.
        watch::eventually("the silent client is closed", || !is_open(&mut server, conn));
        assert!(start.elapsed() >= Duration::from_secs(1), "closed after {:?}", start.elapsed());
        assert!(client.until_eof().iter().all(|message| *message == Message::Data(conn, b"tick".to_vec())));
    });
}

/// Sends on `conn`, and says whether the connection was still there.
fn is_open(server: &mut Server, conn: ConnId) -> bool {
    server.send(conn, b"tick");
    server.ping();
    let answer = server.receive().unwrap();
    assert!([Command::Ping, Command::Close { conn }].map(Message::Command).contains(&answer), "{answer:?}");
    answer == Message::Command(Command::Ping)
}

#[test]
fn a_silent_server_is_closed_at_its_idle_timeout_and_not_before() {
    on_every_setup(&["-ServerIdleTimeout=1s", "-ClientIdleTimeout=0"], |gateway| {
        let start = Instant::now();
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        client.expect_close(conn);
        assert!(start.elapsed() >= Duration::from_secs(1), "closed after {:?}", start.elapsed());
        assert!(server.until_eof().len() <= 1);
        client.dial(7);
        client.expect_refuse(7);
    });
}

#[test]
fn pings_and_parts_of_messages_keep_links_alive() {
    let gateway = Gateway::start(&["--client-idle-timeout", "3s", "--server-idle-timeout", "3s"]);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let (mut dripping, mut silent) = (gateway.client(), gateway.client());
    let drops = data(ConnId::new(1), &[0; 4000]);
    let silenced = thread::spawn(move || silent.expect_eof());

    let mut drops = drops.chunks(1);
    while !watch::holds_within(Duration::from_millis(10), || silenced.is_finished()) {
        dripping.send_raw(drops.next().unwrap());
        client.expect_silence();
        server.expect_silence();
    }
    silenced.join().unwrap();
    let conn = client.open(&mut server);
    client.exchange(&mut server, conn, b"hi");
    assert!(dripping.try_send_raw(b"x").is_ok());
}

#[test]
fn an_idle_timeout_of_0_is_never() {
    let gateway = Gateway::start(&["-ClientIdleTimeout=0", "-ServerIdleTimeout=1s"]);
    let mut client = gateway.client();
    for id in 0..3 {
        gateway.server(id).expect_eof(); // more than a second each
    }
    client.expect_silence();
}

#[test]
fn a_server_with_a_wrong_key_is_turned_away() {
    on_every_setup(&[], |gateway| {
        let mut client = gateway.client();
        for key in ["", "wrong", &KEY[1..]] {
            let mut link = Link::connect(gateway.server_addr());
            let answer = challenge_of(&mut link).respond(key.as_bytes(), ServerId::new(7));
            link.send_raw(&answer);
            link.expect_eof();
            client.dial(7);
            client.expect_refuse(7);
            let line = gateway.wait_log_with(&["calls itself server 7"]);
            assert_eq!(line.matches("key").count(), 1, "it is explained once: {line}");
        }
        gateway.still_serves();
    });
}

#[test]
fn an_answer_to_another_challenge_is_turned_away() {
    let gateway = Gateway::start(&[]);
    let mut overheard = Link::connect(gateway.server_addr());
    let answer = challenge_of(&mut overheard).respond(KEY.as_bytes(), ServerId::new(7));
    overheard.send_raw(&answer);
    overheard.expect_silence();
    for _ in 0..20 {
        let mut replaying = Link::connect(gateway.server_addr());
        challenge_of(&mut replaying);
        replaying.send_raw(&answer);
        replaying.expect_eof();
    }
    overheard.expect_silence(); // and it was not replaced
}

#[test]
fn challenges_differ() {
    let gateway = Gateway::start(&[]);
    let challenges: HashSet<[u8; 8]> =
        (0..100).map(|_| *challenge_of(&mut Link::connect(gateway.server_addr())).as_bytes()).collect();
    assert_eq!(challenges.len(), 100);
}

#[test]
fn a_handshake_cut_short_is_forgotten() {
    on_every_setup(&[], |gateway| {
        for bytes in [0, 1, 16, 19] {
            let (mut link, answer) = answered(gateway, 7);
            link.send_raw(&answer[..bytes]);
            link.finish_sending();
            link.expect_eof();
        }
        let mut client = gateway.client();
        client.dial(7);
        client.expect_refuse(7);
    });
}

#[test]
fn a_handshake_may_come_byte_by_byte_or_with_messages_behind_it() {
    on_every_setup(&[], |gateway| {
        let mut client = gateway.client();
        let (mut link, answer) = answered(gateway, 1);
        answer.chunks(1).for_each(|byte| link.send_raw(byte));
        link.expect_silence();
        let mut first = Server::over(link, 1);
        client.open(&mut first);

        let (mut link, answer) = answered(gateway, 2);
        let pings = Command::Ping.encode().repeat(100);
        link.send_raw(&[&answer[..], &pings].concat());
        link.expect_raw(&pings);
        client.dial(2);
        client.expect_accept(2);
        link.expect_connect();
    });
}

fn answered(gateway: &Gateway, id: u32) -> (Link, [u8; 20]) {
    let mut link = Link::connect(gateway.server_addr());
    let answer = challenge_of(&mut link).respond(KEY.as_bytes(), ServerId::new(id));
    (link, answer)
}

#[test]
fn a_handshake_takes_five_seconds_at_most() {
    let gateway = Gateway::start(&[]);
    thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            let mut silent = Link::connect(gateway.server_addr());
            challenge_of(&mut silent);
            silent.expect_eof();
            assert!(start.elapsed() >= Duration::from_millis(4900), "closed after {:?}", start.elapsed());
        });
        let (mut dripping, answer) = answered(&gateway, 7);
        let given = answer.chunks(1).take_while(|byte| {
            !watch::holds_within(Duration::from_millis(500), || dripping.is_closed())
                && dripping.try_send_raw(byte).is_ok()
        });
        assert!(given.count() < answer.len(), "20 bytes in ten seconds are too slow");
    });
}

#[test]
fn half_open_handshakes_do_not_keep_a_server_out() {
    for flags in [&[][..], &["--max-handshakes", "100"]] {
        on_every_setup(flags, |gateway| {
            let half_open: Vec<_> = (0..500).map(|_| gateway.half_open_server()).collect();
            let (mut client, mut server) = (gateway.client(), gateway.server(7));
            let conn = client.open(&mut server);
            client.exchange(&mut server, conn, b"hi");
            drop(half_open);
        });
    }
}

#[test]
fn the_oldest_handshake_makes_room_for_the_newest() {
    let gateway = Gateway::start(&["--max-handshakes", "10"]);
    let mut links: Vec<(Link, Challenge)> = Vec::new();
    for _ in 0..30 {
        let mut link = Link::connect(gateway.server_addr());
        let challenge = challenge_of(&mut link);
        links.push((link, challenge));
    }
    let mut newest = links.split_off(20);
    links.iter_mut().for_each(|(link, _)| link.expect_eof());
    for (link, challenge) in &mut newest {
        link.send_raw(&challenge.respond(KEY.as_bytes(), ServerId::new(7)));
        link.expect_silence();
    }
}

#[test]
fn handshakes_that_come_in_one_burst_are_bounded_as_others_are() {
    let gateway = Gateway::start(&["--max-handshakes", "2"]);
    // So it accepts several of them before it goes on with any.
    gateway.pause();
    let mut links: Vec<Link> = (0..40).map(|_| Link::new(gateway.half_open_server())).collect();
    gateway.resume();
    for link in &mut links {
        link.raw_until_eof();
    }
}

#[test]
fn conn_ids_are_not_handed_out_again_soon() {
    const TOTAL: usize = 65_536;
    const BATCH: usize = 512;
    let gateway = Gateway::start(&["-ClientMaxConn=0"]);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    let mut seen = HashSet::new();
    let dials = Command::Dial { remote: 7 }.encode().repeat(BATCH);
    while seen.len() < TOTAL {
        client.send_raw(&dials);
        let conns: Vec<ConnId> = (0..BATCH).map(|_| client.expect_accept(7)).collect();
        conns.iter().for_each(|&conn| assert_eq!(server.expect_connect().0, conn));
        assert!(conns.iter().all(|conn| !conn.is_command()), "ConnIDs are not zero");
        assert!(conns.iter().all(|&conn| seen.insert(conn)), "a ConnID came again within {} allocations", seen.len());
        client.send_raw(&conns.iter().flat_map(|&conn| Command::Close { conn }.encode().to_vec()).collect::<Vec<u8>>());
        client.expect_closes(&conns);
        server.expect_closes(&conns);
    }
}

#[test]
fn client_ids_are_not_handed_out_again_soon() {
    on_every_setup(&[], |gateway| {
        let mut server = gateway.server(7);
        let mut seen = HashSet::new();
        for _ in 0..1500 {
            let mut client = gateway.client();
            let conn = client.open(&mut server);
            assert!(client.id() != 0 && seen.insert(client.id()), "client ID {} came again", client.id());
            client.reset();
            server.expect_close(conn);
        }
    });
}
