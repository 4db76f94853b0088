//! A gateway to run scripts against.

use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::process::{Command, Stdio};
use std::time::Instant;

use fastway_session::{Identity, LegacyConfig, Protocol, Session};
use fastway_wire::ConnId;
use serde_json::Value;

use crate::http::{Answer, Http};
use crate::link::Link;
use crate::peers::{Client, Server};
use crate::process::{Listening, Process, gateway_binary};
use crate::tunnel::Tunnel;
use crate::watch::{self, DEADLINE};

/// What the servers of the suites prove to know.
pub const KEY: &str = "the suites' own key";

/// Where gateways listen unless a script says otherwise.
const PLACES: [&str; 2] = ["--client-addr=127.0.0.1:0", "--server-addr=127.0.0.1:0"];

/// Flags that admit all kinds of links to the client port.
pub const ALL_CLIENT_LINKS: [&str; 2] = ["--client-link", "plain,secure,legacy"];

/// A running gateway on loopback; killed when dropped.
pub struct Gateway {
    process: Process,
    listening: Listening,
    /// What the links of the script's servers are.
    server_link: Protocol,
}

/// Bytes that a server's legacy session keeps to send them again: as many as the gateway's.
const LEGACY_REPLAY_BYTES: usize = 1 << 20;

/// Runs `script` on gateways with one worker, with two, and with two that share the ports by SO_REUSEPORT.
///
/// `flags` are given to each of them.
pub fn on_every_setup(flags: &[&str], script: impl Fn(&mut Gateway)) {
    for setup in [&["--workers", "1"][..], &["--workers", "2"], &["--workers", "2", "-ReusePort"]] {
        eprintln!("setup: {setup:?}");
        script(&mut Gateway::start(&[setup, flags].concat()));
    }
}

/// Runs `script` on the same gateways with servers on plain links, and with servers on secure and on legacy sessions, which
/// have more to tell: what waits for such a server is acknowledged (secure), or is not.
pub fn on_every_server_link(flags: &[&str], script: impl Fn(&mut Gateway)) {
    on_every_setup(flags, &script);
    for (kind, policy) in [(Protocol::Secure, "secure"), (Protocol::Legacy, "legacy")] {
        for workers in ["1", "2"] {
            eprintln!("setup: servers on {policy} sessions, {workers} workers");
            let ours = ["--server-link", policy, "--workers", workers];
            let gateway = Gateway::start(&[&ours, flags].concat());
            script(&mut Gateway { server_link: kind, ..gateway });
        }
    }
}

/// The flags of a script behind those of all gateways.
fn with_ours<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().replace('-', "").to_lowercase();
    let is_given = |place: &&str| flags.iter().any(|flag| name(flag) == name(place));
    let places = PLACES.into_iter().filter(|place| !is_given(place));
    places.chain(["--server-auth-key", KEY]).chain(flags.iter().copied()).collect()
}

impl Gateway {
    /// Starts a gateway on free ports of 127.0.0.1 with [`KEY`], as far as `flags` name no others.
    pub fn start(flags: &[&str]) -> Self {
        Self::of(Process::start(&with_ours(flags)))
    }

    /// The same with a stderr that the test owns: nothing of its log is collected.
    pub fn logging_to(stderr: impl Into<Stdio>, flags: &[&str]) -> Self {
        Self::of(Process::logging_to(stderr, &with_ours(flags)))
    }

    fn of(process: Process) -> Self {
        let listening = process.listening();
        Self { process, listening, server_link: Protocol::Plain }
    }

    /// The same with an admin listener and room for only this many descriptors, from the start on.
    pub fn with_descriptors(count: u64, flags: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\"")]).arg(gateway_binary());
        command.args(["--admin-addr", "127.0.0.1:0"]).args(with_ours(flags));
        Self::of(Process::start_program(command))
    }

    /// Where clients connect.
    pub fn client_addr(&self) -> SocketAddr {
        self.listening.client
    }

    /// Where servers connect.
    pub fn server_addr(&self) -> SocketAddr {
        self.listening.server
    }

    /// A new client link.
    pub fn client(&self) -> Client {
        Client::connect(self.client_addr())
    }

    /// A new client link whose machine takes little ahead of what the script reads.
    pub fn narrow_client(&self) -> Client {
        Client::over(Link::connect_narrow(self.client_addr()))
    }

    /// A new server link, registered as `id` when this returns.
    pub fn server(&self, id: u32) -> Server {
        self.register(false, id)
    }

    fn register(&self, is_narrow: bool, id: u32) -> Server {
        let session = match self.server_link {
            Protocol::Plain if is_narrow => {
                return Server::register_over(Link::connect_narrow(self.server_addr()), KEY, id);
            }
            Protocol::Plain => return Server::register(self.server_addr(), KEY, id),
            Protocol::Secure => Session::secure(Identity::Anyone, DEADLINE, Instant::now()),
            Protocol::Legacy => {
                let config = LegacyConfig { encrypt: false, replay_bytes: LEGACY_REPLAY_BYTES };
                Session::legacy(config, DEADLINE, Instant::now())
            }
        };
        let open = if is_narrow { Tunnel::open_narrow } else { Tunnel::open };
        let (link, tunnel) = open(self.server_addr(), session).expect("the gateway admits it");
        tunnel.detach();
        Server::register_over(link, KEY, id)
    }

    /// A new server link whose machine takes little ahead of what the script reads.
    pub fn narrow_server(&self, id: u32) -> Server {
        self.register(true, id)
    }

    /// What the links of servers are.
    pub fn server_link(&self) -> Protocol {
        self.server_link
    }

    /// A connection to the server port that has not said anything yet.
    pub fn half_open_server(&self) -> TcpStream {
        TcpStream::connect(self.server_addr()).expect("the gateway listens")
    }

    /// Starts a gateway with an admin listener on a free port.
    pub fn with_admin(flags: &[&str]) -> Self {
        Self::start(&[&["--admin-addr", "127.0.0.1:0"], flags].concat())
    }

    /// The same, with all kinds of links admitted to the client port.
    pub fn with_sessions(flags: &[&str]) -> Self {
        Self::with_admin(&[&ALL_CLIENT_LINKS, flags].concat())
    }

    /// Adds a player and a game server with a connection that both have used.
    #[track_caller]
    pub fn playing(self) -> (Self, Client, Server, ConnId) {
        let (mut client, mut server) = (self.client(), self.server(7));
        let conn = client.open(&mut server);
        client.exchange(&mut server, conn, b"hello");
        (self, client, server, conn)
    }

    /// Where HTTP is answered.
    ///
    /// # Panics
    /// When it is not: see [`Gateway::with_admin`].
    pub fn admin_addr(&self) -> SocketAddr {
        self.listening.admin.expect("the gateway was started with an admin listener")
    }

    /// A connection to the admin listener.
    pub fn http(&self) -> Http {
        Http::connect(self.admin_addr())
    }

    /// Asks the admin listener for a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[], b"")
    }

    /// The object at a path of the admin listener.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// What was counted, and how the gateway stands: `/api/stats`.
    #[track_caller]
    pub fn stats(&self) -> Value {
        self.json("/api/stats")
    }

    /// Has the admin listener run commands, given as JSON.
    #[track_caller]
    pub fn post_commands(&self, json: &str) -> Answer {
        let headers = ["X-Fastway-Admin: 1", "Content-Type: application/json"];
        self.request("POST /api/commands", &headers, json.as_bytes())
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn request(&self, line: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut http = self.http();
        http.send(line, headers, body);
        http.receive(line.starts_with("HEAD "))
    }

    /// Resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        watch::resident_bytes(self.process.pid())
    }

    /// Waits for its end, which has to be one with exit code 0 and without a pid file left.
    #[track_caller]
    pub fn expect_clean_exit(&mut self) {
        let exit = self.process.wait_exit();
        assert_eq!(exit.code, Some(0), "the log:\n{}", exit.stderr);
        assert!(!self.process.file("fastway.pid").exists(), "the pid file is left");
    }

    /// From now on the gateway finds only this many descriptors free.
    pub fn leave_descriptors(&self, count: usize) {
        watch::limit_descriptors(self.pid(), watch::free_descriptors_end(self.pid(), count));
    }

    /// Open sockets: its listeners, its own, and one for each link.
    pub fn sockets(&self) -> usize {
        let files = watch::open_files(self.pid());
        files.iter().filter(|file| file.to_string_lossy().starts_with("socket:")).count()
    }

    /// Sockets that it listens on.
    pub fn listeners(&self) -> usize {
        watch::listeners(self.pid())
    }

    /// Waits until no more than `count` sockets are open: the links that ended are gone.
    #[track_caller]
    pub fn expect_sockets(&self, count: usize) {
        if !watch::holds_within(watch::DEADLINE, || self.sockets() <= count) {
            panic!("not {count} sockets as before: {:#?}", watch::open_files(self.pid()));
        }
    }

    /// Opens a virtual connection with two links of its own and uses it, as a player who notices nothing would.
    #[track_caller]
    pub fn still_serves(&self) {
        let (mut client, mut server) = (self.client(), self.server(u32::MAX - 1));
        let conn = client.open(&mut server);
        client.exchange(&mut server, conn, b"still here");
    }
}

impl Deref for Gateway {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Gateway {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
