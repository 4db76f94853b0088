//! From what a link has sent to the outboxes: splits it into frames, looks up who gets them, and feeds those.
//!
//! ```text
//!   one read ──▶ route ──▶ runs of frames ──Router::peer──▶ a link of this worker   Links::feed
//!                  │                              └───────▶ another worker          CrossWorker::forward
//!                  └─────▶ commands ──Router::command──▶ effects, carried out at once, in the same two ways
//! ```
//!
//! Whatever has no room is what the call returns: its [`Bottleneck`], before which the sender of the frames has to wait.

use std::iter::once;
use std::sync::Arc;

use fastway_wire::{Command, ConnId, HEADER_BYTES, header_conn, split_frame};

use super::backpressure::{BackpressureQueues, Bottleneck};
use super::cross_worker::CrossWorker;
use super::links::Links;
use super::mail::{Batch, Item, Mailboxes};
use crate::mux::config::Settings;
use crate::mux::link::{CloseReason, Inbox, Progress, Sizes, TurnClock};
use crate::mux::pool::Chunk;
use crate::mux::routing::{
    Effect, LinkAddr, Origin, PerSide, Registry, Role, Router, RouterLimits, RouterSync, Side, Slot, WorkerId,
};

/// Connections of a client that are looked at for whether their server is congested.
const SERVERS_LOOKED_AT: usize = 16;

/// Who gets what the links of one worker send, and who waits for whom.
#[derive(Debug)]
pub(super) struct Forwarding {
    sizes: PerSide<Sizes>,
    router: Router,
    /// What the router decided, until it is carried out.
    effects: Vec<Effect>,
    delivery: Delivery,
}

/// Where frames go: to links of this worker, or to other workers.
#[derive(Debug)]
struct Delivery {
    me: WorkerId,
    queues: BackpressureQueues,
    cross: CrossWorker,
}

/// The link that frames came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub(super) slot: Slot,
    pub(super) side: Side,
    /// Any clock's count of seconds, by which dials are counted.
    pub(super) second: u64,
    pub(super) clock: &'a TurnClock,
}

/// What was made of one read.
#[derive(Debug, Default)]
pub(super) struct Routed {
    /// Whole frames in it, commands among them.
    pub(super) frames: u64,
    /// Data frames that were forwarded.
    pub(super) forwarded: usize,
    /// What has no room for more of them.
    pub(super) pressure: Option<Bottleneck>,
}

/// Consecutive frames of one connection; they are looked up and copied together.
#[derive(Clone, Copy)]
struct Run {
    conn: ConnId,
    start: usize,
    packets: usize,
}

impl Forwarding {
    pub(super) fn new(
        me: WorkerId,
        max_packet: u32,
        settings: &Settings,
        registry: Arc<Registry>,
        mailboxes: Mailboxes,
    ) -> Self {
        let workers = mailboxes.workers().count();
        Self {
            sizes: PerSide::new(|side| Sizes { max_packet, first_bytes: settings.side(side).buffer_bytes }),
            router: Router::new(me, workers, registry, router_limits(settings)),
            effects: Vec::new(),
            delivery: Delivery { me, queues: BackpressureQueues::default(), cross: CrossWorker::new(me, mailboxes) },
        }
    }

    /// Has new settings hold from now on.
    pub(super) fn apply(&mut self, settings: &Settings) {
        for side in Side::ALL {
            self.sizes[side].first_bytes = settings.side(side).buffer_bytes;
        }
        self.router.set_limits(router_limits(settings));
    }

    /// Who is connected to whom.
    pub(super) fn router(&self) -> &Router {
        &self.router
    }

    /// Admits a link to a place.
    pub(super) fn join(&mut self, slot: Slot, role: Role) -> LinkAddr {
        self.router.join(slot, role)
    }

    /// Removes a link; the other ends of its connections are told.
    pub(super) fn leave(&mut self, links: &mut Links, slot: Slot, clock: &TurnClock) {
        self.router.leave(slot, &mut self.effects);
        self.carry_out(links, clock);
    }

    /// Ends every connection of a link; both ends are told.
    pub(super) fn close_connections(&mut self, links: &mut Links, slot: Slot, clock: &TurnClock) {
        self.router.close_connections(slot, &mut self.effects);
        self.carry_out(links, clock);
    }

    /// Ends every connection; the ends on this worker are told.
    pub(super) fn close_all(&mut self, links: &mut Links, clock: &TurnClock) {
        self.router.close_all(&mut self.effects);
        self.carry_out(links, clock);
    }

    /// Routes what one read brought: the frames that are whole, in place, and the rest into the link's inbox.
    ///
    /// # Errors
    /// The link has to be closed for what it sent.
    #[inline]
    pub(super) fn route(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        input: &[u8],
        routed: &mut Routed,
    ) -> Result<(), CloseReason> {
        let rest = self.complete(links, from, input, routed)?;
        let rest = self.route_whole(links, from, rest, routed)?;
        if rest.is_empty() {
            return Ok(());
        }
        let sizes = self.sizes[from.side];
        if let Some((link, pool)) = links.with_pool(from.slot) {
            link.inbox.fill(pool, sizes, rest)?;
        }
        Ok(())
    }

    /// Completes the frame that earlier reads cut off, if there is one, and returns the input after it.
    fn complete<'a>(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        input: &'a [u8],
        routed: &mut Routed,
    ) -> Result<&'a [u8], CloseReason> {
        let sizes = self.sizes[from.side];
        let Some((link, pool)) = links.with_pool(from.slot) else { return Ok(&[]) };
        if link.inbox.is_empty() {
            return Ok(input);
        }
        let Progress::Complete(taken) = link.inbox.fill(pool, sizes, input)? else { return Ok(&[]) };

        // The inbox keeps its room. It is apart from its link while the frame goes to another one.
        let mut inbox = std::mem::take(&mut link.inbox);
        let outcome = self.route_completed(links, from, &mut inbox, routed);
        inbox.clear(links.pool());
        if let Some(link) = links.get_mut(from.slot) {
            link.inbox = inbox;
        }
        routed.frames += 1;
        outcome?;
        Ok(input.get(taken..).unwrap_or_default())
    }

    /// Routes the whole frames at the start of `input`, in place, and returns the rest.
    fn route_whole<'a>(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        input: &'a [u8],
        routed: &mut Routed,
    ) -> Result<&'a [u8], CloseReason> {
        let max_packet = self.sizes[from.side].max_packet;
        let mut rest = input;
        let mut run = Run { conn: ConnId::COMMAND, start: 0, packets: 0 };
        let outcome = loop {
            let (frame, after) = match split_frame(rest, max_packet) {
                Ok(Some(split)) => split,
                Ok(None) => break Ok(rest),
                Err(bad) => break Err(bad.into()),
            };

            let at = input.len() - rest.len();
            if frame.conn() != run.conn {
                self.route_run(links, from, run, input, at, routed);
                run = Run { conn: frame.conn(), start: at, packets: 0 };
            }

            rest = after;
            routed.frames += 1;
            if !frame.conn().is_command() {
                run.packets += 1;
            } else if let Err(reason) = self.command(links, from, frame.payload(), routed) {
                break Err(reason);
            }
        };
        self.route_run(links, from, run, input, input.len() - rest.len(), routed);
        outcome
    }

    /// Sends the frames of a run, which ends at `end`, on their way.
    #[inline]
    fn route_run(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        run: Run,
        input: &[u8],
        end: usize,
        routed: &mut Routed,
    ) {
        let Some(bytes) = input.get(run.start..end).filter(|_| run.packets > 0) else { return };
        let Some(peer) = self.router.peer(from.slot, from.side, run.conn) else {
            return self.unknown_connection(links, from, run.conn, routed);
        };
        routed.forwarded += run.packets;
        let pressure = if peer.worker == self.delivery.me {
            self.delivery.feed(links, peer.slot, bytes, run.packets, Origin::Others, from.clock)
        } else {
            self.delivery.forward(links, peer, run.conn, run.packets, once(bytes))
        };
        routed.note(pressure);
    }

    /// Routes the frame that was put together in `inbox`.
    fn route_completed(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        inbox: &mut Inbox,
        routed: &mut Routed,
    ) -> Result<(), CloseReason> {
        let Some((header, payload)) = inbox.head().split_first_chunk::<HEADER_BYTES>() else { return Ok(()) };
        let conn = header_conn(*header);
        if conn.is_command() {
            return self.command(links, from, payload, routed);
        }

        let Some(peer) = self.router.peer(from.slot, from.side, conn) else {
            self.unknown_connection(links, from, conn, routed);
            return Ok(());
        };
        routed.forwarded += 1;
        let pressure = if peer.worker == self.delivery.me {
            self.delivery.feed_inbox(links, peer.slot, inbox, from.clock)
        } else {
            self.delivery.forward(links, peer, conn, 1, inbox.chunks().map(Chunk::filled))
        };
        routed.note(pressure);
        Ok(())
    }

    /// Has the router carry out a command of a link.
    fn command(
        &mut self,
        links: &mut Links,
        from: Sender<'_>,
        payload: &[u8],
        routed: &mut Routed,
    ) -> Result<(), CloseReason> {
        let command = Command::decode(payload)?;
        let decided = self.router.command(from.slot, command, from.second, &mut self.effects);
        routed.note(self.carry_out(links, from.clock));
        Ok(decided?)
    }

    /// Answers data for a connection that the link is no end of.
    fn unknown_connection(&mut self, links: &mut Links, from: Sender<'_>, conn: ConnId, routed: &mut Routed) {
        self.router.unknown_connection(from.slot, conn, &mut self.effects);
        routed.note(self.carry_out(links, from.clock));
    }

    /// Carries out what the router decided.
    fn carry_out(&mut self, links: &mut Links, clock: &TurnClock) -> Option<Bottleneck> {
        let mut pressure = None;
        for effect in self.effects.drain(..) {
            let met = match effect {
                Effect::Tell { slot, command, origin } => {
                    self.delivery.feed(links, slot, &command.encode(), 1, origin, clock)
                }
                Effect::RouterSync { to, sync } => self.delivery.sync(links, to, sync),
            };
            pressure = met.or(pressure);
        }
        pressure
    }

    /// Takes what another worker posted. That worker is told of each server here that has no room for more of it.
    pub(super) fn unpack(&mut self, links: &mut Links, from: WorkerId, batch: Batch, clock: &TurnClock) {
        let mut rest = batch.bytes.as_slice();
        for item in &batch.items {
            let pressure = match item {
                Item::Data { conn, bytes, packets } => {
                    let (frames, after) = rest.split_at_checked(*bytes).unwrap_or((rest, &[]));
                    rest = after;
                    let end = self.router.local_end(*conn);
                    end.and_then(|end| self.delivery.feed(links, end.slot, frames, *packets, Origin::Others, clock))
                }
                Item::RouterSync(sync) => {
                    self.router.synced(from, *sync, &mut self.effects);
                    self.carry_out(links, clock)
                }
            };
            if let Some(Bottleneck::Server(server)) = pressure {
                self.delivery.cross.tell_congested(server, from);
            }
        }
        self.delivery.cross.unpacked(from, batch);
    }

    /// Whether a client has a connection to something that is congested; it may be about to send there.
    #[inline]
    pub(super) fn feeds_something_congested(&self, slot: Slot) -> bool {
        let queues = &self.delivery.queues;
        if queues.is_empty() {
            return false;
        }
        let mut servers = self.router.servers_of(slot).take(SERVERS_LOOKED_AT);
        servers.any(|server| {
            queues.is_congested(Bottleneck::Server(server)) || queues.is_congested(Bottleneck::Worker(server.worker))
        })
    }

    /// Notes that something is congested: whoever feeds it is paused from now on.
    pub(super) fn congest(&mut self, key: Bottleneck) {
        self.delivery.queues.congest(key);
    }

    /// Notes that there is room again. Those who wait for it go on at the ends of this turn and the next ones.
    pub(super) fn uncongest(&mut self, links: &mut Links, key: Bottleneck) {
        if self.delivery.queues.uncongest(key) {
            links.schedule();
        }
    }

    /// There is room for a server again, or it is gone: those who were paused go on, here and on the workers that were
    /// told of it.
    pub(super) fn uncongest_server(&mut self, links: &mut Links, server: LinkAddr) {
        self.uncongest(links, Bottleneck::Server(server));
        self.delivery.cross.tell_uncongested(server);
    }

    /// Stops reading a link until there is room. False if there is by now: it would wait for good, since nobody would say
    /// so.
    pub(super) fn pause(&mut self, links: &mut Links, addr: LinkAddr, key: Bottleneck, clock: &TurnClock) -> bool {
        let Some(link) = links.at_mut(addr).filter(|_| self.delivery.queues.is_congested(key)) else { return false };
        link.pause_for_backpressure(clock);
        self.delivery.queues.wait(key, addr);
        true
    }

    /// Reads the next links again that waited for something that has room now.
    pub(super) fn resume_readers(&mut self, links: &mut Links, clock: &TurnClock) {
        self.delivery.queues.resume_readers(|addr| {
            if let Some(link) = links.at_mut(addr) {
                link.resume_after_backpressure(clock);
            }
        });
    }

    /// Whether somebody waits to be read again.
    pub(super) fn any_to_resume(&self) -> bool {
        self.delivery.queues.any_to_resume()
    }

    /// Who waits, and for what.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (LinkAddr, Bottleneck)> + '_ {
        self.delivery.queues.waiting()
    }

    /// Posts what was collected for other workers.
    pub(super) fn post(&mut self) {
        self.delivery.cross.post(&mut self.delivery.queues);
    }

    /// Tells the other workers that this one has stopped reading.
    pub(super) fn tell_quiesced(&mut self) {
        self.delivery.cross.tell_quiesced(&mut self.delivery.queues);
    }

    /// Gives up the room that nothing was collected in since the last call.
    pub(super) fn trim(&mut self) {
        self.delivery.cross.trim();
    }
}

impl Delivery {
    /// Queues packets for a link of this worker.
    #[inline]
    fn feed(
        &mut self,
        links: &mut Links,
        slot: Slot,
        bytes: &[u8],
        packets: usize,
        origin: Origin,
        clock: &TurnClock,
    ) -> Option<Bottleneck> {
        let server = links.feed(slot, bytes, packets, origin)?;
        Some(self.congested(links, server, clock))
    }

    /// Queues the frame in an inbox for a link of this worker.
    fn feed_inbox(
        &mut self,
        links: &mut Links,
        slot: Slot,
        inbox: &mut Inbox,
        clock: &TurnClock,
    ) -> Option<Bottleneck> {
        let server = links.feed_inbox(slot, inbox)?;
        Some(self.congested(links, server, clock))
    }

    /// Too much waits for a server: whoever sends to it is paused from now on.
    fn congested(&mut self, links: &mut Links, server: LinkAddr, clock: &TurnClock) -> Bottleneck {
        let key = Bottleneck::Server(server);
        if let Some(link) = links.at_mut(server).filter(|link| !link.congested) {
            link.set_congested(true, clock);
            self.queues.congest(key);
        }
        key
    }

    /// Collects frames for a link of another worker.
    #[inline]
    fn forward<'a>(
        &mut self,
        links: &mut Links,
        to: LinkAddr,
        conn: ConnId,
        packets: usize,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Bottleneck> {
        self.cross.forward(to.worker, conn, packets, parts, &mut self.queues);
        links.schedule();
        self.pressure_of(to)
    }

    /// Collects a change of a connection for another worker's router.
    fn sync(&mut self, links: &mut Links, to: WorkerId, sync: RouterSync) -> Option<Bottleneck> {
        self.cross.sync(to, sync, &mut self.queues);
        links.schedule();
        match sync {
            RouterSync::Connect { ends, dialer, .. } => self.pressure_of(ends.other(dialer)),
            // Each is preceded by a Connect, which was held back if need be.
            RouterSync::Close { .. } => None,
        }
    }

    /// What has no room for more for a link of another worker.
    #[inline]
    fn pressure_of(&self, to: LinkAddr) -> Option<Bottleneck> {
        let keys = [Bottleneck::Worker(to.worker), Bottleneck::Server(to)];
        keys.into_iter().find(|key| self.queues.is_congested(*key))
    }
}

impl Routed {
    #[inline]
    fn note(&mut self, pressure: Option<Bottleneck>) {
        self.pressure = pressure.or(self.pressure);
    }
}

fn router_limits(settings: &Settings) -> RouterLimits {
    RouterLimits {
        client_max_conns: settings.client_max_conns,
        max_dials_per_second: settings.limits.max_dials_per_second,
    }
}

#[cfg(test)]
mod tests {
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
            let side = self.links.at(from).unwrap().role.side();
            let from = Sender { slot: from.slot, side, second: 0, clock: &self.clock };
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
}
