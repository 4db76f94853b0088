//! Looking up where a frame goes.

use std::hint::black_box;
use std::sync::Arc;

use fastway::parts::{Effect, LinkAddr, Registry, Role, Router, RouterLimits, Side, Slot, WorkerId};
use fastway_wire::{Command, ConnId, ServerId};

use super::Bench;

const SERVER: ServerId = ServerId::new(7);
const CLIENTS: usize = 1_000;
const CONNS_PER_CLIENT: usize = 10;
/// Lookups from one connection to a distant one, so that the processor's caches know nothing of the next.
const STRIDE: usize = 7_919;

/// Lookups among 10,000 connections, from either end; and a connection from its dial to its close.
pub(super) fn measure(bench: &mut impl Bench) {
    let mut town = Town::new();
    let conns = town.shuffled();
    let count = conns.len() as u64;
    bench.case("routing: peer of a client's frame, 10,000 connections", count, || {
        black_box(conns.iter().filter(|(slot, conn)| town.leads(*slot, Side::Client, *conn)).count());
    });
    bench.case("routing: peer of a server's frame, 10,000 connections", count, || {
        black_box(conns.iter().filter(|(_, conn)| town.leads(town.server.slot, Side::Server, *conn)).count());
    });
    let client = Slot::from_index(1);
    let mut effects = Vec::new();
    bench.case("routing: dial and close", 1, || {
        let conn = town.dial(client, &mut effects);
        let closed = town.router.command(client, Command::Close { conn }, 0, &mut effects);
        assert_eq!(closed, Ok(()));
        effects.clear();
    });
}

/// A worker with one server and many clients.
struct Town {
    router: Router,
    server: LinkAddr,
    conns: Vec<(Slot, ConnId)>,
}

impl Town {
    fn new() -> Self {
        let no_limits = RouterLimits { client_max_conns: None, max_dials_per_second: None };
        let registry = Arc::new(Registry::default());
        let mut router = Router::new(WorkerId::new(0), 1, Arc::clone(&registry), no_limits);
        let server = router.join(Slot::from_index(0), Role::Server(SERVER));
        assert_eq!(registry.claim_server(SERVER, server), Ok(()));
        let mut town = Self { router, server, conns: Vec::new() };
        for client in 1..=CLIENTS {
            town.add_client(Slot::from_index(client));
        }
        assert_eq!(town.conns.len(), CLIENTS * CONNS_PER_CLIENT);
        town
    }

    fn add_client(&mut self, slot: Slot) {
        self.router.join(slot, Role::Client);
        let mut effects = Vec::new();
        for _ in 0..CONNS_PER_CLIENT {
            let conn = self.dial(slot, &mut effects);
            self.conns.push((slot, conn));
            effects.clear();
        }
    }

    fn dial(&mut self, client: Slot, effects: &mut Vec<Effect>) -> ConnId {
        let dialed = self.router.command(client, Command::Dial { remote: SERVER.get() }, 0, effects);
        assert_eq!(dialed, Ok(()));
        effects.iter().find_map(accepted).unwrap_or(ConnId::COMMAND)
    }

    fn shuffled(&self) -> Vec<(Slot, ConnId)> {
        let order = (0..self.conns.len()).map(|index| index * STRIDE % self.conns.len());
        order.filter_map(|index| self.conns.get(index).copied()).collect()
    }

    fn leads(&self, slot: Slot, side: Side, conn: ConnId) -> bool {
        black_box(self.router.peer(black_box(slot), side, black_box(conn))).is_some()
    }
}

fn accepted(effect: &Effect) -> Option<ConnId> {
    match effect {
        Effect::Tell { command: Command::Accept { conn, .. }, .. } => Some(*conn),
        _ => None,
    }
}
