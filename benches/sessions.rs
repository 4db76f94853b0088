//! What sessions cost: figures to read, without a verdict.
//!
//! ```text
//! cargo bench --bench sessions            runs all measurements, one after the other
//! cargo bench --bench sessions -- NAME    runs one of them: cpu, memory or herd
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a measurement ends by panicking")]

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fastway_client::Backoff;
use fastway_session::{Backlog, Event, Identity, Session};
use fastway_testkit::{Client, Gateway, KEY, Link, Tunnel, data, server_stream, watch};
use fastway_wire::{ConnId, split_frame};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const PLAYERS: usize = 20;

fn main() {
    let measurements: [(&str, fn()); 3] = [
        ("cpu", cpu_of_a_frame_by_plain_links_and_by_secure_sessions),
        ("memory", memory_of_an_idle_session),
        ("herd", how_long_players_take_to_come_back_whose_network_fails_at_one_moment),
    ];
    // Cargo adds options for a harness that this program does not have.
    let chosen: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for name in &chosen {
        assert!(measurements.iter().any(|(known, _)| known == name), "no measurement is named {name:?}");
    }
    for (name, measure) in measurements {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            println!("{name}:");
            measure();
        }
    }
}

/// A gateway with an echo server, ID 7, that ends with the process.
fn gateway_with_echo() -> Gateway {
    let gateway = Gateway::with_admin(&["--client-link", "plain,secure"]);
    let server = server_stream(gateway.server_addr(), KEY, 7);
    thread::spawn(move || echo(server));
    gateway
}

/// Sends back every data frame, as many at once as there are.
fn echo(mut stream: TcpStream) {
    let (mut input, mut chunk) = (Vec::new(), vec![0; 256 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        input.extend_from_slice(&chunk[..count]);
        let (mut rest, mut output) = (&input[..], Vec::new());
        while let Ok(Some((frame, after))) = split_frame(rest, 1 << 20) {
            if !frame.conn().is_command() {
                output.extend_from_slice(frame.as_bytes());
            }
            rest = after;
        }
        let used = input.len() - rest.len();
        input.drain(..used);
        if stream.write_all(&output).is_err() {
            return;
        }
    }
}

/// A player with a connection to the echo server.
struct Player {
    client: Client,
    conn: ConnId,
    _tunnel: Option<Tunnel>,
}

impl Player {
    fn new(gateway: &Gateway, secure: bool) -> Self {
        let (link, tunnel) = match secure {
            true => {
                let (link, tunnel) = Tunnel::secure(gateway.client_addr(), Identity::Anyone);
                (link, Some(tunnel))
            }
            false => (Link::connect(gateway.client_addr()), None),
        };
        let mut client = Client::over(link);
        watch::eventually("the echo server is registered", || {
            client.dial(7);
            matches!(client.receive(), Some(fastway_testkit::Message::Command(fastway_wire::Command::Accept { .. })))
        });
        client.dial(7);
        let conn = client.expect_accept(7);
        Self { client, conn, _tunnel: tunnel }
    }

    /// `window` messages of 64 bytes there and back.
    fn round(&mut self, window: usize) {
        let batch = data(self.conn, &[7; 64]).repeat(window);
        self.client.send_raw(&batch);
        assert_eq!(self.client.raw(batch.len()), batch);
    }
}

fn cpu_of_a_frame_by_plain_links_and_by_secure_sessions() {
    for window in [32, 1] {
        for round in 0..3 {
            let costs = [false, true].map(|secure| {
                let gateway = gateway_with_echo();
                let mut players: Vec<_> = (0..PLAYERS).map(|_| Player::new(&gateway, secure)).collect();
                let before = watch::cpu_time(gateway.pid());
                let frames: usize = thread::scope(|scope| {
                    let playing = players.iter_mut().map(|player| {
                        scope.spawn(move || {
                            let end = Instant::now() + Duration::from_secs(2);
                            (0..).take_while(|_| Instant::now() < end).map(|_| player.round(window)).count()
                        })
                    });
                    playing.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum()
                });
                let frames = 2 * window * frames;
                (watch::cpu_time(gateway.pid()) - before).as_secs_f64() * 1e6 / frames as f64
            });
            let [plain, secure] = costs;
            println!(
                "window {window} round {round}: {plain:.3} and {secure:.3} µs a frame, ratio {:.2}",
                secure / plain
            );
        }
    }
}

fn memory_of_an_idle_session() {
    const LINKS: usize = 1500;
    watch::raise_descriptor_limit();
    for round in 0..3 {
        let costs = [false, true].map(|secure| {
            let gateway = Gateway::start(&["--client-link", "plain,secure"]);
            let mut warm: Vec<_> = (0..50).map(|_| idle(&gateway, secure)).collect();
            thread::sleep(Duration::from_secs(3));
            let before = gateway.resident_bytes();
            warm.extend((0..LINKS).map(|_| idle(&gateway, secure)));
            thread::sleep(Duration::from_secs(3));
            (gateway.resident_bytes() - before) / LINKS as u64
        });
        println!("round {round}: {} bytes an idle plain link, {} an idle secure session", costs[0], costs[1]);
    }
}

/// A link that has said a ping and is quiet then; of a session just the stream and the state.
fn idle(gateway: &Gateway, secure: bool) -> (TcpStream, Option<Session>) {
    let mut stream = TcpStream::connect(gateway.client_addr()).unwrap();
    let ping = fastway_wire::Command::Ping.encode();
    if !secure {
        stream.write_all(&ping).unwrap();
        stream.read_exact(&mut [0; 9]).unwrap();
        return (stream, None);
    }
    let mut session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
    let dial = session.connect(Instant::now(), &mut rand::rng()).unwrap();
    stream.write_all(&dial.bytes).unwrap();
    let mut buffer = fastway_session::Backlog::new(1 << 10);
    buffer.push(&ping);
    let mut heard = 0;
    while heard < ping.len() {
        let mut room = [0; 2048];
        let count = stream.read(session.read_into(dial.transport, &mut room)).unwrap();
        heard += session.receive_read(dial.transport, &mut room, count, Instant::now(), &mut buffer).bytes;
        let mut out = Vec::new();
        session.send(Instant::now() + Duration::from_secs(1), &mut buffer, &mut out, usize::MAX);
        stream.write_all(&out).unwrap();
    }
    (stream, Some(session))
}

/// As many as `FASTWAY_HERD` says, at a gateway with the flags in `FASTWAY_HERD_FLAGS`.
#[tokio::main(flavor = "current_thread")]
async fn how_long_players_take_to_come_back_whose_network_fails_at_one_moment() {
    watch::raise_descriptor_limit();
    let count = env::var("FASTWAY_HERD").map_or(1000, |count| count.parse().unwrap());
    let flags = env::var("FASTWAY_HERD_FLAGS").unwrap_or_default();
    let flags: Vec<&str> = ["--client-link", "secure"].into_iter().chain(flags.split_whitespace()).collect();
    let gateway = Gateway::with_admin(&flags);
    let players = (0..count).map(|number| Roaming::new(&gateway, number)).collect();
    let (streams, players) = connect_all("open", &gateway, players).await;
    drop(streams);
    let _connected = connect_all("back", &gateway, players).await;
    let stats = gateway.stats();
    println!("{} {}", stats["sessions"], stats["client"]["closed"]);
}

/// Has all of them connect at once, and says how long that took.
async fn connect_all(
    what: &str,
    gateway: &Gateway,
    players: Vec<Roaming>,
) -> (Vec<tokio::net::TcpStream>, Vec<Roaming>) {
    let (count, cpu, began) = (players.len(), watch::cpu_time(gateway.pid()), Instant::now());
    let mut connecting: JoinSet<_> = players
        .into_iter()
        .map(|mut player| async move { player.connect().await.map(|stream| (stream, player)) })
        .collect();
    let (mut taken, mut connected) = (Vec::new(), Vec::new());
    while let Some(joined) = connecting.join_next().await {
        if let Some(player) = joined.unwrap() {
            taken.push(began.elapsed());
            connected.push(player);
        }
    }
    let percent = [0, 10, 50, 90, 99, 100].map(|percent| (percent, taken[(taken.len() - 1) * percent / 100]));
    let cpu = watch::cpu_time(gateway.pid()) - cpu;
    println!("{} of {count} are {what}, by percent: {percent:?}; {cpu:?} of CPU", taken.len());
    connected.into_iter().unzip()
}

/// A session with the gateway from an address of its own.
struct Roaming {
    session: Session,
    from: SocketAddr,
    gateway: SocketAddr,
}

impl Roaming {
    fn new(gateway: &Gateway, number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let session = Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now());
        Self { session, from: ([127, 1, high, low], 0).into(), gateway: gateway.client_addr() }
    }

    /// Opens the session, or resumes it, with the pauses of the SDK between attempts; nothing if it is over.
    async fn connect(&mut self) -> Option<tokio::net::TcpStream> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        while self.session.end().is_none() {
            backoff.wait().await;
            if let Some(stream) = self.attempt().await {
                return Some(stream);
            }
        }
        None
    }

    async fn attempt(&mut self) -> Option<tokio::net::TcpStream> {
        let dial = self.session.connect(Instant::now(), &mut rand::rng()).ok()?;
        let mut stream = self.stream(&dial.bytes).ok()?;
        let mut nothing = Backlog::new(0);
        while !self.is_live() {
            let mut room = [0; 2048];
            let read = stream.read(self.session.read_into(dial.transport, &mut room)).await;
            let count = read.ok().filter(|count| *count > 0)?;
            let received = self.session.receive_read(dial.transport, &mut room, count, Instant::now(), &mut nothing);
            received.fault.is_none().then_some(())?;
        }
        let mut proof = Vec::new();
        self.session.send(Instant::now(), &mut nothing, &mut proof, usize::MAX);
        stream.write_all(&proof).await.ok()?;
        Some(stream)
    }

    /// A stream on which `first` follows at once: with many players on as many machines none holds up another.
    fn stream(&self, first: &[u8]) -> std::io::Result<tokio::net::TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&self.from.into())?;
        socket.connect_timeout(&self.gateway.into(), Duration::from_millis(200))?;
        let mut stream = TcpStream::from(socket);
        stream.write_all(first)?;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }

    fn is_live(&mut self) -> bool {
        let mut events = std::iter::from_fn(|| self.session.poll_event());
        events.any(|event| matches!(event, Event::Established { .. } | Event::Resumed { .. }))
    }
}
