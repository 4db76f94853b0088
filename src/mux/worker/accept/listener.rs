//! Accepts streams.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fastway_service::listen::{Backoff, plain};
use fastway_service::process::SpareDescriptor;
use fastway_transport::Stream;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_local, yield_now};

use super::dispatch::{admit_forwarded, dispatch};
use crate::mux::accept::acceptor::{PortId, PortListener};
use crate::mux::accept::port_kinds::PortKinds;
use crate::mux::accept::rejection::Rejection;
use crate::mux::accept::stream::AcceptedStream;
use crate::mux::config::ProxyProtocol;
use crate::mux::routing::{PerSide, Side, WorkerId};
use crate::mux::worker::core::Core;
use crate::mux::worker::mail::Message;
use crate::mux::worker::shared::Shared;
use crate::mux::worker::shared_core::{SharedCore, sleep};

/// Streams that are accepted before those who are there have their turn.
const ACCEPTED_AT_ONCE: u32 = 4;

/// Where streams come in.
#[derive(Clone, Copy, Debug)]
struct Port {
    id: PortId,
    side: Side,
}

/// The acceptors of a worker.
#[derive(Debug)]
pub(in crate::mux::worker) struct Acceptors {
    core: SharedCore,
    running: Vec<(Port, JoinHandle<()>)>,
}

impl Acceptors {
    /// None yet.
    pub(in crate::mux::worker) fn new(core: SharedCore) -> Self {
        Self { core, running: Vec::new() }
    }

    /// Starts one for each listener.
    ///
    /// # Errors
    /// The system refuses to watch a listener.
    pub(in crate::mux::worker) fn start(&mut self, listeners: Vec<PortListener>) -> io::Result<()> {
        listeners.into_iter().try_for_each(|listener| self.start_one(listener))
    }

    /// Starts one for each listener while the worker serves. What the system refuses is treated as a failed accept.
    pub(in crate::mux::worker) fn add(&mut self, listeners: Vec<PortListener>) {
        for listener in listeners {
            let side = listener.side;
            if let Err(error) = self.start_one(listener) {
                self.core.borrow_mut().accept_failed(side, &error, Duration::ZERO);
            }
        }
    }

    fn start_one(&mut self, listener: PortListener) -> io::Result<()> {
        let PortListener { port, side, listener } = listener;
        let (port, listener) = (Port { id: port, side }, TcpListener::from_std(listener)?);
        let task = accept(Rc::clone(&self.core), port, listener, SpareDescriptor::open());
        self.running.push((port, spawn_local(task)));
        Ok(())
    }

    /// The gateway stops. Sessions are answered to the end, so that a client that resumes meanwhile is told so.
    pub(in crate::mux::worker) fn stop(&mut self) {
        let with_sessions = PerSide::new(|side| self.core.borrow().has_sessions(side));
        self.close(|_, side| !with_sessions[side]);
    }

    /// Accepts no longer from these ports.
    pub(in crate::mux::worker) fn close(&mut self, is_meant: impl Fn(PortId, Side) -> bool) {
        for (port, task) in self.running.extract_if(.., |(port, _)| is_meant(port.id, port.side)) {
            task.abort();
            self.core.borrow_mut().acceptance.closed(port.id);
        }
    }
}

/// Accepts on one port for good. Without descriptors it pauses, so that it does not spin.
async fn accept(core: SharedCore, port: Port, listener: TcpListener, mut spare: SpareDescriptor) {
    let Port { side, .. } = port;
    let mut backoff = Backoff::default();
    let mut accepted = 0u32;
    core.borrow_mut().accepts(port, false);
    loop {
        spare.keep();
        let stream = listener.accept().await;
        core.borrow().clock.restart();
        match stream {
            Ok((stream, peer)) => {
                if backoff.reset() {
                    core.borrow_mut().accepts(port, false);
                }
                on_accept(&core, side, stream.into(), plain(peer));
                keep_pace(&core, port).await;

                accepted += 1;
                if accepted.is_multiple_of(ACCEPTED_AT_ONCE) {
                    yield_now().await;
                }
            }

            // The peer is told at once, and may try another gateway.
            Err(error) if spare.release_after(&error) => {
                reject_next(&core, side, &listener, error).await;
                spare.keep();
                yield_now().await;
            }

            Err(error) => {
                let pause = backoff.after(&error);
                core.borrow_mut().accept_failed(side, &error, pause);
                core.borrow_mut().accepts(port, true);
                sleep(&core, pause).await;
            }
        }
    }
}

/// Waits until the next stream may be accepted. Meanwhile streams wait in the system's queue.
async fn keep_pace(core: &SharedCore, port: Port) {
    let pause = core.borrow_mut().pause_after_accept(port.side);
    if !pause.is_zero() {
        core.borrow_mut().accepts(port, true);
        sleep(core, pause).await;
        core.borrow_mut().accepts(port, false);
    }
}

/// Takes in the stream that could not be accepted before, and closes it.
async fn reject_next(core: &SharedCore, side: Side, listener: &TcpListener, error: io::Error) {
    core.borrow_mut().accept_failed(side, &error, Duration::ZERO);
    let next = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await;
    if let Poll::Ready(Ok((_closed, peer))) = next {
        core.borrow_mut().reject(side, peer, &Rejection::NoDescriptor(error));
    }
}

/// Takes a stream in, here or on another worker.
fn on_accept(core: &SharedCore, side: Side, stream: Stream, peer: SocketAddr) {
    let (shared, me, only_here) = core.borrow().place();
    let mut permit = shared.admission.reserve(only_here);

    // Where sessions are admitted it may be a resume, which is no further client; and behind a proxy it has another address.
    if side == Side::Client && !core.borrow().has_sessions(side) && !core.borrow().takes_headers(side) {
        let counted = permit.count_client(peer.ip());
        if let Err(rejection) = counted {
            return core.borrow_mut().reject(side, peer, &rejection);
        }
    }

    let owner = permit.worker();
    let accepted = AcceptedStream { side, stream, peer, permit };
    if owner == me {
        return dispatch(core, accepted);
    }
    forward(core, &shared, owner, accepted);
}

/// Hands a stream to the worker that is to own its link.
fn forward(core: &SharedCore, shared: &Shared, owner: WorkerId, accepted: AcceptedStream<Stream>) {
    let AcceptedStream { side, stream, peer, permit } = accepted;
    let stream = match stream.detach() {
        Ok(stream) => stream,
        Err(error) => return core.borrow_mut().reject(side, peer, &Rejection::Handover(error)),
    };

    let message = Message::Admit(AcceptedStream { side, stream, peer, permit });
    let unsent = shared.mailboxes.try_send(owner, message);
    // While the gateway stops, a worker without links is gone: it is this one that answers its streams.
    if let Err(Message::Admit(accepted)) = unsent {
        admit_forwarded(core, accepted);
    }
}

impl Core {
    /// What the workers share, this worker, and the worker that must own the next link if not any may.
    fn place(&self) -> (Arc<Shared>, WorkerId, Option<WorkerId>) {
        (Arc::clone(&self.shared), self.me, self.startup.reuse_port.then_some(self.me))
    }

    /// Whether a port admits sessions.
    pub(in crate::mux::worker) fn has_sessions(&self, side: Side) -> bool {
        self.kinds(side).has_sessions()
    }

    /// What a port admits.
    pub(super) fn kinds(&self, side: Side) -> PortKinds {
        self.acceptance.kinds(side)
    }

    /// Whether newcomers are taken in: not once the gateway drains or stops.
    pub(super) fn admits_newcomers(&self) -> bool {
        self.stop.is_reading() && self.shared.drain.admits_newcomers()
    }

    /// Whether streams on a port may begin with PROXY headers.
    pub(super) fn takes_headers(&self, side: Side) -> bool {
        self.settings.side(side).proxy_protocol != ProxyProtocol::Off
    }

    /// Notes whether the acceptor of a port accepts or pauses, from now on.
    fn accepts(&mut self, port: Port, pausing: bool) {
        self.acceptance.accepts(port.id, port.side, pausing, self.clock.millis());
    }

    /// How long to accept nothing after a stream was accepted. Game servers are few, and everybody waits for them.
    fn pause_after_accept(&mut self, side: Side) -> Duration {
        let rate = &self.shared.rates.accepts;
        if side == Side::Server || !rate.is_bounded() {
            return Duration::ZERO;
        }
        let pause = rate.spend(self.clock.read());
        if !pause.is_zero() {
            self.counters.accept_paused();
        }
        pause
    }

    fn accept_failed(&mut self, side: Side, error: &io::Error, pause: Duration) {
        self.counters.accept_failed();
        self.link_log.accept_failed(side, error, pause);
    }
}
