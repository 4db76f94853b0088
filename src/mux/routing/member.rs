//! What the router knows of one link.

use fastway_admin::observe::Role;
use fastway_wire::ConnId;
use rustc_hash::FxHashSet;

use super::address::LinkAddr;

/// A link that takes part in routing.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) addr: LinkAddr,
    pub(super) role: Role,
    pub(super) conns: FxHashSet<ConnId>,
    pub(super) dial_rate: DialRate,
}

impl Member {
    pub(super) fn new(addr: LinkAddr, role: Role) -> Self {
        Self { addr, role, conns: FxHashSet::default(), dial_rate: DialRate::default() }
    }
}

/// Dials in the current second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DialRate {
    second: u64,
    dials: u32,
}

impl DialRate {
    /// Counts a dial and says whether it is within the limit.
    pub(super) fn allows(&mut self, second: u64, limit: Option<u32>) -> bool {
        if self.second != second {
            *self = Self { second, dials: 0 };
        }
        self.dials = self.dials.saturating_add(1);
        limit.is_none_or(|limit| self.dials <= limit)
    }
}
