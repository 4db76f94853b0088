//! The router: who is connected to whom.

use std::sync::Arc;

use fastway_admin::observe::{LinkId, Role, Side};
use fastway_wire::{Command, ConnId};
use rustc_hash::FxHashMap;

use super::address::{Ends, IdSequence, LinkAddr, Slot, WorkerId};
use super::effect::{Effect, Origin, RouterSync, Violation, answer};
use super::member::Member;
use super::registry::Registry;

/// What a router is told at start.
#[derive(Clone, Copy, Debug)]
pub struct RouterLimits {
    /// Connections that a client may have before its next dial is refused; `None`: no limit.
    pub client_max_conns: Option<u32>,
    /// Dials by one client in a second; `None`: no limit.
    pub max_dials_per_second: Option<u32>,
}

/// What a router has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterStats {
    /// Virtual connections opened by links of this worker.
    pub opened: u64,
    /// Dials refused because nobody has the ID.
    pub refused_unknown: u64,
    /// Dials refused because the client has as many connections as it may have.
    pub refused_max_conns: u64,
    /// Dials refused because the client dials too often.
    pub refused_dial_rate: u64,
    /// Runs of data for connections that the sender is no end of.
    pub unknown_connection: u64,
}

impl RouterStats {
    /// Adds what another router counted.
    pub fn add(&mut self, other: &Self) {
        let Self { opened, refused_unknown, refused_max_conns, refused_dial_rate, unknown_connection } = other;
        self.opened += opened;
        self.refused_unknown += refused_unknown;
        self.refused_max_conns += refused_max_conns;
        self.refused_dial_rate += refused_dial_rate;
        self.unknown_connection += unknown_connection;
    }
}

/// The virtual connections of one worker's links.
#[derive(Debug)]
pub struct Router {
    pub(super) me: WorkerId,
    pub(super) limits: RouterLimits,
    pub(super) registry: Arc<Registry>,
    pub(super) link_ids: IdSequence,
    pub(super) conn_ids: IdSequence,
    pub(super) conns: FxHashMap<ConnId, Ends>,
    /// Those of `conns` whose client is on this worker.
    pub(super) client_conns: usize,
    pub(super) members: Vec<Option<Member>>,
    pub(super) stats: RouterStats,
}

impl Router {
    /// Changes the limits. Connections that are there stay.
    pub fn set_limits(&mut self, limits: RouterLimits) {
        self.limits = limits;
    }

    /// A router without links, one of `workers`.
    pub fn new(me: WorkerId, workers: usize, registry: Arc<Registry>, limits: RouterLimits) -> Self {
        Self {
            me,
            limits,
            registry,
            link_ids: IdSequence::new(me, workers),
            conn_ids: IdSequence::new(me, workers),
            conns: FxHashMap::default(),
            client_conns: 0,
            members: Vec::new(),
            stats: RouterStats::default(),
        }
    }

    /// Admits a link to `slot`. Clients can be dialed at once; a server when it has claimed its ID in the registry.
    pub fn join(&mut self, slot: Slot, role: Role) -> LinkAddr {
        let registry = &self.registry;
        let id = LinkId::new(self.link_ids.next(|id| registry.has_client(LinkId::new(id))));
        let addr = LinkAddr { worker: self.me, slot, id };
        if role == Role::Client {
            self.registry.add_client(addr);
        }
        if self.members.len() <= slot.index() {
            self.members.resize_with(slot.index() + 1, || None);
        }
        if let Some(place) = self.members.get_mut(slot.index()) {
            *place = Some(Member::new(addr, role));
        }
        addr
    }

    /// Removes a link; the other end of each of its connections is told.
    pub fn leave(&mut self, slot: Slot, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(slot.index()).and_then(Option::take) else { return };
        match member.role {
            Role::Client => self.registry.remove_client(member.addr.id),
            Role::Server(id) => self.registry.release_server(id, member.addr),
        }
        for conn in member.conns {
            if let Some(ends) = self.forget(conn) {
                self.tell_end(ends.other(member.role.side()), conn, Origin::Others, effects);
            }
        }
    }

    /// Where data that came from `slot` for `conn` goes; `None` when that link is no end of it.
    #[inline]
    pub fn peer(&self, slot: Slot, side: Side, conn: ConnId) -> Option<LinkAddr> {
        let ends = self.conns.get(&conn)?;
        let own = ends.end(side);
        (own.worker == self.me && own.slot == slot).then(|| ends.other(side))
    }

    /// The servers that a client has connections to, one for each connection; nothing for a server.
    pub fn servers_of(&self, slot: Slot) -> impl Iterator<Item = LinkAddr> + '_ {
        let client = self.member(slot).filter(|member| member.role == Role::Client);
        let conns = client.into_iter().flat_map(|member| &member.conns);
        conns.filter_map(|conn| self.conns.get(conn)).map(|ends| ends.server)
    }

    /// This worker's end of a connection whose other end is on another worker.
    #[inline]
    pub fn local_end(&self, conn: ConnId) -> Option<LinkAddr> {
        let ends = self.conns.get(&conn)?;
        [ends.client, ends.server].into_iter().find(|end| end.worker == self.me)
    }

    /// Answers data for a connection that the sender is no end of.
    pub fn unknown_connection(&mut self, slot: Slot, conn: ConnId, effects: &mut Vec<Effect>) {
        self.stats.unknown_connection += 1;
        effects.push(answer(slot, Command::Close { conn }));
    }

    /// Carries out a command that came from the link in `slot`; `second` is any clock's count of seconds.
    ///
    /// # Errors
    /// A command that only the gateway sends; the link has to be closed.
    pub fn command(
        &mut self,
        slot: Slot,
        command: Command,
        second: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        match command {
            Command::Ping => effects.push(answer(slot, Command::Ping)),
            Command::Dial { remote } => self.dial(slot, remote, second, effects),
            Command::Close { conn } => self.close(slot, conn, effects),
            Command::Accept { .. } | Command::Connect { .. } | Command::Refuse { .. } => {
                return Err(Violation::GatewayOnly(command));
            }
        }
        Ok(())
    }

    /// Takes what the router of the worker `from` says.
    pub fn synced(&mut self, from: WorkerId, sync: RouterSync, effects: &mut Vec<Effect>) {
        match sync {
            RouterSync::Connect { conn, ends, dialer } => {
                if !self.connect(conn, ends, dialer, effects) {
                    effects.push(Effect::RouterSync { to: from, sync: RouterSync::Close { conn } });
                }
            }
            RouterSync::Close { conn } => {
                if let Some(local) = self.local_end(conn) {
                    self.forget(conn);
                    self.tell_end(local, conn, Origin::Others, effects);
                }
            }
        }
    }

    /// Ends every connection and tells the ends on this worker; each router does so for its own at shutdown.
    pub fn close_all(&mut self, effects: &mut Vec<Effect>) {
        self.client_conns = 0;
        for (conn, ends) in std::mem::take(&mut self.conns) {
            for end in [ends.client, ends.server] {
                if end.worker == self.me {
                    self.tell_end(end, conn, Origin::Others, effects);
                }
            }
        }
    }

    /// The connections of a link of this worker.
    pub fn connections_of(&self, slot: Slot) -> impl ExactSizeIterator<Item = &ConnId> {
        self.member(slot).map(|member| member.conns.iter()).unwrap_or_default()
    }

    /// The ends of a connection that this worker has one of.
    pub fn ends(&self, conn: ConnId) -> Option<Ends> {
        self.conns.get(&conn).copied()
    }

    /// What the router has done so far.
    pub fn stats(&self) -> RouterStats {
        self.stats
    }

    /// Virtual connections of clients of this worker.
    pub fn connections(&self) -> usize {
        self.client_conns
    }

    /// Whether no connection has an end on this worker.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.conns.is_empty()
    }

    pub(super) fn insert(&mut self, slot: Slot, conn: ConnId, ends: Ends) {
        let is_new = self.conns.insert(conn, ends).is_none();
        self.client_conns += usize::from(is_new && ends.client.worker == self.me);
        if let Some(Some(member)) = self.members.get_mut(slot.index()) {
            member.conns.insert(conn);
        }
    }

    pub(super) fn forget(&mut self, conn: ConnId) -> Option<Ends> {
        let ends = self.conns.remove(&conn)?;
        self.client_conns -= usize::from(ends.client.worker == self.me);
        Some(ends)
    }

    /// Closes a connection at the request of one end. Nobody else's request changes anything.
    fn close(&mut self, slot: Slot, conn: ConnId, effects: &mut Vec<Effect>) {
        let Some(side) = self.member(slot).map(|member| member.role.side()) else { return };
        let Some(peer) = self.peer(slot, side, conn) else { return };
        if let Some(ends) = self.forget(conn) {
            self.tell_end(ends.end(side), conn, Origin::Itself, effects);
            self.tell_end(peer, conn, Origin::Others, effects);
        }
    }

    /// Tells one end, here or through its router, that the connection is closed.
    pub(super) fn tell_end(&mut self, end: LinkAddr, conn: ConnId, origin: Origin, effects: &mut Vec<Effect>) {
        if end.worker != self.me {
            effects.push(Effect::RouterSync { to: end.worker, sync: RouterSync::Close { conn } });
        } else if let Some(Some(member)) = self.members.get_mut(end.slot.index()) {
            member.conns.remove(&conn);
            effects.push(Effect::Tell { slot: end.slot, command: Command::Close { conn }, origin });
        }
    }

    pub(super) fn member(&self, slot: Slot) -> Option<&Member> {
        self.members.get(slot.index())?.as_ref()
    }
}
