//! Peers that end badly, or at a bad moment: what they said before is heard, and nobody else pays for it.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use fastway_testkit::process::Signal;
use fastway_testkit::{Client, Gateway, Link, Message, data, on_every_setup};

#[test]
fn the_last_words_of_a_server_that_dies_with_unread_input_arrive() {
    for _ in 0..10 {
        let gateway = Gateway::start(&[]);
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        (0..200).for_each(|_| client.send(conn, &[b'i'; 1000]));
        client.flush();
        // One segment: of several, the last might still be in the server's kernel when the reset is sent.
        server.send_raw(&(0..2000u32).flat_map(|number| data(conn, &number.to_le_bytes())).collect::<Vec<u8>>());
        drop(server);
        for number in 0..2000u32 {
            client.expect_data(conn, &number.to_le_bytes());
        }
        client.expect_close(conn);
    }
}

#[test]
fn what_was_sent_arrives_although_the_peer_goes_on_sending_during_the_shutdown() {
    on_every_setup(&["--shutdown-grace=20s"], |gateway| {
        let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
        let conn = client.open(&mut server);
        (0..20).for_each(|_| server.send(conn, &[b'm'; 100_000]));
        server.expect_silence();
        let mut input = client.sender();
        let talking = thread::spawn(move || while input.try_send_raw(b"\x05\0\0\0\0\0\0\0\x05").is_ok() {});

        gateway.signal(Signal::TERM);
        let bytes = |message: &Message| match message {
            Message::Data(_, payload) => payload.len(),
            _ => 0,
        };
        assert_eq!(client.until_eof().iter().map(bytes).sum::<usize>(), 2_000_000);
        drop(client);
        talking.join().unwrap();
        gateway.expect_clean_exit();
    });
}

#[test]
fn a_pause_of_the_gateway_is_not_idle_time_of_its_links() {
    let gateway = Gateway::start(&["--client-idle-timeout=2s", "--server-idle-timeout=2s"]);
    let mut server = gateway.server(7);
    let mut clients: Vec<Client> = (0..20).map(|_| gateway.client()).collect();
    let conns: Vec<_> = clients.iter_mut().map(|client| client.open(&mut server)).collect();
    gateway.signal(Signal::STOP);
    // Time itself is what is tested: longer than the timeout.
    thread::sleep(Duration::from_secs(3));
    clients.iter_mut().for_each(|client| client.ping());
    server.ping();
    gateway.signal(Signal::CONT);
    clients.iter_mut().for_each(|client| client.expect_pong());
    server.expect_pong();
    for (client, conn) in clients.iter_mut().zip(conns) {
        client.exchange(&mut server, conn, b"still here");
    }
}

#[test]
fn a_client_that_is_gone_while_it_is_held_back_is_noticed() {
    on_every_setup(&["--server-send-bytes=1M", "--server-idle-timeout=60s"], |gateway| {
        let (mut stuck, mut other) = (gateway.narrow_server(7), gateway.server(8));
        let stream = TcpStream::connect(gateway.client_addr()).unwrap();
        let mut client = Client::over(Link::new(stream.try_clone().unwrap()));
        let (to_stuck, to_other) = (client.open(&mut stuck), client.open(&mut other));
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let frame = data(to_stuck, &[b'x'; 60_000]);
        while (&stream).write_all(&frame).is_ok() {}
        client.reset();
        drop(stream);
        other.expect_close(to_other);
    });
}
