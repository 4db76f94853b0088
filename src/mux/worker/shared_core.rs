//! The state of a worker as its tasks share it: they hold it only while they are polled.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::coop::unconstrained;

use super::core::Core;
use crate::mux::routing::LinkAddr;

/// A worker's state.
pub(super) type SharedCore = Rc<RefCell<Core>>;

/// The task of a link.
pub(super) fn drive(core: SharedCore, addr: LinkAddr) -> impl Future<Output = ()> {
    unconstrained(poll_fn(move |cx| core.borrow_mut().poll_link(addr, cx)))
}

/// Waits for this time.
pub(super) async fn sleep(core: &SharedCore, time: Duration) {
    let due = Rc::new(Notify::new());
    core.borrow_mut().notify_after(time, Rc::clone(&due));
    due.notified().await;
}
