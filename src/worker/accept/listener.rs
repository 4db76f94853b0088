//! The way in: accepts streams, admits clients, and lets servers prove who they are.

use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_local, yield_now};

use super::admit::{admit_client, serve};
use super::handshake as arrivals;
use crate::accept::acceptor::Acceptor;
use crate::accept::admission::{Permit, TurnedAway};
use crate::accept::server_handshake::{self as handshake, HandshakeEnd, PAUSE};
use crate::link::Transport;
use crate::listen::{Backoff, plain};
use crate::process::SpareDescriptor;
use crate::routing::{Role, Side, WorkerId};
use crate::worker::core::Core;
use crate::worker::link_log::Rejected;
use crate::worker::mail::{Message, Newcomer};
use crate::worker::shared::Shared;
use crate::worker::shared_core::{SharedCore, sweeps_until};

/// Streams that are accepted before those who are there have their turn.
const ACCEPTED_AT_ONCE: u32 = 4;

/// The listening sockets that one worker accepts from.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    pub(crate) client: Option<std::net::TcpListener>,
    pub(crate) server: Option<std::net::TcpListener>,
}

/// A running acceptor.
#[derive(Debug)]
pub(in crate::worker) struct Accepting {
    task: JoinHandle<()>,
    /// Who comes to resume a session while the gateway stops is told so.
    answers_to_the_end: bool,
}

impl Accepting {
    /// The gateway stops.
    pub(in crate::worker) fn stop(self) {
        if !self.answers_to_the_end {
            self.task.abort();
        }
    }
}

/// Starts an acceptor for each listener.
///
/// # Errors
/// The system refuses to watch a listener.
pub(in crate::worker) fn accept_from(core: &SharedCore, doors: Doors) -> io::Result<Vec<Accepting>> {
    let doors = [(Side::Client, doors.client), (Side::Server, doors.server)];
    let listeners = doors.into_iter().filter_map(|(side, listener)| Some((side, listener?)));
    listeners
        .map(|(side, listener)| {
            let answers_to_the_end = core.borrow().config.side(side).kinds.with_sessions();
            let listener = TcpListener::from_std(listener)?;
            let task = spawn_local(accept(Rc::clone(core), side, listener, SpareDescriptor::open()));
            Ok(Accepting { task, answers_to_the_end })
        })
        .collect()
}

/// Accepts on one port for good. Without descriptors it pauses, so that it does not spin.
async fn accept(core: SharedCore, side: Side, listener: TcpListener, mut spare: SpareDescriptor) {
    let mut backoff = Backoff::default();
    let mut accepted = 0u32;
    core.borrow_mut().accepts(side, false);
    loop {
        spare.keep();
        match listener.accept().await {
            Ok((stream, peer)) => {
                if backoff.reset() {
                    core.borrow_mut().accepts(side, false);
                }
                receive_at_door(&core, side, stream, plain(peer));
                accepted += 1;
                if accepted.is_multiple_of(ACCEPTED_AT_ONCE) {
                    yield_now().await;
                }
            }
            // Whoever waits is told at once, and may try another gateway.
            Err(error) if spare.release_after(&error) => {
                turn_away_next(&core, side, &listener, &error).await;
                spare.keep();
                yield_now().await;
            }
            Err(error) => {
                let pause = backoff.after(&error);
                core.borrow_mut().accept_failed(side, &error, pause);
                core.borrow_mut().accepts(side, true);
                sweeps_until(&core, Instant::now() + pause).await;
            }
        }
    }
}

/// Takes in the stream that could not be accepted before, and closes it.
async fn turn_away_next(core: &SharedCore, side: Side, listener: &TcpListener, error: &io::Error) {
    core.borrow_mut().accept_failed(side, error, Duration::ZERO);
    let next = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await;
    if let Poll::Ready(Ok((_closed, peer))) = next {
        core.borrow_mut().turned_away(side, peer, TurnedAway::Descriptors, error);
    }
}

/// Lets a stream in, here or on another worker.
fn receive_at_door(core: &SharedCore, side: Side, stream: TcpStream, peer: SocketAddr) {
    let (shared, me, only_here) = core.borrow().place();
    // Where sessions are admitted, a resume is no new client.
    let permit = match core.borrow().config.side(side).kinds.with_sessions() {
        true => Ok(shared.admission.seat(only_here)),
        false => shared.admission.admit(side, peer.ip(), only_here),
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(refusal) => return core.borrow_mut().turned_away(side, peer, refusal.kind(), &refusal),
    };
    let owner = permit.worker();
    if owner == me {
        return admit(core, Newcomer { side, stream, peer, permit });
    }
    match stream.into_std() {
        Ok(stream) => {
            let unsent = shared.mailboxes.try_send(owner, Message::Admit(Newcomer { side, stream, peer, permit }));
            // While the gateway stops, a worker without links is gone: it is this one that tells newcomers.
            if let Err(Message::Admit(newcomer)) = unsent {
                admit_from_afar(core, newcomer);
            }
        }
        Err(error) => core.borrow_mut().turned_away(side, peer, TurnedAway::Handover, &error),
    }
}

/// Makes a link of a stream that another worker accepted.
pub(in crate::worker) fn admit_from_afar(core: &SharedCore, newcomer: Newcomer<std::net::TcpStream>) {
    let Newcomer { side, stream, peer, permit } = newcomer;
    match TcpStream::from_std(stream) {
        Ok(stream) => admit(core, Newcomer { side, stream, peer, permit }),
        Err(error) => core.borrow_mut().turned_away(side, peer, TurnedAway::Handover, &error),
    }
}

/// Makes a link of an accepted stream.
fn admit(core: &SharedCore, newcomer: Newcomer<TcpStream>) {
    if core.borrow().config.side(newcomer.side).kinds.with_sessions() {
        return arrivals::begin(core, newcomer);
    }
    if !core.borrow().stop.is_reading() {
        return;
    }
    let Newcomer { side, stream, peer, permit } = newcomer;
    match side {
        Side::Client => admit_client(core, Transport::Tcp(stream), peer, permit),
        Side::Server => arrivals::start(core, side, peer, |core, number, _| greet(core, stream, peer, permit, number)),
    }
}

/// The task of a server's link: handshake, registration, then the link itself.
async fn greet(core: SharedCore, mut stream: TcpStream, peer: SocketAddr, permit: Permit, number: u64) {
    let key = core.borrow().config.server_auth_key.clone();
    let pause = async || sweeps_until(&core, Instant::now() + PAUSE).await;
    let greeted = handshake::greet(&mut stream, &key, rand::random(), pause).await;
    core.borrow_mut().pending.of_mut(Side::Server).end(number);
    let id = match greeted {
        Ok(id) => id,
        Err(failure) => return core.borrow_mut().handshake_failed(peer, failure.kind(), &failure),
    };
    let addr = core.borrow_mut().add(Role::Server(id), Transport::Tcp(stream), peer, permit);
    serve(core, id, addr).await;
}

impl Core {
    /// What the workers share, this worker, and the worker that must own the next link if not any may.
    fn place(&self) -> (Arc<Shared>, WorkerId, Option<WorkerId>) {
        (Arc::clone(&self.shared), self.me, self.config.reuse_port.then_some(self.me))
    }

    /// Notes whether the acceptor of a port accepts or pauses, and since when.
    fn accepts(&mut self, side: Side, pausing: bool) {
        let since = self.at(Instant::now());
        match self.acceptors.iter_mut().find(|acceptor| acceptor.side == side) {
            Some(same) if same.pausing == pausing => {}
            Some(acceptor) => *acceptor = Acceptor { side, pausing, since },
            None => self.acceptors.push(Acceptor { side, pausing, since }),
        }
    }

    pub(in crate::worker) fn turned_away(
        &mut self,
        side: Side,
        peer: SocketAddr,
        kind: TurnedAway,
        reason: &dyn Display,
    ) {
        self.stats.turned_away(kind);
        self.link_log.rejected(side, peer, Rejected::Admission(kind), reason);
    }

    fn accept_failed(&mut self, side: Side, error: &io::Error, pause: Duration) {
        self.stats.accept_errors += 1;
        self.link_log.accept_failed(side, error, pause);
    }

    pub(in crate::worker) fn handshake_failed(&mut self, peer: SocketAddr, kind: HandshakeEnd, reason: &dyn Display) {
        self.stats.handshake_failed(kind);
        self.link_log.rejected(Side::Server, peer, Rejected::ServerHandshake(kind), reason);
    }
}
