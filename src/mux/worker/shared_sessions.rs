//! The sessions of all workers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fastway_service::{AddressPrefix, Share};
use fastway_session::{Names, SessionName, Status};

use super::session_table::SessionTable;
use crate::mux::config::WaitingLimits;
use crate::mux::routing::LinkAddr;

/// Where the sessions of all workers are found, and how many of them may wait. Never asked for a frame of a
/// session that has a transport.
#[derive(Debug)]
pub(crate) struct Sessions(Mutex<SessionTable<LinkAddr>>);

impl Sessions {
    pub(super) fn new(limits: WaitingLimits) -> Self {
        Self(Mutex::new(SessionTable::new(limits)))
    }

    pub(super) fn set_limits(&self, limits: WaitingLimits) {
        self.lock().set_limits(limits);
    }

    /// A panic of another thread cannot leave the table half written: its parts are only found through each other.
    fn lock(&self) -> MutexGuard<'_, SessionTable<LinkAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link whose session a resume names.
    pub(super) fn find(&self, name: SessionName) -> Result<LinkAddr, Status> {
        self.lock().find(name)
    }

    pub(super) fn insert(&self, link: LinkAddr, from: AddressPrefix, names: Names) {
        self.lock().insert(link, from, names);
    }

    pub(super) fn rename(&self, link: LinkAddr, names: Names) {
        self.lock().rename(link, names);
    }

    pub(super) fn resumed(&self, link: LinkAddr, from: AddressPrefix, names: Names) {
        self.lock().resumed(link, from, names);
    }

    pub(super) fn contains(&self, link: LinkAddr) -> bool {
        self.lock().contains(link)
    }

    pub(super) fn wait(&self, link: LinkAddr, bytes: usize) -> Vec<LinkAddr> {
        self.lock().wait(link, bytes)
    }

    pub(super) fn end(&self, link: LinkAddr) {
        self.lock().end(link);
    }

    pub(super) fn remove(&self, link: LinkAddr) {
        self.lock().remove(link);
    }

    /// Whether there is none, but for those that are over.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().len() == 0
    }

    /// Sessions that are there, and what waits.
    pub(crate) fn load(&self) -> (usize, Share) {
        let table = self.lock();
        (table.len(), table.waiting())
    }
}
