//! The memory that is held for all links has a bound, and whoever wastes it gives way first.

use std::thread;

use fastway_session::Identity;
use fastway_testkit::{Client, Gateway, Link, Message, Sender, Tunnel, data, on_every_setup, watch};
use fastway_wire::{Command, ConnId};
use serde_json::Value;

const KIB: usize = 1 << 10;
const MIB: u64 = 1 << 20;
const ADMIN: &str = "--admin-addr=127.0.0.1:0";

/// The memory of links as the gateway tells it.
fn memory(gateway: &Gateway) -> Value {
    let stats: Value = serde_json::from_str(gateway.get("/api/stats").text()).unwrap();
    stats["memory"].clone()
}

fn held_bytes(gateway: &Gateway) -> u64 {
    memory(gateway)["held_bytes"].as_u64().unwrap()
}

fn clients(gateway: &Gateway) -> Value {
    let stats: Value = serde_json::from_str(gateway.get("/api/stats").text()).unwrap();
    stats["client"].clone()
}

fn closed_for_memory(gateway: &Gateway) -> u64 {
    clients(gateway)["closed"]["memory"].as_u64().unwrap()
}

/// A stranger who sends all but the end of a message of 512 KiB, as far as the gateway takes it.
fn half_a_frame(gateway: &Gateway) -> Link {
    let mut frame = data(ConnId::new(1), &vec![b'x'; 500 * KIB]);
    frame.truncate(480 * KIB);
    let link = Link::connect_from(([127, 0, 0, 9], 0).into(), gateway.client_addr());
    let mut sender = link.sender();
    thread::spawn(move || {
        // It ends when the gateway has taken all, or has closed the link.
        let _given_up = sender.try_send_raw(&frame);
    });
    link
}

/// A server sends each of these connections so many blocks of 64 KiB, and then a last message on `used`. The most that
/// the gateway held meanwhile, as far as one who asks again and again sees.
fn most_held_while_sending(
    gateway: &Gateway,
    mut sender: Sender,
    conns: &[ConnId],
    blocks: usize,
    used: ConnId,
) -> u64 {
    let mut most = 0;
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for _ in 0..blocks {
                conns.iter().for_each(|conn| sender.send(*conn, &[b's'; 64 * KIB]));
            }
            sender.send(used, b"the end");
        });
        while !sending.is_finished() {
            most = most.max(held_bytes(gateway));
        }
    });
    most
}

#[test]
fn half_frames_of_strangers_stay_below_the_bound_and_players_go_on() {
    let flags = [ADMIN, "--max-buffered-bytes=8M", "--client-idle-timeout=1h"];
    on_every_setup(&flags, |gateway| {
        let (mut player, mut server) = (gateway.client(), gateway.server(7));
        let conn = player.open(&mut server);

        // 19 MiB, of which 8 may be held.
        let strangers: Vec<Link> = (0..40).map(|_| half_a_frame(gateway)).collect();
        let mut most = 0;
        watch::eventually("links are closed until readers go on", || {
            let memory = memory(gateway);
            let held = memory["held_bytes"].as_u64().unwrap();
            most = most.max(held);
            closed_for_memory(gateway) > 20 && memory["readers_paused"] == false && held <= 4 * MIB
        });
        assert!(most <= 8 * MIB, "{most} bytes were held");
        gateway.wait_log_with(&["link closed", "127.0.0.9", "--max-buffered-bytes", "the oldest for"]);
        player.exchange(&mut server, conn, &[b'p'; 100 * KIB]);
        gateway.still_serves();
        drop(strangers);
    });
}

#[test]
fn clients_that_do_not_read_give_way_and_the_server_that_feeds_them_loses_nothing() {
    let flags = [ADMIN, "--max-buffered-bytes=32M", "--client-send-bytes=4M", "--client-slow-grace=1h"];
    on_every_setup(&flags, |gateway| {
        let mut server = gateway.server(7);
        let mut player = gateway.client();
        let used = player.open(&mut server);
        let mut narrow: Vec<Client> = (0..16).map(|_| gateway.narrow_client()).collect();
        let conns: Vec<ConnId> = narrow.iter_mut().map(|client| client.open(&mut server)).collect();

        // 4.5 MiB for each. The system takes 0.5 to 3 MiB of it, so that no client has more than may wait for it, and all
        // together have more than is held without a pause.
        let most = most_held_while_sending(gateway, server.sender(), &conns, 72, used);
        player.expect_data(used, b"the end");
        watch::eventually("readers go on", || memory(gateway)["readers_paused"] == false);
        assert!(most <= 32 * MIB, "{most} bytes are held");
        assert!(closed_for_memory(gateway) >= 2, "{}", closed_for_memory(gateway));
        player.send(used, b"as ever");
        while let Message::Command(message) = server.receive().expect("the server lives") {
            assert!(matches!(message, Command::Close { conn } if conns.contains(&conn)), "{message:?}");
        }
        server.send(used, b"as ever");
        player.expect_data(used, b"as ever");
        drop(narrow);
    });
}

#[test]
fn links_that_are_closing_give_way() {
    let ours = [ADMIN, "--max-buffered-bytes=32M", "--client-send-bytes=4M", "--client-slow-grace=1h"];
    let patient = ["--client-idle-timeout=1h", "--shutdown-grace=1h"];
    on_every_setup(&[&ours[..], &patient].concat(), |gateway| {
        let mut server = gateway.server(7);
        let mut leave_unread = |held: u64| {
            let mut client = gateway.narrow_client();
            let conn = client.open(&mut server);
            // The system takes 0.5 to 3.5 MiB of it.
            (0..6).for_each(|_| server.send(conn, &[b's'; 500 * KIB]));
            while held_bytes(gateway) < held {
                server.send(conn, &[b's'; 500 * KIB]);
                server.expect_silence();
            }
            // Its link is closing from now on: it is kept for what the client does not read.
            client.finish_sending();
            server.expect_close(conn);
            client
        };
        let leaving = [3, 6, 9, 12].map(|held| leave_unread(held * MIB));

        // With these 5 MiB, more than half of the bound is held. None of them has more than an equal share.
        let strangers = [(); 10].map(|()| half_a_frame(gateway));
        watch::eventually("links that are closing are gone, and readers go on", || {
            let clients = clients(gateway);
            clients["opened"] == 14
                && clients["links"].as_u64() < Some(14)
                && memory(gateway)["readers_paused"] == false
        });
        assert_eq!(closed_for_memory(gateway), 0, "no other link");
        drop((leaving, strangers));
    });
}

#[test]
fn memory_without_a_bound_is_counted_all_the_same() {
    let gateway = Gateway::with_admin(&["--max-buffered-bytes=0"]);
    let stranger = half_a_frame(&gateway);
    watch::eventually("the beginning of the frame is there", || held_bytes(&gateway) >= 480 * KIB as u64);
    assert_eq!(memory(&gateway)["most_bytes"], Value::Null);
    drop(stranger);
    watch::eventually("nothing is held for a link that is gone", || held_bytes(&gateway) == 0);
}

#[test]
fn what_sessions_have_not_acknowledged_counts_as_held() {
    let flags = [ADMIN, "--client-link=plain,secure", "--max-buffered-bytes=16M", "--client-slow-grace=1h"];
    on_every_setup(&flags, |gateway| {
        let mut server = gateway.server(7);
        let mut player = gateway.client();
        let used = player.open(&mut server);
        let mut open = || {
            let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
            let mut client = Client::over(link);
            let conn = client.open(&mut server);
            let ignored = tunnel.ignore_input();
            (conn, (client, tunnel, ignored))
        };
        let (conns, sessions): (Vec<ConnId>, Vec<_>) = (0..20).map(|_| open()).unzip();

        let most = most_held_while_sending(gateway, server.sender(), &conns, 16, used);
        assert!(most <= 16 * MIB, "{most} bytes are held");
        player.expect_data(used, b"the end");
        watch::eventually("readers go on", || memory(gateway)["readers_paused"] == false);
        assert!(closed_for_memory(gateway) >= 5, "{}", closed_for_memory(gateway));
        gateway.still_serves();
        drop(sessions);
    });
}

#[test]
fn what_legacy_sessions_keep_to_send_it_again_pauses_nobody() {
    let flags = [ADMIN, "--client-link=legacy", "--max-buffered-bytes=8M", "--client-snet-buffer=1M"];
    on_every_setup(&flags, |gateway| {
        let mut server = gateway.server(7);
        let mut players: Vec<_> = (0..12)
            .map(|_| {
                let (link, tunnel) = Tunnel::legacy(gateway.client_addr(), false);
                (Client::over(link), tunnel)
            })
            .collect();
        let conns: Vec<ConnId> = players.iter_mut().map(|(player, _)| player.open(&mut server)).collect();

        // 9 MiB in all, which the gateway keeps, beside the 8 MiB that the links may hold.
        for _ in 0..12 {
            for ((player, _), conn) in players.iter_mut().zip(&conns) {
                server.send(*conn, &[b'l'; 64 * KIB]);
                player.expect_data(*conn, &[b'l'; 64 * KIB]);
            }
        }
        let memory = memory(gateway);
        assert_eq!(memory["readers_paused"], false, "{memory}");
        assert_eq!(closed_for_memory(gateway), 0);
    });
}
