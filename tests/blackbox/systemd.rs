//! What a service manager gives to a gateway and hears from it. A socket of the test stands in for systemd's, and sockets that
//! the test has bound for those of socket units.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fastway_testkit::http::Http;
use fastway_testkit::process::{Process, Signal, gateway_binary};
use fastway_testkit::{Client, KEY, Server, watch};
use rustix::process::{Pid, kill_process};
use tempfile::{TempDir, tempdir};

use crate::config_file::{NAME, folder};

/// What a gateway tells.
struct Manager {
    socket: UnixDatagram,
    dir: TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        Self { socket, dir }
    }

    /// A gateway that is to tell it.
    fn start(&self, variables: &[(&str, &str)]) -> Process {
        let mut command = Command::new(gateway_binary());
        command.args(["--client-addr", "127.0.0.1:0", "--server-addr", "127.0.0.1:0", "--workers", "2"]);
        command.env("NOTIFY_SOCKET", self.dir.path().join("notify")).envs(variables.iter().copied());
        Process::start_program(command)
    }

    /// The next news within a time.
    fn within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut news = [0; 4096];
        match self.socket.recv(&mut news) {
            Ok(length) => Some(String::from_utf8(news[..length].to_vec()).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for news that hold a text.
    fn wait_for(&self, part: &str) -> String {
        let until = Instant::now() + watch::DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let news = self.within(left).unwrap_or_else(|| panic!("no news with {part}"));
            if news.contains(part) {
                return news;
            }
        }
    }
}

#[test]
fn the_gateway_is_ready_when_its_ports_serve_and_tells_its_state() {
    let manager = Manager::new();
    let gateway = manager.start(&[]);
    assert_eq!(manager.wait_for("READY=1"), "READY=1\nSTATUS=clients: 0, servers: 0, connections: 0\n");
    let listening = gateway.listening();
    let mut server = Server::register(listening.server, "", 7);
    let mut client = Client::connect(listening.client);
    let _conn = client.open(&mut server);
    manager.wait_for("STATUS=clients: 1, servers: 1, connections: 1\n");
    assert!(manager.within(Duration::from_millis(1)).is_none(), "nothing but changes is told");
}

#[test]
fn it_tells_that_it_stops() {
    let manager = Manager::new();
    let mut gateway = manager.start(&[]);
    manager.wait_for("READY=1");
    gateway.signal(Signal::TERM);
    assert_eq!(manager.wait_for("STOPPING=1"), "STOPPING=1\nSTATUS=stopping, clients: 0, servers: 0, connections: 0\n");
    assert_eq!(gateway.wait_exit().code, Some(0));
}

#[test]
fn it_tells_when_it_reads_its_configuration_again_and_that_it_has() {
    let manager = Manager::new();
    let gateway = manager.start(&[]);
    manager.wait_for("READY=1");
    gateway.signal(Signal::HUP);
    let reloading = manager.wait_for("RELOADING=1");
    let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
    assert!(at.parse::<u64>().unwrap() > 0, "{reloading}");
    manager.wait_for("READY=1\nSTATUS=clients: 0");
}

#[test]
fn the_watchdog_is_fed_only_while_all_workers_sweep() {
    let manager = Manager::new();
    let gateway = manager.start(&[("WATCHDOG_USEC", "400000")]);
    manager.wait_for("READY=1");
    (0..3).for_each(|_| drop(manager.wait_for("WATCHDOG=1")));

    let stopped = gateway.stop_thread("worker-1");
    watch::eventually("it is not fed any more", || manager.within(Duration::from_millis(1500)).is_none());
    drop(stopped);
    manager.wait_for("WATCHDOG=1");
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let manager = Manager::new();
    let _gateway = manager.start(&[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
    manager.wait_for("READY=1");
    assert!(manager.within(Duration::from_millis(200)).is_none());
}

#[test]
fn a_manager_that_cannot_be_reached_keeps_no_gateway_from_serving() {
    let manager = Manager::new();
    drop(manager.socket);
    let mut command = Command::new(gateway_binary());
    command.args(["--client-addr", "127.0.0.1:0", "--server-addr", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", manager.dir.path().join("notify"));
    let mut gateway = Process::start_program(command);
    gateway.wait_log_with(&["WARN", "the service manager cannot be told anything (NOTIFY_SOCKET)"]);
    TcpStream::connect(gateway.listening().client).unwrap();
}

/// A gateway that was given sockets. Three at most: they go in as the standard streams of a shell, which moves them to where
/// they belong.
struct Activated {
    child: Child,
    dir: TempDir,
}

impl Activated {
    fn start(sockets: Vec<OwnedFd>, names: &str, flags: &[&str]) -> Self {
        const SCRIPT: &str =
            "exec 3<&0 4<&1 5<&2 0</dev/null 1>stdout 2>stderr; export LISTEN_PID=$$; exec \"$0\" \"$@\"";
        let dir = tempdir().unwrap();
        let count = sockets.len();
        let mut sockets =
            sockets.into_iter().chain(std::iter::repeat_with(|| fs::File::open("/dev/null").unwrap().into()));
        let mut next = || sockets.next().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT]).arg(gateway_binary()).args(flags).current_dir(dir.path());
        shell.env("LISTEN_FDS", count.to_string()).env("LISTEN_FDNAMES", names).env_remove("RUST_LOG");
        shell.stdin(next()).stdout(next()).stderr(next());
        Self { child: shell.spawn().unwrap(), dir }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap_or_default()
    }

    /// The line `listening …`.
    fn listening(&self) -> String {
        watch::eventually("it listens", || self.read("stdout").contains('\n'));
        self.read("stdout").trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end, and gives its exit code and its last line.
    fn end(mut self) -> (Option<i32>, String) {
        watch::eventually("it has ended", || self.child.try_wait().unwrap().is_some());
        let code = self.child.wait().unwrap().code();
        (code, self.read("stderr").lines().last().unwrap_or_default().to_owned())
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listener() -> (OwnedFd, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener.into(), addr)
}

#[test]
fn inherited_sockets_are_the_ports() {
    for workers in [&["--workers=1"][..], &["--workers=3"], &["--workers=3", "--reuse-port"]] {
        let [(client, client_addr), (server, server_addr), (admin, admin_addr)] = [(); 3].map(|()| listener());
        // Whoever comes before the gateway waits for it.
        let early = TcpStream::connect(client_addr).unwrap();
        let flags = [workers, &["--server-auth-key", KEY]].concat();
        let gateway = Activated::start(vec![server, admin, client], "server:admin:client", &flags);
        let expected = format!("listening client={client_addr} server={server_addr} admin={admin_addr}");
        assert_eq!(gateway.listening(), expected);
        assert!(!gateway.read("stderr").contains("WARN"), "{}", gateway.read("stderr"));

        let mut server = Server::register(server_addr, KEY, 7);
        let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(client_addr)).collect();
        for client in &mut clients {
            let conn = client.open(&mut server);
            client.send(conn, b"hi");
            server.expect_data(conn, b"hi");
        }
        let mut http = Http::connect(admin_addr);
        http.send("GET /ready", &[], b"");
        assert_eq!(http.receive(false).status, 200);
        drop(early);
    }
}

#[test]
fn sockets_win_over_addresses_with_a_warning() {
    let (client, addr) = listener();
    let flags = ["--client-addr", "127.0.0.1:1", "--server-addr", "127.0.0.1:0"];
    let gateway = Activated::start(vec![client], "client", &flags);
    assert!(gateway.listening().contains(&format!("client={addr} server=127.0.0.1:")));
    let log = gateway.read("stderr");
    assert!(log.contains("--client-addr has no effect: the service manager has bound the client port"), "{log}");
    assert!(!log.contains("--server-addr has no effect"), "{log}");
}

#[test]
fn sockets_win_over_addresses_of_a_reload_with_a_warning() {
    let dir = folder(&[(NAME, "[gateway]\nserver-addr = '127.0.0.1:0'\n")]);
    let (file, (client, _)) = (dir.path().join(NAME), listener());
    let gateway = Activated::start(vec![client], "client", &["--config", file.to_str().unwrap()]);
    gateway.listening();
    fs::write(&file, "[gateway]\nclient-addr = '127.0.0.1:1'\nserver-addr = '127.0.0.1:0'\n").unwrap();
    gateway.signal(Signal::HUP);
    watch::eventually("it warns", || gateway.read("stderr").contains("--client-addr has no effect"));
}

#[test]
fn sockets_that_the_gateway_cannot_use_end_the_start_with_what_is_accepted() {
    let datagrams = || UdpSocket::bind("127.0.0.1:0").unwrap().into();
    let file = || fs::File::open("/dev/null").unwrap().into();
    let accepted = "accepted (FileDescriptorName=): client, server, admin";
    for (sockets, names, parts) in [
        (vec![listener().0], "fastway.socket", ["\"fastway.socket\"", accepted]),
        (vec![listener().0], "unknown", ["\"unknown\"", accepted]),
        (vec![listener().0], "", ["LISTEN_FDNAMES has 0 names", "client, server, admin"]),
        (vec![listener().0, listener().0], "client:client", ["several sockets", "\"client\""]),
        (vec![datagrams()], "client", ["a socket for datagrams", "accepted: a listening TCP socket"]),
        (vec![file()], "server", ["no socket", "accepted: a listening TCP socket"]),
    ] {
        let (code, said) = Activated::start(sockets, names, &[]).end();
        assert_eq!(code, Some(1), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{names}: {said}");
    }
}

#[test]
fn an_inherited_port_that_others_can_reach_needs_its_secret() {
    let open = || OwnedFd::from(TcpListener::bind("0.0.0.0:0").unwrap());
    for (name, part) in [("server", "there is no server key"), ("admin", "without a token")] {
        let (code, said) = Activated::start(vec![open()], name, &["--client-addr", "127.0.0.1:0"]).end();
        assert!(code == Some(1) && said.contains(part), "{said}");
    }
}

#[test]
fn an_inherited_port_that_others_can_reach_keeps_its_secret() {
    const SECRET: &str = "a-secret-of-20-bytes";
    for (name, section, key, part) in [
        ("server", "gateway", "server-auth-key-file", "there is no server key"),
        ("admin", "admin", "token-file", "without a token"),
    ] {
        let dir = folder(&[("secret", SECRET), (NAME, &format!("[{section}]\n{key} = 'secret'\n"))]);
        let file = dir.path().join(NAME);
        let flags = ["--config", file.to_str().unwrap(), "--client-addr", "127.0.0.1:0", "--log-level=info"];
        let gateway = Activated::start(vec![TcpListener::bind("0.0.0.0:0").unwrap().into()], name, &flags);
        gateway.listening();
        fs::write(&file, "").unwrap();
        gateway.signal(Signal::HUP);
        watch::eventually("it does not reload", || {
            let log = gateway.read("stderr");
            log.lines().any(|line| line.contains("not reloaded") && line.contains(part))
        });
    }
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let dir = tempdir().unwrap();
    let mut command = Command::new(gateway_binary());
    command.args(["--client-addr", "127.0.0.1:0", "--server-addr", "127.0.0.1:0"]).current_dir(dir.path());
    command.envs([("LISTEN_PID", "1"), ("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "client:server")]);
    Process::start_program(command).listening();
}
