//! The state of a worker as its tasks share it: they hold it only while they are polled.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Instant;

use tokio::task::coop::unconstrained;

use super::core::Core;
use crate::routing::LinkAddr;

/// A worker's state.
pub(super) type SharedCore = Rc<RefCell<Core>>;

/// The task of a link.
pub(super) fn drive(core: SharedCore, addr: LinkAddr) -> impl Future<Output = ()> {
    unconstrained(poll_fn(move |cx| core.borrow_mut().poll_link(addr, cx)))
}

/// Waits for the first sweep after `time`, or not at all.
pub(super) async fn sweeps_until(core: &SharedCore, time: Instant) {
    while Instant::now() < time {
        let sweep = core.borrow().upkeep.next_sweep();
        sweep.notified().await;
    }
}
