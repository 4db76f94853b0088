//! A rolling deploy: a gateway drains, its players come to a second one. Figures to read: how evenly they come, and whether
//! each has got what the server had sent before its link was closed.
//!
//! ```text
//! cargo bench --bench drain                    10,000 players, closed over 30 s
//! FASTWAY_DRAIN_PLAYERS=500 FASTWAY_DRAIN_SPREAD=3 cargo bench --bench drain
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a measurement ends by panicking")]

use std::collections::HashMap;
use std::env;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use fastway_testkit::process::Signal;
use fastway_testkit::{Gateway, KEY, server_stream, watch};
use fastway_wire::{Command, ConnId, encode_data, split_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

const SERVER: u32 = 7;
const MAX_PACKET: u32 = 1 << 20;
/// Time between messages to one player.
const BEAT: Duration = Duration::from_millis(500);
/// What was sent so shortly before the server heard of a close may have come to the gateway after it.
const IN_FLIGHT: Duration = Duration::from_millis(200);

/// What the server had sent a player when it heard of the end.
struct Sent {
    conn: ConnId,
    /// Messages that were sent `IN_FLIGHT` before that, or earlier.
    certain: u32,
}

/// What a player has got, and when it came to the second gateway.
struct Moved {
    conn: ConnId,
    got: u32,
    at: Instant,
}

fn setting(name: &str, default: u32) -> u32 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn main() {
    watch::raise_descriptor_limit();
    let players = setting("FASTWAY_DRAIN_PLAYERS", 10_000);
    let spread = setting("FASTWAY_DRAIN_SPREAD", 30);
    let limits = ["-ClientIdleTimeout=0", "-ServerIdleTimeout=0"];
    let mut first = Gateway::with_admin(&[&limits[..], &[&format!("--drain-spread={spread}s")]].concat());
    let second = Gateway::with_admin(&limits);

    let (report, sent) = channel();
    let server = server_stream(first.server_addr(), KEY, SERVER);
    thread::spawn(move || serve(server, &report));

    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (moves, mut moved) = tokio::sync::mpsc::unbounded_channel();
    let (from, to) = (first.client_addr(), second.client_addr());
    let playing = thread::spawn(move || runtime.block_on(play_all(players, from, to, moves)));
    watch::eventually("all players are there", || first.stats()["connections"]["open"] == players);

    first.signal(Signal::TERM);
    let began = Instant::now();
    let mut all: Vec<Moved> = (0..players).map(|_| moved.blocking_recv().unwrap()).collect();
    playing.join().unwrap();
    first.expect_clean_exit();
    all.sort_by_key(|moved| moved.at);

    let mut per_second = vec![0u32; spread as usize + 2];
    for moved in &all {
        let second = usize::try_from(moved.at.duration_since(began).as_secs()).unwrap();
        per_second[second.min(spread as usize + 1)] += 1;
    }
    let took = all.last().unwrap().at.duration_since(began);
    let mean = f64::from(players) / f64::from(spread);
    let most = f64::from(*per_second.iter().max().unwrap());
    println!(
        "{players} players moved within {took:.1?}: {mean:.0} a second on average, {most:.0} at most: {:.2}",
        most / mean
    );

    let certain: HashMap<ConnId, u32> = sent.iter().map(|sent| (sent.conn, sent.certain)).collect();
    let lost: u32 = all.iter().map(|moved| certain[&moved.conn].saturating_sub(moved.got)).sum();
    let got: u32 = all.iter().map(|moved| moved.got).sum();
    println!("{got} messages came in order, {lost} were lost that had been sent before a link was closed");
}

/// Sends every player numbered messages until its connection is closed.
fn serve(mut stream: TcpStream, report: &Sender<Sent>) {
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    // When each message was sent, by player.
    let mut players: HashMap<ConnId, Vec<Instant>> = HashMap::new();
    let (mut input, mut chunk, mut output) = (Vec::new(), vec![0; 256 << 10], Vec::new());
    let mut beat = Instant::now();
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => input.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("the server's link failed: {error}"),
        }
        let mut rest = &input[..];
        while let Some((frame, after)) = split_frame(rest, MAX_PACKET).unwrap() {
            rest = after;
            match Command::decode(frame.payload()).unwrap() {
                Command::Connect { conn, .. } => drop(players.insert(conn, Vec::new())),
                Command::Close { conn } => {
                    // What was on its way then is answered with another one.
                    let Some(times) = players.remove(&conn) else { continue };
                    let now = Instant::now();
                    let certain = times.iter().filter(|time| now.duration_since(**time) > IN_FLIGHT).count();
                    let _it_may_have_ended = report.send(Sent { conn, certain: u32::try_from(certain).unwrap() });
                }
                other => panic!("{other:?}"),
            }
        }
        let used = input.len() - rest.len();
        input.drain(..used);

        if beat.elapsed() >= BEAT {
            beat = Instant::now();
            for (conn, times) in &mut players {
                encode_data(*conn, &u32::try_from(times.len()).unwrap().to_le_bytes(), &mut output).unwrap();
                times.push(Instant::now());
            }
            stream.write_all(&output).unwrap();
            output.clear();
        }
    }
}

async fn play_all(players: u32, from: SocketAddr, to: SocketAddr, moves: UnboundedSender<Moved>) {
    let mut all = JoinSet::new();
    for _ in 0..players {
        all.spawn(play(from, to, moves.clone()));
    }
    // They keep their links: the second gateway is as full as the first one was.
    let kept = all.join_all().await;
    drop(kept);
}

/// Takes messages until the first gateway closes the link, and comes to the second one.
async fn play(from: SocketAddr, to: SocketAddr, moves: UnboundedSender<Moved>) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(from).await.unwrap();
    stream.write_all(&Command::Dial { remote: SERVER }.encode()).await.unwrap();
    let (mut conn, mut got, mut is_closed) = (ConnId::COMMAND, 0u32, false);
    let (mut input, mut chunk) = (Vec::new(), [0; 1024]);
    loop {
        let count = stream.read(&mut chunk).await.unwrap();
        if count == 0 {
            break;
        }
        input.extend_from_slice(&chunk[..count]);
        let mut rest = &input[..];
        while let Some((frame, after)) = split_frame(rest, MAX_PACKET).unwrap() {
            rest = after;
            if !frame.conn().is_command() {
                assert_eq!(frame.payload(), got.to_le_bytes(), "in order, and none is missing");
                got += 1;
                continue;
            }
            match Command::decode(frame.payload()).unwrap() {
                Command::Accept { conn: accepted, .. } => conn = accepted,
                Command::Close { .. } => is_closed = true,
                other => panic!("{other:?}"),
            }
        }
        let used = input.len() - rest.len();
        input.drain(..used);
    }
    assert!(is_closed, "the connection was closed before the link");

    let second = tokio::net::TcpStream::connect(to).await.unwrap();
    moves.send(Moved { conn, got, at: Instant::now() }).unwrap();
    second
}
