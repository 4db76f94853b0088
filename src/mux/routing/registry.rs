//! Who can be dialed: the links of all workers by ID.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use fastway_admin::observe::LinkId;
use fastway_wire::ServerId;
use rustc_hash::FxBuildHasher;

use super::address::LinkAddr;

/// The directory of servers and clients that all workers share. It is asked at a dial, never for data.
#[derive(Debug, Default)]
pub struct Registry {
    servers: DashMap<ServerId, LinkAddr, FxBuildHasher>,
    clients: DashMap<LinkId, LinkAddr, FxBuildHasher>,
}

impl Registry {
    /// The link of the server with this ID.
    pub fn server(&self, id: ServerId) -> Option<LinkAddr> {
        self.servers.get(&id).map(|addr| *addr)
    }

    /// The link of the client with this ID.
    pub fn client(&self, id: LinkId) -> Option<LinkAddr> {
        self.clients.get(&id).map(|addr| *addr)
    }

    /// Registers a server.
    ///
    /// # Errors
    /// The link that has the ID now; it must be closed first.
    pub fn claim_server(&self, id: ServerId, addr: LinkAddr) -> Result<(), LinkAddr> {
        match self.servers.entry(id) {
            Entry::Occupied(taken) => Err(*taken.get()),
            Entry::Vacant(free) => {
                free.insert(addr);
                Ok(())
            }
        }
    }

    /// Frees a server ID if this link has it.
    pub fn release_server(&self, id: ServerId, addr: LinkAddr) {
        self.servers.remove_if(&id, |_, holder| *holder == addr);
    }

    /// The link of this number, a client's or a registered server's.
    pub fn link(&self, id: LinkId) -> Option<LinkAddr> {
        let server = || self.servers.iter().map(|server| *server).find(|addr| addr.id == id);
        self.client(id).or_else(server)
    }

    /// Number of registered servers.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    pub(super) fn has_client(&self, id: LinkId) -> bool {
        self.clients.contains_key(&id)
    }

    pub(super) fn add_client(&self, addr: LinkAddr) {
        self.clients.insert(addr.id, addr);
    }

    pub(super) fn remove_client(&self, id: LinkId) {
        self.clients.remove(&id);
    }
}
