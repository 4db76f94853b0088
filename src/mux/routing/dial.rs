//! Dials: who may open a connection to whom.

use fastway_admin::observe::{LinkId, Role, Side};
use fastway_wire::{Command, ConnId, ServerId};

use super::address::{Ends, Slot};
use super::effect::{Effect, Origin, RouterSync, answer};
use super::router::Router;

impl Router {
    /// Answers a dial, and tells the other end of the new connection.
    pub(super) fn dial(&mut self, slot: Slot, remote: u32, second: u64, effects: &mut Vec<Effect>) {
        let Some(ends) = self.find(slot, remote, second) else {
            effects.push(answer(slot, Command::Refuse { remote }));
            return;
        };
        let (conns, next) = (&self.conns, &mut self.conn_ids);
        let conn = ConnId::new(next.next(|id| conns.contains_key(&ConnId::new(id))));
        let dialer = self.member(slot).map_or(Side::Client, |member| member.role.side());
        self.stats.opened += 1;
        self.insert(slot, conn, ends);
        effects.push(answer(slot, Command::Accept { conn, remote }));
        let dialed = ends.other(dialer);
        if dialed.worker != self.me {
            effects.push(Effect::RouterSync { to: dialed.worker, sync: RouterSync::Connect { conn, ends, dialer } });
        } else if !self.connect(conn, ends, dialer, effects) {
            self.forget(conn);
            self.tell_end(ends.end(dialer), conn, Origin::Itself, effects);
        }
    }

    /// The ends of the connection that a dial would make; `None`: it is refused, and counted why.
    fn find(&mut self, slot: Slot, remote: u32, second: u64) -> Option<Ends> {
        let limits = self.limits;
        let member = self.members.get_mut(slot.index())?.as_mut()?;
        let dialer = member.addr;
        match member.role {
            Role::Client if !member.dial_rate.allows(second, limits.max_dials_per_second) => {
                self.stats.refused_dial_rate += 1;
                None
            }
            Role::Client if limits.client_max_conns.is_some_and(|max| member.conns.len() >= max as usize) => {
                self.stats.refused_max_conns += 1;
                None
            }
            Role::Client => {
                let server_id = ServerId::new(remote);
                let server = self.registry.server(server_id);
                self.counted(server.map(|server| Ends { client: dialer, server, server_id }))
            }
            Role::Server(server_id) => {
                let client = self.registry.client(LinkId::new(remote));
                self.counted(client.map(|client| Ends { client, server: dialer, server_id }))
            }
        }
    }

    fn counted(&mut self, found: Option<Ends>) -> Option<Ends> {
        self.stats.refused_unknown += u64::from(found.is_none());
        found
    }

    /// Makes this worker's link the dialed end of a connection; false if it is gone meanwhile.
    pub(super) fn connect(&mut self, conn: ConnId, ends: Ends, dialer: Side, effects: &mut Vec<Effect>) -> bool {
        let dialed = ends.other(dialer);
        if self.member(dialed.slot).is_none_or(|member| member.addr != dialed) {
            return false;
        }
        self.insert(dialed.slot, conn, ends);
        let remote = match dialer {
            Side::Client => ends.client.id.get(),
            Side::Server => ends.server_id.get(),
        };
        effects.push(Effect::Tell {
            slot: dialed.slot,
            command: Command::Connect { conn, remote },
            origin: Origin::Others,
        });
        true
    }
}
