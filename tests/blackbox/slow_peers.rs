//! Peers that do not read, or not fast enough: what waits for them is bounded, and others go on as ever.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::Protocol;
use fastway_testkit::{
    Client, Gateway, Link, Message, Sender, Server, data, on_every_server_link, on_every_setup, watch,
};
use fastway_wire::{Command, ConnId};

const KIB: usize = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn a_client_that_does_not_read_is_closed_alone_at_sixteen_times_its_bound_on_bytes() {
    // The grace never ends, so that it is the hard bound which closes the client.
    on_every_server_link(&["--client-send-bytes", "512K", "--client-slow-grace", "1h"], |gateway| {
        let (mut slow, mut other, mut server) = (gateway.narrow_client(), gateway.client(), gateway.server(7));
        let (flooded, used) = (slow.open(&mut server), other.open(&mut server));
        let before = gateway.resident_bytes();
        let block = vec![b'f'; 64 * KIB];

        let closed_after = (0..2000).find(|_| {
            server.send(flooded, &block);
            exchange_while_flooding(&mut other, &mut server, used, flooded)
        });
        let closed_after = closed_after.expect("125 MiB waited for a client that may have 8 MiB");
        assert!(closed_after >= 120, "closed after {closed_after} of the 128 blocks that may wait");
        let grown = gateway.resident_bytes().saturating_sub(before);
        assert!(grown < 32 * MIB, "{grown} bytes more than before");

        let got = slow.until_eof();
        assert!(got.iter().all(|message| *message == Message::Data(flooded, block.clone())), "only whole messages");
        while exchange_while_flooding(&mut other, &mut server, used, flooded) {} // closes that answer late data
        other.exchange(&mut server, used, b"as ever");
    });
}

/// One message each way on `used`; gives whether `flooded` was reported closed meanwhile.
fn exchange_while_flooding(client: &mut Client, server: &mut Server, used: ConnId, flooded: ConnId) -> bool {
    client.send(used, b"tick");
    let mut closed = false;
    loop {
        match server.receive().expect("a server is not closed for a slow client") {
            Message::Command(Command::Close { conn }) if conn == flooded => closed = true,
            message => {
                assert_eq!(message, Message::Data(used, b"tick".to_vec()));
                break;
            }
        }
    }
    server.send(used, b"tock");
    client.expect_data(used, b"tock");
    closed
}

#[test]
fn a_client_above_its_bound_on_bytes_has_a_grace_time_to_catch_up() {
    on_every_server_link(&["--client-send-bytes=512K", "--client-slow-grace=1h"], |gateway| {
        let (mut slow, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = slow.open(&mut server);
        (0..100).for_each(|_| server.send(conn, &[b'm'; 64 * KIB]));
        server.expect_silence();
        (0..100).for_each(|_| slow.expect_data(conn, &[b'm'; 64 * KIB]));
        slow.exchange(&mut server, conn, b"caught up");
    });
}

#[test]
fn a_client_that_stays_above_its_bound_on_bytes_is_closed_after_the_grace_time() {
    on_every_server_link(&["--client-send-bytes=512K", "--client-slow-grace=1s"], |gateway| {
        let (mut slow, mut other, mut server) = (gateway.narrow_client(), gateway.client(), gateway.server(7));
        let used = other.open(&mut server);
        let conn = slow.open(&mut server);
        let start = Instant::now();
        (0..100).for_each(|_| server.send(conn, &[b'm'; 64 * KIB]));
        server.expect_close(conn);
        assert!(start.elapsed() >= Duration::from_secs(1), "closed after {:?}", start.elapsed());
        slow.until_eof();
        while exchange_while_flooding(&mut other, &mut server, used, conn) {} // closes that answer late data
        other.exchange(&mut server, used, b"as ever");
    });
}

#[test]
fn a_pause_of_the_whole_process_is_no_part_of_the_grace_time() {
    let grace = Duration::from_secs(4);
    let flags = ["--client-send-bytes=512K", "--client-slow-grace=4s"];
    on_every_server_link(&flags, |gateway| {
        let (mut slow, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = slow.open(&mut server);
        (0..100).for_each(|_| server.send(conn, &[b'm'; 64 * KIB]));
        server.expect_silence();

        gateway.pause();
        let paused = Instant::now();
        // It takes a little of what is in its socket: the gateway finds that it may send more, and little is not enough.
        (0..2).for_each(|_| slow.expect_data(conn, &[b'm'; 64 * KIB]));
        watch::eventually("the grace would be over", || paused.elapsed() > grace);
        gateway.resume();

        (2..100).for_each(|_| slow.expect_data(conn, &[b'm'; 64 * KIB]));
        slow.exchange(&mut server, conn, b"caught up");
    });
}

#[test]
fn a_client_above_its_packet_bound_has_a_grace_time_to_catch_up() {
    on_every_server_link(&["-ClientSendChanSize=10", "--client-send-bytes=1G", "--client-slow-grace=60s"], |gateway| {
        let (mut slow, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = slow.open(&mut server);
        (0..300).for_each(|_| server.send(conn, &[b'm'; 64 * KIB]));
        server.expect_silence();
        (0..300).for_each(|_| slow.expect_data(conn, &[b'm'; 64 * KIB]));
        slow.exchange(&mut server, conn, b"caught up");
    });
}

#[test]
fn a_client_that_stays_above_its_packet_bound_is_closed_after_the_grace_time() {
    on_every_server_link(&["-ClientSendChanSize=10", "--client-send-bytes=1G", "--client-slow-grace=1s"], |gateway| {
        let (mut slow, mut other, mut server) = (gateway.narrow_client(), gateway.client(), gateway.server(7));
        let used = other.open(&mut server);
        let conn = slow.open(&mut server);
        let start = Instant::now();
        (0..300).for_each(|_| server.send(conn, &[b'm'; 64 * KIB]));
        server.expect_close(conn);
        assert!(start.elapsed() >= Duration::from_secs(1), "closed after {:?}", start.elapsed());
        slow.until_eof();
        while exchange_while_flooding(&mut other, &mut server, used, conn) {} // closes that answer late data
        other.exchange(&mut server, used, b"as ever");
    });
}

#[test]
fn a_server_that_stops_reading_loses_nothing_and_memory_stays_bounded() {
    const CLIENTS: usize = 4;
    const MESSAGES: u32 = 12 << 10;
    // The clients' idle time is short: it must not run while the gateway does not read them.
    on_every_server_link(&["--server-send-bytes=1M", "-ClientIdleTimeout=4s", "-ServerIdleTimeout=0"], |gateway| {
        let mut server = gateway.narrow_server(7);
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| gateway.narrow_client()).collect();
        let conns: Vec<ConnId> = clients.iter_mut().map(|client| client.open(&mut server)).collect();
        clients.iter().for_each(|client| client.widen_sending());
        let (before, sent) = (gateway.resident_bytes(), AtomicU64::new(0));

        thread::scope(|scope| {
            for (client, &conn) in clients.iter().zip(&conns) {
                let (mut sender, sent) = (client.sender(), &sent);
                scope.spawn(move || {
                    (0..MESSAGES).for_each(|n| {
                        sender.send(conn, &kib(n));
                        sent.fetch_add(1, Relaxed);
                    });
                });
            }
            let stuck_at = watch::wait_until_stuck(Duration::from_millis(300), || sent.load(Relaxed));
            assert!(stuck_at < u64::from(MESSAGES) * CLIENTS as u64, "the clients were not slowed down");
            let grown = gateway.resident_bytes().saturating_sub(before);
            assert!(grown < 24 * MIB, "{grown} bytes more than before");
            others_go_on(gateway);
            gateway.client().expect_eof(); // a client that is idle by its own fault, for as long as the others are held

            let mut next = [0; CLIENTS];
            for _ in 0..MESSAGES as usize * CLIENTS {
                let message = server.receive().expect("the server's link stays");
                let Message::Data(conn, payload) = message else { panic!("expected data, got {message:?}") };
                let n = &mut next[conns.iter().position(|&each| each == conn).unwrap()];
                assert!(payload == kib(*n), "connection {conn}: message {n} is not what was sent");
                *n += 1;
            }
        });
        for (client, conn) in clients.iter_mut().zip(conns) {
            client.exchange(&mut server, conn, b"as ever");
        }
    });
}

fn kib(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(256)
}

/// Clients of another server.
fn others_go_on(gateway: &Gateway) {
    let mut server = gateway.server(8);
    for _ in 0..10 {
        let mut client = gateway.client();
        let conn = client.open(&mut server);
        (0..100).for_each(|_| client.exchange(&mut server, conn, b"as ever"));
        drop(client);
        server.expect_close(conn);
    }
}

#[test]
fn a_server_that_accepts_not_a_byte_is_closed_at_its_idle_timeout() {
    on_every_setup(&["--server-send-bytes=512K", "-ServerIdleTimeout=1s", "-ClientIdleTimeout=0"], |gateway| {
        let (mut client, mut server) = (gateway.narrow_client(), gateway.narrow_server(7));
        let conn = client.open(&mut server);
        let (start, over) = (Instant::now(), AtomicBool::new(false));
        let (pings, flood) = (server.sender(), client.sender());
        thread::scope(|scope| {
            let _over = SetOnDrop(&over);
            scope.spawn(|| ping_until(pings, &over)); // it is not silent
            scope.spawn(|| flood_until(flood, conn, &over));
            client.expect_close(conn);
            assert!(start.elapsed() >= Duration::from_secs(1), "closed after {:?}", start.elapsed());
        });
        server.until_eof();
        let mut other = gateway.client();
        other.dial(7);
        other.expect_refuse(7);
    });
}

/// Ends the threads of a test, also when it fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn ping_until(mut sender: Sender, over: &AtomicBool) {
    while !watch::holds_within(Duration::from_millis(20), || over.load(Relaxed)) {
        // The link ends before the test does.
        let _ = sender.try_send_raw(&Command::Ping.encode());
    }
}

fn flood_until(mut sender: Sender, conn: ConnId, over: &AtomicBool) {
    while !over.load(Relaxed) {
        sender.send(conn, &[0; 16 * KIB]);
    }
}

#[test]
fn requests_without_reading_the_answers_take_no_memory_and_are_all_answered() {
    let requests: [(&[u8], &[u8]); 2] = [
        (&Command::Ping.encode(), &Command::Ping.encode()),
        (&Command::Dial { remote: 99 }.encode(), &Command::Refuse { remote: 99 }.encode()),
    ];
    on_every_server_link(&["-ClientSendChanSize=1000", "-ServerSendChanSize=1000"], |gateway| {
        for (request, answer) in requests {
            if gateway.server_link() == Protocol::Plain {
                ask_without_reading(gateway, &mut gateway.narrow_client(), request, answer);
            }
            ask_without_reading(gateway, &mut gateway.narrow_server(7), request, answer);
        }
    });
}

fn ask_without_reading(gateway: &Gateway, link: &mut Link, request: &[u8], answer: &[u8]) {
    const BATCH: usize = 1000;
    const BATCHES: usize = 300;
    let (before, sent) = (gateway.resident_bytes(), AtomicU64::new(0));
    link.widen_sending();
    let mut sender = link.sender();
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..BATCHES).for_each(|_| {
                sender.send_raw(&request.repeat(BATCH));
                sent.fetch_add(1, Relaxed);
            });
        });
        watch::wait_until_stuck(Duration::from_millis(300), || sent.load(Relaxed));
        let grown = gateway.resident_bytes().saturating_sub(before);
        assert!(grown < 16 * MIB, "{grown} bytes more than before");
        gateway.still_serves();
        let answers = answer.repeat(BATCH);
        (0..BATCHES).for_each(|_| link.expect_raw(&answers));
    });
    link.expect_silence();
}

#[test]
fn late_data_without_reading_takes_no_memory() {
    on_every_setup(&[], |gateway| {
        let mut client = gateway.narrow_client();
        let nothing = ConnId::new(u32::MAX);
        let (before, sent, late) = (gateway.resident_bytes(), AtomicU64::new(0), data(nothing, b"late").repeat(1000));
        let mut sender = client.sender();
        thread::scope(|scope| {
            scope.spawn(|| {
                (0..300).for_each(|_| {
                    sender.send_raw(&late);
                    sent.fetch_add(1, Relaxed);
                });
                sender.command(Command::Ping);
            });
            watch::wait_until_stuck(Duration::from_millis(300), || sent.load(Relaxed));
            let grown = gateway.resident_bytes().saturating_sub(before);
            assert!(grown < 16 * MIB, "{grown} bytes more than before");
            gateway.still_serves();
            client.expect_close(nothing);
            while client.receive() == Some(Message::Command(Command::Close { conn: nothing })) {}
        });
        client.expect_silence();
    });
}
