//! The task of a link: writes what the handles queued, reads frames and hands them to connections, pings, and closes
//! (`docs/protocol.md` §1).

use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use fastway_wire::ConnId;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::Sleep;

use super::carrier::Carrier;
use super::ended::Ended;
use super::inbox::Inbox;
use super::keepalive::{Keepalive, Tick};
use super::outgoing::Closing;
use super::receive::Receiver;
use super::shared::Link;
use super::waiter::Waiter;
use super::writer::Writer;
use crate::lock::lock;
use crate::{LinkEnd, ProtocolFault};

/// Reads and writes in one poll; then the task yields to others.
const TURNS: usize = 4;

/// A link's task. It ends with the link: when the endpoint is dropped or closed, or the gateway has closed or is gone.
pub(crate) struct Driver<S> {
    stream: S,
    pub(super) link: Arc<Link>,
    pub(super) conns: FxHashMap<ConnId, Arc<Inbox>>,
    /// Connections that are no longer in `conns`, but not read to the end.
    pub(super) ended: Ended,
    pub(super) receiver: Receiver,
    writer: Writer,
    /// Waiters collected under the lock, to be notified without it. Kept, so that collecting does not allocate.
    pub(super) to_notify: Vec<Arc<Waiter>>,
    /// A hold began in the last turn. A reader that paused at that moment did not see it, so its progress is asked for
    /// in the next turn.
    pub(super) ask_readers: bool,
    pub(super) keepalive: Keepalive,
    pub(super) answered_pings: u64,
    /// Notified when the gateway has sent its first valid command.
    pub(super) first_command: Option<oneshot::Sender<()>>,
    phase: Phase,
    /// Runs while this side closes the link.
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
    /// Must be called in a tokio runtime, which has the clock.
    pub(crate) fn new(stream: S, link: Arc<Link>, first_command: Option<oneshot::Sender<()>>) -> Self {
        let config = &link.config;
        let keepalive = Keepalive::new(config.keepalive());

        Self {
            stream,
            conns: FxHashMap::default(),
            ended: Ended::default(),
            receiver: Receiver::new(config.read_block_bytes, config.max_packet),
            writer: Writer::default(),
            to_notify: Vec::new(),
            ask_readers: false,
            keepalive,
            answered_pings: 0,
            first_command,
            phase: Phase::Open,
            grace: None,
            link,
        }
    }

    /// One turn. An error ends the link.
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
        let requests = lock(&self.link.out).take_requests(cx.waker(), &mut self.writer.outbox);
        requests.closed.into_iter().for_each(|conn| self.forget(conn));

        match (requests.closing, self.phase) {
            (Some(Closing::AtOnce), _) => {
                // One attempt, so that a last message is not lost for want of a poll. The rest is dropped.
                let _ = self.writer.poll_write(&mut self.stream, cx);
                Err(LinkEnd::Dropped)
            }
            (Some(Closing::Gently), Phase::Open) => {
                self.start_closing();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Forgets a connection that ended on this side. Its ID may belong to a new one by now.
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
        // Over such a stream the gateway does not see the end of this direction, so each connection is closed.
        if !self.stream.half_closes() {
            self.close_all();
        }

        self.end_all(&LinkEnd::Closed);
        drop(self.link.accepts.close());

        // The ping's answer proves that the gateway has read everything before it.
        let given_up = {
            let mut out = lock(&self.link.out);
            out.ping_behind_all();
            out.take(&mut self.writer.outbox);
            out.give_up_dials()
        };
        // Dropping them wakes tasks, so it happens without the lock.
        drop(given_up);
        self.link.dialers.changed.notify_waiters();
    }

    /// Closes each connection with a command.
    fn close_all(&self) {
        let mut out = lock(&self.link.out);
        // Nobody to wake: this is the task.
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
                Tick::Dead { .. } if self.stream.replace_transport() => self.keepalive.heard(),
                Tick::Dead { silent_for } => return Err(LinkEnd::Silent { silent_for }),
                Tick::Ping => self.ping(),
            }
        }
        Ok(())
    }

    /// Pings on a transport that the stream got in this turn. Nothing else would wake the task of an idle link before
    /// the next look at the gateway, which is too late to confirm the transport.
    fn ping_new_transport(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if self.is_open() && self.stream.has_new_transport() && self.keepalive.is_on() {
            self.ping();
            return self.write(cx);
        }
        Ok(())
    }

    /// Queues a ping, and uses the quiet moment to free memory.
    fn ping(&mut self) {
        self.keepalive.pinged();
        self.receiver.shrink();
        self.writer.outbox.shrink();

        let mut out = lock(&self.link.out);
        out.shrink();
        out.ping();
        out.take(&mut self.writer.outbox);
    }

    /// Writes until nothing is queued, or the stream takes no more. Nothing is written after the end of the sending
    /// side: the error would end the link before the gateway has read everything.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if self.phase == Phase::Lingering {
            return Ok(());
        }

        for _ in 0..TURNS {
            if self.writer.outbox.is_empty() {
                return Ok(self.writer.flush(&mut self.stream, cx)?);
            }
            match self.writer.poll_write(&mut self.stream, cx) {
                Poll::Ready(written) => self.written(written?),
                Poll::Pending => return Ok(()),
            }
        }
        run_again(cx);
        Ok(())
    }

    fn written(&mut self, count: usize) {
        if self.writer.written(count) {
            // The stream took only a part, so it had been full: the gateway has read something, and is alive.
            self.keepalive.heard();
        }

        lock(&self.link.out).written(count, &mut self.writer.outbox, &mut self.to_notify);
        self.notify_waiters();
    }

    /// Closes the sending side once everything is written, and ends the link when the grace time is over.
    fn linger(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        let Some(grace) = &mut self.grace else { return Ok(()) };

        if grace.as_mut().poll(cx).is_ready() {
            let (_, unsent_bytes) = lock(&self.link.out).sent_and_waiting();
            return Err(LinkEnd::Unconfirmed { unsent_bytes });
        }

        if self.phase != Phase::Flushing || !self.writer.is_done() || !self.stream.half_closes() {
            return Ok(());
        }

        if let Poll::Ready(shut) = Pin::new(&mut self.stream).poll_shutdown(cx) {
            shut?;
            self.phase = Phase::Lingering;
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Ends a stream without half-close, once the gateway has answered the last ping.
    fn finish_shared_close(&self) -> Result<(), LinkEnd> {
        let parts = self.phase == Phase::Flushing && !self.stream.half_closes();
        if parts && self.writer.is_done() && self.is_answered() { Err(LinkEnd::Closed) } else { Ok(()) }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        for _ in 0..TURNS {
            if self.is_open() && self.link.holds.load(Ordering::Acquire) > 0 {
                // Nothing is read, so the gateway's silence means nothing.
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

    /// The gateway has closed its direction. If it has answered the last ping, it has read everything before it. If
    /// not, it may have closed for a reason of its own at the same moment.
    fn gateway_ended(&mut self, cx: &mut Context<'_>) -> Result<(), LinkEnd> {
        if self.first_command.is_some() && self.receiver.holds_refusal() {
            return Err(ProtocolFault::NotAdmitted.into());
        }

        if self.phase != Phase::Lingering || !self.is_answered() {
            return Err(LinkEnd::Gateway);
        }

        match self.stream.poll_final_flush(cx) {
            Poll::Ready(()) => Err(LinkEnd::Closed),
            Poll::Pending => Ok(()),
        }
    }

    fn is_answered(&self) -> bool {
        self.answered_pings >= lock(&self.link.out).pings()
    }
}

/// Schedules the task again, after the runtime has polled for events: a busy link must not starve timers and other
/// links.
fn run_again(cx: &mut Context<'_>) {
    let _first_poll_only_arms_it = pin!(yield_now()).poll(cx);
}

impl<S> Driver<S> {
    /// Notifies the collected waiters, without the lock.
    pub(super) fn notify_waiters(&mut self) {
        self.to_notify.drain(..).for_each(|waiter| waiter.changed.notify_waiters());
    }

    /// Whether connections are still opened.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    fn finish(&mut self, end: &LinkEnd) {
        // First, as a task that sees the end of a connection looks for the end of the link.
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
    /// A runtime that shuts down drops its tasks: nobody may wait for this one.
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
    use std::io;
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
