//! `session-transports.json`: transports of secure sessions, from the first byte on.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::tests::fixed::{Fixed, Hex};
use crate::tests::ledger;
use crate::tests::world::{LEGACY, limits};
use crate::{AbortReason, Backlog, Dial, Identity, KeyPair, Reception, Request, Session, TransportId};

const WAIT_SECONDS: u32 = 60;

#[derive(Serialize, Deserialize)]
pub(super) struct TransportVector {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_private: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_public: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumes: Option<Ticket>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator_received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acceptor_received: Option<u64>,
    initiator_ephemeral: Hex,
    acceptor_ephemeral: Hex,
    gives: Ticket,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<u32>,
    hello: Hex,
    reply: Hex,
    records: Vec<Record>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Ticket {
    session: Hex,
    secret: Hex,
}

#[derive(Serialize, Deserialize)]
struct Record {
    by: By,
    plaintext: Hex,
    wire: Hex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Initiator,
    Acceptor,
}

/// What is written, and by whom, on each transport; after the proof, which comes by itself.
enum Act {
    Write(By, &'static [u8]),
    Wait,
    Close(By),
    Abort(By, AbortReason),
}

/// Both ends, with everything that they draw known.
struct Ends {
    now: Instant,
    initiator: Session,
    acceptor: Option<Session>,
    backlogs: [Backlog; 2],
    transports: [Option<TransportId>; 2],
}

pub(super) fn vectors() -> Vec<TransportVector> {
    // They are made anew for each check, with the same keys.
    ledger::forget();
    ledger::keep_plaintexts();
    let mut vectors = Vec::new();
    for (pattern, name) in [(0, "NN"), (1, "NK")] {
        let mut ends = Ends::new(pattern);
        let opened = ends.open(&format!("open {name}"), pattern);
        let mut tickets = vec![opened.gives.clone()];
        vectors.push(opened);
        for attempt in 1..=2 {
            let resumed = ends.resume(&format!("open {name}, resume {attempt}"), attempt, &tickets);
            tickets.push(resumed.gives.clone());
            vectors.push(resumed);
        }
    }
    vectors
}

/// The file says how these transports go, byte by byte; it holds for each end apart.
pub(super) fn check(vector: &TransportVector) {
    let made = vectors().into_iter().find(|made| made.name == vector.name).unwrap();
    assert_eq!((&made.hello, &made.reply), (&vector.hello, &vector.reply), "{}", vector.name);
    assert!(vector.records.iter().any(|record| record.by == By::Initiator), "{}", vector.name);
    for (made, said) in made.records.iter().zip(&vector.records) {
        assert_eq!((made.by, &made.plaintext, &made.wire), (said.by, &said.plaintext, &said.wire), "{}", vector.name);
    }
    assert_eq!(made.records.len(), vector.records.len());
}

impl Ends {
    fn new(pattern: u8) -> Self {
        let now = Instant::now();
        let identity = if pattern == 1 { Identity::Pinned(gateway().public()) } else { Identity::Anyone };
        let initiator = Session::secure(identity, Duration::from_secs(60), now);
        let backlogs = [Backlog::new(1 << 16), Backlog::new(1 << 16)];
        Self { now, initiator, acceptor: None, backlogs, transports: [None; 2] }
    }

    fn open(&mut self, name: &str, pattern: u8) -> TransportVector {
        let drawn = Drawn::new(name);
        let dial = self.initiator.connect(self.now, &mut drawn.initiator()).unwrap();
        let Some(Request::Open(open)) = Reception::default().receive(&dial.bytes).unwrap() else { panic!("{name}") };
        let keys = gateway();
        let accepted = open.accept(Some(&keys), &limits(LEGACY), self.now, &mut drawn.acceptor());
        let (acceptor, reply) = accepted.unwrap();
        self.acceptor = Some(acceptor);
        let acts = [
            Act::Write(By::Initiator, b"Hello"),
            Act::Write(By::Acceptor, b"World"),
            Act::Write(By::Acceptor, b"!"),
            Act::Wait,
        ];
        let records = self.carry(&dial, &reply, &acts);
        let pinned = (pattern == 1).then_some(keys);
        TransportVector {
            pattern: Some(pattern),
            gateway_public: pinned.as_ref().map(|keys| Hex(keys.public().as_bytes().to_vec())),
            gateway_private: pinned.map(|keys| Hex(keys.private_bytes().to_vec())),
            wait: Some(WAIT_SECONDS),
            ..drawn.vector(dial, reply, records)
        }
    }

    fn resume(&mut self, name: &str, attempt: u32, tickets: &[Ticket]) -> TransportVector {
        let drawn = Drawn::new(name);
        // There is something to send, in the first flight as well.
        if !self.initiator.is_closed() {
            self.backlogs[0].push(b" again");
        }
        self.backlogs[1].push(b" and again");
        let initiator_received = self.initiator.received();
        let dial = self.initiator.connect(self.now, &mut drawn.initiator()).unwrap();
        let Some(Request::Resume(resume)) = Reception::default().receive(&dial.bytes).unwrap() else {
            panic!("{name}")
        };
        let acceptor = self.acceptor.as_mut().unwrap();
        let acceptor_received = acceptor.received();
        let backlog = &self.backlogs[1];
        let reply = acceptor.resume(&resume, || Some(backlog), self.now, &mut drawn.acceptor()).unwrap();
        let acts = match attempt {
            1 => vec![Act::Wait, Act::Close(By::Initiator), Act::Write(By::Acceptor, b"bye")],
            _ => vec![Act::Wait, Act::Abort(By::Acceptor, AbortReason::Shutdown)],
        };
        let records = self.carry(&dial, &reply, &acts);
        TransportVector {
            resumes: tickets.last().cloned(),
            attempt: Some(attempt),
            initiator_received: Some(initiator_received),
            acceptor_received: Some(acceptor_received),
            ..drawn.vector(dial, reply, records)
        }
    }

    /// Carries the reply and what follows, and notes the records.
    fn carry(&mut self, dial: &Dial, reply: &Dial, acts: &[Act]) -> Vec<Record> {
        self.transports = [Some(dial.transport), Some(reply.transport)];
        let mut records = Vec::new();
        let mut bytes = reply.bytes.clone();
        let reply_bytes = 3 + usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        note(&mut records, By::Acceptor, &bytes[reply_bytes..]);
        let _ = self.initiator.receive(dial.transport, &mut bytes, self.now, &mut self.backlogs[0]);
        self.exchange(&mut records);
        for act in acts {
            match *act {
                Act::Write(by, bytes) => drop(self.backlogs[by as usize].push(bytes)),
                Act::Wait => self.now += Duration::from_millis(100),
                Act::Close(by) => self.end(by).close(),
                Act::Abort(by, reason) => self.end(by).abort(reason),
            }
            self.exchange(&mut records);
        }
        records
    }

    fn end(&mut self, by: By) -> &mut Session {
        match by {
            By::Initiator => &mut self.initiator,
            By::Acceptor => self.acceptor.as_mut().unwrap(),
        }
    }

    fn exchange(&mut self, records: &mut Vec<Record>) {
        for by in [By::Initiator, By::Acceptor, By::Initiator, By::Acceptor] {
            let mut wire = Vec::new();
            let [initiators, acceptors] = &mut self.backlogs;
            let acceptor = self.acceptor.as_mut().unwrap();
            let (from, sent, to, unacked) = match by {
                By::Initiator => (&mut self.initiator, initiators, acceptor, acceptors),
                By::Acceptor => (acceptor, acceptors, &mut self.initiator, initiators),
            };
            from.send(self.now, sent, &mut wire, usize::MAX);
            note(records, by, &wire);
            if let Some(transport) = self.transports[1 - by as usize].filter(|_| !wire.is_empty()) {
                let received = to.receive(transport, &mut wire, self.now, unacked);
                assert!(received.fault.is_none() || to.end().is_some(), "{:?}", received.fault);
            }
        }
    }
}

fn note(records: &mut Vec<Record>, by: By, wire: &[u8]) {
    let mut rest = wire;
    while !rest.is_empty() {
        let (record, after) = rest.split_at(2 + usize::from(u16::from_le_bytes([rest[0], rest[1]])));
        rest = after;
        records.push(Record { by, plaintext: Hex(ledger::plaintext(record)), wire: Hex(record.to_vec()) });
    }
}

fn gateway() -> KeyPair {
    KeyPair::from_private(std::array::from_fn(|at| 0x60 + u8::try_from(at).unwrap()))
}

/// What both ends draw: told apart by the name of the vector.
struct Drawn {
    name: String,
    initiator: Vec<u8>,
    acceptor: Vec<u8>,
    id: Vec<u8>,
    secret: Vec<u8>,
}

impl Drawn {
    fn new(name: &str) -> Self {
        let salt = name.bytes().fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let bytes = |start: u8, count: u8| (0..count).map(|at| salt.wrapping_add(start).wrapping_add(at)).collect();
        Self {
            name: name.to_owned(),
            initiator: bytes(0, 32),
            acceptor: bytes(0x40, 32),
            id: bytes(0x80, 16),
            secret: bytes(0xa0, 32),
        }
    }

    fn initiator(&self) -> Fixed {
        Fixed::new(&[&self.initiator])
    }

    fn acceptor(&self) -> Fixed {
        Fixed::new(&[&self.acceptor, &self.id, &self.secret])
    }

    fn vector(&self, dial: Dial, reply: Dial, records: Vec<Record>) -> TransportVector {
        let reply_bytes = 3 + usize::from(u16::from_le_bytes([reply.bytes[1], reply.bytes[2]]));
        TransportVector {
            name: self.name.clone(),
            pattern: None,
            gateway_private: None,
            gateway_public: None,
            resumes: None,
            attempt: None,
            initiator_received: None,
            acceptor_received: None,
            initiator_ephemeral: Hex(self.initiator.clone()),
            acceptor_ephemeral: Hex(self.acceptor.clone()),
            gives: Ticket { session: Hex(self.id.clone()), secret: Hex(self.secret.clone()) },
            wait: None,
            hello: Hex(dial.bytes),
            reply: Hex(reply.bytes[..reply_bytes].to_vec()),
            records,
        }
    }
}
