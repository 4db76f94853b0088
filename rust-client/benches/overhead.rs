//! CPU time per message of the SDK, against loops written by hand over `fastway-wire`, in the same run.
//!
//! The side under test has a thread and a single-threaded runtime of its own, whose CPU clock is read; the other end of
//! the TCP connection is a plain thread. Each figure is the median of several rounds, which take turns.
//!
//! ```text
//! cargo bench -p fastway-client --bench overhead
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss, reason = "a benchmark stops at once")]

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use bytes::{Buf, BytesMut};
use fastway_client::{Bytes, Client, ClientConfig, Connection, ServerId};
use fastway_wire::{Command, ConnId, HEADER_BYTES, encode_data, split_frame};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONN: ConnId = ConnId::new(1);
const MAX_PACKET: u32 = 512 << 10;
const BATCH_BYTES: usize = 64 << 10;
const ROUNDS: usize = 9;
const ROUND_BYTES: usize = 24 << 20;
const MOST_MESSAGES: usize = 500_000;
/// What the SDK may cost, as a multiple of the hand-written loop.
const ALLOWED: f64 = 1.5;
/// Bytes in a row that are judged: half of what may wait for the socket. Beyond, sending is waiting.
const BURST_AT_MOST: usize = 128 << 10;
/// Messages in a row up to which a call for each is judged; who has more of them at a time takes batches.
const EACH_AT_MOST: usize = 8;

fn main() -> ExitCode {
    println!("{:>26} {:>8} {:>12} {:>12} {:>7}", "", "bytes", "by hand", "SDK", "ratio");
    let mut judged = Vec::new();
    for size in [16, 64, 256, 1024, 16 << 10] {
        for burst in [1, 8, 64] {
            let (run, name) = (Run::echo(size, burst), |how| format!("echo, {burst} in a row, {how}"));
            let batches = compare(&name("batches"), run, echo_by_hand, echo_batches_with_sdk);
            let each = compare(&name("each"), run, echo_bytes_by_hand, echo_with_sdk);
            if size * burst <= BURST_AT_MOST {
                judged.push(batches);
                // Beyond, the lock of each `send` shows, which a loop without a queue does not have.
                judged.extend((burst <= EACH_AT_MOST).then_some(each));
            }
        }
        // Floods show the bare cost of a queue, which a loop without one does not have: they are for comparison.
        compare("flood in, Bytes", Run::flood(size), receive_bytes_by_hand, receive_with_sdk);
        compare("flood in, in place", Run::flood(size), receive_by_hand, receive_in_place_with_sdk);
        compare("flood in, batches", Run::flood(size), receive_by_hand, receive_batches_with_sdk);
        compare("flood out", Run::flood(size), send_by_hand, send_with_sdk);
        compare("flood out, batches", Run::flood(size), send_by_hand, send_batches_with_sdk);
    }
    let worst = judged.into_iter().fold(0.0, f64::max);
    println!(
        "echoes in batches, and each by itself up to {EACH_AT_MOST} in a row, cost at most {worst:.2} times the loop by \
         hand; {ALLOWED} is allowed"
    );
    if worst <= ALLOWED { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs both in turns; prints nanoseconds of CPU per message, and gives their ratio.
///
/// The ratio is the median of those of the rounds: the two halves of a round see the same machine, rounds may not.
fn compare(what: &str, run: Run, by_hand: fn(Run) -> u64, sdk: fn(Run) -> u64) -> f64 {
    let rounds: Vec<(u64, u64)> = (0..ROUNDS).map(|_| (on_own_thread(run, by_hand), on_own_thread(run, sdk))).collect();
    let per_message = |nanos: u64| nanos as f64 / run.count as f64;
    let hand = median(rounds.iter().map(|&(hand, _)| per_message(hand)));
    let with_sdk = median(rounds.iter().map(|&(_, sdk)| per_message(sdk)));
    let ratio = median(rounds.iter().map(|&(hand, sdk)| sdk as f64 / hand as f64));
    println!("{what:>26} {:>8} {hand:>9.1} ns {with_sdk:>9.1} ns {ratio:>7.2}", run.size);
    ratio
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn on_own_thread(run: Run, measure: fn(Run) -> u64) -> u64 {
    thread::spawn(move || measure(run)).join().expect("a round does not fail")
}

/// How much one round moves.
#[derive(Clone, Copy)]
struct Run {
    size: usize,
    count: usize,
    burst: usize,
}

impl Run {
    /// As many messages as the socket takes.
    fn flood(size: usize) -> Self {
        Self { size, count: (ROUND_BYTES / size).min(MOST_MESSAGES), burst: 0 }
    }

    /// The peer sends a burst, and the next one when all of it has come back.
    fn echo(size: usize, burst: usize) -> Self {
        Self { size, count: 2000 * burst, burst }
    }
}

fn cpu_nanos() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).expect("CPU time is not negative")
}

/// Runs `work` where an application has its connections: in a task.
fn block_on<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move { tokio::spawn(work).await.unwrap() })
}

/// A connection to a thread that first reads a dial and says yes, then does `play`.
fn peer(play: impl FnOnce(TcpStream) + Send + 'static) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.read_exact(&mut vec![0; Command::Dial { remote: 7 }.encode().len()]).unwrap();
        stream.write_all(&Command::Accept { conn: CONN, remote: 7 }.encode()).unwrap();
        play(stream);
    });
    addr
}

/// A peer that sends the messages of a run in large writes.
fn sending_peer(run: Run) -> std::net::SocketAddr {
    peer(move |mut stream| {
        let mut batch = Vec::new();
        let per_batch = (BATCH_BYTES / run.size).max(1).min(run.count);
        (0..per_batch).for_each(|_| encode_data(CONN, &vec![7; run.size], &mut batch).unwrap());
        let (mut left, frame) = (run.count, batch.len() / per_batch);
        while left > 0 {
            let now = left.min(per_batch);
            stream.write_all(batch.get(..now * frame).unwrap()).unwrap();
            left -= now;
        }
        // Until the other end has read all of it.
        let _ = stream.read(&mut [0]);
    })
}

/// A peer that sends bursts, and reads their echoes.
fn bursting_peer(run: Run) -> std::net::SocketAddr {
    peer(move |mut stream| {
        let mut burst = Vec::new();
        (0..run.burst).for_each(|_| encode_data(CONN, &vec![7; run.size], &mut burst).unwrap());
        let mut back = vec![0; burst.len()];
        for _ in 0..run.count / run.burst {
            stream.write_all(&burst).unwrap();
            stream.read_exact(&mut back).unwrap();
        }
        let _ = stream.read(&mut [0]);
    })
}

/// A peer that reads until the end, or until it has the bytes of a run.
fn reading_peer(run: Run) -> std::net::SocketAddr {
    peer(move |mut stream| {
        let (mut space, mut left) = (vec![0; 256 << 10], run.count * (run.size + 8));
        while left > 0 {
            left -= stream.read(&mut space).unwrap();
        }
        stream.write_all(&Command::Close { conn: CONN }.encode()).unwrap();
        let _ = stream.read(&mut [0]);
    })
}

async fn dialed_by_hand(addr: std::net::SocketAddr) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&Command::Dial { remote: 7 }.encode()).await.unwrap();
    stream.read_exact(&mut [0; Command::MAX_FRAME_BYTES]).await.unwrap();
    stream
}

async fn dialed_with_sdk(addr: std::net::SocketAddr) -> (Client, Connection<ServerId>) {
    let mut config = ClientConfig::default();
    config.link.read_block_bytes = BATCH_BYTES;
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let client = Client::over(stream, config).unwrap();
    let connection = client.dial(ServerId::new(7)).await.unwrap();
    (client, connection)
}

fn receive_by_hand(run: Run) -> u64 {
    let addr = sending_peer(run);
    block_on(async move {
        let mut stream = dialed_by_hand(addr).await;
        let (start, mut left) = (cpu_nanos(), run.count);
        let mut input = Vec::with_capacity(BATCH_BYTES);
        while left > 0 {
            assert!(stream.read_buf(&mut input).await.unwrap() > 0);
            let mut rest = input.as_slice();
            while let Some((frame, after)) = split_frame(rest, MAX_PACKET).unwrap() {
                black_box((frame.conn(), frame.payload()));
                rest = after;
                left -= 1;
            }
            let taken = input.len() - rest.len();
            input.drain(..taken);
        }
        cpu_nanos() - start
    })
}

fn receive_bytes_by_hand(run: Run) -> u64 {
    let addr = sending_peer(run);
    block_on(async move {
        let mut stream = dialed_by_hand(addr).await;
        let (start, mut left) = (cpu_nanos(), run.count);
        let mut input = BytesMut::with_capacity(BATCH_BYTES);
        while left > 0 {
            input.reserve(BATCH_BYTES / 4);
            assert!(stream.read_buf(&mut input).await.unwrap() > 0);
            while let Some((frame, _)) = split_frame(&input, MAX_PACKET).unwrap() {
                let bytes = frame.as_bytes().len();
                let mut message = input.split_to(bytes).freeze();
                message.advance(HEADER_BYTES);
                black_box(message);
                left -= 1;
            }
        }
        cpu_nanos() - start
    })
}

fn receive_in_place_with_sdk(run: Run) -> u64 {
    let addr = sending_peer(run);
    block_on(async move {
        let (_client, mut connection) = dialed_with_sdk(addr).await;
        let start = cpu_nanos();
        for _ in 0..run.count {
            black_box(connection.recv_ref().await.unwrap());
        }
        cpu_nanos() - start
    })
}

fn echo_by_hand(run: Run) -> u64 {
    let addr = bursting_peer(run);
    block_on(async move {
        let mut stream = dialed_by_hand(addr).await;
        let (start, mut left) = (cpu_nanos(), run.count);
        let (mut input, mut output) = (Vec::with_capacity(BATCH_BYTES), Vec::with_capacity(BATCH_BYTES));
        while left > 0 {
            assert!(stream.read_buf(&mut input).await.unwrap() > 0);
            let mut rest = input.as_slice();
            while let Some((frame, after)) = split_frame(rest, MAX_PACKET).unwrap() {
                encode_data(frame.conn(), frame.payload(), &mut output).unwrap();
                rest = after;
                left -= 1;
            }
            let taken = input.len() - rest.len();
            input.drain(..taken);
            stream.write_all(&output).await.unwrap();
            output.clear();
        }
        cpu_nanos() - start
    })
}

fn echo_with_sdk(run: Run) -> u64 {
    let addr = bursting_peer(run);
    block_on(async move {
        let (_client, mut connection) = dialed_with_sdk(addr).await;
        let start = cpu_nanos();
        for _ in 0..run.count {
            let message = connection.recv().await.unwrap();
            connection.send(message).await.unwrap();
        }
        connection.flush().await.unwrap();
        cpu_nanos() - start
    })
}

fn echo_bytes_by_hand(run: Run) -> u64 {
    let addr = bursting_peer(run);
    block_on(async move {
        let mut stream = dialed_by_hand(addr).await;
        let (start, mut left) = (cpu_nanos(), run.count);
        let (mut input, mut output) = (BytesMut::with_capacity(BATCH_BYTES), Vec::with_capacity(BATCH_BYTES));
        while left > 0 {
            input.reserve(BATCH_BYTES / 4);
            assert!(stream.read_buf(&mut input).await.unwrap() > 0);
            while let Some((frame, _)) = split_frame(&input, MAX_PACKET).unwrap() {
                let (conn, bytes) = (frame.conn(), frame.as_bytes().len());
                let mut message = input.split_to(bytes).freeze();
                message.advance(HEADER_BYTES);
                encode_data(conn, &message, &mut output).unwrap();
                left -= 1;
            }
            stream.write_all(&output).await.unwrap();
            output.clear();
        }
        cpu_nanos() - start
    })
}

fn echo_batches_with_sdk(run: Run) -> u64 {
    let addr = bursting_peer(run);
    block_on(async move {
        let (_client, connection) = dialed_with_sdk(addr).await;
        let (sending, mut receiving) = connection.split();
        let start = cpu_nanos();
        let mut left = run.count;
        while left > 0 {
            let batch = receiving.recv_batch().await.unwrap();
            left -= batch.clone().count();
            sending.send_batch(batch).await.unwrap();
        }
        sending.flush().await.unwrap();
        cpu_nanos() - start
    })
}

fn receive_with_sdk(run: Run) -> u64 {
    let addr = sending_peer(run);
    block_on(async move {
        let (_client, mut connection) = dialed_with_sdk(addr).await;
        let start = cpu_nanos();
        for _ in 0..run.count {
            black_box(connection.recv().await.unwrap());
        }
        cpu_nanos() - start
    })
}

fn receive_batches_with_sdk(run: Run) -> u64 {
    let addr = sending_peer(run);
    block_on(async move {
        let (_client, mut connection) = dialed_with_sdk(addr).await;
        let (start, mut left) = (cpu_nanos(), run.count);
        while left > 0 {
            left -= connection.recv_batch().await.unwrap().map(black_box).count();
        }
        cpu_nanos() - start
    })
}

fn send_by_hand(run: Run) -> u64 {
    let addr = reading_peer(run);
    block_on(async move {
        let mut stream = dialed_by_hand(addr).await;
        let (start, message) = (cpu_nanos(), Bytes::from(vec![7; run.size]));
        let mut output = Vec::with_capacity(BATCH_BYTES + run.size);
        for _ in 0..run.count {
            encode_data(CONN, black_box(&message), &mut output).unwrap();
            if output.len() >= BATCH_BYTES {
                stream.write_all(&output).await.unwrap();
                output.clear();
            }
        }
        stream.write_all(&output).await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        cpu_nanos() - start
    })
}

fn send_with_sdk(run: Run) -> u64 {
    let addr = reading_peer(run);
    block_on(async move {
        let (_client, connection) = dialed_with_sdk(addr).await;
        let (start, message) = (cpu_nanos(), Bytes::from(vec![7; run.size]));
        for _ in 0..run.count {
            connection.send_slice(black_box(&message)).await.unwrap();
        }
        connection.closed().await;
        cpu_nanos() - start
    })
}

fn send_batches_with_sdk(run: Run) -> u64 {
    let addr = reading_peer(run);
    block_on(async move {
        let (_client, connection) = dialed_with_sdk(addr).await;
        let (start, message) = (cpu_nanos(), Bytes::from(vec![7; run.size]));
        connection.send_batch(std::iter::repeat_n(black_box(&*message), run.count)).await.unwrap();
        connection.closed().await;
        cpu_nanos() - start
    })
}
