//! Handshakes wait for their turn to be computed.

use std::future::pending;
use std::net::IpAddr;

use fastway_transport::Stream;
use tokio::select;

use super::handshake::Handshake;
use crate::mux::accept::acceptance::AwaitedTurn;
use crate::mux::accept::pending::NoTurn;
use crate::mux::accept::turns::Purpose;
use crate::mux::routing::Side;
use crate::mux::worker::core::Core;

impl Handshake {
    /// Waits until it is the turn of a handshake.
    ///
    /// # Errors
    /// It has lost its place, or its peer has left, and it gets no turn.
    pub(super) async fn turn(&self, stream: &mut Stream, purpose: Purpose) -> Result<(), NoTurn> {
        let Self { core, side, peer, number } = self;
        let AwaitedTurn { given, no_turn } = core.borrow_mut().await_turn(*side, *number, peer.ip(), purpose);

        select! {
            // A turn is of no use any more where the place is lost.
            biased;
            Ok(no_turn) = no_turn => Err(no_turn),
            given = given => match given {
                Ok(()) => {
                    core.borrow_mut().turn_given();
                    Ok(())
                }
                Err(_replaced) => Err(NoTurn::Replaced),
            },
            () = left(stream) => Err(NoTurn::Left),
        }
    }
}

/// Waits until a peer has left. One that has said more than it had to is taken to be there.
async fn left(stream: &mut Stream) {
    if stream.peek().await.is_ok_and(|shown| !shown.is_empty()) {
        pending().await
    }
}

impl Core {
    /// A handshake waits for its turn.
    fn await_turn(&mut self, side: Side, number: u64, peer: IpAddr, purpose: Purpose) -> AwaitedTurn {
        self.acceptance.wait(side, number, peer, purpose, self.clock.read())
    }

    /// A handshake has got its turn.
    fn turn_given(&mut self) {
        self.acceptance.turn_given(self.clock.read());
    }

    /// Gives handshakes the turns of a round; false if none may be given, or nobody waits for one.
    pub(in crate::mux::worker) fn give_turns(&mut self) -> bool {
        let now = self.clock.read();
        let any_given = self.acceptance.give_turns(now);
        if !any_given && self.acceptance.anybody_waits() {
            self.retry_turns(now);
        }
        any_given
    }
}
