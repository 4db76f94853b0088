//! Reloads under load: whether anybody is cut, what they cost the players that play meanwhile, and what they leave behind.
//!
//! ```text
//! cargo bench --bench reload                    10,000 players, 20,000 messages a second
//! FASTWAY_RELOAD_PLAYERS=500 FASTWAY_RELOAD_PHASE=1 cargo bench --bench reload
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a measurement ends by panicking")]

use std::env;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fastway_testkit::http::Http;
use fastway_testkit::process::Process;
use fastway_testkit::{server_stream, watch};
use fastway_wire::{Command, ConnId, encode_data, split_frame};
use serde_json::Value;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

const KEY: &str = "the measurement's own key";
const SERVER: u32 = 7;
const MAX_PACKET: u32 = 1 << 20;
/// Messages that the server sends in a second; each is answered.
const SENT_PER_SECOND: u32 = 10_000;
const TICK: Duration = Duration::from_millis(1);
/// Phases without reloads, and as many with them, in turn.
const ROUNDS: usize = 4;
const RELOADS_PER_SECOND: u32 = 4;

/// Round trips of a phase.
type Times = Arc<Mutex<Vec<Duration>>>;

fn setting(name: &str, default: u32) -> u32 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn main() {
    watch::raise_descriptor_limit();
    let players = setting("FASTWAY_RELOAD_PLAYERS", 10_000);
    let phase = Duration::from_secs(u64::from(setting("FASTWAY_RELOAD_PHASE", 5)));
    let dir = tempdir().unwrap();
    configure(dir.path(), 0);
    let gateway = Process::in_dir(dir.path(), &["--config", "fastway.toml"]);
    let listening = gateway.listening();

    let (server, lost) = (server_stream(listening.server, KEY, SERVER), Arc::new(AtomicUsize::new(0)));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (ended, client) = (Arc::clone(&lost), listening.client);
    thread::spawn(move || {
        runtime.block_on(async {
            let all: Vec<_> = (0..players).map(|_| tokio::spawn(echo(client, Arc::clone(&ended)))).collect();
            for player in all {
                player.await.unwrap();
            }
        });
    });
    let times = Times::default();
    let (conns, is_playing) = (meet(&server, players), Arc::new(AtomicBool::new(true)));
    let playing = (Arc::clone(&times), Arc::clone(&is_playing));
    let sender = server.try_clone().unwrap();
    let began = Instant::now();
    thread::spawn(move || send(sender, &conns, began, &playing.1));
    thread::spawn(move || receive(server, began, &playing.0));

    // Caches are warm, and the memory of the handshakes has been given back.
    thread::sleep(phase * 2);
    let before = watch::resident_bytes(gateway.pid());
    let (mut without, mut with, mut reloads) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        times.lock().unwrap().clear();
        thread::sleep(phase);
        without.append(&mut times.lock().unwrap());

        let until = Instant::now() + phase;
        while Instant::now() < until {
            reloads += 1;
            configure(dir.path(), reloads);
            let exit = gateway.ctl(&["reload"]);
            assert_eq!(exit.code, Some(0), "{exit:?}");
            thread::sleep(Duration::from_secs(1) / RELOADS_PER_SECOND);
        }
        with.append(&mut times.lock().unwrap());
    }
    let after = watch::resident_bytes(gateway.pid());

    println!("{reloads} reloads, {players} players, {} messages a second", 2 * SENT_PER_SECOND);
    for (name, times) in [("without reloads", &mut without), ("with reloads", &mut with)] {
        times.sort();
        let quantile = |part: usize| times[times.len() * part / 1000].as_secs_f64() * 1e3;
        let [p50, p95, p99] = [500, 950, 990].map(quantile);
        println!("{name}: {} round trips, p50 {p50:.2} ms, p95 {p95:.2} ms, p99 {p99:.2} ms", times.len());
    }
    let growth = 100.0 * (after as f64 / before as f64 - 1.0);
    println!("{} links were cut; memory {before} -> {after} bytes ({growth:+.1} %)", lost.load(Relaxed));
    println!("longest upkeep of a worker: {} us", longest_upkeep(listening.admin.unwrap()));
    is_playing.store(false, Relaxed);
}

/// Every setting that concerns living links has another value each time, and one port of players another address.
fn configure(dir: &Path, round: u32) {
    let odd = round % 2;
    let host = ["127.0.0.1", "localhost"][odd as usize];
    let text = format!(
        "[gateway]\nclient-addr = [\"127.0.0.1:0\", \"{host}:0\"]\nserver-addr = \"127.0.0.1:0\"\nserver-auth-key = \"{KEY}\"\n\
         client-max-conn = {}\nclient-send-bytes = \"{}M\"\nclient-idle-timeout = {}\nserver-idle-timeout = {}\n\
         [admin]\naddr = \"127.0.0.1:0\"\n[limits]\nmax-bytes-per-second = \"{}M\"\nmax-dials-per-second = {}\n",
        16 + odd,
        8 + odd,
        600 + odd,
        600 + odd,
        1 + odd,
        10 + odd,
    );
    let path = dir.join("fastway.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

fn longest_upkeep(admin: SocketAddr) -> u64 {
    let mut http = Http::connect(admin);
    http.send("GET /api/stats", &[], b"");
    let stats: Value = http.receive(false).json();
    stats["load"].as_array().unwrap().iter().map(|worker| worker["longest_upkeep_us"].as_u64().unwrap()).max().unwrap()
}

/// Waits until so many players are there.
fn meet(mut stream: &TcpStream, players: u32) -> Vec<ConnId> {
    let (mut conns, mut frame) = (Vec::new(), Vec::new());
    while conns.len() < players as usize {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        frame.clear();
        frame.extend_from_slice(&length);
        frame.resize(4 + u32::from_le_bytes(length) as usize, 0);
        stream.read_exact(&mut frame[4..]).unwrap();
        let (read, _) = split_frame(&frame, MAX_PACKET).unwrap().unwrap();
        match Command::decode(read.payload()).unwrap() {
            Command::Connect { conn, .. } => conns.push(conn),
            Command::Ping => {}
            other => panic!("{other:?}"),
        }
    }
    conns
}

/// Sends each player in turn the time.
fn send(mut stream: TcpStream, conns: &[ConnId], began: Instant, is_playing: &AtomicBool) {
    let mut next = conns.iter().cycle();
    let (mut sent, mut output) = (0, Vec::new());
    while is_playing.load(Relaxed) {
        let due = u64::from(SENT_PER_SECOND) * u64::try_from(began.elapsed().as_millis()).unwrap() / 1000;
        for conn in next.by_ref().take(usize::try_from(due - sent).unwrap()) {
            let now = u64::try_from(began.elapsed().as_nanos()).unwrap();
            encode_data(*conn, &now.to_le_bytes(), &mut output).unwrap();
        }
        sent = due;
        stream.write_all(&output).unwrap();
        output.clear();
        thread::sleep(TICK);
    }
}

/// Takes the answers.
fn receive(mut stream: TcpStream, began: Instant, times: &Mutex<Vec<Duration>>) {
    let (mut input, mut chunk) = (Vec::new(), vec![0; 256 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        let now = began.elapsed();
        input.extend_from_slice(&chunk[..count]);
        let mut rest = &input[..];
        let mut times = times.lock().unwrap();
        while let Some((frame, after)) = split_frame(rest, MAX_PACKET).unwrap() {
            rest = after;
            if let Ok(sent) = frame.payload().try_into() {
                times.push(now - Duration::from_nanos(u64::from_le_bytes(sent)));
            }
        }
        let used = input.len() - rest.len();
        input.drain(..used);
    }
}

/// A player that sends everything back.
async fn echo(addr: SocketAddr, lost: Arc<AtomicUsize>) {
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&Command::Dial { remote: SERVER }.encode()).await.unwrap();
    let (mut input, mut chunk, mut output) = (Vec::new(), [0; 1024], Vec::new());
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        input.extend_from_slice(&chunk[..count]);
        let mut rest = &input[..];
        while let Some((frame, after)) = split_frame(rest, MAX_PACKET).unwrap() {
            rest = after;
            if !frame.conn().is_command() {
                encode_data(frame.conn(), frame.payload(), &mut output).unwrap();
            }
        }
        let used = input.len() - rest.len();
        input.drain(..used);
        if !output.is_empty() {
            stream.write_all(&output).await.unwrap();
            output.clear();
        }
    }
    lost.fetch_add(1, Relaxed);
}
