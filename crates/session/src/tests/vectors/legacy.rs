//! `session-legacy.json`: transports of legacy sessions, from the first byte on.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::tests::fixed::{Fixed, Hex};
use crate::tests::world::limits;
use crate::{Backlog, Dial, LegacyConfig, Reception, Request, Session};

const INITIATOR_PRIVATE: u64 = 0x0102_0304_0506_0708;
const ACCEPTOR_PRIVATE: u64 = 0x1112_1314_1516_1718;
const SESSION: u64 = 0x2122_2324_2526_2728;
const CHALLENGES: [u64; 2] = [0x3132_3334_3536_3738, 0x4142_4344_4546_4748];

#[derive(Serialize, Deserialize)]
pub(super) struct LegacyVector {
    name: String,
    encrypt: bool,
    initiator_private: Hex,
    acceptor_private: Hex,
    session: Hex,
    challenge: Hex,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acceptor_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acceptor_read: Option<u64>,
    hello: Hex,
    reply: Hex,
    /// Proof, then the stream.
    initiator_sends: Hex,
    acceptor_sends: Hex,
    /// What each end's user reads of that.
    acceptor_reads: Hex,
    initiator_reads: Hex,
}

struct Ends {
    now: Instant,
    encrypt: bool,
    initiator: Session,
    acceptor: Option<Session>,
    backlogs: [Backlog; 2],
    /// Bytes of each end's stream that were written.
    written: [u64; 2],
}

pub(super) fn vectors() -> Vec<LegacyVector> {
    let mut vectors = Vec::new();
    for (encrypt, name) in [(true, "encrypted"), (false, "not encrypted")] {
        let mut ends = Ends::new(encrypt);
        vectors.push(ends.open(&format!("new, {name}")));
        vectors.push(ends.reconnect(&format!("reconnect, {name}")));
    }
    vectors
}

pub(super) fn check(vector: &LegacyVector) {
    let made = vectors().into_iter().find(|made| made.name == vector.name).unwrap();
    let handshake = |v: &LegacyVector| (v.hello.clone(), v.reply.clone(), v.session.clone(), v.challenge.clone());
    assert_eq!(handshake(&made), handshake(vector), "{}", vector.name);
    let sent = |v: &LegacyVector| (v.initiator_sends.clone(), v.acceptor_sends.clone());
    assert_eq!(sent(&made), sent(vector), "{}", vector.name);
    let read = |v: &LegacyVector| (v.initiator_reads.clone(), v.acceptor_reads.clone());
    assert_eq!(read(&made), read(vector), "{}", vector.name);
}

impl Ends {
    fn new(encrypt: bool) -> Self {
        let now = Instant::now();
        let initiator = Session::legacy(config(encrypt), Duration::from_secs(60), now);
        let backlogs = [Backlog::new(1 << 16), Backlog::new(1 << 16)];
        Self { now, encrypt, initiator, acceptor: None, backlogs, written: [0; 2] }
    }

    fn open(&mut self, name: &str) -> LegacyVector {
        let mut drawn = Fixed::new(&[&INITIATOR_PRIVATE.to_le_bytes()]);
        let dial = self.initiator.connect(self.now, &mut drawn).unwrap();
        let Some(Request::Open(open)) = Reception::default().receive(&dial.bytes).unwrap() else { panic!("{name}") };
        let drawn = [ACCEPTOR_PRIVATE, SESSION, CHALLENGES[0]].map(u64::to_le_bytes).concat();
        let limits = limits(config(self.encrypt));
        let (acceptor, reply) = open.accept(None, &limits, self.now, &mut Fixed::new(&[&drawn])).unwrap();
        self.acceptor = Some(acceptor);
        self.carry(name, CHALLENGES[0], dial, reply, [b"Hello", b"World"])
    }

    /// A byte of each direction was lost with the older transport.
    fn reconnect(&mut self, name: &str) -> LegacyVector {
        for (end, lost) in [(0, b"<"), (1, b">")] {
            self.backlogs[end].push(lost);
            self.written[end] += 1;
            let session = if end == 0 { &mut self.initiator } else { self.acceptor.as_mut().unwrap() };
            session.send(self.now, &mut self.backlogs[end], &mut Vec::new(), usize::MAX);
        }
        let [initiator_written, acceptor_written] = self.written.map(Some);
        let dial = self.initiator.connect(self.now, &mut Fixed::new(&[])).unwrap();
        let Some(Request::Resume(resume)) = Reception::default().receive(&dial.bytes).unwrap() else {
            panic!("{name}")
        };
        let acceptor = self.acceptor.as_mut().unwrap();
        let (initiator_read, acceptor_read) = (Some(self.initiator.received()), Some(acceptor.received()));
        let drawn = CHALLENGES[1].to_le_bytes();
        let reply = acceptor.resume(&resume, || Some(&self.backlogs[1]), self.now, &mut Fixed::new(&[&drawn])).unwrap();
        let carried = self.carry(name, CHALLENGES[1], dial, reply, [b"again", b"there"]);
        LegacyVector { initiator_written, initiator_read, acceptor_written, acceptor_read, ..carried }
    }

    fn carry(&mut self, name: &str, challenge: u64, dial: Dial, reply: Dial, said: [&[u8]; 2]) -> LegacyVector {
        let now = self.now;
        let [initiators, acceptors] = &mut self.backlogs;
        let acceptor = self.acceptor.as_mut().unwrap();
        initiators.push(said[0]);
        acceptors.push(said[1]);
        self.written = [self.written[0] + said[0].len() as u64, self.written[1] + said[1].len() as u64];

        let _ = self.initiator.receive(dial.transport, &mut reply.bytes.clone(), now, initiators);
        let (mut initiator_sends, mut acceptor_sends) = (Vec::new(), Vec::new());
        self.initiator.send(now, initiators, &mut initiator_sends, usize::MAX);
        let mut at_acceptor = initiator_sends.clone();
        let received = acceptor.receive(reply.transport, &mut at_acceptor, now, acceptors);
        at_acceptor.truncate(received.bytes);
        acceptor.send(now, acceptors, &mut acceptor_sends, usize::MAX);
        let mut at_initiator = acceptor_sends.clone();
        let received = self.initiator.receive(dial.transport, &mut at_initiator, now, initiators);
        at_initiator.truncate(received.bytes);

        LegacyVector {
            name: name.to_owned(),
            encrypt: self.encrypt,
            initiator_private: number(INITIATOR_PRIVATE),
            acceptor_private: number(ACCEPTOR_PRIVATE),
            session: number(SESSION),
            challenge: number(challenge),
            initiator_written: None,
            initiator_read: None,
            acceptor_written: None,
            acceptor_read: None,
            hello: Hex(dial.bytes),
            reply: Hex(reply.bytes),
            initiator_sends: Hex(initiator_sends),
            acceptor_sends: Hex(acceptor_sends),
            acceptor_reads: Hex(at_acceptor),
            initiator_reads: Hex(at_initiator),
        }
    }
}

fn config(encrypt: bool) -> LegacyConfig {
    LegacyConfig { encrypt, replay_bytes: 1000 }
}

/// As on the wire, little-endian.
fn number(number: u64) -> Hex {
    Hex(number.to_le_bytes().to_vec())
}
