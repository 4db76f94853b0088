//! The peer of a link with a session, over streams in memory.

use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use fastway_session::{
    AbortReason, Backlog, Identity, LegacyConfig, Limits, Reception, ReplayBuffer, Request, Resume, Session,
    TransportId,
};
use fastway_transport::Stream;
use rand::CryptoRng;

use crate::mux::link::LinkSession;
use crate::mux::routing::Side;

const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Peer {
    session: Session,
    /// The newest comes last.
    streams: Vec<(TransportId, Stream)>,
    unacked: Backlog,
}

impl Peer {
    /// Opens a session from this address, over a stream with so much room; the gateway's end of it.
    pub(super) fn open(
        (from, room): (SocketAddr, usize),
        most_unacked: usize,
        wait: Duration,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> (LinkSession, Self) {
        let mut session = Session::secure(Identity::Anyone, PATIENCE, now);
        let dial = session.connect(now, rng).unwrap();
        let Ok(Some(Request::Open(open))) = Reception::default().receive(&dial.bytes) else { panic!("no open") };
        let legacy = LegacyConfig { encrypt: false, replay_bytes: 1000 };
        let (accepted, reply) = open.accept(None, &Limits { handshake_time: wait, wait, legacy }, now, rng).unwrap();

        let [ours, theirs] = Stream::pair_in_memory(room);
        let mut peer = Self { session, streams: vec![(dial.transport, theirs)], unacked: Backlog::new(1 << 20) };
        let stream = (ours, from);
        let mut link = LinkSession::new(Side::Client, accepted, open.protocol(), reply, stream, most_unacked);
        let mut cx = Context::from_waker(Waker::noop());
        while link.is_unproven() {
            let _reads_the_proof = link.poll_read_ahead(&mut cx, &mut vec![0; 64 << 10], now);
            peer.pump(now);
        }
        (link, peer)
    }

    /// Asks to go on by a further stream; the gateway's end of that.
    pub(super) fn resume(&mut self, now: Instant, rng: &mut impl CryptoRng) -> (Resume, Stream) {
        let dial = self.session.connect(now, rng).unwrap();
        let Ok(Some(Request::Resume(resume))) = Reception::default().receive(&dial.bytes) else { panic!("no resume") };
        let [ours, theirs] = Stream::pair_in_memory(1 << 20);
        self.streams.push((dial.transport, theirs));
        (resume, ours)
    }

    /// Reads and sends what there is.
    pub(super) fn pump(&mut self, now: Instant) {
        self.read(now);
        self.write(now);
    }

    fn read(&mut self, now: Instant) {
        let Some((id, stream)) = self.streams.last_mut() else { return };
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = vec![0; 64 << 10];
        loop {
            match stream.poll_recv(&mut cx, self.session.read_into(*id, &mut room)) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    let _what_is_not_looked_at =
                        self.session.receive_read(*id, &mut room, count, now, &mut self.unacked);
                }
                _ => break,
            }
        }
    }

    fn write(&mut self, now: Instant) {
        let Some((_, stream)) = self.streams.last_mut() else { return };
        let mut sealed = Vec::new();
        self.session.send(now, &mut self.unacked, &mut sealed, 64 << 10);
        let _nothing_to_send = stream.send_now(&sealed);
    }

    pub(super) fn send(&mut self, bytes: &[u8], now: Instant) {
        assert_eq!(self.unacked.push(bytes), bytes.len());
        self.pump(now);
    }

    /// Sends without reading before.
    pub(super) fn send_unread(&mut self, bytes: &[u8], now: Instant) {
        assert_eq!(self.unacked.push(bytes), bytes.len());
        self.write(now);
    }

    /// Takes bytes off the stream which the session never sees; whether there were any.
    pub(super) fn discard(&mut self, bytes: usize) -> bool {
        let Some((_, stream)) = self.streams.last_mut() else { return false };
        stream.recv_now(&mut vec![0; bytes]).is_ok_and(|count| count > 0)
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.session.close();
        self.pump(now);
    }

    pub(super) fn abort(&mut self, reason: AbortReason, now: Instant) {
        self.session.abort(reason);
        self.pump(now);
    }

    /// Lets the time of an acknowledgement come.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        let due = self.session.timeout().map_or(now, |at| at.max(now));
        self.session.tick(due);
        self.pump(due);
    }

    /// Bytes that the gateway has not acknowledged.
    pub(super) fn unacked(&self) -> usize {
        self.unacked.len()
    }

    /// Drops all streams.
    pub(super) fn leave(&mut self) {
        self.streams.clear();
    }

    /// Drops the stream that it came by last.
    pub(super) fn leave_newest(&mut self) {
        self.streams.pop();
    }
}
