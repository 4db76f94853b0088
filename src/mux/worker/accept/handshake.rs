//! The tasks of handshakes, and how they end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use fastway_service::Progress;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::mux::accept::pending::{EndedEarly, NoTurn};
use crate::mux::accept::rejection::Rejection;
use crate::mux::routing::Side;
use crate::mux::worker::core::Core;
use crate::mux::worker::shared_core::SharedCore;

/// A handshake in progress, as its task knows it.
pub(super) struct Handshake {
    pub(super) core: SharedCore,
    /// The port.
    pub(super) side: Side,
    pub(super) peer: SocketAddr,
    /// Its number among the handshakes of the port.
    pub(super) number: u64,
}

impl Handshake {
    /// Starts a task for a handshake. When there are too many, another one is ended for it. As long as a task keeps the
    /// receiver, it is told that it has to end, and answers for itself; else it is ended.
    pub(super) fn start(
        core: &SharedCore,
        side: Side,
        peer: SocketAddr,
        task: impl AsyncFnOnce(&mut Self, oneshot::Receiver<NoTurn>) -> Result<(), Rejection> + 'static,
    ) {
        let mut state = core.borrow_mut();
        let number = state.acceptance.next_number(side);
        let (tell, no_turn) = oneshot::channel();

        let mut handshake = Self { core: Rc::clone(core), side, peer, number };
        let task = spawn_local(async move {
            let outcome = task(&mut handshake, no_turn).await;
            let Self { core, peer, .. } = handshake;
            core.borrow_mut().handshake_ended(side, peer, number, outcome);
        });

        let now = state.clock.now();
        let ended = state.acceptance.begin(side, number, task.abort_handle(), tell, peer, now);
        if let Some(ended) = ended {
            state.ended_early(&ended);
        }
    }

    /// Notes that the peer has another address than the socket has, by its PROXY header.
    pub(super) fn comes_from(&mut self, peer: SocketAddr) {
        self.peer = peer;
        let mut core = self.core.borrow_mut();
        let ended = core.acceptance.relocate(self.side, self.number, peer);
        if let Some(ended) = ended {
            core.ended_early(&ended);
        }
    }

    /// Notes how far it has come: who is further goes later when there are too many.
    pub(super) fn advance(&self, progress: Progress) {
        let mut core = self.core.borrow_mut();
        let now = core.clock.read();
        core.acceptance.advance(self.side, self.number, progress, now);
    }
}

impl Core {
    /// Accounts for a handshake whose task has come to its end.
    fn handshake_ended(&mut self, side: Side, peer: SocketAddr, number: u64, outcome: Result<(), Rejection>) {
        self.acceptance.end(side, number);
        if let Err(rejection) = outcome {
            self.reject(side, peer, &rejection);
        }
    }

    /// Accounts for a handshake whose task was ended.
    pub(in crate::mux::worker) fn ended_early(&mut self, ended: &EndedEarly) {
        self.reject(ended.side, ended.peer, &ended.why.into());
    }

    /// Ends the handshakes that take too long.
    pub(in crate::mux::worker) fn end_late_handshakes(&mut self, now: Instant) {
        while let Some(ended) = self.acceptance.end_late(now) {
            self.ended_early(&ended);
        }
    }
}
