//! A session as one byte stream for tokio, over any number of successive transports.
//!
//! The session itself is the state machine of [`Session`]; this adaptor does its I/O. A [`Supplier`] hands transports
//! in, each becomes a `Carrier`, and every poll of a half drives all of them: see `SessionStream::drive`.

mod carrier;
mod clock;
mod supply;
mod wakers;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::{Duration, Instant};

use carrier::Carrier;
use clock::now;
pub use supply::{Attempt, Dialer, InsteadOf, Settled, Supplier, Wanted};
use supply::{Supplies, Supply};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Sleep;
use wakers::{Half, Wakers};

use crate::session::{MAX_CANDIDATES, MIN_READ_BYTES};
use crate::{AbortReason, Backlog, Dial, End, Event, Fault, Session, TransportId};

/// Size of the buffer that a transport is read into.
const READ_BYTES: usize = 2 * MIN_READ_BYTES;
/// Sealed bytes kept for a transport at most. More is sealed once it has taken them.
const SEALED_BYTES: usize = 64 << 10;
/// Rounds of writes and reads in one poll; then the task yields to others.
const TURNS: usize = 4;
/// The pause before times are looked at again while a transport takes nothing.
const BLOCKED: Duration = Duration::from_millis(100);
/// The deadline of a timer that is not set: tokio's timers must have one.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// `AsyncRead + AsyncWrite` over transports of type `T`, which a [`Supplier`] hands in. Its halves may be polled by
/// different tasks; nothing happens while neither is.
///
/// Reads return 0 bytes once the other end has closed, never because a transport was cut. Writes wait while the backlog
/// is full. An error wraps the [`End`] of the session.
///
/// Implements the owner of a session as `docs/protocol.md` §2 and §3 require it.
#[derive(Debug)]
pub struct SessionStream<T> {
    session: Session,
    backlog: Backlog,
    /// Transports in use or in their handshake, a few at most; the oldest first.
    carriers: VecDeque<Carrier<T>>,
    supplies: Supplies<T>,
    scratch: Box<[u8]>,
    /// The plaintext in `scratch` that was not read yet.
    plain: Range<usize>,
    peer_closed: bool,
    ending: bool,
    timer: Pin<Box<Sleep>>,
    wakers: Arc<Wakers>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> SessionStream<T> {
    /// An initiator's stream, which keeps up to `bound` unacknowledged bytes. It waits for its first transport. Must be
    /// called within a tokio runtime.
    pub fn initiator(session: Session, bound: usize) -> (Self, Supplier<T>) {
        let (stream, supplier) = Self::new(session, bound);
        stream.supplies.want(Wanted { fault: None, retry_after: None });
        (stream, supplier)
    }

    /// An acceptor's stream, of a session that the first message on `transport` opened; `reply` goes out first.
    pub fn acceptor(session: Session, reply: Dial, transport: T, bound: usize) -> (Self, Supplier<T>) {
        let (mut stream, supplier) = Self::new(session, bound);
        stream.carriers.push_back(Carrier::new(transport, reply));
        (stream, supplier)
    }

    fn new(session: Session, bound: usize) -> (Self, Supplier<T>) {
        let (supplier, supplies) = supply::channel();
        let stream = Self {
            session,
            backlog: Backlog::new(bound),
            carriers: VecDeque::new(),
            supplies,
            scratch: vec![0; READ_BYTES].into(),
            plain: 0..0,
            peer_closed: false,
            ending: false,
            timer: Box::pin(tokio::time::sleep(FAR)),
            wakers: Arc::new(Wakers::default()),
        };
        (stream, supplier)
    }

    /// Ends the session at once. The next flush or read tells the other end.
    pub fn abort(&mut self, reason: AbortReason) {
        self.session.abort(reason);
        self.handle_events();
        self.wakers.wake_by_ref();
    }

    /// Whether a write would take at least one byte now.
    pub fn has_room(&self) -> bool {
        self.backlog.room() > 0
    }

    /// Delays the acknowledgement of the last `bytes` bytes read, see [`Session::withhold`].
    pub fn withhold(&mut self, bytes: usize) {
        self.session.withhold(bytes, now());
    }

    /// The transport that carries the session.
    pub fn live_transport(&self) -> Option<TransportId> {
        self.carriers.iter().find(|carrier| carrier.is_live).and_then(|carrier| carrier.id)
    }

    /// The session, for its counts and its end.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Makes all progress that is possible without waiting. Both halves are registered with everything that is polled,
    /// as one half's progress may be what the other one waits for.
    fn drive(&mut self, cx: &Context<'_>, half: Half) {
        self.wakers.set(half, cx.waker());
        let waker = Waker::from(Arc::clone(&self.wakers));
        let mut both = Context::from_waker(&waker);

        for _ in 0..TURNS {
            self.take_supplies(&mut both);
            self.watch_time(&mut both);
            if !self.turn(&mut both) {
                return;
            }
        }
        // Progress is still being made: the task yields, and is polled again.
        waker.wake();
    }

    fn take_supplies(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(supply)) = self.supplies.poll_recv(cx) {
            let carrier = match supply {
                Supply::Dial(transport) => self.dial(transport),
                Supply::Attempt { transport, instead_of, settled } => self.attempt(transport, instead_of, settled),
                Supply::Resume(resume, transport) => {
                    let answer = self.session.resume(&resume, || Some(&self.backlog), now(), &mut rand::rng());
                    Some(match answer {
                        Ok(dial) => Carrier::new(transport, dial),
                        Err(status) => Carrier::refusal(transport, resume.refusal(status)),
                    })
                }
            };

            self.carriers.extend(carrier);
            self.bound_candidates();
        }
    }

    /// Gives up the oldest candidate when there are more than [`MAX_CANDIDATES`].
    fn bound_candidates(&mut self) {
        let mut candidates = self.carriers.iter().filter_map(|carrier| carrier.id.filter(|_| !carrier.is_live));
        let Some(oldest) = candidates.next() else { return };

        if candidates.count() >= MAX_CANDIDATES {
            self.session.transport_lost(oldest, now());
            self.carriers.retain(|carrier| carrier.id != Some(oldest));
        }
    }

    fn dial(&mut self, transport: T) -> Option<Carrier<T>> {
        // The initiator has one transport at a time.
        self.carriers.clear();

        let dial = self.session.connect(now(), &mut rand::rng());
        self.handle_events();
        self.supplies.dialed();

        dial.ok().map(|dial| Carrier::new(transport, dial))
    }

    /// Tries one more transport beside those that are being tried, unless the session needs none.
    fn attempt(
        &mut self,
        transport: T,
        instead_of: InsteadOf,
        settled: oneshot::Sender<Settled>,
    ) -> Option<Carrier<T>> {
        if settled.is_closed() {
            // It was given up while it waited to be taken, so it may not cost the session a transport that works.
            return None;
        }

        match self.supplies.live_transport() {
            None => {}
            Some(live) if self.supplies.may_replace(live, instead_of) => {
                self.carriers.retain(|carrier| carrier.id != Some(live));
                self.session.transport_lost(live, now());
                self.handle_events();
            }
            Some(_) => {
                let _ = settled.send(Settled::NotNeeded);
                return None;
            }
        }

        let dial = self.session.connect_beside(&mut rand::rng());
        self.handle_events();
        dial.ok().map(|dial| Carrier::new(transport, dial).awaited(settled))
    }

    /// Calls [`Session::tick`] when it is due, and sets the timer for the next time.
    fn watch_time(&mut self, cx: &mut Context<'_>) {
        let due = |session: &Session| session.timeout().filter(|at| *at <= now());
        if due(&self.session).is_some() {
            self.session.tick(now());
            self.handle_events();
        }

        let next = match (due(&self.session), self.session.timeout()) {
            // An acknowledgement is due that the transport does not take. The time stays in the past, so it is looked
            // at later.
            (Some(_), _) => now() + BLOCKED,
            (None, next) => next.unwrap_or_else(|| now() + FAR),
        };

        let next = self.carriers.iter().filter_map(Carrier::read_until).fold(next, Instant::min);
        if self.timer.deadline().into_std() != next {
            self.timer.as_mut().reset(next.into());
        }

        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Writes and reads each transport once. Returns whether anything changed.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for _ in 0..self.carriers.len() {
            // The carrier is taken out, as what it brings may end others in the list.
            let Some(mut carrier) = self.carriers.pop_front() else { break };
            if carrier.is_given_up(cx) {
                self.lost(&mut carrier, None);
                continue;
            }

            self.seal(&mut carrier);
            let written = carrier.write(cx);
            let carried = self.read(cx, &mut carrier);
            moved |= written || carried.unwrap_or(true);

            match carried {
                Ok(_) => self.carriers.push_back(carrier),
                Err(Lost { fault }) => self.lost(&mut carrier, fault),
            }
            self.handle_events();
        }

        self.handle_events();
        moved
    }

    fn seal(&mut self, carrier: &mut Carrier<T>) {
        if carrier.is_live && carrier.waiting() < SEALED_BYTES && !carrier.has_write_failed() {
            self.session.send(now(), &mut self.backlog, &mut carrier.out, SEALED_BYTES);
        }
    }

    /// Reads a transport, unless plaintext of an earlier read waits. Returns whether something came.
    fn read(&mut self, cx: &mut Context<'_>, carrier: &mut Carrier<T>) -> Result<bool, Lost> {
        // A transport that ends is only written to.
        let Some(id) = carrier.id.filter(|_| !carrier.is_ending) else {
            return if carrier.waiting() == 0 { Err(Lost::CUT) } else { Ok(false) };
        };

        if !self.plain.is_empty() {
            return Ok(false);
        }

        let space = self.session.read_into(id, &mut self.scratch);
        let Poll::Ready(read) = carrier.poll_read(cx, space) else {
            return Ok(false);
        };
        let count = read.ok().filter(|bytes| *bytes > 0).ok_or(Lost::CUT)?;

        let received = self.session.receive_read(id, &mut self.scratch, count, now(), &mut self.backlog);
        self.plain = 0..received.bytes;
        match received.fault {
            None => Ok(true),
            Some(Fault::Over(_)) => {
                // The session's last record, such as an abort, goes out before the transport ends.
                carrier.is_ending = true;
                self.handle_events();
                self.seal(carrier);
                Ok(true)
            }
            Some(fault) => Err(Lost { fault: Some(fault) }),
        }
    }

    /// A transport has ended: asks for another one if the session has none now.
    fn lost(&mut self, carrier: &mut Carrier<T>, fault: Option<Fault>) {
        if let Some(id) = carrier.id {
            let refused = self.session.transport_lost(id, now());
            let fault = fault.or(refused);
            // The session's time belongs to its last refusal. A transport that was cut was not refused.
            let retry_after = fault.and_then(|_| self.session.retry_after());
            let wanted = Wanted { fault, retry_after };

            self.handle_events();
            if self.supplies.live_transport().is_none() {
                self.supplies.want(wanted);
            }

            carrier.settle(if self.ending { Settled::Over } else { Settled::Lost(wanted) });
        }
    }

    /// Acts on all events of the session, and marks the transport that carries it from now on.
    fn handle_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Established { transport } => self.supplies.live(transport),
                Event::Resumed { transport, replaced } => {
                    self.carriers.retain(|carrier| carrier.id.is_none() || carrier.id != replaced);
                    self.supplies.live(transport);
                }
                Event::Confirmed { transport } => self.supplies.confirmed(transport),
                Event::GivenUp { transport } => self.give_up(transport),
                Event::Refused(_) => {}
                Event::Interrupted { .. } => self.supplies.interrupted(),
                Event::PeerClosed => self.peer_closed = true,
                Event::Ended(end) => {
                    self.ending = true;
                    self.supplies.end(end);
                }
            }
        }

        let live = self.supplies.live_transport();
        for carrier in &mut self.carriers {
            carrier.is_live = live.is_some() && carrier.id == live;
            carrier.is_ending |= self.ending;
            if carrier.is_live {
                carrier.settle(Settled::Carries);
            }
        }
    }

    fn give_up(&mut self, transport: TransportId) {
        self.carriers.retain_mut(|carrier| {
            let is_given_up = carrier.id == Some(transport);
            if is_given_up {
                carrier.settle(Settled::NotNeeded);
            }
            !is_given_up
        });
    }

    fn error(end: End) -> io::Error {
        let kind = match end {
            End::Closed => io::ErrorKind::BrokenPipe,
            End::Expired => io::ErrorKind::TimedOut,
            End::Refused(_) => io::ErrorKind::ConnectionRefused,
            End::PeerFault(_) => io::ErrorKind::InvalidData,
            End::Aborted(_) | End::AbortedByPeer(_) => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, end)
    }

    /// Whether the live transport has taken everything that was written.
    fn is_flushed(&self) -> bool {
        let carried = self.carriers.iter().any(|carrier| carrier.is_live && carrier.takes_more());
        carried && !self.session.has_output(now(), &self.backlog)
    }
}

/// A transport has ended or failed.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// What was wrong with its bytes; none if it was cut.
    fault: Option<Fault>,
}

impl Lost {
    const CUT: Self = Self { fault: None };
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for SessionStream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.plain.is_empty() {
            this.drive(cx, Half::Reading);
        }

        let plain = this.scratch.get(this.plain.clone()).unwrap_or_default();
        if !plain.is_empty() {
            let taken = plain.len().min(to.remaining());
            to.put_slice(plain.get(..taken).unwrap_or_default());
            this.plain.start += taken;
            return Poll::Ready(Ok(()));
        }

        match this.session.end() {
            _ if this.peer_closed => Poll::Ready(Ok(())),
            None => Poll::Pending,
            Some(End::Closed) => Poll::Ready(Ok(())),
            Some(end) => Poll::Ready(Err(Self::error(end))),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SessionStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.session.is_closed() {
            return Poll::Ready(Err(Self::error(End::Closed)));
        }

        let mut taken = self.backlog.push(bytes);
        self.drive(cx, Half::Writing);

        if let Some(end) = self.session.end() {
            return Poll::Ready(Err(Self::error(end)));
        }
        // The buffer was full. Progress may have released some of it.
        if taken == 0 && !bytes.is_empty() {
            taken = self.backlog.push(bytes);
            if taken == 0 {
                return Poll::Pending;
            }
            self.drive(cx, Half::Writing);
        }
        Poll::Ready(Ok(taken))
    }

    /// Completes when a transport has taken everything, which may not be acknowledged yet.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drive(cx, Half::Writing);
        match self.session.end() {
            None if self.is_flushed() => self.poll_flush_transports(cx),
            None => Poll::Pending,
            Some(End::Closed) => Poll::Ready(Ok(())),
            Some(end) => Poll::Ready(Err(Self::error(end))),
        }
    }

    /// Closes this direction, and waits like a flush. The session ends when the other end has closed as well.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.close();
        self.poll_flush(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> SessionStream<T> {
    fn poll_flush_transports(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for carrier in &mut self.carriers {
            // An error shows again at the next read or write of this transport.
            let _ = ready!(carrier.poll_flush(cx));
        }
        Poll::Ready(Ok(()))
    }
}
