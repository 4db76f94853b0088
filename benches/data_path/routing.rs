//! Looking up where a frame goes.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use fastway::routing::{Effect, LinkAddr, Registry, Role, Router, RouterLimits, Side, Slot, WorkerId};
use fastway_wire::{Command, ConnId, ServerId};

const CLIENTS: usize = 1_000;
const CONNS_PER_CLIENT: usize = 10;
/// Lookups from one connection to a distant one, so that the processor's caches know nothing of the next.
const STRIDE: usize = 7_919;

/// Lookups per second among 10,000 connections, from either end.
pub(crate) fn run(criterion: &mut Criterion) {
    let town = Town::new();
    let conns = town.shuffled();
    let mut group = criterion.benchmark_group("routing");
    group.throughput(Throughput::Elements(conns.len() as u64));
    group.bench_function("peer of a client's frame, 10,000 connections", |bencher| {
        bencher.iter(|| conns.iter().filter(|(slot, conn)| town.leads(*slot, Side::Client, *conn)).count());
    });
    group.bench_function("peer of a server's frame, 10,000 connections", |bencher| {
        bencher.iter(|| conns.iter().filter(|(_, conn)| town.leads(town.server.slot, Side::Server, *conn)).count());
    });
    group.finish();
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
        let (registry, server_id) = (Arc::new(Registry::default()), ServerId::new(7));
        let mut router = Router::new(WorkerId::new(0), 1, Arc::clone(&registry), no_limits);
        let server = router.join(Slot::from_index(0), Role::Server(server_id));
        assert_eq!(registry.claim_server(server_id, server), Ok(()));
        let mut town = Self { router, server, conns: Vec::new() };
        for client in 1..=CLIENTS {
            town.add_client(Slot::from_index(client), server_id);
        }
        assert_eq!(town.conns.len(), CLIENTS * CONNS_PER_CLIENT);
        town
    }

    fn add_client(&mut self, slot: Slot, server: ServerId) {
        self.router.join(slot, Role::Client);
        for _ in 0..CONNS_PER_CLIENT {
            let mut effects = Vec::new();
            let dialed = self.router.command(slot, Command::Dial { remote: server.get() }, 0, &mut effects);
            assert_eq!(dialed, Ok(()));
            self.conns.extend(effects.iter().filter_map(accepted).map(|conn| (slot, conn)));
        }
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
