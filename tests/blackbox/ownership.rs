//! Only the two ends of a virtual connection may use it: knowing its ID gives nobody a right.

use fastway_testkit::{Client, Gateway, Link, Server, on_every_setup};
use fastway_wire::ConnId;

/// A client and a server with a connection, and strangers who would like to use it.
struct Scene {
    owner: Client,
    server: Server,
    conn: ConnId,
    other_client: Client,
    other_server: Server,
}

impl Scene {
    fn new(gateway: &Gateway, server_dials: bool) -> Self {
        let (mut owner, mut server) = (gateway.client(), gateway.server(1));
        let (mut other_client, mut other_server) = (gateway.client(), gateway.server(2));
        let mut conn = owner.open(&mut server);
        if server_dials {
            conn = server.open(&mut owner);
        }
        other_client.open(&mut other_server);
        Self { owner, server, conn, other_client, other_server }
    }

    fn strangers(&mut self) -> [&mut Link; 2] {
        [&mut self.other_client, &mut self.other_server]
    }

    fn nobody_noticed(&mut self) {
        self.owner.expect_silence();
        self.server.expect_silence();
        self.owner.exchange(&mut self.server, self.conn, b"ours");
    }
}

#[test]
fn data_for_somebody_elses_connection_is_dropped_and_answered_by_close() {
    on_every_setup(&[], |gateway| {
        for server_dials in [false, true] {
            let mut scene = Scene::new(gateway, server_dials);
            let conn = scene.conn;
            for stranger in scene.strangers() {
                stranger.send(conn, b"forged");
                stranger.expect_close(conn);
                stranger.expect_silence();
            }
            scene.nobody_noticed();
        }
    });
}

#[test]
fn a_close_of_somebody_elses_connection_changes_nothing() {
    on_every_setup(&[], |gateway| {
        for server_dials in [false, true] {
            let mut scene = Scene::new(gateway, server_dials);
            let conn = scene.conn;
            for stranger in scene.strangers() {
                stranger.close(conn);
                stranger.expect_silence();
            }
            scene.nobody_noticed();
        }
    });
}

#[test]
fn a_client_of_the_same_server_is_a_stranger_too() {
    on_every_setup(&[], |gateway| {
        let (mut owner, mut thief, mut server) = (gateway.client(), gateway.client(), gateway.server(7));
        let conn = owner.open(&mut server);
        let own = thief.open(&mut server);
        thief.send(conn, b"forged");
        thief.expect_close(conn);
        thief.close(conn);
        thief.expect_silence();
        owner.exchange(&mut server, conn, b"ours");
        thief.exchange(&mut server, own, b"mine");
    });
}

#[test]
fn guessing_every_id_finds_nothing() {
    on_every_setup(&[], |gateway| {
        let mut server = gateway.server(7);
        let mut owners: Vec<Client> = (0..20).map(|_| gateway.client()).collect();
        let conns: Vec<ConnId> = owners.iter_mut().map(|owner| owner.open(&mut server)).collect();

        let mut thief = gateway.client();
        let highest = conns.iter().map(|conn| conn.get()).max().unwrap();
        for guess in (1..=highest.min(5000)).chain(conns.iter().map(|conn| conn.get())).map(ConnId::new) {
            thief.close(guess);
            thief.send(guess, b"forged");
            thief.expect_close(guess);
        }
        for (owner, conn) in owners.iter_mut().zip(conns) {
            owner.expect_silence();
            owner.exchange(&mut server, conn, b"ours");
        }
    });
}

#[test]
fn a_connection_does_not_outlive_its_owner_for_others() {
    on_every_setup(&[], |gateway| {
        let (mut owner, mut heir, mut server) = (gateway.client(), gateway.client(), gateway.server(7));
        let conn = owner.open(&mut server);
        drop(owner);
        server.expect_close(conn);
        heir.send(conn, b"forged");
        heir.expect_close(conn);
        server.send(conn, b"late");
        server.expect_close(conn);
        heir.open(&mut server);
    });
}
