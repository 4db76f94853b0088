//! `NAME.sock`, through which `fastway ctl` asks a gateway: who may, and what a peer that breaks the rules costs.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fastway_testkit::process::{Process, Signal, gateway_binary};
use fastway_testkit::watch;
use tempfile::tempdir;

fn connect(gateway: &Process) -> UnixStream {
    let stream = UnixStream::connect(gateway.file("fastway.sock")).unwrap();
    stream.set_read_timeout(Some(watch::DEADLINE)).unwrap();
    stream
}

/// Everything that the gateway says to a peer, until it closes.
fn answer(mut stream: &UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn ask(gateway: &Process, request: &[u8]) -> String {
    let mut stream = connect(gateway);
    // The gateway may have seen enough before it has all of it.
    let written = stream.write_all(request);
    assert!(written.is_ok() || written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe));
    answer(&stream)
}

#[test]
fn the_socket_is_its_users_alone_and_goes_with_the_gateway() {
    let dir = tempdir().unwrap();
    let mut gateway = Process::in_dir(dir.path(), &["--name", "gate"]);
    let path = dir.path().join("gate.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().code, Some(0));
    assert!(!path.exists());
}

#[test]
fn an_end_by_a_second_signal_removes_the_socket() {
    let dir = tempdir().unwrap();
    let mut gateway = Process::in_dir(dir.path(), &["--shutdown-grace=1h"]);
    let mut client = std::net::TcpStream::connect(gateway.listening().client).unwrap();
    // A dial that nobody answers fills what the peer does not read.
    client.write_all(&[9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]).unwrap();
    gateway.signal(Signal::TERM);
    gateway.wait_log_with(&["stopping"]);
    watch::eventually("it has ended", || {
        // Only one that comes more than a second after the first counts.
        gateway.signal(Signal::TERM);
        !gateway.is_running()
    });
    assert!(!dir.path().join("fastway.sock").exists());
}

#[test]
fn a_gateway_without_a_pid_file_is_asked_through_its_socket() {
    let gateway = Process::start(&["--pid-file", "none"]);
    let pid = gateway.pid().to_string();
    for words in [&["log"][..], &["--pid", &pid, "log"]] {
        let exit = gateway.ctl(words);
        assert_eq!((exit.code, exit.stdout.as_str()), (Some(0), "log filter: info"), "{exit:?}");
    }
    let exit = gateway.ctl(&["--pid", "1", "log"]);
    assert!(
        exit.stderr.contains(&format!("no gateway with pid 1 runs here under that name; there is one with pid {pid}"))
    );
}

#[test]
fn a_socket_on_which_nobody_listens_is_replaced() {
    let dir = tempdir().unwrap();
    let mut killed = Process::in_dir(dir.path(), &[]);
    killed.kill();
    assert!(dir.path().join("fastway.sock").exists());
    assert!(Process::run_in(dir.path(), &["ctl", "help"]).stderr.contains("no gateway runs here"));
    let next = Process::in_dir(dir.path(), &["--pid-file", "none"]);
    assert_eq!(next.ctl(&["help"]).code, Some(0));
}

#[test]
fn where_the_socket_cannot_be_had_the_gateway_goes_on_without() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("fastway.sock");
    fs::write(&path, "precious").unwrap();
    let mut gateway = Process::in_dir(dir.path(), &[]);
    gateway.wait_log_with(&["WARN", "there is a file in the place of the socket", "command file and a signal"]);
    assert_eq!(gateway.ctl(&["help"]).code, Some(0));
    drop(gateway);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    fs::remove_file(&path).unwrap();
    let _somebody = UnixListener::bind(&path).unwrap();
    let mut gateway = Process::in_dir(dir.path(), &[]);
    gateway.wait_log_with(&["WARN", "another process listens on this socket"]);
}

/// Only root can become another user.
#[test]
fn another_user_is_not_answered() {
    const NOBODY: u32 = 65_534;
    let dir = tempdir().unwrap();
    let program = dir.path().join("fastway");
    fs::copy(Path::new(&gateway_binary()), &program).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut gateway = Process::in_dir(dir.path(), &["--pid-file", "none"]);
    let said_to_nobody = || {
        let mut ctl = Command::new(&program);
        let output = ctl.args(["ctl", "help"]).current_dir(dir.path()).uid(NOBODY).gid(NOBODY).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = said_to_nobody();
    assert!(said.contains("cannot connect: Permission denied") && said.contains("as root"), "{said}");
    // Even where the file would let everybody in.
    fs::set_permissions(dir.path().join("fastway.sock"), fs::Permissions::from_mode(0o666)).unwrap();
    let said = said_to_nobody();
    assert!(said.contains("only its own user (0) and root may ask, and this is user 65534"), "{said}");
    gateway.wait_log_with(&["WARN", "a user other than the gateway's asked for a command", "user=65534"]);
}

#[test]
fn a_peer_that_breaks_the_rules_is_told_so_and_costs_nobody_anything() {
    let gateway = Process::start(&[]);
    for (request, reason) in [
        (&b"\xff\xfe\n"[..], "the command is no UTF-8"),
        (b"he\x1blp\n", "the command has control characters"),
        (b" \n", "the line holds no command; `help` is one"),
        (b"help\nkick 1\n", "a connection takes one command, and there is more behind it"),
        (&[b'x'; 1 << 20], "the command is larger than 65536 bytes"),
    ] {
        let said = ask(&gateway, request);
        assert_eq!(said, format!("# pid {}\nerror: {reason}\n", gateway.pid()), "{reason}");
    }
    let said = ask(&gateway, b"log\n");
    assert_eq!(said, format!("# pid {}\n$ log\n  log filter: info\nok\n", gateway.pid()));
    drop(connect(&gateway));
    assert_eq!(gateway.ctl(&["help"]).code, Some(0));
}

#[test]
fn peers_that_say_nothing_are_given_up_and_hold_nobody_up_for_longer() {
    let gateway = Process::start(&[]);
    let silent: Vec<UnixStream> = (0..12).map(|_| connect(&gateway)).collect();
    let trickling = connect(&gateway);
    (&trickling).write_all(b"he").unwrap();
    assert_eq!(gateway.ctl(&["--timeout", "120s", "help"]).code, Some(0));
    assert!(answer(&silent[0]).contains("error: the command was not there within 5s"));
    let before = Instant::now();
    drop((silent, trickling));
    assert_eq!(gateway.ctl(&["help"]).code, Some(0));
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_was_given_up_is_not_run_later() {
    let gateway = Process::start(&[]);
    gateway.pause();
    let exit = gateway.ctl(&["--timeout", "200ms", "log", "debug"]);
    assert_eq!(exit.code, Some(1));
    let expected = format!(
        "fastway ctl: the gateway with pid {} did not answer within 200ms (--timeout): the command may take longer; see its log",
        gateway.pid()
    );
    assert_eq!(exit.stderr, expected);
    gateway.resume();
    assert_eq!(gateway.ctl(&["log"]).stdout, "log filter: info");
}

#[test]
fn a_gateway_that_is_killed_meanwhile_is_named() {
    let mut gateway = Process::start(&[]);
    gateway.pause();
    let mut ctl = Command::new(gateway_binary());
    ctl.args(["ctl", "--timeout", "120s", "help"]).current_dir(gateway.file(""));
    let ctl = ctl.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    watch::eventually("it has a socket", || {
        watch::open_files(ctl.id()).iter().any(|file| file.to_string_lossy().starts_with("socket:"))
    });
    gateway.kill();
    let output = ctl.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // Killed before the connection is there, there is nobody to ask.
    assert!(said.contains("ended before it answered") || said.contains("no gateway runs here"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
