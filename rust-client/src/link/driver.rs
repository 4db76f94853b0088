//! The task of a link: it owns the stream, writes what the handles queued, and hands out what comes.

use std::collections::hash_map::Entry;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use fastway_wire::ConnId;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::Sleep;

use super::carrier::Carrier;
use super::ended::Ended;
use super::inbox::Inbox;
use super::keepalive::{Keepalive, Tick};
use super::outbox::{MAX_SLICES, Outbox};
use super::outgoing::Closing;
use super::receive::Receiver;
use super::shared::Link;
use super::waiter::Waiter;
use crate::lock::lock;
use crate::{LinkEnd, ProtocolFault};

/// Reads, and writes, in one go; then the other tasks have their turn.
const TURNS: usize = 4;

/// A link's task. It ends with the link: when the endpoint is dropped or closed, or the gateway is gone.
pub(crate) struct Driver<S> {
    stream: S,
    pub(super) link: Arc<Link>,
    pub(super) conns: FxHashMap<ConnId, Arc<Inbox>>,
    /// Connections that are not in `conns` any more, and not read to the end.
    pub(super) ended: Ended,
    pub(super) receiver: Receiver,
    writing: Outbox,
    needs_flush: bool,
    pub(super) told: Vec<Arc<Waiter>>,
    /// A hold has begun in the last turn: a reader that paused in that moment has not seen it, and may have read enough.
    pub(super) ask_readers: bool,
    pub(super) keepalive: Keepalive,
    pub(super) answered_pings: u64,
    /// Told when the gateway has said something that makes sense.
    pub(super) first_command: Option<oneshot::Sender<()>>,
    phase: Phase,
    /// Runs while this side closes.
    grace: Option<Pin<Box<Sleep>>>,
}

/// ```text
/// Open ──close──▶ Flushing ──all written──▶ Lingering ──the gateway ends, too──▶ (gone)
///                     └──────────────────────────┴──────the grace is over──────▶ (gone)
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Flushing,
    Lingering,
}

impl<S: Carrier> Driver<S> {
    /// Has to be made in a tokio runtime, which the clock belongs to.
    pub(crate) fn new(stream: S, link: Arc<Link>, first_command: Option<oneshot::Sender<()>>) -> Self {
        let config = &link.config;
        let keepalive = Keepalive::new(config.keepalive());
        Self {
            stream,
            conns: FxHashMap::default(),
            ended: Ended::default(),
            receiver: Receiver::new(config.read_block_bytes, config.max_packet),
            writing: Outbox::default(),
            needs_flush: false,
            told: Vec::new(),
            ask_readers: false,
            keepalive,
            answered_pings: 0,
            first_command,
            phase: Phase::Open,
            grace: None,
            link,
        }
    }

    /// One turn; an error is the end of the link.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if std::mem::take(&mut self.ask_readers) {
            self.recount();
        }
        self.take_requests(cx)?;
        self.tick(cx)?;
        self.write(cx)?;
        self.linger(cx)?;
        self.read(cx)?;
        self.ping_new_transport(cx)?;
        self.finish_shared_close()
    }

    fn take_requests(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        let requests = lock(&self.link.out).look(cx.waker(), &mut self.writing);
        requests.closed.into_iter().for_each(|conn| self.forget(conn));
        match (requests.closing, self.phase) {
            (Some(Closing::AtOnce), _) => {
                // One try, so that a last message is not lost for want of a moment; what does not fit is dropped.
                let _ = self.poll_write_once(cx);
                Err(LinkEnd::Dropped)
            }
            (Some(Closing::Gently), Phase::Open) => {
                self.start_closing();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Forgets a connection that ended on this side; by now its ID may be that of a new one.
    fn forget(&mut self, conn: ConnId) {
        if let Entry::Occupied(known) = self.conns.entry(conn)
            && known.get().end().is_some()
        {
            let ended = known.remove();
            self.retire(ended);
        }
    }

    fn start_closing(&mut self) {
        self.grace = Some(Box::pin(tokio::time::sleep(self.link.config.close_grace)));
        self.phase = Phase::Flushing;
        if !self.stream.half_closes() {
            self.close_all();
        }
        self.end_all(&LinkEnd::Closed);
        drop(self.link.accepts.close());
        let given_up = {
            let mut out = lock(&self.link.out);
            out.ping_behind_all();
            out.take(&mut self.writing);
            out.give_up_dials()
        };
        drop(given_up);
        self.link.dialers.changed.notify_waiters();
    }

    /// Whoever cannot see the end of the link is told of its connections' ends.
    fn close_all(&self) {
        let mut out = lock(&self.link.out);
        // The task runs already.
        self.conns.keys().for_each(|conn| drop(out.close(*conn, false)));
    }

    fn end_all(&mut self, end: &LinkEnd) {
        for inbox in std::mem::take(&mut self.conns).into_values() {
            self.end(&inbox, end.clone().into());
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if !self.is_open() {
            return Ok(());
        }
        while let Poll::Ready(tick) = self.keepalive.poll_tick(cx) {
            match tick {
                Tick::Dead { .. } if self.stream.revive() => self.keepalive.heard(),
                Tick::Dead { silent_for } => return Err(LinkEnd::Silent { silent_for }),
                Tick::Ping => self.ping(),
            }
        }
        Ok(())
    }

    /// Pings by a transport that the stream has got in this turn. On an idle link nothing else wakes the task before the next
    /// look at the gateway, which is too late to confirm the transport.
    fn ping_new_transport(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if self.is_open() && self.stream.has_new_transport() && self.keepalive.is_on() {
            self.ping();
            return self.write(cx);
        }
        Ok(())
    }

    /// Asks the gateway for a sign of life.
    fn ping(&mut self) {
        self.keepalive.pinged();
        self.receiver.shrink();
        self.writing.shrink();
        let mut out = lock(&self.link.out);
        out.shrink();
        out.ping();
        out.take(&mut self.writing);
    }

    /// Writes until nothing waits, or the stream takes no more. Once the sending side has ended, nothing is written: the
    /// error would end the link before the gateway has read all.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if self.phase == Phase::Lingering {
            return Ok(());
        }
        for _ in 0..TURNS {
            if self.writing.is_empty() {
                return self.flush(cx);
            }
            match self.poll_write_once(cx) {
                Poll::Ready(written) => self.written(written?),
                Poll::Pending => return Ok(()),
            }
        }
        run_again(cx);
        Ok(())
    }

    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = self.writing.slices(&mut slices);
        let slices = slices.get(..filled).unwrap_or_default();
        let stream = Pin::new(&mut self.stream);
        let written = match slices {
            [] => return Poll::Ready(Ok(0)),
            [only] => ready!(stream.poll_write(cx, only)),
            several => ready!(stream.poll_write_vectored(cx, several)),
        };
        Poll::Ready(written.and_then(|count| if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }))
    }

    fn written(&mut self, count: usize) {
        self.writing.consume(count);
        self.needs_flush = true;
        if !self.writing.is_empty() {
            // The socket was full, so somebody has made room: a gateway that holds this link back lives.
            self.keepalive.heard();
        }
        lock(&self.link.out).written(count, &mut self.writing, &mut self.told);
        self.tell();
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if self.needs_flush
            && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx)
        {
            self.needs_flush = false;
            flushed?;
        }
        Ok(())
    }

    /// Ends the sending side when all is written, and the link when its grace is over.
    fn linger(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        let Some(grace) = &mut self.grace else { return Ok(()) };
        if grace.as_mut().poll(cx).is_ready() {
            let (_, unsent_bytes) = lock(&self.link.out).sent_and_waiting();
            return Err(LinkEnd::Unconfirmed { unsent_bytes });
        }
        if self.phase != Phase::Flushing || !self.is_written() || !self.stream.half_closes() {
            return Ok(());
        }
        if let Poll::Ready(shut) = Pin::new(&mut self.stream).poll_shutdown(cx) {
            shut?;
            self.phase = Phase::Lingering;
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    fn is_written(&self) -> bool {
        self.writing.is_empty() && !self.needs_flush
    }

    /// A stream whose directions end together is left when the gateway has agreed.
    fn finish_shared_close(&self) -> Result<(), LinkEnd> {
        let parts = self.phase == Phase::Flushing && !self.stream.half_closes();
        if parts && self.is_written() && self.is_answered() { Err(LinkEnd::Closed) } else { Ok(()) }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        for _ in 0..TURNS {
            if self.is_open() && self.link.holds.load(Ordering::Acquire) > 0 {
                // Nobody listens, so the gateway's silence means nothing.
                self.keepalive.heard();
                self.stream.poll_background(cx);
                if self.ask_readers {
                    run_again(cx);
                }
                return Ok(());
            }
            let Poll::Ready(read) = self.receiver.poll_read(&mut self.stream, cx) else { return Ok(()) };
            match read {
                Ok(0) => return self.gateway_ended(cx),
                Ok(count) => self.received(count)?,
                Err(lost) => return Err(lost.into()),
            }
        }
        run_again(cx);
        Ok(())
    }

    /// A gateway that has answered the last ping has read all that came before it; one that has not may have ended the
    /// stream for reasons of its own in the same moment.
    fn gateway_ended(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if self.first_command.is_some() && self.receiver.holds_refusal() {
            return Err(ProtocolFault::NotAdmitted.into());
        }
        if self.phase != Phase::Lingering || !self.is_answered() {
            return Err(LinkEnd::Gateway);
        }
        match self.stream.poll_farewell(cx) {
            Poll::Ready(()) => Err(LinkEnd::Closed),
            Poll::Pending => Ok(()),
        }
    }

    fn is_answered(&self) -> bool {
        self.answered_pings >= lock(&self.link.out).pings()
    }
}

/// Has the task polled again after the runtime has looked for new events: a busy link must not starve timers and other
/// links.
fn run_again(cx: &mut Context<'_>) {
    let _first_poll_only_arms_it = pin!(yield_now()).poll(cx);
}

impl<S> Driver<S> {
    /// Tells who was collected in `told`, without the lock.
    pub(super) fn tell(&mut self) {
        self.told.drain(..).for_each(|waiter| waiter.changed.notify_waiters());
    }

    /// Whether connections are still handed out.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    fn finish(&mut self, end: &LinkEnd) {
        // First: whoever learns from a connection that the link has ended finds that it has.
        if !self.link.publish_end(end) {
            return;
        }
        for inbox in std::mem::take(&mut self.conns).into_values() {
            inbox.finish(end.clone().into());
        }
        self.link.finish();
    }
}

impl<S: Carrier> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(end) => {
                self.finish(&end);
                self.stream.ended(&end, cx);
                Poll::Ready(())
            }
        }
    }
}

impl<S> Drop for Driver<S> {
    /// The runtime drops the tasks it has left: nobody shall wait for this one.
    fn drop(&mut self) {
        self.finish(&LinkEnd::RuntimeStopped);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plain;
    use super::*;
    use crate::ClientConfig;
    use fastway_wire::{Command, encode_data};
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, duplex};

    /// A stream from which nothing comes, and whose writes fail after its shutdown.
    #[derive(Default)]
    struct OneWay {
        is_shut: bool,
    }

    impl AsyncRead for OneWay {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for OneWay {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(if self.is_shut { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(buf.len()) })
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut = true;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_after_the_sending_side_was_shut_down() {
        let link = Arc::new(Link::new(ClientConfig::default().link));
        let mut driver = pin!(Driver::new(Plain(OneWay::default()), Arc::clone(&link), None));
        let cx = &mut Context::from_waker(Waker::noop());
        link.shut_down(Closing::Gently);
        assert!(driver.as_mut().poll(cx).is_pending());
        assert!(driver.stream.0.is_shut);
        // Whoever looked before the link was closed may still queue something.
        link.ping();
        assert!(driver.as_mut().poll(cx).is_pending(), "the write has ended the link");
    }

    /// A stream on which nothing comes but a new transport, when it is read.
    #[derive(Default)]
    struct Renewed {
        written: Vec<u8>,
        is_new: bool,
    }

    impl Carrier for Renewed {
        fn has_new_transport(&mut self) -> bool {
            std::mem::take(&mut self.is_new)
        }
    }

    impl AsyncRead for Renewed {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.is_new = true;
            Poll::Pending
        }
    }

    impl AsyncWrite for Renewed {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.written.extend(buf);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_transport_is_pinged_in_the_turn_in_which_it_came() {
        let link = Arc::new(Link::new(ClientConfig::default().link));
        let mut driver = pin!(Driver::new(Renewed::default(), Arc::clone(&link), None));
        assert!(driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(driver.stream.written, Command::Ping.encode().to_vec());
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the reader did not see, and the link neither, is played by a count that is not reported.
    #[test]
    fn a_reader_that_paused_as_the_hold_began_is_asked_a_turn_later() {
        loom::model(|| {
            let mut config = ClientConfig::default().link;
            config.ping_interval = None;
            config.receive_queue.max_messages = 4;
            let link = Arc::new(Link::new(config));
            let inbox = Arc::new(Inbox::new(ConnId::new(1), link.config.receive_queue));
            inbox.hand_out();
            let (ours, theirs) = duplex(1 << 10);
            let (mut driver, mut theirs) = (pin!(Driver::new(Plain(ours), Arc::clone(&link), None)), pin!(theirs));
            driver.conns.insert(inbox.id, Arc::clone(&inbox));

            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let cx = &mut Context::from_waker(&waker);
            let mut frames = Vec::new();
            (0..4).for_each(|_| encode_data(inbox.id, b"hi", &mut frames).unwrap());
            assert!(theirs.as_mut().poll_write(cx, &frames).is_ready());
            assert!(driver.as_mut().poll(cx).is_pending());
            assert_eq!((link.holds.load(Ordering::Relaxed), woken.0.load(Ordering::Relaxed)), (1, 1));
            inbox.consumed(2, 20);
            assert!(driver.as_mut().poll(cx).is_pending());
            assert_eq!(link.holds.load(Ordering::Relaxed), 0);
        });
    }
}
