//! Where the log goes: a reader that stalls holds nobody up, one that reads gets every line in its order.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{self, Command, Stdio};
use std::sync::mpsc;
use std::{env, thread};

use fastway_testkit::process::{Process, Signal, gateway_binary, narrow_pipe};
use fastway_testkit::{Client, Gateway, Link, Server, watch};
use rustix::fs::OFlags;
use serde_json::Value;

/// What a line of the log says when others before it are missing.
const DROPPED: &str = "lines of the log were dropped";

/// Has the gateway log more than a page.
fn offend(gateway: &Gateway) {
    for _ in 0..10 {
        let mut links: Vec<Link> = (0..20).map(|_| Link::connect(gateway.client_addr())).collect();
        links.iter_mut().for_each(|link| link.send_raw(&[0; 8]));
        links.iter_mut().for_each(Link::expect_eof);
    }
}

/// Connects two players to two servers and says something, so that all workers are met.
fn play(gateway: &Gateway) -> (Vec<Client>, Vec<Server>) {
    let mut servers: Vec<Server> = (1..3).map(|id| gateway.server(id)).collect();
    let mut clients: Vec<Client> = (0..4).map(|_| gateway.client()).collect();
    for client in &mut clients {
        for server in &mut servers {
            let conn = client.open(server);
            client.exchange(server, conn, b"hello");
        }
    }
    (clients, servers)
}

#[test]
fn a_stdout_that_is_full_holds_up_neither_players_nor_the_end() {
    let (unread, stdout) = narrow_pipe();
    let stdout_path = format!("/proc/{}/fd/{}", process::id(), stdout.as_raw_fd());
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let mut filled = File::options().write(true).custom_flags(without_waiting).open(&stdout_path).unwrap();
    while filled.write(b"x").is_ok() {}

    let mut command = Command::new("sh");
    command.args(["-c", "out=$1; shift; exec \"$@\" >\"$out\"", "sh", &stdout_path]).arg(gateway_binary());
    command.args(["--client-addr", "127.0.0.1:0", "--server-addr", "127.0.0.1:0"]);
    let mut gateway = Process::start_program(command);
    gateway.wait_log_with(&["listening client="]);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().code, Some(0));
    drop(unread);
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_players_nor_the_end() {
    for workers in ["1", "2"] {
        let (unread, stderr) = narrow_pipe();
        let flags = ["--workers", workers, "--log-level=debug", "--shutdown-grace=20s"];
        let mut gateway = Gateway::logging_to(stderr, &flags);
        offend(&gateway);
        let (mut clients, mut servers) = play(&gateway);
        offend(&gateway);
        let (mut client, mut server) = (gateway.client(), gateway.server(7));
        let conn = client.open(&mut server);

        gateway.signal(Signal::TERM);
        server.expect_close(conn);
        client.expect_close(conn);
        clients.iter_mut().for_each(|client| drop(client.until_eof()));
        servers.iter_mut().for_each(|server| drop(server.until_eof()));
        drop((client, server));
        gateway.expect_clean_exit();
        drop(unread);
    }
}

#[test]
fn a_second_signal_ends_it_although_nobody_reads_the_log() {
    let (unread, stderr) = narrow_pipe();
    let flags = ["--shutdown-grace=60s", "--client-send-bytes=1G", "--client-slow-grace=60s"];
    let mut gateway = Gateway::logging_to(stderr, &flags);
    offend(&gateway);
    let (mut client, mut server) = (gateway.narrow_client(), gateway.server(7));
    let conn = client.open(&mut server);
    (0..320).for_each(|_| server.send(conn, &[b'm'; 64 << 10]));
    server.expect_silence();

    watch::eventually("it has ended", || {
        gateway.signal(Signal::TERM);
        !gateway.is_running()
    });
    assert_eq!(gateway.wait_exit().code, Some(1));
    drop(unread);
}

#[test]
fn a_reader_of_the_log_that_goes_away_changes_nothing() {
    let (reader, stderr) = narrow_pipe();
    let mut gateway = Gateway::logging_to(stderr, &[]);
    drop(reader);
    offend(&gateway);
    gateway.still_serves();
    gateway.signal(Signal::TERM);
    gateway.expect_clean_exit();
}

/// Has the gateway log a line for each of 5,000 commands, in order, and then end.
fn number_lines_and_stop(gateway: &mut Gateway, log: impl Fn() -> String) -> String {
    let commands: String = (0..5000).map(|number| format!("no-{number}\n")).collect();
    gateway.command(&commands);
    watch::eventually("the last command was run", || log().contains("no-4999"));
    gateway.signal(Signal::TERM);
    gateway.expect_clean_exit();
    log()
}

fn expect_every_line(log: &str) {
    let failed = log.lines().filter(|line| line.contains("command failed"));
    let numbers = failed.map(|line| line.split_once("no-").unwrap().1.split(['"', '\\']).next().unwrap());
    let numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers, (0..5000).collect::<Vec<_>>());
    assert!(!log.contains(DROPPED), "{log}");
    assert!(log.lines().last().unwrap().ends_with("stopped"), "the last line is there: {log}");
}

#[test]
fn every_line_is_logged_in_order_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut gateway = Gateway::logging_to(File::create(&path).unwrap(), &[]);
    expect_every_line(&number_lines_and_stop(&mut gateway, || fs::read_to_string(&path).unwrap()));
}

#[test]
fn every_line_is_logged_in_order_to_a_pipe_that_is_read() {
    let (mut reader, stderr) = narrow_pipe();
    let mut gateway = Gateway::logging_to(stderr, &[]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut copy = File::create(&path).unwrap();
    let copying = thread::spawn(move || io::copy(&mut reader, &mut copy).unwrap());
    number_lines_and_stop(&mut gateway, || fs::read_to_string(&path).unwrap());
    copying.join().unwrap();
    expect_every_line(&fs::read_to_string(&path).unwrap());
}

#[test]
fn lines_that_do_not_fit_are_counted_and_reported_once_there_is_room_again() {
    let (reader, stderr) = narrow_pipe();
    let mut gateway = Gateway::logging_to(stderr, &["--log-format=json", "--admin-addr=127.0.0.1:0"]);
    const RUNS: usize = 5000;
    gateway.command(&"help\n".repeat(RUNS));
    let results = gateway.file("fastway.cmd.out");
    watch::eventually("all commands were run", || results.exists());
    let dropped = dropped_lines(&gateway);
    assert!(dropped > 0, "the queue has a bound");

    let (send, read) = mpsc::channel();
    let reading = thread::spawn(move || {
        for line in BufReader::new(reader).lines() {
            send.send(serde_json::from_str(&line.unwrap()).unwrap()).unwrap();
        }
    });
    let mut lines: Vec<Value> = Vec::new();
    while lines.last().is_none_or(|line| line["message"] != DROPPED) {
        lines.push(read.recv_timeout(watch::DEADLINE).expect("the log says what is missing"));
    }
    gateway.signal(Signal::TERM);
    gateway.expect_clean_exit();
    reading.join().unwrap();
    lines.extend(read);
    let reported: u64 =
        lines.iter().filter(|line| line["message"] == DROPPED).map(|line| line["lines"].as_u64().unwrap()).sum();
    assert_eq!(reported, dropped);
    let of_help = lines.iter().filter(|line| line["command"] == "help").count();
    let first = lines.iter().skip_while(|line| line["command"] != "help");
    let per_run = first.take_while(|line| line["message"] != "command done").count() + 1;
    assert_eq!(of_help as u64 + dropped, (RUNS * per_run) as u64, "each line was logged or counted");
}

fn dropped_lines(gateway: &Gateway) -> u64 {
    let stats: Value = serde_json::from_str(gateway.get("/api/stats").text()).unwrap();
    let metrics = gateway.get("/metrics");
    let metric = metrics.text().lines().find_map(|line| line.strip_prefix("fastway_log_lines_dropped_total "));
    let count = stats["log"]["dropped_lines"].as_u64().unwrap();
    assert_eq!(metric.unwrap().parse::<f64>().unwrap(), count as f64);
    count
}

/// Set for the process that panics on purpose.
const PANICS: &str = "FASTWAY_TEST_PANICS";

#[test]
fn a_panic_is_a_line_of_the_log() {
    if env::var_os(PANICS).is_some() {
        let log = fastway::logging::init(None, fastway::logging::LogFormat::Json).unwrap();
        let _panicked = thread::Builder::new().name("doomed".to_owned()).spawn(|| panic!("on purpose")).unwrap().join();
        return drop(log);
    }
    let this_test = thread::current().name().unwrap().to_owned();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", &this_test, "--nocapture"])
        .env(PANICS, "1")
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null());
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let lines: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = &lines[0];
    assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"panicked: on purpose".into()), "{stderr}");
    assert_eq!(line["thread"], "doomed");
    assert!(line["location"].as_str().unwrap().contains("log_delivery.rs:"), "{line}");
    assert_eq!(lines.len(), 1);
}
