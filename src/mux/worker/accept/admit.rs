//! From a stream whose peer is known to a link.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use fastway_wire::ServerId;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::mux::accept::admission::Permit;
use crate::mux::link::LinkStream;
use crate::mux::routing::{LinkAddr, Role};
use crate::mux::worker::core::Core;
use crate::mux::worker::mail::Message;
use crate::mux::worker::shared_core::{SharedCore, drive};

/// Makes a client's link.
pub(super) fn admit_client(core: &SharedCore, stream: LinkStream, peer: SocketAddr, permit: Permit) {
    let addr = core.borrow_mut().add(Role::Client, stream, peer, permit);
    spawn_local(drive(Rc::clone(core), addr));
}

/// Makes the link of a server that has proved who it is.
pub(super) fn admit_server(core: &SharedCore, id: ServerId, stream: LinkStream, peer: SocketAddr, permit: Permit) {
    let addr = core.borrow_mut().add(Role::Server(id), stream, peer, permit);
    spawn_local(serve(Rc::clone(core), id, addr));
}

/// The task of a server's link: registration, then the link itself.
async fn serve(core: SharedCore, id: ServerId, addr: LinkAddr) {
    register(&core, id, addr).await;
    drive(core, addr).await;
}

/// Registers a server's link under its ID. An older link with that ID, and its connections, are closed first.
async fn register(core: &SharedCore, id: ServerId, addr: LinkAddr) {
    let shared = Arc::clone(&core.borrow().shared);
    while let Err(older) = shared.registry.claim_server(id, addr) {
        let (done, gone) = oneshot::channel();
        shared.mailboxes.send(older.worker, Message::Evict { server: older, done });
        let _its_worker_ended = gone.await;
        shared.registry.release_server(id, older);
    }
    let mut core = core.borrow_mut();
    if !core.registered(id, addr) {
        shared.registry.release_server(id, addr);
    }
}

impl Core {
    /// Says that a server can be dialed; false if its link is gone by now.
    fn registered(&mut self, id: ServerId, addr: LinkAddr) -> bool {
        let link = self.links.at(addr);
        link.inspect(|link| self.link_log.registered(id, link)).is_some()
    }
}
