//! A peer that misbehaves, on a thread of its own beside the load.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastway_session::{Identity, Session};
use fastway_wire::{Command, ConnId, encode_data, split_frame};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use crate::load::{BlockingLink, Fault, GatewayAddrs, LinkName, server_id};

/// The number of the server that takes part in the misbehaviour; those of the load are far below.
const SERVER: u32 = 1 << 15;

/// The troublemaker does a little at a time, so that it takes no processor from those who are measured.
const STEP: Duration = Duration::from_millis(1);

/// How the peer misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A player reads nothing of the 32 MB that its server sends it each second. Closed, it comes again.
    StopsReading,
    /// A player sends 200,000 messages a second to a server that reads them.
    Floods,
    /// A player sends a kilobyte of random bytes, and comes again when it is thrown out; up to 1,000 times a second.
    Garbage,
    /// 2,000 attackers open secure sessions and prove nothing; each comes again when it is thrown out.
    Handshakes,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stops-reading" => Ok(Self::StopsReading),
            "floods" => Ok(Self::Floods),
            "garbage" => Ok(Self::Garbage),
            "handshakes" => Ok(Self::Handshakes),
            _ => Err("give stops-reading, floods, garbage or handshakes".to_owned()),
        }
    }
}

/// The running troublemaker.
#[derive(Debug)]
pub(super) struct Misbehaviour {
    stop: Arc<AtomicBool>,
    /// Bytes that it has sent.
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<(), Fault>>>,
}

impl Misbehaviour {
    /// Returns at once: whoever starts it has a schedule to keep.
    pub(super) fn start(kind: Kind, addrs: &GatewayAddrs, seed: u64) -> Result<Self, Fault> {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (addrs, stopped, count) = (addrs.clone(), Arc::clone(&stop), Arc::clone(&done));
        let thread = thread::Builder::new().name("misbehaviour".to_owned()).spawn(move || {
            let steps = Steps { stop: &stopped, done: &count, next: Instant::now() };
            match kind {
                Kind::StopsReading => stops_reading(Pair::open(&addrs)?, &addrs, steps),
                Kind::Floods => floods(Pair::open(&addrs)?, steps),
                Kind::Garbage => garbage(&addrs, seed, steps),
                Kind::Handshakes => handshakes(&addrs, steps)?,
            }
            Ok(())
        })?;
        Ok(Self { stop, done, thread: Some(thread) })
    }

    /// Ends it; gives the bytes that it has sent.
    pub(super) fn stop(mut self) -> Result<u64, Fault> {
        self.join()?;
        match self.done.load(Ordering::Relaxed) {
            0 => Err(Fault::Other("the peer that was to misbehave did nothing".to_owned())),
            done => Ok(done),
        }
    }

    fn join(&mut self) -> Result<(), Fault> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(Fault::Other("the peer that was to misbehave panicked".to_owned())),
        }
    }
}

impl Drop for Misbehaviour {
    fn drop(&mut self) {
        // What it has to say matters only to a run that came to its end.
        let _ = self.join();
    }
}

/// The steps of a troublemaker, at their times.
struct Steps<'a> {
    stop: &'a AtomicBool,
    done: &'a AtomicU64,
    next: Instant,
}

impl Steps<'_> {
    /// Waits for the next step; `false` when there is none.
    fn next(&mut self) -> bool {
        self.next += STEP;
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        // What was missed is not made up for.
        self.next = self.next.max(Instant::now() - STEP);
        !self.stop.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A player and a server with a connection between them, both on plain links and without blocking.
struct Pair {
    player: BlockingLink,
    server: BlockingLink,
    conn: ConnId,
}

impl Pair {
    fn open(addrs: &GatewayAddrs) -> Result<Self, Fault> {
        let name = LinkName::Server(SERVER);
        let server = BlockingLink::register(addrs.server, &addrs.key, server_id(SERVER));
        let mut server = server.map_err(|error| Fault::Open(name, error))?;
        let (player, conn) = dial(addrs).map_err(|error| Fault::Open(LinkName::Player(SERVER), error))?;
        server.hear().map_err(|error| Fault::Link(name, error))?;
        player.socket().set_nonblocking(true)?;
        server.socket().set_nonblocking(true)?;
        Ok(Self { player, server, conn })
    }
}

fn dial(addrs: &GatewayAddrs) -> std::io::Result<(BlockingLink, ConnId)> {
    let mut player = BlockingLink::connect(addrs.client)?;
    player.say(Command::Dial { remote: server_id(SERVER).get() })?;
    match player.hear()? {
        Command::Accept { conn, .. } => Ok((player, conn)),
        other => Err(std::io::Error::other(format!("the gateway answered a Dial by {other:?}"))),
    }
}

/// What a socket did not take yet, so that no frame is cut.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    sent: usize,
}

impl Waiting {
    /// Offers what waits; gives how much was taken, or `None` when the link is gone.
    fn offer(&mut self, mut socket: &TcpStream) -> Option<usize> {
        let taken = match socket.write(self.bytes.get(self.sent..).unwrap_or_default()) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return None,
        };
        self.sent += taken;
        Some(taken)
    }

    fn is_sent(&self) -> bool {
        self.sent == self.bytes.len()
    }

    fn refill(&mut self, conn: ConnId, payload: &[u8], frames: usize) {
        self.bytes.clear();
        self.sent = 0;
        for _ in 0..frames {
            // A payload of some kilobytes fits every frame.
            let _ = encode_data(conn, payload, &mut self.bytes);
        }
    }
}

fn stops_reading(mut pair: Pair, addrs: &GatewayAddrs, mut steps: Steps<'_>) {
    let mut waiting = Waiting::default();
    let mut heard = Vec::new();
    while steps.next() {
        if waiting.is_sent() {
            waiting.refill(pair.conn, &[7; 16 << 10], 2);
        }
        let Some(taken) = waiting.offer(pair.server.socket()) else { return };
        steps.count(taken);
        drain(pair.server.socket(), &mut heard);
        // The gateway tells the server when it has enough of the player: then another one comes.
        if is_closed(&mut heard, pair.conn) && waiting.is_sent() {
            let Ok((player, conn)) = dial(addrs) else { return };
            pair = Pair { player, conn, ..pair };
        }
    }
}

/// Whether a Close for `conn` is among what was heard. It stays there until the connection is another one, and what
/// belongs to older connections goes with it.
fn is_closed(heard: &mut Vec<u8>, conn: ConnId) -> bool {
    let mut rest = heard.as_slice();
    let mut closed = false;
    while let Ok(Some((frame, behind))) = split_frame(rest, u32::MAX) {
        closed |= Command::decode(frame.payload()) == Ok(Command::Close { conn });
        rest = behind;
    }
    // What is cut off is asked about again with its rest.
    let seen = heard.len() - rest.len();
    if !closed {
        heard.drain(..seen);
    }
    closed
}

fn floods(pair: Pair, mut steps: Steps<'_>) {
    let mut waiting = Waiting::default();
    let mut heard = Vec::new();
    while steps.next() {
        if waiting.is_sent() {
            waiting.refill(pair.conn, &[7; 64], 200);
        }
        let Some(taken) = waiting.offer(pair.player.socket()) else { return };
        steps.count(taken);
        drain(pair.server.socket(), &mut heard);
        heard.clear();
    }
}

/// Appends what is there to be read.
fn drain(mut socket: &TcpStream, heard: &mut Vec<u8>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = socket.read(&mut buffer) {
        heard.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

fn garbage(addrs: &GatewayAddrs, seed: u64, mut steps: Steps<'_>) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut bytes = [0; 1024];
    while steps.next() {
        random.fill_bytes(&mut bytes);
        let Ok(mut link) = BlockingLink::connect(addrs.client) else { continue };
        if link.send(&bytes).is_ok() {
            steps.count(bytes.len());
        }
    }
}

/// Attackers at once.
const ATTACKERS: usize = 2000;
/// So many of them come, or come again, in a step.
const ATTACKERS_A_STEP: usize = 20;

/// How long their sessions would wait, which nobody looks at.
const PATIENCE: Duration = Duration::from_mins(1);

/// All of them are looked at in turn; who was thrown out comes again.
fn handshakes(addrs: &GatewayAddrs, mut steps: Steps<'_>) -> Result<(), Fault> {
    let mut attackers = VecDeque::with_capacity(ATTACKERS);
    while steps.next() {
        for _ in 0..ATTACKERS_A_STEP {
            if attackers.len() < ATTACKERS {
                attackers.push_back(attack(addrs, &steps)?);
            } else if let Some(attacker) = attackers.pop_front().filter(|attacker| !is_gone(attacker)) {
                attackers.push_back(attacker);
            }
        }
    }
    Ok(())
}

/// A valid first message: the gateway has to work for its reply, if it can spare the time.
fn attack(addrs: &GatewayAddrs, steps: &Steps<'_>) -> Result<BlockingLink, Fault> {
    let name = LinkName::Player(SERVER);
    let mut attacker = BlockingLink::connect(addrs.client).map_err(|error| Fault::Open(name, error))?;
    let mut session = Session::secure(Identity::Anyone, PATIENCE, Instant::now());
    let hello = session.connect(Instant::now(), &mut rand::rng()).map_err(|fault| Fault::Other(fault.to_string()))?;
    // One that is thrown out at once comes again.
    if attacker.send(&hello.bytes).is_ok() {
        steps.count(hello.bytes.len());
    }
    attacker.socket().set_nonblocking(true)?;
    Ok(attacker)
}

fn is_gone(attacker: &BlockingLink) -> bool {
    let mut buffer = [0; 1024];
    match attacker.socket().read(&mut buffer) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}
