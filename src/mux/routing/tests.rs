//! The routing core without sockets: scripts and random histories over one worker and over several.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use fastway_wire::{Command, ConnId, ServerId};
use proptest::prelude::*;

use super::*;

const NO_LIMITS: RouterLimits = RouterLimits { client_max_conns: None, max_dials_per_second: None };

/// Routers that pass each other their syncs, and what every link was sent.
struct World {
    routers: Vec<Router>,
    syncs: VecDeque<(WorkerId, WorkerId, RouterSync)>,
    sent: HashMap<LinkAddr, Vec<Command>>,
    links: Vec<LinkAddr>,
    slots: Vec<usize>,
}

impl World {
    fn new(workers: u16, limits: RouterLimits) -> Self {
        let registry = Arc::new(Registry::default());
        let router = |id| Router::new(WorkerId::new(id), usize::from(workers), Arc::clone(&registry), limits);
        Self {
            routers: (0..workers).map(router).collect(),
            syncs: VecDeque::new(),
            sent: HashMap::new(),
            links: Vec::new(),
            slots: vec![0; usize::from(workers)],
        }
    }

    fn join(&mut self, worker: u16, role: Role) -> LinkAddr {
        let worker = usize::from(worker);
        let slot = Slot::from_index(self.slots[worker]);
        self.slots[worker] += 1;
        let addr = self.routers[worker].join(slot, role);
        if let Role::Server(id) = role {
            self.routers[worker].registry.claim_server(id, addr).unwrap();
        }
        self.links.push(addr);
        addr
    }

    fn client(&mut self, worker: u16) -> LinkAddr {
        self.join(worker, Role::Client)
    }

    fn server(&mut self, worker: u16, id: u32) -> LinkAddr {
        self.join(worker, Role::Server(ServerId::new(id)))
    }

    fn send(&mut self, from: LinkAddr, command: Command) {
        let mut effects = Vec::new();
        self.routers[from.worker.index()].command(from.slot, command, 0, &mut effects).unwrap();
        self.apply(from.worker, effects);
    }

    fn leave(&mut self, link: LinkAddr) {
        self.links.retain(|other| *other != link);
        let mut effects = Vec::new();
        self.routers[link.worker.index()].leave(link.slot, &mut effects);
        self.apply(link.worker, effects);
    }

    fn apply(&mut self, worker: WorkerId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Tell { slot, command, .. } => {
                    let told = self.links.iter().find(|link| link.worker == worker && link.slot == slot);
                    let told = *told.expect("only links that are there are told");
                    self.sent.entry(told).or_default().push(command);
                }
                Effect::RouterSync { to, sync } => self.syncs.push_back((worker, to, sync)),
            }
        }
    }

    fn deliver_one(&mut self) -> bool {
        let Some((from, to, sync)) = self.syncs.pop_front() else { return false };
        let mut effects = Vec::new();
        self.routers[to.index()].synced(from, sync, &mut effects);
        self.apply(to, effects);
        true
    }

    fn deliver(&mut self) {
        while self.deliver_one() {}
    }

    fn got(&mut self, link: LinkAddr) -> Vec<Command> {
        self.sent.remove(&link).unwrap_or_default()
    }

    fn peer(&self, from: LinkAddr, side: Side, conn: ConnId) -> Option<LinkAddr> {
        self.routers[from.worker.index()].peer(from.slot, side, conn)
    }

    fn dial(&mut self, client: LinkAddr, server: u32) -> ConnId {
        self.send(client, Command::Dial { remote: server });
        self.deliver();
        match self.got(client)[..] {
            [Command::Accept { conn, .. }] => conn,
            ref other => panic!("expected an Accept, got {other:?}"),
        }
    }
}

#[test]
fn a_dial_tells_both_ends_on_one_worker_and_on_two() {
    for server_worker in [0, 1] {
        let mut world = World::new(2, NO_LIMITS);
        let (client, server) = (world.client(0), world.server(server_worker, 7));
        let conn = world.dial(client, 7);
        assert_eq!(world.got(server), [Command::Connect { conn, remote: client.id.get() }]);
        assert_eq!(world.peer(client, Side::Client, conn), Some(server));
        assert_eq!(world.peer(server, Side::Server, conn), Some(client));
    }
}

#[test]
fn a_server_dials_a_client_by_its_link_id() {
    for server_worker in [0, 1] {
        let mut world = World::new(2, RouterLimits { client_max_conns: Some(0), ..NO_LIMITS });
        let (client, server) = (world.client(0), world.server(server_worker, 0));
        world.send(server, Command::Dial { remote: client.id.get() });
        world.deliver();
        let [Command::Accept { conn, remote }] = world.got(server)[..] else { panic!("not accepted") };
        assert_eq!(remote, client.id.get());
        assert_eq!(world.got(client), [Command::Connect { conn, remote: 0 }]);
    }
}

#[test]
fn nobody_answers_for_an_id_that_is_not_there() {
    let mut world = World::new(1, NO_LIMITS);
    let (client, server) = (world.client(0), world.server(0, 7));
    world.send(client, Command::Dial { remote: 8 });
    world.send(server, Command::Dial { remote: 999 });
    assert_eq!(world.got(client), [Command::Refuse { remote: 8 }]);
    assert_eq!(world.got(server), [Command::Refuse { remote: 999 }]);
    assert_eq!(world.routers[0].stats().refused_unknown, 2);
}

#[test]
fn a_client_dials_no_client_and_a_server_no_server() {
    let mut world = World::new(1, NO_LIMITS);
    let (client, other) = (world.client(0), world.client(0));
    world.send(client, Command::Dial { remote: other.id.get() });
    assert_eq!(world.got(client), [Command::Refuse { remote: other.id.get() }]);
}

#[test]
fn a_close_is_told_to_both_ends_once() {
    for server_worker in [0, 1] {
        let mut world = World::new(2, NO_LIMITS);
        let (client, server) = (world.client(0), world.server(server_worker, 7));
        let conn = world.dial(client, 7);
        world.got(server);
        world.send(server, Command::Close { conn });
        world.deliver();
        world.send(client, Command::Close { conn });
        world.deliver();
        assert_eq!(world.got(client), [Command::Close { conn }]);
        assert_eq!(world.got(server), [Command::Close { conn }]);
    }
}

#[test]
fn closes_that_cross_on_their_way_are_not_doubled() {
    let mut world = World::new(2, NO_LIMITS);
    let (client, server) = (world.client(0), world.server(1, 7));
    let conn = world.dial(client, 7);
    world.got(server);
    world.send(server, Command::Close { conn });
    world.send(client, Command::Close { conn });
    world.deliver();
    assert_eq!(world.got(client), [Command::Close { conn }]);
    assert_eq!(world.got(server), [Command::Close { conn }]);
}

#[test]
fn only_the_ends_may_send_or_close() {
    let mut world = World::new(1, NO_LIMITS);
    let (client, server) = (world.client(0), world.server(0, 7));
    let (stranger, other_server) = (world.client(0), world.server(0, 8));
    let conn = world.dial(client, 7);
    world.got(server);
    for (link, side) in [(stranger, Side::Client), (other_server, Side::Server)] {
        world.send(link, Command::Close { conn });
        assert_eq!(world.got(link), []);
        assert_eq!(world.peer(link, side, conn), None);
    }
    assert_eq!(world.got(client), []);
    assert_eq!(world.peer(client, Side::Client, conn), Some(server));
}

#[test]
fn a_connect_that_finds_the_link_gone_is_taken_back() {
    let mut world = World::new(2, NO_LIMITS);
    let (client, server) = (world.client(0), world.server(1, 7));
    world.send(client, Command::Dial { remote: 7 });
    world.leave(server);
    world.deliver();
    let got = world.got(client);
    let [Command::Accept { conn, .. }, Command::Close { conn: closed }] = got[..] else { panic!("{got:?}") };
    assert_eq!(conn, closed);
    assert!(world.routers.iter().all(Router::is_idle));
}

#[test]
fn limits_refuse_a_clients_dial() {
    let mut world = World::new(1, RouterLimits { client_max_conns: Some(2), max_dials_per_second: Some(3) });
    let client = world.client(0);
    world.server(0, 7);
    let conns = [world.dial(client, 7), world.dial(client, 7)];
    world.send(client, Command::Dial { remote: 7 });
    assert_eq!(world.got(client), [Command::Refuse { remote: 7 }]);
    world.send(client, Command::Close { conn: conns[0] });
    world.got(client);
    world.send(client, Command::Dial { remote: 7 });
    assert_eq!(world.got(client), [Command::Refuse { remote: 7 }]);
    let stats = world.routers[0].stats();
    assert_eq!((stats.refused_max_conns, stats.refused_dial_rate), (1, 1));
}

#[test]
fn what_only_the_gateway_sends_is_a_violation() {
    let mut world = World::new(1, NO_LIMITS);
    let client = world.client(0);
    let conn = ConnId::new(1);
    for command in
        [Command::Accept { conn, remote: 1 }, Command::Connect { conn, remote: 1 }, Command::Refuse { remote: 1 }]
    {
        let decided = world.routers[0].command(client.slot, command, 0, &mut Vec::new());
        assert_eq!(decided, Err(Violation::GatewayOnly(command)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Dial { link: usize, target: usize },
    Close { link: usize, conn: usize },
    Leave { link: usize },
    Join { worker: u16, server: bool },
    DeliverOne,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20usize, 0..20usize).prop_map(|(link, target)| Step::Dial { link, target }),
        3 => (0..20usize, 0..40usize).prop_map(|(link, conn)| Step::Close { link, conn }),
        1 => (0..20usize).prop_map(|link| Step::Leave { link }),
        1 => (0..3u16, any::<bool>()).prop_map(|(worker, server)| Step::Join { worker, server }),
        4 => Just(Step::DeliverOne),
    ]
}

/// What a link may see of its connections: each opens once, and closes at most once afterwards.
#[derive(Default)]
struct View {
    open: HashSet<ConnId>,
    seen: HashSet<ConnId>,
}

impl View {
    fn take(&mut self, command: Command) {
        match command {
            Command::Accept { conn, .. } | Command::Connect { conn, .. } => {
                assert!(self.seen.insert(conn) && self.open.insert(conn), "{conn:?} opened twice");
            }
            Command::Close { conn } => assert!(self.open.remove(&conn), "{conn:?} closed while not open"),
            Command::Refuse { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn both_ends_agree_after_any_history(steps in prop::collection::vec(step(), 0..200)) {
        let mut world = World::new(3, NO_LIMITS);
        let mut roles: HashMap<LinkAddr, Role> = HashMap::new();
        let mut next_server = 0;
        for worker in 0..3 {
            roles.insert(world.client(worker), Role::Client);
            roles.insert(world.server(worker, next_server), Role::Server(ServerId::new(next_server)));
            next_server += 1;
        }
        let mut views: HashMap<LinkAddr, View> = HashMap::new();
        let mut conns: Vec<ConnId> = Vec::new();
        for step in steps {
            let pick = |world: &World, index: usize| world.links.get(index % world.links.len().max(1)).copied();
            match step {
                Step::Dial { link, target } => {
                    let (Some(link), Some(target)) = (pick(&world, link), pick(&world, target)) else { continue };
                    let remote = match roles[&target] { Role::Client => target.id.get(), Role::Server(id) => id.get() };
                    world.send(link, Command::Dial { remote });
                }
                Step::Close { link, conn } if !conns.is_empty() => {
                    if let Some(link) = pick(&world, link) {
                        world.send(link, Command::Close { conn: conns[conn % conns.len()] });
                    }
                }
                Step::Leave { link } => {
                    if let Some(link) = pick(&world, link) {
                        world.leave(link);
                        world.sent.remove(&link);
                        views.remove(&link);
                    }
                }
                Step::Join { worker, server: true } => {
                    roles.insert(world.server(worker, next_server), Role::Server(ServerId::new(next_server)));
                    next_server += 1;
                }
                Step::Join { worker, server: false } => {
                    roles.insert(world.client(worker), Role::Client);
                }
                Step::DeliverOne => {
                    world.deliver_one();
                }
                Step::Close { .. } => {}
            }
            absorb(&mut world, &mut views, &mut conns);
        }
        world.deliver();
        absorb(&mut world, &mut views, &mut conns);
        for (link, view) in &views {
            for conn in &view.open {
                let side = roles[link].side();
                let peer = world.peer(*link, side, *conn).expect("an open connection has a peer");
                prop_assert!(views[&peer].open.contains(conn), "{conn:?} is open at one end only");
                prop_assert_eq!(world.peer(peer, side.other(), *conn), Some(*link));
            }
        }
        let open: HashSet<ConnId> = views.values().flat_map(|view| view.open.iter().copied()).collect();
        for router in &world.routers {
            prop_assert!(router.conns.keys().all(|conn| open.contains(conn)), "a connection leaked");
            let held: usize = router.members.iter().flatten().map(|member| member.conns.len()).sum();
            let local = router.conns.values().flat_map(|ends| [ends.client, ends.server]);
            let of_clients = router.conns.values().filter(|ends| ends.client.worker == router.me).count();
            prop_assert_eq!(router.connections(), of_clients);
            prop_assert_eq!(held, local.filter(|end| end.worker == router.me).count());
        }
    }
}

fn absorb(world: &mut World, views: &mut HashMap<LinkAddr, View>, conns: &mut Vec<ConnId>) {
    for (link, commands) in world.sent.drain() {
        for command in commands {
            if let Command::Accept { conn, .. } = command {
                conns.push(conn);
            }
            views.entry(link).or_default().take(command);
        }
    }
}
