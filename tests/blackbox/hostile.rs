//! Bytes that no honest peer sends: they cost the link they came on, and nobody else anything.

use fastway_testkit::seeded::Seeded;
use fastway_testkit::{Client, Gateway, KEY, Link, Server, challenge_of, data, on_every_setup};
use fastway_wire::{Command, ConnId, ServerId};

const MIB: u64 = 1 << 20;

/// Messages that break the grammar, with their names.
fn offences() -> Vec<(String, Vec<u8>)> {
    let lens = [0, 1, 2, 3, (512 << 10) + 1, 1 << 24, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let lens = lens.map(|len: u32| (format!("len {len}"), [&len.to_le_bytes()[..], &[0; 64]].concat()));
    let short = (0..4).flat_map(|args| [0, 4].map(|kind| (kind, args)));
    let short = short.map(|(kind, args)| (format!("command {kind} with {args} bytes"), command(kind, &vec![1; args])));
    let unknown = [6, 7, 100, 255].map(|kind| (format!("unknown command {kind}"), command(kind, &[1; 8])));
    let gateways = [1, 2, 3].map(|kind| (format!("command {kind}, the gateway's own"), command(kind, &[1; 8])));
    let empty = ("a command without a type".to_owned(), b"\x04\0\0\0\0\0\0\0".to_vec());
    lens.into_iter().chain(short).chain(unknown).chain(gateways).chain([empty]).collect()
}

fn command(kind: u8, args: &[u8]) -> Vec<u8> {
    data(ConnId::COMMAND, &[&[kind], args].concat())
}

#[test]
fn a_message_that_breaks_the_grammar_closes_its_client_alone() {
    on_every_setup(&[], |gateway| {
        let mut bystanders = Bystanders::new(gateway);
        for (name, bytes) in offences() {
            eprintln!("{name}");
            let mut offender = gateway.client();
            let conn = offender.open(&mut bystanders.server);
            offender.send_raw(&[data(conn, b"proper"), bytes].concat());
            bystanders.server.expect_data(conn, b"proper");
            bystanders.server.expect_close(conn);
            offender.until_eof();
            bystanders.notice_nothing();
        }
    });
}

#[test]
fn a_message_that_breaks_the_grammar_closes_its_server_alone() {
    on_every_setup(&[], |gateway| {
        let mut bystanders = Bystanders::new(gateway);
        for (name, bytes) in offences() {
            eprintln!("{name}");
            let mut offender = gateway.server(666);
            let conn = bystanders.client.open(&mut offender);
            offender.send_raw(&bytes);
            bystanders.client.expect_close(conn);
            offender.until_eof();
            bystanders.client.dial(666);
            bystanders.client.expect_refuse(666);
            bystanders.notice_nothing();
        }
    });
}

#[test]
fn why_a_link_was_closed_is_logged() {
    let mut gateway = Gateway::start(&[]);
    let mut offender = gateway.client();
    offender.send_raw(&u32::MAX.to_le_bytes());
    offender.expect_eof();
    gateway.wait_log_with(&["a frame with len 4294967295"]);
    let mut server = gateway.server(7);
    server.send_raw(&command(99, &[]));
    server.expect_eof();
    gateway.wait_log_with(&["a command of type 99"]);
}

#[test]
fn max_packet_is_the_bound_whatever_it_is_set_to() {
    on_every_setup(&["--max-packet", "1000"], |gateway| {
        let mut bystanders = Bystanders::new(gateway);
        let mut offender = gateway.client();
        let conn = offender.open(&mut bystanders.server);
        offender.send(conn, &[0; 996]);
        bystanders.server.expect_data(conn, &[0; 996]);
        offender.send(conn, &[0; 997]);
        bystanders.server.expect_close(conn);
        offender.until_eof();
        bystanders.notice_nothing();
    });
}

#[test]
fn a_link_that_ends_inside_a_message_is_a_lost_link() {
    on_every_setup(&[], |gateway| {
        let mut bystanders = Bystanders::new(gateway);
        for cut in [1, 3, 4, 7, 8, 12] {
            let mut client = gateway.client();
            let conn = client.open(&mut bystanders.server);
            client.send_raw(&data(conn, b"never whole")[..cut]);
            client.finish_sending();
            bystanders.server.expect_close(conn);
            client.until_eof();
            bystanders.notice_nothing();
        }
    });
}

#[test]
fn random_bytes_from_clients_disturb_nobody_and_take_no_memory() {
    on_every_setup(&[], |gateway| {
        let mut bystanders = Bystanders::new(gateway);
        random_clients(gateway, &mut bystanders, 1..50);
        let (sockets, before) = (gateway.sockets(), gateway.resident_bytes());
        random_clients(gateway, &mut bystanders, 50..300);
        gateway.expect_sockets(sockets);
        let grown = gateway.resident_bytes().saturating_sub(before);
        assert!(grown < 8 * MIB, "{grown} bytes more than before");
    });
}

fn random_clients(gateway: &Gateway, bystanders: &mut Bystanders, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut random = Seeded::new(seed);
        let mut client = gateway.client();
        let bytes = likely_garbage(&mut random);
        // The gateway may close the link at any byte.
        let _ = client.try_send_raw(&bytes);
        drop(client);
        bystanders.notice_nothing();
    }
}

/// Random bytes; or random messages, which come further before they are found out.
fn likely_garbage(random: &mut Seeded) -> Vec<u8> {
    if random.below(2) == 0 {
        let count = 1 + random.below(5000);
        return random.bytes(count);
    }
    let messages = (0..1 + random.below(50)).flat_map(|_| {
        let payload = [(random.number() % 10) as u8].into_iter().chain(random.bytes(random.clone().below(20)));
        // Never a ConnID that exists, so that the bystanders' server hears nothing by rights.
        let conn = ConnId::new(if random.below(2) == 0 { 0 } else { u32::MAX - (random.number() % 1000) as u32 });
        data(conn, &payload.collect::<Vec<u8>>())
    });
    messages.collect()
}

#[test]
fn random_bytes_from_servers_disturb_nobody() {
    on_every_setup(&[], |gateway| {
        let mut bystanders = Bystanders::new(gateway);
        for seed in 1..100 {
            let mut random = Seeded::new(seed);
            let mut offender = gateway.server(666);
            let _ = offender.try_send_raw(&likely_garbage(&mut random));
            drop(offender);
            bystanders.notice_nothing();
        }
    });
}

#[test]
fn random_bytes_instead_of_a_handshake_disturb_nobody() {
    on_every_setup(&[], |gateway| {
        let mut bystanders = Bystanders::new(gateway);
        for seed in 1..100 {
            let mut link = Link::connect(gateway.server_addr());
            let mut random = Seeded::new(seed);
            let count = 20 + random.below(5000);
            challenge_of(&mut link);
            let _ = link.try_send_raw(&random.bytes(count));
            assert_eq!(link.until_eof(), []);
            bystanders.notice_nothing();
        }
    });
}

#[test]
fn memory_follows_the_bytes_received_and_not_the_length_announced() {
    on_every_setup(&[], |gateway| {
        let mut warm: Vec<Client> = (0..300).map(|_| gateway.client()).collect();
        warm.iter_mut().for_each(|client| client.expect_silence());
        let before = gateway.resident_bytes();
        // 300 times 512 KiB announced, and a byte of each.
        for client in &mut warm {
            client.ping();
            client.send_raw(&[&(512_u32 << 10).to_le_bytes()[..], b"\x01\0\0\0x"].concat());
            client.expect_pong();
        }
        let grown = gateway.resident_bytes().saturating_sub(before);
        assert!(grown < 16 * MIB, "{grown} bytes more than before");
        gateway.still_serves();
    });
}

#[test]
fn a_server_may_announce_much_and_send_little_too() {
    let gateway = Gateway::start(&[]);
    let mut servers: Vec<Server> = (0..100).map(|id| gateway.server(id)).collect();
    let before = gateway.resident_bytes();
    for server in &mut servers {
        server.send_raw(&[&Command::Ping.encode()[..], &(512_u32 << 10).to_le_bytes(), b"\x01\0\0\0x"].concat());
        server.expect_pong();
    }
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes more than before");
}

#[test]
fn messages_right_behind_a_bad_handshake_are_not_read() {
    let gateway = Gateway::start(&[]);
    let mut bystanders = Bystanders::new(&gateway);
    let mut link = Link::connect(gateway.server_addr());
    let answer = challenge_of(&mut link).respond(&KEY.as_bytes()[1..], ServerId::new(1));
    let dial = Command::Dial { remote: bystanders.client.id() }.encode();
    link.send_raw(&[&answer[..], &dial, &Command::Ping.encode()].concat());
    assert_eq!(link.until_eof(), []);
    bystanders.notice_nothing();
}

/// A client and a server with a connection, who have nothing to do with it.
struct Bystanders {
    client: Client,
    server: Server,
    conn: ConnId,
}

impl Bystanders {
    fn new(gateway: &Gateway) -> Self {
        let (mut client, mut server) = (gateway.client(), gateway.server(u32::MAX));
        let conn = client.open(&mut server);
        Self { client, server, conn }
    }

    #[track_caller]
    fn notice_nothing(&mut self) {
        self.client.exchange(&mut self.server, self.conn, b"as ever");
    }
}
