//! The mux protocol between clients and servers, command by command, as `docs/protocol.md` §1 has it.

use std::thread;

use fastway_testkit::{Client, Gateway, Link, Message, Server, data, on_every_setup};
use fastway_wire::{Command, ConnId};

const KIB: usize = 1 << 10;

#[test]
fn a_connection_from_dial_to_close_byte_by_byte_as_documented() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(1));

        client.send_raw(b"\x09\0\0\0\0\0\0\0\x00\x01\0\0\0"); // Dial server 1
        client.expect_raw(b"\x0d\0\0\0\0\0\0\0\x01"); // Accept
        let conn = client.raw(4);
        client.expect_raw(b"\x01\0\0\0");
        server.expect_raw(b"\x0d\0\0\0\0\0\0\0\x02"); // Connect
        server.expect_raw(&conn);
        assert_ne!(server.raw(4), [0; 4], "client IDs are not zero");
        assert_ne!(conn, [0; 4], "ConnIDs are not zero");

        let hello = [b"\x09\0\0\0", &conn[..], b"Hello"].concat();
        client.send_raw(&hello);
        server.expect_raw(&hello);
        server.send_raw(&hello);
        client.expect_raw(&hello);

        let close = [b"\x09\0\0\0\0\0\0\0\x04", &conn[..]].concat();
        client.send_raw(&close);
        client.expect_raw(&close);
        server.expect_raw(&close);

        client.send_raw(b"\x09\0\0\0\0\0\0\0\x00\x02\0\0\0"); // Dial server 2, which is not there
        client.expect_raw(b"\x09\0\0\0\0\0\0\0\x03\x02\0\0\0"); // Refuse
        for link in [&mut *client, &mut *server] {
            link.send_raw(b"\x05\0\0\0\0\0\0\0\x05"); // Ping
            link.expect_raw(b"\x05\0\0\0\0\0\0\0\x05");
        }
    });
}

#[test]
fn a_server_dials_a_client_byte_by_byte_as_documented() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(1));
        client.open(&mut server);
        let id = client.id().to_le_bytes();

        server.send_raw(&[b"\x09\0\0\0\0\0\0\0\x00", &id[..]].concat()); // Dial the client
        server.expect_raw(b"\x0d\0\0\0\0\0\0\0\x01"); // Accept
        let conn = server.raw(4);
        server.expect_raw(&id);
        client.expect_raw(&[b"\x0d\0\0\0\0\0\0\0\x02", &conn[..], b"\x01\0\0\0"].concat()); // Connect

        let hello = [b"\x09\0\0\0", &conn[..], b"Hello"].concat();
        server.send_raw(&hello);
        client.expect_raw(&hello);
        client.send_raw(&hello);
        server.expect_raw(&hello);

        let close = [b"\x09\0\0\0\0\0\0\0\x04", &conn[..]].concat();
        server.send_raw(&close);
        server.expect_raw(&close);
        client.expect_raw(&close);

        server.send_raw(b"\x09\0\0\0\0\0\0\0\x00\xff\xff\xff\xff"); // Dial a client that is not there
        server.expect_raw(b"\x09\0\0\0\0\0\0\0\x03\xff\xff\xff\xff"); // Refuse
    });
}

#[test]
fn frames_may_come_byte_by_byte() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        let frames =
            [&Command::Dial { remote: 7 }.encode()[..], &data(conn, b"abc"), &data(conn, b""), &ping()].concat();

        bytewise(&mut client, &frames);
        let second = client.expect_accept(7);
        client.expect_pong();
        assert_eq!(server.expect_connect(), (second, client.id()));
        server.expect_data(conn, b"abc");
        server.expect_data(conn, b"");

        let frames =
            [&data(conn, b"xyz")[..], &data(second, b"12"), &Command::Close { conn }.encode(), &ping()].concat();
        bytewise(&mut server, &frames);
        server.expect_close(conn);
        server.expect_pong();
        client.expect_data(conn, b"xyz");
        client.expect_data(second, b"12");
        client.expect_close(conn);
    });
}

fn bytewise(link: &mut Link, frames: &[u8]) {
    frames.chunks(1).for_each(|byte| link.send_raw(byte));
}

#[test]
fn thousands_of_frames_may_come_in_one_write() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        let frames: Vec<u8> = (0..5000_u32).flat_map(|n| data(conn, &n.to_le_bytes())).collect();

        client.send_raw(&frames);
        (0..5000_u32).for_each(|n| server.expect_data(conn, &n.to_le_bytes()));
        server.send_raw(&frames);
        (0..5000_u32).for_each(|n| client.expect_data(conn, &n.to_le_bytes()));
    });
}

#[test]
fn payloads_of_no_byte_one_byte_and_as_many_as_max_packet_allows() {
    for (flags, max_packet) in
        [(&[][..], 512 * KIB), (&["--max-packet", "1K"], KIB), (&["-MaxPacket=2M"], 2 * KIB * KIB)]
    {
        on_every_setup(flags, |gateway| {
            let (mut client, mut server) = (gateway.client(), gateway.server(7));
            let conn = client.open(&mut server);
            for size in [0, 1, max_packet - 5, max_packet - 4, 0] {
                client.exchange(&mut server, conn, &vec![b'x'; size]);
            }
        });
    }
}

#[test]
fn ten_thousand_messages_each_way_stay_in_order() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        thread::scope(|scope| {
            for mut sender in [client.sender(), server.sender()] {
                scope.spawn(move || (0..10_000).for_each(|n| sender.send(conn, &numbered(n))));
            }
            scope.spawn(|| (0..10_000).for_each(|n| client.expect_data(conn, &numbered(n))));
            (0..10_000).for_each(|n| server.expect_data(conn, &numbered(n)));
        });
    });
}

/// A payload whose length varies and whose bytes show its number.
fn numbered(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(1 + n as usize % 40)
}

#[test]
fn bytes_after_the_args_of_a_command_are_ignored() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        client.send_raw(b"\x0c\0\0\0\0\0\0\0\x00\x07\0\0\0new"); // Dial
        let conn = client.expect_accept(7);
        assert_eq!(server.expect_connect().0, conn);

        let tail = vec![0xee; 3000];
        let ping = [&3005_u32.to_le_bytes()[..], b"\0\0\0\0\x05", &tail].concat();
        for link in [&mut *client, &mut *server] {
            link.send_raw(&ping);
            link.expect_raw(b"\x05\0\0\0\0\0\0\0\x05"); // bare
        }

        server.send_raw(&[b"\x0a\0\0\0\0\0\0\0\x04", &conn.get().to_le_bytes()[..], b"!"].concat()); // Close
        server.expect_close(conn);
        client.expect_close(conn);
        server.expect_silence();
        client.expect_silence();
    });
}

#[test]
fn every_ping_is_answered_however_many_are_pipelined() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let pings = ping().repeat(10_000);
        for link in [&mut *client, &mut *server] {
            link.send_raw(&pings);
            link.expect_raw(&pings);
            link.expect_silence();
        }
    });
}

#[test]
fn every_server_id_is_an_id_like_any_other() {
    on_every_setup(&[], |gateway| {
        let ids = [0, 1, 0x8000_0000, u32::MAX];
        let mut client = gateway.client();
        ids.iter().for_each(|&id| {
            client.dial(id);
            client.expect_refuse(id);
        });
        for server in &mut ids.map(|id| gateway.server(id)) {
            let conn = client.open(server);
            client.exchange(server, conn, b"hi");
            let back = server.open(&mut client);
            client.exchange(server, back, b"hi");
        }
    });
}

#[test]
fn answers_to_dials_come_in_the_order_of_the_dials() {
    on_every_setup(&["--client-max-conn", "0"], |gateway| {
        let mut client = gateway.client();
        let servers: Vec<Server> = (0..8).map(|id| gateway.server(id)).collect();
        // Every third is not there; the others are spread over the workers.
        let dials: Vec<u32> = (0..300).map(|n| if n % 3 == 0 { 1000 + n } else { n % 8 }).collect();

        let frames: Vec<u8> = dials.iter().flat_map(|&remote| Command::Dial { remote }.encode().to_vec()).collect();
        client.send_raw(&frames);
        for remote in dials {
            match remote >= 1000 {
                true => client.expect_refuse(remote),
                false => assert!(!client.expect_accept(remote).is_command()),
            }
        }
        drop(servers);
    });
}

#[test]
fn a_dial_of_nobody_is_refused() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        client.open(&mut server);
        client.dial(8);
        client.expect_refuse(8);
        let id = client.id();
        client.dial(id);
        client.expect_refuse(id);
        for nobody in [0, id + 1000, u32::MAX] {
            server.dial(nobody);
            server.expect_refuse(nobody);
        }
        client.expect_silence();
        server.expect_silence();
    });
}

#[test]
fn a_client_gets_only_as_many_connections_as_client_max_conn() {
    on_every_setup(&["--client-max-conn", "3"], |gateway| {
        let (mut client, mut server, mut other) = (gateway.client(), gateway.server(7), gateway.client());
        let conns = client.open_many(&mut server, 2);
        server.open(&mut client);

        client.dial(7);
        client.expect_refuse(7);
        server.expect_silence();
        server.open(&mut client); // a server's dial is never refused for it
        client.dial(7);
        client.expect_refuse(7);
        other.open(&mut server);

        for conn in conns {
            client.close(conn);
            client.expect_close(conn);
            server.expect_close(conn);
        }
        client.open(&mut server);
        client.dial(7);
        client.expect_refuse(7);
    });
}

#[test]
fn client_max_conn_is_16_unless_told_otherwise_and_0_means_no_limit() {
    let gateway = Gateway::start(&[]);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    client.open_many(&mut server, 16);
    client.dial(7);
    client.expect_refuse(7);

    let gateway = Gateway::start(&["-ClientMaxConn=0"]);
    let (mut client, mut server) = (gateway.client(), gateway.server(7));
    client.open_many(&mut server, 300);
}

#[test]
fn a_close_is_told_once_to_either_end() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        for client_closes in [true, false] {
            let conn = client.open(&mut server);
            let (closer, other): (&mut Link, &mut Link) =
                if client_closes { (&mut client, &mut server) } else { (&mut server, &mut client) };
            closer.close(conn);
            closer.expect_close(conn);
            other.expect_close(conn);
            other.close(conn); // as many peers do: it closes nothing, so nobody is told
            closer.close(conn);
            other.expect_silence();
            closer.expect_silence();
            other.expect_silence();
        }
    });
}

#[test]
fn when_both_ends_close_at_once_each_is_told_once() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        for _ in 0..100 {
            let conn = client.open(&mut server);
            client.close(conn);
            server.close(conn);
            client.expect_close(conn);
            server.expect_close(conn);
            client.expect_silence();
            server.expect_silence();
        }
    });
}

#[test]
fn a_close_that_closes_nothing_is_not_answered() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        for nothing in [0, conn.get() + 1, u32::MAX].map(ConnId::new) {
            client.close(nothing);
            client.expect_silence();
            server.close(nothing);
            server.expect_silence();
        }
        client.exchange(&mut server, conn, b"hi");
    });
}

#[test]
fn data_on_no_connection_is_dropped_and_answered_by_close() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        for nothing in [conn.get() + 1, u32::MAX].map(ConnId::new) {
            client.send(nothing, b"lost");
            client.expect_close(nothing);
            server.send(nothing, b"lost");
            server.expect_close(nothing);
        }
        client.exchange(&mut server, conn, b"hi");
    });
}

#[test]
fn late_data_is_answered_by_close_and_costs_nothing_else() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let (stays, closed) = (client.open(&mut server), client.open(&mut server));
        client.close(closed);
        client.expect_close(closed);
        server.expect_close(closed);

        for server_is_late in [true, false] {
            let (late, other): (&mut Link, &mut Link) =
                if server_is_late { (&mut server, &mut client) } else { (&mut client, &mut server) };
            late.send_raw(&[data(closed, b"late").repeat(100), data(stays, b"in time")].concat());
            other.expect_data(stays, b"in time");
            let closes = closes_before_pong(late, closed);
            assert!((1..=100).contains(&closes), "100 late messages were answered {closes} times");
        }
        client.exchange(&mut server, stays, b"hi");
    });
}

fn closes_before_pong(link: &mut Link, conn: ConnId) -> usize {
    link.ping();
    let messages = std::iter::from_fn(|| link.receive().filter(|message| *message != Message::Command(Command::Ping)));
    messages.inspect(|message| assert_eq!(*message, Message::Command(Command::Close { conn }))).count()
}

#[test]
fn connect_and_accept_come_before_the_first_data_whoever_dials() {
    on_every_setup(&[], |gateway| {
        // Several servers, so that the two ends of some connections live on different workers.
        let mut servers: Vec<Server> = (0..4).map(|id| gateway.server(id)).collect();
        let mut client = gateway.client();
        for round in 0..200 {
            let server = &mut servers[round % 4];
            let conn = client_dials_and_both_talk_at_once(&mut client, server);
            client.close(conn);
            client.expect_close(conn);
            server.expect_close(conn);
            let conn = client.open(server);
            let back = server_dials_and_both_talk_at_once(&mut client, server);
            for conn in [conn, back] {
                server.close(conn);
                server.expect_close(conn);
                client.expect_close(conn);
            }
        }
    });
}

fn client_dials_and_both_talk_at_once(client: &mut Client, server: &mut Server) -> ConnId {
    client.dial(server.id());
    let (conn, _) = server.expect_connect();
    server.send(conn, b"from the server"); // it need not know whether the client has its Accept
    assert_eq!(client.expect_accept(server.id()), conn);
    client.expect_data(conn, b"from the server");
    client.send(conn, b"from the client");
    server.expect_data(conn, b"from the client");
    conn
}

fn server_dials_and_both_talk_at_once(client: &mut Client, server: &mut Server) -> ConnId {
    server.dial(client.id());
    let (conn, from) = client.expect_connect();
    assert_eq!(from, server.id());
    client.send(conn, b"from the client");
    assert_eq!(server.expect_accept(client.id()), conn);
    server.expect_data(conn, b"from the client");
    server.send(conn, b"from the server");
    client.expect_data(conn, b"from the server");
    conn
}

#[test]
fn data_right_behind_the_accept_comes_behind_the_connect() {
    on_every_setup(&[], |gateway| {
        let mut servers: Vec<Server> = (0..4).map(|id| gateway.server(id)).collect();
        let mut client = gateway.client();
        for round in 0..200_u32 {
            let server = &mut servers[round as usize % 4];
            client.dial(server.id());
            let conn = client.expect_accept(server.id());
            client.send_raw(&[&data(conn, &round.to_le_bytes())[..], &Command::Close { conn }.encode()].concat());
            client.expect_close(conn);
            assert_eq!(server.expect_connect().0, conn);
            server.expect_data(conn, &round.to_le_bytes());
            server.expect_close(conn);
        }
    });
}

#[test]
fn who_sends_no_more_still_gets_its_answers() {
    on_every_setup(&[], |gateway| {
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        let pings = ping().repeat(1000);
        client.send_raw(&[&data(conn, b"last words")[..], &Command::Dial { remote: 7 }.encode(), &pings].concat());
        client.finish_sending();
        server.expect_data(conn, b"last words");
        let (second, _) = server.expect_connect();
        server.expect_closes(&[conn, second]);
        assert_eq!(client.expect_accept(7), second);
        client.expect_raw(&pings);
        assert!(client.until_eof().len() <= 2, "at most the ends of its connections");

        let mut client = gateway.client();
        let conn = client.open(&mut server);
        server.send_raw(&[&data(conn, b"last words")[..], &pings].concat());
        server.finish_sending();
        client.expect_data(conn, b"last words");
        client.expect_close(conn);
        server.expect_raw(&pings);
        assert!(server.until_eof().len() <= 1, "at most the end of its connection");
    });
}

// With one worker: so that the answer to a ping says that the data sent before is in the other link's outbox.
#[test]
fn a_client_that_sends_no_more_still_gets_what_waits_for_it() {
    let gateway = Gateway::start(&["--client-send-bytes=1G", "--shutdown-grace=20s"]);
    let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
    let conn = client.open(&mut server);
    let message = vec![b'm'; 64 * KIB];
    (0..320).for_each(|_| server.send(conn, &message)); // more than any socket takes
    server.expect_silence();

    client.finish_sending();
    server.expect_close(conn);
    (0..320).for_each(|_| client.expect_data(conn, &message));
    assert!(client.until_eof().len() <= 1, "at most the end of its connection");
}

#[test]
fn a_server_that_sends_no_more_still_gets_what_waits_for_it() {
    let gateway = Gateway::start(&["--shutdown-grace=20s"]);
    let (mut client, mut server) = (gateway.client(), gateway.narrow_server(7));
    let conn = client.open(&mut server);
    let message = vec![b'm'; 64 * KIB];
    (0..150).for_each(|_| client.send(conn, &message));
    client.flush();

    server.finish_sending();
    client.expect_close(conn);
    (0..150).for_each(|_| server.expect_data(conn, &message));
    assert!(server.until_eof().len() <= 1, "at most the end of its connection");
}

#[test]
fn both_ports_work_over_ipv6() {
    on_every_setup(&["-ClientAddr", "[::1]:0", "--server-addr=[::1]:0"], |gateway| {
        assert!(gateway.client_addr().is_ipv6() && gateway.server_addr().is_ipv6());
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);
        client.exchange(&mut server, conn, b"six");
    });
}

#[test]
fn two_processes_share_both_ports_by_reuse_port() {
    let first = Gateway::start(&["-ReusePort"]);
    let (client_addr, server_addr) = (first.client_addr().to_string(), first.server_addr().to_string());
    let second = Gateway::start(&["-ReusePort", "--client-addr", &client_addr, "--server-addr", &server_addr]);

    let before = second.sockets();
    let mut clients: Vec<Client> = (0..64).map(|_| first.client()).collect();
    clients.iter_mut().for_each(|client| client.expect_silence());
    let taken = second.sockets() - before;
    assert!((1..64).contains(&taken), "the second process took {taken} of 64 links");
}

fn ping() -> Vec<u8> {
    Command::Ping.encode().to_vec()
}
