//! A configuration that is read again while the gateway runs: what changes at once, what does not, and what nobody notices.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fastway_session::{Fault, Identity, PublicKey, Session, Status};
use fastway_testkit::http::{Answer, Http};
use fastway_testkit::process::{Exit, Process, Signal};
use fastway_testkit::{Client, Message, Server, Tunnel, watch};
use fastway_wire::Command as MuxCommand;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::config_file::{NAME, expect_refusal, folder};

const PLACES: &str = "client-addr = '127.0.0.1:0'\nserver-addr = '127.0.0.1:0'\n";

/// A gateway with a file: further lines of `[gateway]`, and whole sections.
struct Configured {
    process: Process,
    dir: TempDir,
}

impl Configured {
    fn start(gateway: &str, sections: &str) -> Self {
        Self::in_folder(folder(&[]), gateway, sections)
    }

    fn in_folder(dir: TempDir, gateway: &str, sections: &str) -> Self {
        write(dir.path(), gateway, sections);
        let process = Process::in_dir(dir.path(), &["--config", NAME]);
        Self { process, dir }
    }

    fn write(&self, gateway: &str, sections: &str) {
        write(self.dir.path(), gateway, sections);
    }

    /// What `fastway ctl reload` prints, which has to end well.
    #[track_caller]
    fn reload(&self, gateway: &str, sections: &str) -> String {
        self.write(gateway, sections);
        let exit = self.process.ctl(&["reload"]);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit.stdout
    }

    /// How `fastway ctl reload` fails.
    #[track_caller]
    fn refused(&self) -> Exit {
        let exit = self.process.ctl(&["reload"]);
        assert_eq!(exit.code, Some(1), "{exit:?}");
        exit
    }

    fn client(&self) -> Client {
        Client::connect(self.process.listening().client)
    }

    fn server(&self, key: &str, id: u32) -> Server {
        Server::register(self.process.listening().server, key, id)
    }

    fn http(&self) -> Http {
        Http::connect(self.process.listening().admin.unwrap())
    }

    fn get(&self, path: &str, headers: &[&str]) -> Answer {
        ask(self.process.listening().admin.unwrap(), path, headers)
    }
}

fn write(dir: &Path, gateway: &str, sections: &str) {
    write_whole(dir, &format!("[gateway]\n{PLACES}{gateway}\n{sections}"));
}

/// Writes the file, which nobody else can read.
fn write_whole(dir: &Path, text: &str) {
    let path = dir.join(NAME);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

fn ask(addr: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    let mut http = Http::connect(addr);
    http.send(&format!("GET {path}"), headers, b"");
    http.receive(false)
}

/// What a reload is answered with over HTTP.
#[track_caller]
fn post_reload(http: &mut Http) -> String {
    let body = json!({ "commands": ["reload"] }).to_string();
    let headers = ["Content-Type: application/json", "X-Fastway-Admin: 1"];
    http.send("POST /api/commands", &headers, body.as_bytes());
    let answer = http.receive(false);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["results"][0]["answer"].as_str().unwrap().to_owned()
}

fn refuses(addr: SocketAddr) -> bool {
    matches!(TcpStream::connect(addr), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The addresses with this name on the line that a reload ends with.
fn addrs(answer: &str, name: &str) -> Vec<SocketAddr> {
    let line = answer.lines().find(|line| line.starts_with("listening ")).unwrap_or_else(|| panic!("{answer}"));
    let of_name = line.split(' ').filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    of_name.map(|addr| addr.parse().unwrap()).collect()
}

/// How many of the next dials of a client are accepted before one is refused.
fn dials_accepted(client: &mut Client, server: &mut Server) -> usize {
    let mut accepted = 0;
    loop {
        client.dial(server.id());
        match client.receive() {
            Some(Message::Command(MuxCommand::Accept { .. })) => {
                server.expect_connect();
                accepted += 1;
            }
            _ => return accepted,
        }
    }
}

#[test]
fn each_way_to_ask_for_it_says_what_changed() {
    let admin = "[admin]\naddr = '127.0.0.1:0'\n";
    let mut gateway = Configured::start("", admin);
    let printed = gateway.reload("client-max-conn = 5\nworkers = 2", admin);
    assert!(printed.contains("changed: client-max-conn = 5 (was 16)\n"), "{printed}");
    assert!(printed.contains("needs a restart: workers = 2 (was 1)\n"), "{printed}");
    assert!(printed.contains("not changed: client-addr, server-addr, admin-addr\n"), "{printed}");
    gateway.process.wait_log_with(&["reloaded", "changed=1", "needs_restart=1"]);

    gateway.write("client-max-conn = 6", admin);
    gateway.process.signal(Signal::HUP);
    gateway.process.wait_log_with(&["reloaded", "changed=1", "needs_restart=0"]);

    gateway.write("client-max-conn = 7", admin);
    let mut http = gateway.http();
    let output = post_reload(&mut http);
    assert!(output.starts_with("changed: client-max-conn = 7 (was 6)\n"), "{output}");

    let answer = gateway.reload("client-max-conn = 7\nmax-packet = '8M'", admin);
    assert!(answer.starts_with("nothing changed\nneeds a restart: max-packet = \"8M\" (was \"512K\")\n"), "{answer}");
    let again = gateway.reload("client-max-conn = 7", admin);
    assert!(again.starts_with("nothing changed\n"), "{again}");

    gateway.reload("client-link = ['secure']", admin);
    gateway.process.wait_log_with(&["WARN", "no session key"]);
}

#[test]
fn limits_and_times_hold_for_links_that_live() {
    let gateway = Configured::start("server-auth-key = 'k'\nclient-max-conn = 3", "");
    let (mut client, mut server) = (gateway.client(), gateway.server("k", 7));
    let conn = client.open(&mut server);
    gateway.reload("server-auth-key = 'k'\nclient-max-conn = 2", "");
    assert_eq!(dials_accepted(&mut client, &mut server), 1);
    gateway.reload("server-auth-key = 'k'\nclient-max-conn = 4", "");
    assert_eq!(dials_accepted(&mut client, &mut server), 2);
    client.exchange(&mut server, conn, b"all the while");

    gateway.reload("server-auth-key = 'k'\nclient-idle-timeout = '300ms'", "");
    client.expect_eof();
    server.ping();
    assert!(server.receive().is_some(), "it has another limit");
}

#[test]
fn a_broken_file_changes_nothing_and_says_which_line() {
    let mut gateway = Configured::start("server-auth-key = 'k'\nclient-max-conn = 2", "");
    let (mut client, mut server) = (gateway.client(), gateway.server("k", 7));
    gateway.write("server-auth-key = 'other'\nclient-max-conn = 1\nclient-send-bytes = 'much'\nworker = 2", "");
    let exit = gateway.refused();
    assert!(exit.stdout.contains("fastway.toml:6:21: invalid value 'much' for client-send-bytes"), "{}", exit.stdout);
    assert!(exit.stdout.contains("fastway.toml:7:1: unknown key worker"), "{}", exit.stdout);
    assert!(exit.stderr.contains("the configuration is at fault: nothing changed"), "{}", exit.stderr);
    gateway.process.wait_log_with(&["fastway.toml:6:21: invalid value 'much' for client-send-bytes"]);
    gateway.process.wait_log_with(&["not reloaded, and nothing changed"]);
    assert_eq!(dials_accepted(&mut client, &mut server), 2);
    drop(gateway.server("k", 8));

    // Nor does one that is gone.
    fs::remove_file(gateway.dir.path().join(NAME)).unwrap();
    let exit = gateway.refused();
    assert!(exit.stdout.contains("fastway.toml") && exit.stdout.contains("No such file"), "{}", exit.stdout);
    drop(gateway.server("k", 9));
}

#[test]
fn a_file_that_cannot_be_read_makes_nobody_wait() {
    let mut gateway = Configured::start("", "");
    let path = gateway.dir.path().join(NAME);
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = gateway.refused().stderr;
    assert!(error.contains("cannot be read within 3 s: nothing changed"), "{error}");
    let again = gateway.refused().stderr;
    assert!(again.contains("an earlier reload are still being read: nothing changed"), "{again}");
    // Whoever reads is let go.
    drop(fs::OpenOptions::new().write(true).open(&path).unwrap());
    watch::eventually("its thread ends", || !gateway.process.has_thread("reload"));

    fs::remove_file(&path).unwrap();
    let answer = gateway.reload("client-max-conn = 3", "");
    assert!(answer.starts_with("changed: client-max-conn = 3"), "{answer}");
    gateway.process.signal(Signal::TERM);
    assert_eq!(gateway.process.wait_exit().code, Some(0));
}

#[test]
fn a_server_key_is_rotated_while_servers_stay() {
    let files = [("old.key", "old\n"), ("new.key", "new\n")];
    let keys = |names: &str| format!("server-auth-key-file = {names}");
    let gateway = Configured::in_folder(folder(&files), &keys("'old.key'"), "");
    let (mut client, mut server) = (gateway.client(), gateway.server("old", 7));
    let conn = client.open(&mut server);

    gateway.reload(&keys("['old.key', 'new.key']"), "");
    drop((gateway.server("old", 8), gateway.server("new", 9)));
    let answer = gateway.reload(&keys("['new.key']"), "");
    assert!(answer.contains("changed: server-auth-key-file"), "{answer}");
    expect_refusal(gateway.process.listening().server, "old");
    drop(gateway.server("new", 10));
    client.exchange(&mut server, conn, b"a server that came with the old key stays");

    // A file whose name stays and whose content changes is another key.
    fs::write(gateway.dir.path().join("new.key"), "newer\n").unwrap();
    let answer = gateway.reload(&keys("['new.key']"), "");
    assert!(answer.contains("changed: server-auth-key-file: what it holds\n"), "{answer}");
    assert!(!answer.contains("newer"), "{answer}");
    drop(gateway.server("newer", 11));
}

#[test]
fn a_session_outlives_the_key_that_it_was_opened_with() {
    let dir = folder(&[]);
    let keygen = |name: &str| -> PublicKey {
        let path = dir.path().join(name);
        Process::run_in(dir.path(), &["keygen", path.to_str().unwrap()]).stdout.trim().parse().unwrap()
    };
    let [old, new] = ["old.key", "new.key"].map(keygen);
    let keys = |names: &str| format!("server-auth-key = 'k'\nclient-link = ['secure-nk']\nsession-key = {names}");
    let mut gateway = Configured::in_folder(dir, &keys("'old.key'"), "");
    let addr = gateway.process.listening().client;
    let open = |key| Tunnel::open(addr, Session::secure(Identity::Pinned(key), watch::DEADLINE, Instant::now()));
    let (link, tunnel) = open(old).unwrap();
    let (mut client, mut server) = (Client::over(link), gateway.server("k", 7));
    let conn = client.open(&mut server);

    gateway.reload(&keys("'new.key'"), "");
    gateway.process.wait_log_with(&["session key", &new.to_string()]);
    drop(open(new).unwrap());
    assert_eq!(open(old).map(drop), Err(Fault::Refused(Status::NotAuthentic)));
    tunnel.cut();
    tunnel.resume();
    client.exchange(&mut server, conn, b"its ticket is good");
}

#[test]
fn links_live_on_when_their_kind_is_admitted_no_longer() {
    let link = |kinds: &str| format!("server-auth-key = 'k'\nclient-link = {kinds}");
    let gateway = Configured::start(&link("['plain', 'secure']"), "");
    let addr = gateway.process.listening().client;
    let secure = || Tunnel::open(addr, Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now()));
    let (tunnel_link, tunnel) = secure().unwrap();
    let (mut in_session, mut plain) = (Client::over(tunnel_link), gateway.client());
    let mut server = gateway.server("k", 7);
    let conns = [in_session.open(&mut server), plain.open(&mut server)];

    gateway.reload(&link("['plain']"), "");
    assert_eq!(secure().map(drop), Err(Fault::Refused(Status::NotAdmitted)));
    tunnel.cut();
    tunnel.resume();
    in_session.exchange(&mut server, conns[0], b"still resumed");

    gateway.reload(&link("['secure']"), "");
    let mut newcomer = gateway.client();
    newcomer.ping();
    assert_eq!(newcomer.raw_until_eof(), [Status::NotAdmitted as u8]);
    plain.exchange(&mut server, conns[1], b"still there");
    drop(secure().unwrap());
}

#[test]
fn addresses_come_and_go_and_links_live_on() {
    for workers in ["", "workers = 2\nreuse-port = true\n"] {
        let gateway = Configured::start(&format!("{workers}server-auth-key = 'k'"), "");
        let first = gateway.process.listening();
        let (mut client, mut server) = (gateway.client(), gateway.server("k", 7));
        let conn = client.open(&mut server);
        let reload = |client: &str, server: &str| {
            let rest = format!("{workers}server-auth-key = 'k'");
            let text = format!("[gateway]\nclient-addr = {client}\nserver-addr = {server}\n{rest}\n");
            write_whole(gateway.dir.path(), &text);
            let exit = gateway.process.ctl(&["reload"]);
            assert_eq!(exit.code, Some(0), "{exit:?}");
            exit.stdout
        };

        let answer = reload("['127.0.0.1:0', 'localhost:0']", "'localhost:0'");
        let (clients, servers) = (addrs(&answer, "client"), addrs(&answer, "server"));
        assert_eq!((clients[0], clients.len(), servers.len()), (first.client, 2, 1), "{answer}");
        assert_ne!(servers[0], first.server);
        watch::eventually("the old server port is closed", || refuses(first.server));
        let (mut by_new_port, mut second) = (Client::connect(clients[1]), Server::register(servers[0], "k", 8));
        let further = by_new_port.open(&mut second);
        by_new_port.exchange(&mut second, further, b"by the new ports");
        client.exchange(&mut server, conn, b"by the old ones");

        reload("'localhost:0'", "'localhost:0'");
        watch::eventually("the first client port is closed", || refuses(first.client));
        drop(Client::connect(clients[1]));
        client.exchange(&mut server, conn, b"by a port that is closed");
    }
}

#[test]
fn an_address_that_is_not_to_be_had_changes_nothing() {
    let gateway = Configured::start("server-auth-key = 'k'\nclient-max-conn = 2", "");
    let other = Process::start(&[]);
    let taken = other.listening().client;
    let text = format!("[gateway]\nclient-addr = '{taken}'\nserver-addr = '127.0.0.1:0'\nclient-max-conn = 1\n");
    write_whole(gateway.dir.path(), &text);
    let exit = gateway.refused();
    let error = &exit.stderr;
    assert!(
        error.contains(&taken.to_string()) && error.contains("in use") && error.contains("nothing changed"),
        "{error}"
    );
    let (mut client, mut server) = (gateway.client(), gateway.server("k", 7));
    assert_eq!(dials_accepted(&mut client, &mut server), 2);
}

#[test]
fn another_name_of_its_own_address_is_no_other_port() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = free.local_addr().unwrap().port();
    drop(free);
    for section in ["gateway", "admin"] {
        let key = if section == "gateway" { "client-addr" } else { "addr" };
        let text = |host: &str| format!("[{section}]\n{key} = '{host}:{number}'\n");
        let dir = folder(&[(NAME, &text("127.0.0.1"))]);
        let process = Process::in_dir(dir.path(), &["--config", NAME]);
        write_whole(dir.path(), &text("localhost"));
        let exit = process.ctl(&["reload"]);
        assert!(exit.code == Some(1) && exit.stderr.contains("which the gateway has already"), "{exit:?}");
        drop(TcpStream::connect(("127.0.0.1", number)).unwrap());
    }
}

#[test]
fn a_name_that_cannot_be_resolved_changes_nothing() {
    let gateway = Configured::start("", "");
    write_whole(gateway.dir.path(), "[gateway]\nclient-addr = 'nowhere.invalid:0'\n");
    let error = gateway.refused().stderr;
    // A resolver that does not answer takes longer.
    assert!(error.contains("cannot resolve \"nowhere.invalid:0\"") || error.contains("within 3 s"), "{error}");
    drop(gateway.client());
}

#[test]
fn ports_stay_as_they_are_while_a_drain_has_closed_some() {
    let mut gateway = Configured::start("server-auth-key = 'k'", "");
    assert_eq!(gateway.process.ctl(&["drain", "10m", "--stay"]).code, Some(0));
    let addr = gateway.process.listening().client;
    watch::eventually("the port is closed", || refuses(addr));
    let text = "[gateway]\nclient-addr = 'localhost:0'\nserver-addr = '127.0.0.1:0'\nserver-auth-key = 'k'\n";
    write_whole(gateway.dir.path(), text);
    let error = gateway.refused().stderr;
    assert!(error.contains("undrain"), "{error}");
    gateway.reload("server-auth-key = 'k'\nclient-max-conn = 3", "");

    assert_eq!(gateway.process.ctl(&["undrain"]).code, Some(0));
    drop(gateway.client());
    write_whole(gateway.dir.path(), text);
    assert_eq!(gateway.process.ctl(&["reload"]).code, Some(0));
    watch::eventually("the port has moved", || refuses(addr));
    assert!(gateway.process.is_running());
}

#[test]
fn times_of_a_drain_count_from_the_next_one_on() {
    let mut gateway = Configured::start("", "[process]\ndrain-timeout = 0\n");
    gateway.reload("", "[process]\ndrain-timeout = '10m'\n");
    let mut client = gateway.client();
    client.ping();
    client.expect_pong();
    gateway.process.signal(Signal::TERM);
    gateway.process.wait_log_with(&["draining", "waiting"]);
    client.ping();
    client.expect_pong();
    drop(client);
    assert_eq!(gateway.process.wait_exit().code, Some(0));
}

#[test]
fn the_admin_token_changes_for_requests_and_streams() {
    let admin = |token: &str| format!("[admin]\naddr = '127.0.0.1:0'\ntoken-file = '{token}'\n");
    let files = [("one", "first-token-0123456789"), ("two", "second-token-0123456789")];
    let gateway = Configured::in_folder(folder(&files), "", &admin("one"));
    let [one, two] = files.map(|(_, token)| format!("Authorization: Bearer {token}"));
    assert_eq!(gateway.get("/api/stats", &[&one]).status, 200);
    let mut stream = gateway.http();
    stream.send("GET /api/events", &[&one], b"");
    assert_eq!(stream.head().status, 200);

    gateway.reload("", &admin("two"));
    assert_eq!(gateway.get("/api/stats", &[&one]).status, 401);
    assert_eq!(gateway.get("/api/stats", &[&two]).status, 200);
    let until = Instant::now() + watch::DEADLINE;
    while stream.chunk().is_some() {
        assert!(Instant::now() < until, "the stream goes on");
    }
}

#[test]
fn the_admin_listener_comes_moves_and_goes() {
    let gateway = Configured::start("", "");
    let admin = |addr: &str| format!("[admin]\naddr = '{addr}'\n");
    let answer = gateway.reload("", &admin("127.0.0.1:0"));
    let [first] = addrs(&answer, "admin")[..] else { panic!("{answer}") };
    assert_eq!(ask(first, "/live", &[]).status, 200);

    // It answers the request that moves it.
    gateway.write("", &admin("localhost:0"));
    let mut http = Http::connect(first);
    let moved = post_reload(&mut http);
    let [second] = addrs(&moved, "admin")[..] else { panic!("{moved}") };
    assert_ne!(first, second);
    assert_eq!(ask(second, "/live", &[]).status, 200);
    watch::eventually("the first one is closed", || refuses(first));

    let gone = gateway.reload("", "");
    assert_eq!(addrs(&gone, "admin"), []);
    watch::eventually("it is gone", || refuses(second));

    gateway.write("", &admin("0.0.0.0:0"));
    let exit = gateway.refused();
    assert!(exit.stdout.contains("no admin token"), "{exit:?}");
}

#[test]
fn the_log_changes_its_level_and_its_format() {
    let mut gateway = Configured::start("", "[log]\nlevel = 'warn'\n");
    gateway.reload("", "[log]\nlevel = 'debug'\nformat = 'json'\n");
    drop(gateway.client());
    let line = gateway.process.wait_log(|line| line.contains("link closed") || line.contains("\"level\":\"DEBUG\""));
    let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(parsed["level"].is_string(), "{line}");

    gateway.reload("", "[log]\nlevel = 'error'\nformat = 'text'\n");
    gateway.process.mark();
    let before = gateway.process.log();
    let mut client = gateway.client();
    client.ping();
    client.expect_pong();
    drop(client);
    assert_eq!(gateway.process.ctl(&["help"]).code, Some(0));
    assert_eq!(gateway.process.log(), before, "neither links nor commands are errors");

    assert_eq!(gateway.process.ctl(&["log", "warn"]).code, Some(0));
    gateway.reload("client-max-conn = 3", "[log]\nlevel = 'error'\nformat = 'text'\n");
    gateway.reload("client-max-conn = 3", "[log]\nlevel = 'error'\nformat = 'json'\n");
    let level = gateway.process.ctl(&["log"]).stdout;
    assert!(level.contains("warn"), "the command's level stays until another one is configured: {level}");
}

#[test]
fn files_that_flags_name_are_read_again_as_well() {
    let dir = folder(&[("server.key", "one")]);
    let flags = ["--client-addr=127.0.0.1:0", "--server-addr=127.0.0.1:0", "--server-auth-key-file=server.key"];
    let mut process = Process::in_dir(dir.path(), &flags);
    fs::write(dir.path().join("server.key"), "two").unwrap();
    process.signal(Signal::HUP);
    process.wait_log_with(&["reloaded", "changed=1"]);
    drop(Server::register(process.listening().server, "two", 1));
    expect_refusal(process.listening().server, "one");
}

#[test]
fn what_flags_say_wins_over_the_file_that_is_read_again() {
    let dir = folder(&[(NAME, &format!("[gateway]\n{PLACES}client-max-conn = 5\n"))]);
    let process = Process::in_dir(dir.path(), &["--config", NAME, "--client-max-conn=3"]);
    write(dir.path(), "client-max-conn = 6", "");
    let answer = process.ctl(&["reload"]).stdout;
    assert!(answer.starts_with("nothing changed\n"), "{answer}");
}

#[test]
fn many_reloads_leave_nothing_behind() {
    let admin = |port: &str| format!("[admin]\naddr = '{port}:0'\n");
    let gateway = Configured::start("", &admin("127.0.0.1"));
    let (mut client, mut server) = (gateway.client(), gateway.server("", 7));
    let conn = client.open(&mut server);
    let reload_twice = || {
        for (host, max_conn) in [("localhost", 5), ("127.0.0.1", 6)] {
            let text = format!(
                "[gateway]\nclient-addr = ['127.0.0.1:0', '{host}:0']\nserver-addr = '127.0.0.1:0'\nclient-max-conn = {max_conn}\n{}",
                admin(host)
            );
            write_whole(gateway.dir.path(), &text);
            let exit = gateway.process.ctl(&["reload"]);
            assert_eq!(exit.code, Some(0), "{exit:?}");
        }
    };
    let open_files = || watch::open_files(gateway.process.pid()).len();
    (0..5).for_each(|_| reload_twice());
    let before = open_files();
    (0..watch::scaled(100)).for_each(|_| reload_twice());
    watch::eventually("no descriptor is left over", || open_files() <= before);
    client.exchange(&mut server, conn, b"all the while");
}
