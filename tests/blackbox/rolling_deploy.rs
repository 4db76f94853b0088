//! A new version of the program behind HAProxy, as the handbook does it.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use fastway_testkit::http::Http;
use fastway_testkit::process::{Process, Signal};
use fastway_testkit::{Client, FrontEnd, Message, Server, watch};
use fastway_wire::Command;
use tempfile::TempDir;

use crate::config_file::{NAME, folder};
use crate::front_ends::block_of;

const HEADING: &str = "Rolling deploy";
const KEY: &str = "sesame";
const TOKEN: &str = "token-0123456789";
/// The servers that newcomers and the player dial.
const FOR_NEWCOMERS: u32 = 7;
const FOR_THE_PLAYER: u32 = 8;

/// A gateway with its directory, which outlives the process.
struct Gateway {
    dir: TempDir,
    process: Process,
}

impl Gateway {
    fn start() -> Self {
        let dir = folder(&[("server.key", KEY), ("admin.token", TOKEN)]);
        let free = "127.0.0.1:0".to_owned();
        Self { process: Self::run(&dir, [&free, &free, &free]), dir }
    }

    /// Runs it with the file of the handbook, at the addresses for clients, servers and HTTP.
    fn run(dir: &TempDir, [client, server, admin]: [&str; 3]) -> Process {
        let file = block_of(HEADING, "toml").replace("10.0.0.10", "127.0.0.1");
        let file = file.replace("10.0.0.20:10010", client).replace("10.0.0.20:10020", server);
        fs::write(dir.path().join(NAME), file.replace("10.0.0.20:9000", admin)).unwrap();
        Process::in_dir(dir.path(), &["--config", NAME])
    }

    /// The new version takes the place of the old one, which has ended.
    fn replace(&mut self) {
        let addrs = [self.client(), self.server(), self.admin()].map(|addr| addr.to_string());
        self.process = Self::run(&self.dir, addrs.each_ref().map(String::as_str));
    }

    fn client(&self) -> SocketAddr {
        self.process.listening().client
    }

    fn server(&self) -> SocketAddr {
        self.process.listening().server
    }

    fn admin(&self) -> SocketAddr {
        self.process.listening().admin.unwrap()
    }

    fn register(&self, id: u32) -> Server {
        Server::register(self.server(), KEY, id)
    }

    /// Client links that were opened since the start.
    fn opened(&self) -> u64 {
        let mut http = Http::connect(self.admin());
        http.send("GET /api/stats", &[&format!("Authorization: Bearer {TOKEN}")], b"");
        http.receive(false).json()["client"]["opened"].as_u64().unwrap()
    }
}

/// Ends what newcomers do, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A newcomer gets a connection to a server, and leaves.
fn comes_in(front: SocketAddr) {
    let mut newcomer = Client::connect(front);
    newcomer.dial(FOR_NEWCOMERS);
    let answer = newcomer.receive();
    assert!(matches!(answer, Some(Message::Command(Command::Accept { .. }))), "{answer:?}");
}

#[test]
fn a_gateway_is_replaced_behind_haproxy_and_nobody_is_cut() {
    let mut gateways = [Gateway::start(), Gateway::start()];
    let _servers = gateways.each_ref().map(|gateway| gateway.register(FOR_NEWCOMERS));
    let mut servers = gateways.each_ref().map(|gateway| gateway.register(FOR_THE_PLAYER));
    let [a, b] = &gateways;
    let config = block_of(HEADING, "haproxy").replace(" port 9000", "");
    let line = |gateway: &Gateway| format!("{} port {}", gateway.client(), gateway.admin().port());
    let config = config.replace("10.0.0.20:10010", &line(a)).replace("10.0.0.21:10010", &line(b));
    let front = FrontEnd::haproxy(&config);

    let mut player = Client::connect(front.addr());
    player.dial(FOR_THE_PLAYER);
    let conn = player.expect_accept(FOR_THE_PLAYER);
    let at = usize::from(b.opened() > 0);
    servers[at].expect_connect();

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let newcomers = scope.spawn(|| {
            while !is_over.load(Relaxed) {
                comes_in(front.addr());
            }
        });
        let over = Over(&is_over);
        gateways[at].process.signal(Signal::TERM);
        gateways[at].process.wait_log_with(&["draining", "waiting"]);
        let here = gateways[at].opened();
        let elsewhere = gateways[1 - at].opened();
        player.exchange(&mut servers[at], conn, b"plays on");
        watch::eventually("newcomers go to the other one", || gateways[1 - at].opened() > elsewhere + 20);
        assert_eq!(gateways[at].opened(), here);

        player.finish_sending();
        gateways[at].process.wait_exit();
        gateways[at].replace();
        let _back = gateways[at].register(FOR_NEWCOMERS);
        watch::eventually("newcomers come to the new version", || gateways[at].opened() > 20);
        drop(over);
        newcomers.join().expect("every newcomer got in");
    });
}
