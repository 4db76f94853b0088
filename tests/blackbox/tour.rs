//! The tour: it counts while it runs, says what came back wrong, and leaves nothing behind.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use fastway_testkit::examples::{example, start_example, terminal};
use fastway_testkit::process::{Exit, Process, Signal, gateway_binary};
use fastway_testkit::{Gateway, data};
use fastway_wire::{ConnId, Frame, HEADER_BYTES, split_frame};

#[test]
fn a_small_tour_counts_and_ends_with_a_summary() {
    let mut tour = start_tour(&["--players", "20", "--messages", "50"]);
    let exit = tour.wait_exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stdout.starts_with("the gateway listens: client=127.0.0.1:"), "{}", exit.stdout);
    assert!(exit.stdout.contains("\n22 links  40 connections  2,000 messages  "), "{}", exit.stdout);
    assert!(exit.stdout.contains("20 players with 40 connections: 2,000 messages there and back"), "{}", exit.stdout);
    assert!(exit.stdout.contains("every byte and the order are right"), "{}", exit.stdout);
    assert_eq!(left_in(&tour), Vec::<PathBuf>::new());
}

#[test]
fn cargo_builds_the_gateway_without_the_environment_of_the_tours_package() {
    let dir = tempfile::tempdir().unwrap();
    let (cargo, seen) = (dir.path().join("cargo"), dir.path().join("environment"));
    fs::write(&cargo, format!("#!/bin/sh\nenv >'{}'\n", seen.display())).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o700)).unwrap();

    let mut tour = example("tour", &["--players", "2", "--messages", "2"]);
    tour.env("CARGO", &cargo).env("CARGO_MANIFEST_DIR", "/").env("CARGO_MANIFEST_LINKS", "").env("CARGO_PKG_NAME", "x");
    let exit = Process::start_program(tour).wait_exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");

    let seen = fs::read_to_string(seen).unwrap();
    let about_a_package = |line: &&str| line.starts_with("CARGO_MANIFEST_") || line.starts_with("CARGO_PKG_");
    assert_eq!(seen.lines().filter(about_a_package).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_secure_tour_has_everybody_encrypted() {
    let mut tour = start_tour(&["--players", "20", "--messages", "50", "--secure"]);
    let exit = tour.wait_exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stdout.contains("\nthe players' links are encrypted, for the gateway that has the key "), "{exit:?}");
    assert!(exit.stdout.contains("every byte and the order are right"), "{}", exit.stdout);
    assert_eq!(left_in(&tour), Vec::<PathBuf>::new());
}

#[test]
fn a_tour_through_chaos_loses_nothing() {
    let mut tour = start_tour(&["--players", "20", "--messages", "500", "--secure", "--chaos"]);
    let exit = tour.wait_exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stdout.contains("20 players with 40 connections: 20,000 messages there and back"), "{}", exit.stdout);
    assert!(exit.stdout.contains("every byte and the order are right"), "{}", exit.stdout);
    let resumes = exit
        .stdout
        .lines()
        .find_map(|line| line.strip_suffix(" times a player's link was cut or fell silent, and went on"));
    assert!(resumes.is_some_and(|resumes| resumes != "0"), "{}", exit.stdout);
    assert!(exit.stdout.contains("\nno player waited longer than "), "{}", exit.stdout);
    assert_eq!(left_in(&tour), Vec::<PathBuf>::new());
}

#[test]
fn on_a_terminal_one_line_counts() {
    let (mut shown, printed) = terminal();
    let gateway = gateway_binary();
    let mut command = example("tour", &["--gateway", gateway.to_str().unwrap(), "--players", "20", "--messages", "50"]);
    let mut tour = command.stdout(printed).spawn().unwrap();
    // The other side of the terminal was open here as well, for the tour to inherit.
    drop(command);
    let mut text = Vec::new();
    let end = shown.read_to_end(&mut text);
    assert!(tour.wait().unwrap().success());
    let text = String::from_utf8(text).unwrap();
    assert!(end.is_err(), "a terminal's end is an error: {text}");
    assert!(text.contains("\r\x1b[K22 links  40 connections  2,000 messages  "), "{text}");
    assert_eq!(text.matches('\n').count(), 5, "{text}");
}

#[test]
fn the_tour_goes_through_a_gateway_that_runs_and_leaves_it_running() {
    let gateway = Gateway::start(&[]);
    let exit = tour_through(&gateway, gateway.client_addr(), "12,65536");
    assert_eq!(exit.code, Some(0), "{exit:?}");
    gateway.still_serves();
}

#[test]
fn what_comes_back_wrong_is_named_and_the_exit_code_is_1() {
    let gateway = Gateway::start(&[]);
    for (fault, complaint) in [
        (Fault::FlipBit, ": message 5 of 50: byte 20 came back as 0x"),
        (Fault::Drop, ": message 5 of 50: message 6 came instead: lost or overtaken"),
        (Fault::Double, ": message 6 of 50: message 5 came instead, a second time"),
        (Fault::Swap, ": message 5 of 50: message 6 came instead: lost or overtaken"),
        (Fault::Mistake, " of 50: a message of another connection came instead (player "),
        (Fault::Shorten, ": message 5 of 50: 63 bytes came, which is not its length"),
        (Fault::Cut, " of 50: the "),
    ] {
        let proxy = corrupting_proxy(gateway.client_addr(), fault);
        let exit = tour_through(&gateway, proxy, "64");
        assert_eq!(exit.code, Some(1), "{fault:?}: {exit:?}");
        assert!(exit.stderr.starts_with("tour: player "), "{fault:?}: {}", exit.stderr);
        assert!(exit.stderr.contains(complaint), "{fault:?}: {}", exit.stderr);
        assert!(!exit.stdout.contains("right"), "{fault:?}: {}", exit.stdout);
    }
}

#[test]
fn an_interrupted_tour_leaves_no_gateway_and_no_file() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut tour = start_endless_tour();
        let gateway = gateway_of(&tour);
        tour.signal(signal);
        let exit = tour.wait_exit();
        assert_eq!(exit.code, Some(code), "{exit:?}");
        assert_eq!(exit.stderr, "tour: interrupted");
        assert!(!Path::new("/proc").join(gateway).exists(), "the gateway is left after {signal:?}");
        assert_eq!(left_in(&tour), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_gateway_that_dies_ends_the_tour_with_its_log() {
    let mut tour = start_endless_tour();
    kill(&gateway_of(&tour));
    let exit = tour.wait_exit();
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(exit.stderr.contains("the gateway ended with signal: 9"), "{}", exit.stderr);
    assert!(exit.stderr.contains("INFO fastway: listening client="), "{}", exit.stderr);
    assert_eq!(left_in(&tour), Vec::<PathBuf>::new());
}

#[test]
fn options_that_cannot_work_are_named() {
    for (args, complaint) in [
        (&["--players", "0"][..], "--players is 0"),
        (&["--messages", "0"], "--messages is 0"),
        (&["--payloads", "64,11"], "--payloads has \"11\""),
        (&["--players", "4000000000"], "--players 4000000000 needs 4000000064 open files"),
        (&["--client-addr", "127.0.0.1:1"], "--client-addr and --server-addr"),
        (&["--gateway", "/nowhere"], "no gateway at /nowhere"),
        (&["--chaos"], "--chaos needs --secure"),
        (
            &["--secure", "--client-addr", "127.0.0.1:1", "--server-addr", "127.0.0.1:1"],
            "give --secure and --public-key",
        ),
    ] {
        let exit = start_example("tour", args).wait_exit();
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(complaint), "{}", exit.stderr);
    }
}

/// With the gateway that is tested here.
fn start_tour(args: &[&str]) -> Process {
    let gateway = PathBuf::from(gateway_binary());
    start_example("tour", &[&["--gateway", gateway.to_str().unwrap()], args].concat())
}

/// One that is under way, and has far to go.
fn start_endless_tour() -> Process {
    let tour = start_tour(&["--players", "5", "--messages", "1000000000"]);
    tour.wait_stdout(|line| line.contains(" messages ") && !line.contains(" 0 messages "));
    tour
}

fn tour_through(gateway: &Gateway, client_addr: SocketAddr, payloads: &str) -> Exit {
    let (client, server) = (client_addr.to_string(), gateway.server_addr().to_string());
    let place = ["--client-addr", &client, "--server-addr", &server];
    let script = ["--players", "4", "--messages", "50", "--payloads", payloads];
    start_example("tour", &[place.as_slice(), &script].concat()).wait_exit()
}

/// The process id of the gateway that a tour has started, from its pid file.
fn gateway_of(tour: &Process) -> String {
    let dirs = left_in(tour);
    let [dir] = dirs.as_slice() else { panic!("not one directory: {dirs:?}") };
    let pid = fs::read_to_string(dir.join("fastway.pid")).unwrap().trim().to_owned();
    assert!(Path::new("/proc").join(&pid).exists());
    pid
}

fn kill(pid: &str) {
    assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
}

/// What there is in a tour's directory for temporary files.
fn left_in(tour: &Process) -> Vec<PathBuf> {
    fs::read_dir(tour.file("")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// What a proxy does to the fifth message that comes back on the first connection of each link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    FlipBit,
    Drop,
    Double,
    /// The sixth comes first.
    Swap,
    /// It becomes a message of the link's other connection.
    Mistake,
    Shorten,
    /// The link ends there.
    Cut,
}

/// Listens for players and connects each to the gateway; ends with the tests.
fn corrupting_proxy(gateway: SocketAddr, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for player in listener.incoming().map_while(Result::ok) {
            let gateway = TcpStream::connect(gateway).unwrap();
            let (player_reads, gateway_writes) = (player.try_clone().unwrap(), gateway.try_clone().unwrap());
            thread::spawn(move || copy(player_reads, gateway_writes, |bytes| Some(bytes.to_vec())));
            let mut corruption = Corruption::new(fault);
            thread::spawn(move || copy(gateway, player, |bytes| corruption.pass(bytes)));
        }
    });
    addr
}

/// Carries bytes until either end is gone, which is what every tour comes to, or until `change` cuts the link.
fn copy(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>) {
    let mut block = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut block) {
        let Some(bytes) = change(&block[..count]) else { break };
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// What comes back to one player.
struct Corruption {
    fault: Fault,
    input: Vec<u8>,
    /// The player's first connection, and how many messages of it have come.
    conn: Option<ConnId>,
    count: u32,
    /// The last message of its other connection.
    other: Option<Vec<u8>>,
    /// A message that is to come later.
    held: Vec<u8>,
    mistaken: bool,
}

impl Corruption {
    fn new(fault: Fault) -> Self {
        Self { fault, input: Vec::new(), conn: None, count: 0, other: None, held: Vec::new(), mistaken: false }
    }

    /// What becomes of these bytes; `None` cuts the link.
    fn pass(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let (mut rest, mut output) = (input.as_slice(), Vec::new());
        while let Some((frame, after)) = split_frame(rest, 1 << 20).unwrap() {
            output.extend(self.pass_frame(frame)?);
            rest = after;
        }
        self.input = rest.to_vec();
        Some(output)
    }

    fn pass_frame(&mut self, frame: Frame<'_>) -> Option<Vec<u8>> {
        let whole = frame.as_bytes().to_vec();
        if frame.conn().is_command() {
            return Some(whole);
        }
        if frame.conn() != *self.conn.get_or_insert(frame.conn()) {
            self.other = Some(frame.payload().to_vec());
            return Some(whole);
        }
        self.count += 1;
        Some(match (self.fault, self.count) {
            (Fault::FlipBit, 5) => flip_bit(whole),
            (Fault::Drop, 5) => Vec::new(),
            (Fault::Double, 5) => whole.repeat(2),
            (Fault::Swap, 5) => {
                self.held = whole;
                Vec::new()
            }
            (Fault::Swap, 6) => [whole, std::mem::take(&mut self.held)].concat(),
            (Fault::Mistake, 5..) => self.mistake(frame.conn(), whole),
            (Fault::Shorten, 5) => data(frame.conn(), &frame.payload()[1..]),
            (Fault::Cut, 5) => return None,
            _ => whole,
        })
    }

    /// Puts a message of the other connection in the place of this one, once, when there has been one.
    fn mistake(&mut self, conn: ConnId, whole: Vec<u8>) -> Vec<u8> {
        match &self.other {
            Some(other) if !std::mem::replace(&mut self.mistaken, true) => data(conn, other),
            _ => whole,
        }
    }
}

fn flip_bit(mut frame: Vec<u8>) -> Vec<u8> {
    frame[HEADER_BYTES + 20] ^= 1;
    frame
}
