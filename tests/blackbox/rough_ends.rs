//! Peers that end badly, or at a bad moment: what they said before is heard, and nobody else pays for it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::{Backlog, Event, Identity, LegacyConfig, Session};
use fastway_testkit::process::Signal;
use fastway_testkit::{Client, Gateway, Link, Message, connect_narrow, data, on_every_setup, watch};
use fastway_wire::Command;

/// A client that reads nothing once its session is there.
struct Unread {
    stream: TcpStream,
    /// None on a plain link.
    session: Option<(Session, Backlog)>,
}

impl Unread {
    fn connect(addr: SocketAddr, session: Option<Session>) -> Self {
        let mut stream = connect_narrow(addr);
        stream.set_read_timeout(Some(watch::DEADLINE)).unwrap();
        let session = session.map(|mut session| {
            let mut backlog = Backlog::new(64 << 10);
            let open = session.connect(Instant::now(), &mut rand::rng()).unwrap();
            stream.write_all(&open.bytes).unwrap();
            let mut room = [0; 4096];
            while !matches!(session.poll_event(), Some(Event::Established { .. })) {
                let count = stream.read(session.read_into(open.transport, &mut room)).unwrap();
                assert!(count > 0, "the gateway replies");
                let received = session.receive_read(open.transport, &mut room, count, Instant::now(), &mut backlog);
                assert_eq!((received.bytes, received.fault), (0, None));
            }
            (session, backlog)
        });
        Self { stream, session }
    }

    /// Sends some bytes of the stream in one call.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sealed = bytes.to_vec();
        if let Some((session, backlog)) = &mut self.session {
            assert_eq!(backlog.push(bytes), bytes.len());
            sealed.clear();
            session.send(Instant::now(), backlog, &mut sealed, 1 << 20);
        }
        self.stream.write_all(&sealed)
    }
}

fn legacy_session() -> Session {
    let config = LegacyConfig { encrypt: true, replay_bytes: 64 << 10 };
    Session::legacy(config, watch::DEADLINE, Instant::now())
}

#[test]
fn the_last_words_of_a_client_are_heard_though_it_takes_no_more() {
    let secure = || Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    let kinds: [(&str, &dyn Fn() -> Option<Session>); 3] =
        [("plain", &|| None), ("legacy", &|| Some(legacy_session())), ("secure", &|| Some(secure()))];
    for (kind, session) in kinds {
        eprintln!("a {kind} link");
        let flags = ["--client-link", "plain,secure,legacy", "-ClientSnetEncrypt", "--client-send-bytes", "8M"];
        let gateway = Gateway::start(&flags);
        let mut server = gateway.server(7);
        let mut client = Unread::connect(gateway.client_addr(), session());
        client.send(&Command::Dial { remote: 7 }.encode()).unwrap();
        let (conn, _) = server.expect_connect();
        (0..40).for_each(|_| server.send(conn, &[b'u'; 100_000]));
        server.expect_silence();

        // When the gateway goes on, it has something to send, and finds what the client has said and the reset at once.
        gateway.pause();
        client.send(&data(conn, b"the last words")).unwrap();
        drop(client);
        gateway.resume();
        server.expect_data(conn, b"the last words");
        gateway.still_serves();
    }
}

#[test]
fn a_session_is_interrupted_when_its_stream_takes_no_more_though_its_link_is_not_read() {
    let flags = ["--client-link", "plain,legacy", "-ClientSnetEncrypt", "--client-send-bytes", "8M"];
    let gateway = Gateway::with_admin(&[&flags[..], &["--server-send-bytes", "1M"]].concat());
    let (mut stuck, mut other) = (gateway.narrow_server(7), gateway.server(8));
    let mut client = Unread::connect(gateway.client_addr(), Some(legacy_session()));
    client.send(&Command::Dial { remote: 7 }.encode()).unwrap();
    let (to_stuck, _) = stuck.expect_connect();
    client.send(&Command::Dial { remote: 8 }.encode()).unwrap();
    let (to_other, _) = other.expect_connect();

    // The gateway reads as far ahead as it may, and cannot send what there is for the client.
    client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while client.send(&data(to_stuck, &[b's'; 60_000])).is_ok() {}
    (0..40).for_each(|_| other.send(to_other, &[b'u'; 100_000]));
    other.expect_silence();
    let stats = || gateway.stats();
    assert_eq!(stats()["sessions"]["waiting"], 0);

    drop(client);
    watch::eventually("the session waits", || stats()["sessions"]["waiting"] == 1);
}

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
