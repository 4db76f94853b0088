//! Many players at once: every byte arrives where it belongs, in order, and nowhere else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use fastway_testkit::seeded::Seeded;
use fastway_testkit::{Gateway, KEY, data};
use fastway_wire::{CHALLENGE_BYTES, Challenge, Command, ConnId, ServerId, split_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many players, what each of them does, and over which gateway.
#[derive(Clone, Copy)]
struct Load {
    players: u32,
    servers: u32,
    /// Connections of a player to each server.
    conns_per_server: u32,
    /// Messages each way on each connection.
    messages: u32,
}

#[test]
fn a_hundred_clients_with_sixteen_connections_each_to_two_servers() {
    for setup in SETUPS {
        run(setup, Load { players: 100, servers: 2, conns_per_server: 8, messages: 10 });
    }
}

#[test]
fn a_thousand_players_exchange_a_hundred_thousand_messages_with_two_servers() {
    // 2,000 connections; every message goes to the server and comes back.
    for setup in [SETUPS[0], SETUPS[2]] {
        run(setup, Load { players: 1000, servers: 2, conns_per_server: 1, messages: 25 });
    }
}

const SETUPS: [&[&str]; 3] = [&["--workers", "1"], &["--workers", "2"], &["--workers", "2", "-ReusePort"]];

fn run(setup: &[&str], load: Load) {
    eprintln!("setup: {setup:?}");
    let gateway = Gateway::start(&[setup, &["--client-idle-timeout", "0", "--server-idle-timeout", "0"]].concat());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let script = play(gateway.client_addr(), gateway.server_addr(), load);
    runtime.block_on(async { timeout(Duration::from_secs(120), script).await.expect("the script is over in time") });
}

async fn play(client_addr: SocketAddr, server_addr: SocketAddr, load: Load) {
    let mut servers = JoinSet::new();
    for id in 0..load.servers {
        let link = register(server_addr, id).await;
        servers.spawn(serve(link, load));
    }
    let mut players = JoinSet::new();
    for number in 0..load.players {
        let link = Link::connect(client_addr).await;
        players.spawn(be_player(link, number, load));
    }
    players.join_all().await;
    servers.join_all().await;
}

/// Checks the messages of every connection, which start with a name of the player's own, and sends each back.
async fn serve(mut link: Link, load: Load) {
    let mut seen: HashMap<ConnId, (Option<Name>, u32)> = HashMap::new();
    let mut over = 0;
    while over < load.players * load.conns_per_server {
        for message in link.receive().await {
            match message {
                Message::Command(Command::Connect { conn, .. }) => assert!(seen.insert(conn, (None, 0)).is_none()),
                Message::Command(Command::Close { conn }) => {
                    assert_eq!(seen[&conn].1, load.messages, "connection {conn} closed too early");
                    over += 1;
                }
                Message::Data(conn, payload) => {
                    let (name, next) = seen.get_mut(&conn).expect("Connect comes first");
                    let name = *name.get_or_insert_with(|| Name::of(&payload));
                    assert!(payload == name.message(*next), "connection {conn}: not message {next} of {name:?}");
                    *next += 1;
                    link.queue(&data(conn, &payload));
                }
                Message::Command(command) => panic!("nobody sent {command:?}"),
            }
        }
        link.flush().await;
    }
}

/// Dials, sends all messages on all connections by turns, expects each to come back, and closes.
async fn be_player(mut link: Link, number: u32, load: Load) {
    let mut lines = Vec::new();
    for line in 0..load.conns_per_server * load.servers {
        let server = line % load.servers;
        link.queue(&Command::Dial { remote: server }.encode());
        link.flush().await;
        let accepted = link.receive().await;
        let [Message::Command(Command::Accept { conn, remote })] = accepted[..] else { panic!("{accepted:?}") };
        assert_eq!(remote, server);
        lines.push(Line { conn, name: Name([number, line, conn.get()]), returned: 0 });
    }
    for n in 0..load.messages {
        lines.iter().for_each(|line| link.queue(&data(line.conn, &line.name.message(n))));
        link.flush().await;
        while lines.iter().any(|line| line.returned <= n) {
            take_back(&mut lines, link.receive().await);
        }
    }
    lines.iter().for_each(|line| link.queue(&Command::Close { conn: line.conn }.encode()));
    link.flush().await;
    let mut closed = 0;
    while closed < lines.len() {
        for message in link.receive().await {
            assert!(matches!(message, Message::Command(Command::Close { .. })), "{message:?}");
            closed += 1;
        }
    }
}

/// A connection as its player sees it.
struct Line {
    conn: ConnId,
    name: Name,
    returned: u32,
}

fn take_back(lines: &mut [Line], messages: Vec<Message>) {
    for message in messages {
        let Message::Data(conn, payload) = message else { panic!("nobody sent {message:?}") };
        let line = lines.iter_mut().find(|line| line.conn == conn).expect("a connection of this player");
        assert!(payload == line.name.message(line.returned), "not message {} of {:?}", line.returned, line.name);
        line.returned += 1;
    }
}

/// Player, line and ConnID: no two connections share one.
#[derive(Clone, Copy, Debug)]
struct Name([u32; 3]);

impl Name {
    fn of(payload: &[u8]) -> Self {
        let (words, _) = payload.as_chunks::<4>();
        Self([0, 1, 2].map(|index| u32::from_le_bytes(words[index])))
    }

    /// The name, the number, and bytes that belong to both alone.
    fn message(self, number: u32) -> Vec<u8> {
        let Self([player, line, conn]) = self;
        let mut random = Seeded::new(u64::from(player) << 40 | u64::from(line) << 32 | u64::from(number));
        let tail = random.below(64);
        let head = [player, line, conn, number].into_iter().flat_map(u32::to_le_bytes);
        head.chain(random.bytes(tail)).collect()
    }
}

#[derive(Debug, PartialEq)]
enum Message {
    Command(Command),
    Data(ConnId, Vec<u8>),
}

/// A link for scripts that run by the thousand.
struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Link {
    async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new(), output: Vec::new() }
    }

    fn queue(&mut self, frame: &[u8]) {
        self.output.extend_from_slice(frame);
    }

    async fn flush(&mut self) {
        self.stream.write_all(&self.output).await.unwrap();
        self.output.clear();
    }

    /// All messages that have come, one at least.
    async fn receive(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.is_empty() {
            assert!(self.stream.read_buf(&mut self.input).await.unwrap() > 0, "the gateway closed the link");
            let mut rest = self.input.as_slice();
            while let Some((frame, after)) = split_frame(rest, 1 << 20).unwrap() {
                messages.push(match frame.conn().is_command() {
                    true => Message::Command(Command::decode(frame.payload()).unwrap()),
                    false => Message::Data(frame.conn(), frame.payload().to_vec()),
                });
                rest = after;
            }
            self.input = rest.to_vec();
        }
        messages
    }
}

async fn register(addr: SocketAddr, id: u32) -> Link {
    let mut link = Link::connect(addr).await;
    let mut challenge = [0; CHALLENGE_BYTES];
    link.stream.read_exact(&mut challenge).await.unwrap();
    link.queue(&Challenge::new(challenge).respond(KEY.as_bytes(), ServerId::new(id)));
    link.queue(&Command::Ping.encode());
    link.flush().await;
    assert_eq!(link.receive().await, [Message::Command(Command::Ping)]);
    link
}
