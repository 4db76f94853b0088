//! Ports and numbers of links, as commands and the admin listener name them.

use fastway_admin::observe;

use crate::mux::routing::{LinkId, Side};

pub(super) fn side(side: Side) -> observe::Side {
    match side {
        Side::Client => observe::Side::Client,
        Side::Server => observe::Side::Server,
    }
}

pub(super) fn link_id(id: LinkId) -> observe::LinkId {
    observe::LinkId::new(id.get())
}
