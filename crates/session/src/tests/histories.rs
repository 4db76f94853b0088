//! Random histories: cuts, delays, reordering and attackers at arbitrary points.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{LEGACY, Side, World};
use crate::{AbortReason, LegacyConfig};

/// What happens next. Numbers are reduced to what there is.
#[derive(Clone, Debug)]
enum Step {
    Write(bool, u16),
    Deliver {
        conn: u8,
        to_acceptor: bool,
        bytes: u16,
    },
    DeliverAll,
    Flush(u16),
    Connect,
    /// The same beside what is not answered.
    ConnectBeside,
    /// Connects anew; what was on its way by the older connection comes after the reply was made, and before the proof.
    Roam {
        late: u16,
    },
    Cut {
        conn: u8,
        noticed: bool,
    },
    Pass {
        millis: u16,
    },
    Close(bool),
    Abort(bool),
    /// Flips a bit of what is on its way.
    Flip {
        conn: u8,
        to_acceptor: bool,
        at: u16,
    },
    /// Sends a first message again that crossed the wire before, then rubbish.
    Replay {
        which: u8,
        rubbish: u8,
    },
    /// The same with a bit flipped.
    Forge {
        which: u8,
        bit: u16,
    },
    /// Puts a status in front of what is on its way to the initiator.
    Refuse {
        conn: u8,
        status: u8,
    },
}

fn network() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), 0..20_000u16).prop_map(|(side, bytes)| Step::Write(side, bytes)),
        3 => (any::<bool>(), 0..100u16).prop_map(|(side, bytes)| Step::Write(side, bytes)),
        10 => deliver(0..u16::MAX),
        6 => deliver(0..64),
        6 => Just(Step::DeliverAll),
        8 => any::<u16>().prop_map(Step::Flush),
        4 => Just(Step::Connect),
        4 => Just(Step::ConnectBeside),
        3 => (0..40_000u16).prop_map(|late| Step::Roam { late }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(conn, noticed)| Step::Cut { conn, noticed }),
        4 => (0..500u16).prop_map(|millis| Step::Pass { millis }),
        1 => (0..20_000u16).prop_map(|millis| Step::Pass { millis }),
    ]
}

fn deliver(bytes: std::ops::Range<u16>) -> impl Strategy<Value = Step> {
    let step = |(conn, to_acceptor, bytes)| Step::Deliver { conn, to_acceptor, bytes };
    (any::<u8>(), any::<bool>(), bytes).prop_map(step)
}

/// Somebody repeats and alters first messages that he has seen, but nothing that a transport carries then.
fn with_replays() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => network(),
        6 => any::<(u8, u8)>().prop_map(|(which, rubbish)| Step::Replay { which, rubbish }),
        1 => any::<(u8, u16)>().prop_map(|(which, bit)| Step::Forge { which, bit }),
    ]
}

fn with_ends() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => network(),
        1 => any::<bool>().prop_map(Step::Close),
    ]
}

fn hostile() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => with_ends(),
        1 => any::<bool>().prop_map(Step::Abort),
        3 => any::<(u8, bool, u16)>().prop_map(|(conn, to_acceptor, at)| Step::Flip { conn, to_acceptor, at }),
        6 => any::<(u8, u8)>().prop_map(|(which, rubbish)| Step::Replay { which, rubbish }),
        3 => any::<(u8, u16)>().prop_map(|(which, bit)| Step::Forge { which, bit }),
        2 => (any::<u8>(), 1..10u8).prop_map(|(conn, status)| Step::Refuse { conn, status }),
    ]
}

fn run(mut world: World, steps: &[Step]) {
    world.connect();
    for step in steps {
        world.step(step);
    }
    world.settle();
}

impl World {
    fn step(&mut self, step: &Step) {
        let side = |initiator: bool| if initiator { Side::Initiator } else { Side::Acceptor };
        match *step {
            Step::Write(initiator, bytes) => {
                if let Some(peer) = self.peer(side(initiator)) {
                    peer.write(bytes.into());
                }
            }
            Step::Deliver { conn, to_acceptor, bytes } => {
                let conn = self.one_of(conn);
                self.deliver(conn, side(!to_acceptor), bytes.into());
            }
            Step::DeliverAll => {
                self.flush(usize::MAX);
                for conn in 0..self.conns.len() {
                    self.deliver(conn, Side::Acceptor, usize::MAX);
                    self.deliver(conn, Side::Initiator, usize::MAX);
                }
            }
            Step::Flush(room) => self.flush(room.into()),
            Step::Connect => drop(self.connect()),
            Step::ConnectBeside => drop(self.connect_beside()),
            Step::Roam { late } => self.roam(late.into()),
            Step::Cut { conn, noticed } => {
                let conn = self.one_of(conn);
                self.cut(conn, noticed);
            }
            Step::Pass { millis } => self.pass(Duration::from_millis(millis.into())),
            Step::Close(initiator) => {
                if let Some(peer) = self.peer(side(initiator)) {
                    peer.session.close();
                }
            }
            Step::Abort(initiator) => {
                if let Some(peer) = self.peer(side(initiator)) {
                    peer.session.abort(AbortReason::Operator);
                    peer.collect_events();
                    self.aborted = true;
                }
            }
            Step::Flip { conn, to_acceptor, at } => self.flip(conn, to_acceptor, at),
            Step::Replay { which, rubbish } => {
                let mut bytes = self.recording(which);
                let conn = self.dial(None, std::mem::take(&mut bytes));
                self.deliver(conn, Side::Acceptor, usize::MAX);
                self.conns[conn].to_acceptor.extend(vec![rubbish; rubbish.into()]);
            }
            Step::Forge { which, bit } => {
                let mut bytes = self.recording(which);
                let at = usize::from(bit) % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
                let conn = self.dial(None, bytes);
                self.deliver(conn, Side::Acceptor, usize::MAX);
            }
            Step::Refuse { conn, status } => {
                let conn = self.one_of(conn);
                self.conns[conn].to_initiator.push_front(status);
                self.tampered_refusals += 1;
            }
        }
        self.flush(0);
    }

    fn one_of(&self, number: u8) -> usize {
        // Late ones are where something happens.
        self.conns.len() - 1 - usize::from(number) % self.conns.len().min(4)
    }

    fn recording(&self, number: u8) -> Vec<u8> {
        self.recorded[self.recorded.len() - 1 - usize::from(number) % self.recorded.len()].clone()
    }

    fn roam(&mut self, late: usize) {
        let older = self.conns.len() - 1;
        let Some(newer) = self.connect() else { return };
        self.deliver(newer, Side::Acceptor, usize::MAX);
        self.deliver(older, Side::Acceptor, late);
        self.flush(usize::MAX);
        self.deliver(newer, Side::Initiator, usize::MAX);
    }

    fn flip(&mut self, conn: u8, to_acceptor: bool, at: u16) {
        let conn = self.one_of(conn);
        let conn = &mut self.conns[conn];
        let queue = if to_acceptor { &mut conn.to_acceptor } else { &mut conn.to_initiator };
        if !queue.is_empty() {
            let at = usize::from(at) % (queue.len() * 8);
            queue[at / 8] ^= 1 << (at % 8);
            // It may hit the status of a reply.
            self.tampered_refusals += 1;
        }
    }
}

/// Handshakes take nearly all of the time; legacy sessions have cheap ones.
fn histories(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(histories(6_000))]

    #[test]
    fn a_secure_stream_survives_any_network(pinned: bool, steps in prop::collection::vec(with_ends(), 0..50)) {
        run(World::secure(pinned), &steps);
    }
}

proptest! {
    #![proptest_config(histories(4_000))]

    #[test]
    fn a_secure_stream_survives_any_attacker_on_the_wire(steps in prop::collection::vec(hostile(), 0..50)) {
        run(World::secure(true), &steps);
    }
}

proptest! {
    #![proptest_config(histories(10_000))]

    #[test]
    fn a_legacy_stream_survives_any_network(encrypt: bool, steps in prop::collection::vec(network(), 0..50)) {
        run(World::legacy(LegacyConfig { encrypt, ..LEGACY }), &steps);
    }

    #[test]
    fn a_legacy_stream_survives_whoever_repeats_first_messages(steps in prop::collection::vec(with_replays(), 0..50)) {
        run(World::legacy(LEGACY), &steps);
    }
}
