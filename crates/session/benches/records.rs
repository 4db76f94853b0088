//! What a record costs to seal and to open: `cargo bench -p fastway-session`. And what a handshake costs.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastway_session::{
    Backlog, Identity, KeyPair, LegacyConfig, Limits, Received, Reception, Request, Session, TransportId,
};

const SIZES: [usize; 3] = [64, 1024, 16_000];
/// Records between two looks at the clock.
const BATCH: usize = 32;
const LIMITS: Limits = Limits {
    handshake_time: Duration::from_secs(10),
    wait: Duration::from_secs(60),
    legacy: LegacyConfig { encrypt: true, replay_bytes: 32 << 10 },
};

/// An established session, of which one end sends.
struct Ends {
    sender: Session,
    receiver: Session,
    sent: Backlog,
    unacked: Backlog,
    transports: [TransportId; 2],
    now: Instant,
}

impl Ends {
    fn open(keys: &KeyPair) -> Self {
        let now = Instant::now();
        let mut sender = Session::secure(Identity::Pinned(keys.public()), LIMITS.wait, now);
        let dial = sender.connect(now, &mut rand::rng()).unwrap();
        let Some(Request::Open(open)) = Reception::default().receive(&dial.bytes).unwrap() else {
            panic!("not an open")
        };
        let (mut receiver, mut reply) = open.accept(Some(keys), &LIMITS, now, &mut rand::rng()).unwrap();
        let (mut sent, mut unacked) = (Backlog::new(4 << 20), Backlog::new(4 << 20));
        let _ = receive(&mut sender, dial.transport, &mut reply.bytes, now, &mut sent);
        let mut proof = Vec::new();
        sender.send(now, &mut sent, &mut proof, usize::MAX);
        let _ = receive(&mut receiver, reply.transport, &mut proof, now, &mut unacked);
        Self { sender, receiver, sent, unacked, transports: [dial.transport, reply.transport], now }
    }

    /// Seals records of so many bytes, one send each, and opens them; returns the time of both.
    fn carry(&mut self, bytes: &[u8]) -> (Duration, Duration) {
        let mut wires: Vec<Vec<u8>> = (0..BATCH).map(|_| Vec::with_capacity(bytes.len() + 64)).collect();
        let start = Instant::now();
        for wire in &mut wires {
            self.sent.push(bytes);
            self.sender.send(self.now, &mut self.sent, wire, usize::MAX);
        }
        let sealed = Instant::now();
        let [_, transport] = self.transports;
        for wire in &mut wires {
            let received = receive(&mut self.receiver, transport, wire, self.now, &mut self.unacked);
            assert_eq!(received.bytes, bytes.len());
        }
        let opened = Instant::now();
        self.acknowledge();
        (sealed - start, opened - sealed)
    }

    fn acknowledge(&mut self) {
        self.now += Duration::from_millis(100);
        let mut wire = Vec::new();
        self.receiver.send(self.now, &mut self.unacked, &mut wire, usize::MAX);
        let [transport, _] = self.transports;
        let _ = receive(&mut self.sender, transport, &mut wire, self.now, &mut self.sent);
    }
}

/// Receives whole messages.
fn receive(session: &mut Session, from: TransportId, wire: &mut [u8], now: Instant, unacked: &mut Backlog) -> Received {
    session.receive_read(from, wire, wire.len(), now, unacked)
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    for size in SIZES {
        let bytes = vec![7; size];
        let mut ends = Ends::open(&KeyPair::generate(&mut rand::rng()));
        group.throughput(Throughput::Bytes(size as u64));
        for (name, is_seal) in [("seal", true), ("open", false)] {
            group.bench_with_input(BenchmarkId::new(name, size), &bytes, |bencher, bytes| {
                bencher.iter_custom(|records| {
                    let batches = records.div_ceil(BATCH as u64);
                    let pick = |(seal, open): (Duration, Duration)| if is_seal { seal } else { open };
                    let total: Duration = (0..batches).map(|_| pick(ends.carry(bytes))).sum();
                    total.mul_f64(records as f64 / (batches * BATCH as u64) as f64)
                });
            });
        }
    }
}

fn handshakes(criterion: &mut Criterion) {
    let keys = KeyPair::generate(&mut rand::rng());
    criterion.bench_function("open, both ends", |bencher| bencher.iter(|| Ends::open(&keys)));
}

criterion_group!(benches, records, handshakes);
criterion_main!(benches);
