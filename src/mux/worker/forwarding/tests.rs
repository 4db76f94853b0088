//! Two workers whose links have streams in memory: what is routed, and who waits for whom.

use std::sync::Arc;
use std::time::Instant;

use fastway_transport::Stream;
use fastway_wire::ServerId;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::mux::accept::admission::{Admission, Permit};
use crate::mux::link::{Link, LinkStream, ReadPause};
use crate::mux::pool::{Pool, PoolConfig};
use crate::mux::worker::mail::Message;

const ME: WorkerId = WorkerId::new(0);
const OTHER: WorkerId = WorkerId::new(1);
/// Packets that may wait for a server.
const MOST_PACKETS: usize = 4;

/// A worker of two: its links have streams in memory, which nobody reads.
struct Worker {
    me: WorkerId,
    forwarding: Forwarding,
    links: Links,
    clock: TurnClock,
}

/// Two workers that share a registry, and the mail of both.
struct Workers {
    one: Worker,
    other: Worker,
    mail: Vec<UnboundedReceiver<Message>>,
    registry: Arc<Registry>,
    admission: Arc<Admission>,
}

/// Bytes that are on their way between workers are counted by loom's atomics in tests.
fn with_workers(test: impl Fn(Workers) + Send + Sync + 'static) {
    loom::model(move || {
        let mut settings = Settings::default();
        settings.server.send_queue_packets = MOST_PACKETS;
        let (mailboxes, mail) = Mailboxes::new(2);
        let registry = Arc::<Registry>::default();
        let worker = |me| Worker {
            me,
            forwarding: Forwarding::new(me, 512 << 10, &settings, Arc::clone(&registry), mailboxes.clone()),
            links: Links::new(&settings, Pool::new(&PoolConfig::default())),
            clock: TurnClock::new(Instant::now()),
        };
        let (one, other) = (worker(ME), worker(OTHER));
        let admission = Admission::new(&settings.limits, 2);
        test(Workers { one, other, mail, registry, admission });
    });
}

impl Workers {
    fn client(&mut self) -> LinkAddr {
        let permit = self.admission.reserve(Some(ME));
        self.one.add(Role::Client, permit)
    }

    /// A server on the first worker, or on the other one.
    fn server(&mut self, id: u32, here: bool) -> LinkAddr {
        let id = ServerId::new(id);
        let worker = if here { &mut self.one } else { &mut self.other };
        let permit = self.admission.reserve(Some(worker.me));
        let addr = worker.add(Role::Server(id), permit);
        self.registry.claim_server(id, addr).unwrap();
        addr
    }

    /// Has the other worker take what was posted to it.
    fn deliver(&mut self) {
        self.one.forwarding.post();
        while let Ok(message) = self.mail[OTHER.index()].try_recv() {
            let Message::Batch { from, batch } = message else { panic!("{message:?}") };
            let Worker { forwarding, links, clock, .. } = &mut self.other;
            forwarding.unpack(links, from, batch, clock);
        }
    }

    fn next_mail(&mut self) -> Option<Message> {
        self.mail[ME.index()].try_recv().ok()
    }
}

impl Worker {
    fn add(&mut self, role: Role, permit: Permit) -> LinkAddr {
        let addr = self.forwarding.join(self.links.next_slot(), role);
        let [stream, _peer] = Stream::pair_in_memory(1 << 20);
        let peer = ([192, 0, 2, 1], 1).into();
        self.links.insert(Link::new(addr, role, peer, LinkStream::Plain(stream), permit, self.clock.millis()));
        addr
    }

    /// Routes what a link has sent.
    fn route(&mut self, from: LinkAddr, input: &[u8]) -> (Routed, Result<(), CloseReason>) {
        let link = self.links.at(from).unwrap();
        let (side, has_partial) = (link.role.side(), !link.inbox.is_empty());
        let from = Sender { slot: from.slot, side, has_partial, second: 0, clock: &self.clock };
        let mut routed = Routed::default();
        let outcome = self.forwarding.route(&mut self.links, from, input, &mut routed);
        (routed, outcome)
    }

    /// Dials a server, and says by which connection it is reached.
    fn dial(&mut self, client: LinkAddr, server: u32) -> ConnId {
        let (routed, outcome) = self.route(client, &Command::Dial { remote: server }.encode());
        assert!(outcome.is_ok() && routed.frames == 1);
        let answer = self.outbox(client);
        let (frame, _) = split_frame(&answer, 100).unwrap().unwrap();
        let Command::Accept { conn, .. } = Command::decode(frame.payload()).unwrap() else { panic!("{answer:?}") };
        conn
    }

    /// What waits for a link.
    fn outbox(&self, link: LinkAddr) -> Vec<u8> {
        let outbox = &self.links.at(link).unwrap().outbox;
        let mut slices = [std::io::IoSlice::new(&[]); 64];
        let count = outbox.gather(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn is_paused(&self, link: LinkAddr) -> bool {
        self.links.at(link).unwrap().pause.contains(ReadPause::BACKPRESSURE)
    }
}

fn frame(conn: ConnId, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len() + 4).unwrap();
    [&len.to_le_bytes()[..], &conn.get().to_le_bytes(), payload].concat()
}

#[test]
fn a_frame_reaches_the_outbox_of_its_peer_however_it_is_cut() {
    with_workers(|mut workers| {
        let (client, server) = (workers.client(), workers.server(7, true));
        let conn = workers.one.dial(client, 7);
        let before = workers.one.outbox(server).len();
        let sent = [frame(conn, b"one"), frame(conn, &[2; 300]), frame(conn, b"three")].concat();
        for cut in [1, 6, 11, 12, 200, sent.len() - 1] {
            let (first, second) = sent.split_at(cut);
            let (a, b) = (workers.one.route(client, first), workers.one.route(client, second));
            assert!(a.1.is_ok() && b.1.is_ok());
            assert_eq!((a.0.frames + b.0.frames, a.0.forwarded + b.0.forwarded), (3, 3), "cut at {cut}");
        }
        assert_eq!(workers.one.outbox(server)[before..], sent.repeat(6));
    });
}

#[test]
fn what_was_routed_before_a_bad_frame_is_forwarded_and_the_link_is_to_be_closed() {
    with_workers(|mut workers| {
        let (client, server) = (workers.client(), workers.server(7, true));
        let conn = workers.one.dial(client, 7);
        let before = workers.one.outbox(server).len();
        let (routed, outcome) = workers.one.route(client, &[frame(conn, b"good"), vec![0; 8]].concat());
        assert!(outcome.is_err());
        assert_eq!((routed.frames, workers.one.outbox(server).len() - before), (1, frame(conn, b"good").len()));
    });
}

#[test]
fn route_returns_the_server_that_has_no_room_and_its_sender_waits_for_that() {
    with_workers(|mut workers| {
        let (client, server) = (workers.client(), workers.server(7, true));
        let conn = workers.one.dial(client, 7);
        let key = Bottleneck::Server(server);
        let mut pressure = None;
        for packets in 1..=MOST_PACKETS {
            assert_eq!(pressure, None, "{packets} packets, the Connect among them");
            pressure = workers.one.route(client, &frame(conn, b"x")).0.pressure;
        }
        assert_eq!(pressure, Some(key));

        let Worker { forwarding, links, clock, .. } = &mut workers.one;
        assert!(forwarding.feeds_something_congested(client.slot));
        assert!(forwarding.pause(links, client, key, clock));
        assert!(workers.one.is_paused(client));

        let Worker { forwarding, links, clock, .. } = &mut workers.one;
        forwarding.uncongest_server(links, server);
        assert!(forwarding.any_to_resume() && !forwarding.pause(links, client, key, clock), "there is room by now");
        forwarding.resume_readers(links, clock);
        assert!(!workers.one.is_paused(client));
    });
}

#[test]
fn frames_for_a_server_of_another_worker_travel_in_a_batch_behind_its_connect() {
    with_workers(|mut workers| {
        let (client, server) = (workers.client(), workers.server(7, false));
        let conn = workers.one.dial(client, 7);
        let (routed, _) = workers.one.route(client, &frame(conn, b"hello"));
        assert_eq!((routed.forwarded, routed.pressure), (1, None));
        workers.deliver();
        let received = workers.other.outbox(server);
        let (connect, rest) = split_frame(&received, 100).unwrap().unwrap();
        assert!(
            matches!(Command::decode(connect.payload()), Ok(Command::Connect { conn: named, .. }) if named == conn)
        );
        assert_eq!(rest, frame(conn, b"hello"));
    });
}

#[test]
fn a_worker_is_told_that_a_server_of_another_one_is_congested_and_that_it_has_room() {
    with_workers(|mut workers| {
        let (client, server) = (workers.client(), workers.server(7, false));
        let conn = workers.one.dial(client, 7);
        for _ in 0..MOST_PACKETS {
            workers.one.route(client, &frame(conn, b"x")).1.unwrap();
        }
        workers.deliver();
        assert!(matches!(workers.next_mail(), Some(Message::Congested(told)) if told == server));
        assert!(workers.next_mail().is_none(), "once");

        workers.one.forwarding.congest(Bottleneck::Server(server));
        let pressure = workers.one.route(client, &frame(conn, b"x")).0.pressure;
        assert_eq!(pressure, Some(Bottleneck::Server(server)));
        let Worker { forwarding, links, .. } = &mut workers.other;
        forwarding.uncongest_server(links, server);
        let told = workers.next_mail();
        assert!(matches!(told, Some(Message::Uncongested(Bottleneck::Server(told))) if told == server));
    });
}

#[test]
fn a_link_that_leaves_closes_its_connections_at_both_ends() {
    with_workers(|mut workers| {
        let (client, here, elsewhere) = (workers.client(), workers.server(7, true), workers.server(8, false));
        let conns = [workers.one.dial(client, 7)];
        let before = workers.one.outbox(here).len();
        workers.one.route(client, &Command::Dial { remote: 8 }.encode()).1.unwrap();
        workers.deliver();
        let connect = workers.other.outbox(elsewhere).len();

        let Worker { forwarding, links, clock, .. } = &mut workers.one;
        forwarding.leave(links, client.slot, clock);
        workers.deliver();
        let closed = Command::Close { conn: conns[0] }.encode();
        assert_eq!(workers.one.outbox(here)[before..], *closed);
        assert_eq!(workers.other.outbox(elsewhere).len() - connect, closed.len());
        assert_eq!(workers.one.forwarding.router().connections(), 0);
    });
}
