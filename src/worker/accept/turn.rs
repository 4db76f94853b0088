//! Handshakes wait for their turn to be computed.

use std::future::pending;
use std::time::Instant;

use fastway_service::AddressPrefix;
use fastway_transport::Stream;
use tokio::select;

use super::handshake::Handshake;
use crate::accept::pending::NoTurn;
use crate::accept::turns::Purpose;
use crate::routing::PerSide;
use crate::worker::core::Core;

impl Handshake {
    /// Waits until it is the turn of a handshake.
    ///
    /// # Errors
    /// It has lost its place, or its peer has left, and it gets no turn.
    pub(super) async fn turn(&self, stream: &mut Stream, purpose: Purpose) -> Result<(), NoTurn> {
        let (given, no_turn) = {
            let (mut core, now) = (self.core.borrow_mut(), Instant::now());
            let no_turn = core.pending[self.side].wait(self.number);
            core.turns_due.notify_one();
            if !core.turns.anybody_waits() {
                core.retry_times.restart(now);
            }
            (core.turns.wait(AddressPrefix::from(self.peer.ip()), purpose, now), no_turn)
        };

        select! {
            // A turn is of no use any more where the place is lost.
            biased;
            Ok(no_turn) = no_turn => Err(no_turn),
            given = given => match given {
                Ok(()) => {
                    self.core.borrow_mut().retry_times.turn_given(Instant::now());
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
    /// Gives handshakes the turns of a round; false if none may be given, or nobody waits for one.
    pub(in crate::worker) fn give_turns(&mut self) -> bool {
        if !self.turns.anybody_waits() {
            return false;
        }
        let now = Instant::now();
        let room = PerSide::new(|side| self.pending[side].room_for_answers(now));
        let any_given = self.turns.give(now, room);
        if !any_given && self.turns.anybody_waits() {
            self.retry_turns(now);
        }
        any_given
    }
}
