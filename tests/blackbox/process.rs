//! The process contract (`docs/protocol.md`) against the built binary: pid file, signals, commands.

use std::fs;
use std::process::Command;
use std::time::Duration;

use fastway_testkit::process::{Exit, Process, Signal, gateway_binary};
use fastway_testkit::{Gateway, data, pprof, watch};
use tempfile::tempdir;

#[test]
fn the_addresses_come_on_stdout_and_nothing_else() {
    let mut gateway = Process::start(&[]);
    let addresses = gateway.listening();
    assert!(addresses.client.port() != 0 && addresses.server.port() != 0, "{addresses:?}");
    assert!(addresses.server.ip().is_loopback(), "without a key only this machine may register: {addresses:?}");
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().stdout.lines().count(), 1);
}

#[test]
fn the_pid_file_holds_the_pid_while_the_gateway_runs() {
    let gateway = Process::start(&[]);
    assert_eq!(fs::read_to_string(gateway.file("fastway.pid")).unwrap(), format!("{}\n", gateway.pid()));
}

#[test]
fn sigterm_and_sigint_stop_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut gateway = Process::start(&[]);
        gateway.signal(signal);
        let exit = gateway.wait_exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(!gateway.file("fastway.pid").exists());
    }
}

#[test]
fn a_gateway_under_nohup_reloads_on_sighup() {
    let mut command = Command::new("nohup");
    command.arg(gateway_binary()).args(["--client-addr=127.0.0.1:0", "--server-addr=127.0.0.1:0"]);
    let mut gateway = Process::start_program(command);
    gateway.listening();
    gateway.signal(Signal::HUP);
    gateway.wait_log_with(&["reloaded"]);
    goes_on(&mut gateway);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().code, Some(0));
}

#[test]
fn a_second_gateway_in_the_directory_is_refused() {
    let dir = tempdir().unwrap();
    let first = Process::in_dir(dir.path(), &[]);
    let exit = Process::run_in(dir.path(), &[]);
    assert_eq!((exit.code, exit.stdout.as_str()), (Some(1), ""));
    let refusal = last_line(&exit);
    assert!(refusal.contains(&format!("pid {} ", first.pid())) && refusal.contains("--name"), "{refusal}");
    assert_eq!(fs::read_to_string(dir.path().join("fastway.pid")).unwrap(), format!("{}\n", first.pid()));
}

#[test]
fn a_name_of_its_own_lets_a_second_gateway_run() {
    let dir = tempdir().unwrap();
    let mut first = Process::in_dir(dir.path(), &[]);
    let mut second = Process::in_dir(dir.path(), &["--name", "second"]);
    assert_eq!(fs::read_to_string(dir.path().join("second.pid")).unwrap(), format!("{}\n", second.pid()));

    second.command_as("second", "help");
    second.wait_log_with(&["command done", "help"]);
    second.signal(Signal::TERM);
    assert_eq!(second.wait_exit().code, Some(0));
    assert!(!dir.path().join("second.pid").exists());
    assert!(dir.path().join("fastway.pid").exists());
    assert!(first.is_running());
}

#[test]
fn a_killed_gateway_leaves_nothing_that_hinders_the_next() {
    let dir = tempdir().unwrap();
    let mut killed = Process::in_dir(dir.path(), &[]);
    killed.kill();
    assert_eq!(killed.wait_exit().signal, Some(9));
    assert_eq!(fs::read_to_string(dir.path().join("fastway.pid")).unwrap(), format!("{}\n", killed.pid()));
    let next = Process::in_dir(dir.path(), &[]);
    assert_eq!(fs::read_to_string(dir.path().join("fastway.pid")).unwrap(), format!("{}\n", next.pid()));
}

#[test]
fn where_the_pid_file_cannot_be_written_the_gateway_goes_on_without() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("fastway.pid")).unwrap();
    let mut gateway = Process::in_dir(dir.path(), &[]);
    let warning = gateway.wait_log_with(&["WARN", "fastway.pid: cannot open the pid file: Is a directory"]);
    assert_eq!(warning.matches("Is a directory").count(), 1, "the system's words come once: {warning}");
    assert!(warning.contains("--pid-file"), "{warning}");
    goes_on(&mut gateway);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().code, Some(0));
    assert!(dir.path().join("fastway.pid").is_dir());
}

#[test]
fn the_pid_file_is_where_it_was_asked_for_or_nowhere() {
    let (dir, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let path = elsewhere.path().join("gate.pid");
    let mut gateway = Process::in_dir(dir.path(), &["--pid-file", path.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", gateway.pid()));
    assert_eq!(gateway.ctl(&["--pid-file", path.to_str().unwrap(), "help"]).code, Some(0));
    assert!(!dir.path().join("fastway.pid").exists());
    let exit = Process::run_in(dir.path(), &["--pid-file", path.to_str().unwrap()]);
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(last_line(&exit).contains("already runs here"), "{exit:?}");
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait_exit().code, Some(0));
    assert!(!path.exists());

    let _without = Process::in_dir(dir.path(), &["--pid-file", "none"]);
    assert!(!dir.path().join("fastway.pid").exists() && !dir.path().join("none").exists());
    drop(Process::in_dir(dir.path(), &["--pid-file=none"]));
}

#[test]
fn a_pid_file_that_was_asked_for_and_cannot_be_had_is_an_error() {
    let dir = tempdir().unwrap();
    for (path, reason) in [("missing/gate.pid", "No such file or directory"), ("/dev/null", "not a regular file")] {
        let exit = Process::run_in(dir.path(), &["--pid-file", path]);
        assert_eq!((exit.code, exit.stdout.as_str()), (Some(1), ""), "{exit:?}");
        let expected = format!("{path}: cannot open the pid file: {}", with_code(reason));
        let last = last_line(&exit);
        assert!(last.contains("ERROR") && last.ends_with(&expected), "{last}");
    }
    assert!(std::path::Path::new("/dev/null").exists());
}

/// What the system says comes with its number.
fn with_code(reason: &str) -> String {
    match reason {
        "No such file or directory" => format!("{reason} (os error 2)"),
        _ => format!("it is {reason}"),
    }
}

#[test]
fn gateways_that_share_their_ports_share_a_directory() {
    let dir = tempdir().unwrap();
    let mut first = Process::in_dir(dir.path(), &["-ReusePort"]);
    let mut second = Process::in_dir(dir.path(), &["-ReusePort"]);
    let of_second = format!("fastway.{}", second.pid());
    second.wait_log_with(&["WARN", "shares its ports", &format!("{of_second}.pid")]);
    assert_eq!(fs::read_to_string(second.file("fastway.pid")).unwrap(), format!("{}\n", first.pid()));
    let pid_of_second = second.file(&format!("{of_second}.pid"));
    assert_eq!(fs::read_to_string(&pid_of_second).unwrap(), format!("{}\n", second.pid()));

    let undecided = first.ctl(&["log", "warn"]);
    assert_eq!((undecided.code, undecided.stdout.as_str()), (Some(1), ""));
    assert!(undecided.stderr.contains(&format!("2 gateways run here, with pid {} and {}", first.pid(), second.pid())));
    for (gateway, level) in [(&first, "warn"), (&second, "debug")] {
        assert_eq!(first.ctl(&["--pid", &gateway.pid().to_string(), "log", level]).code, Some(0));
    }
    assert_eq!(first.ctl(&["--pid", &first.pid().to_string(), "log"]).stdout, "log filter: warn");
    assert_eq!(first.ctl(&["--name", &of_second, "log"]).stdout, "log filter: debug");
    let nobody = first.ctl(&["--pid", "4194303", "log"]);
    assert!(nobody.stderr.contains("no gateway with pid 4194303"), "{nobody:?}");

    first.signal(Signal::TERM);
    assert_eq!(first.wait_exit().code, Some(0));
    assert!(!dir.path().join("fastway.pid").exists() && pid_of_second.exists());
    assert_eq!(second.ctl(&["log"]).stdout, "log filter: debug", "the one that is left needs no number");
    second.signal(Signal::TERM);
    assert_eq!(second.wait_exit().code, Some(0));
    assert!(!pid_of_second.exists());
}

#[test]
fn help_lists_the_commands() {
    let mut gateway = Process::start(&[]);
    gateway.command("help");
    for command in ["help", "cpuprof start", "cpuprof stop", "lookup gc [n]"] {
        gateway.wait_log_with(&[command]);
    }
    gateway.wait_log(|line| line.contains("command done") && !line.contains("ERROR"));
}

#[test]
fn commands_run_in_order_and_past_a_wrong_one() {
    let mut gateway = Process::start(&[]);
    gateway.command("\nlookup gc\n\n  no such command  \nhelp\n");
    gateway.wait_log_with(&["command done", "lookup gc"]);
    gateway.wait_log_with(&["ERROR", "no such command"]);
    gateway.wait_log_with(&["command done", "help"]);
}

#[test]
fn a_missing_command_file_is_an_error_and_nothing_else() {
    let mut gateway = Process::start(&[]);
    gateway.signal(Signal::USR1);
    gateway.wait_log_with(&["ERROR", "fastway.cmd", "No such file"]);
    goes_on(&mut gateway);
}

#[test]
fn a_command_file_that_is_none_is_an_error_and_nothing_else() {
    let mut gateway = Process::start(&[]);
    for (content, error) in [
        (Vec::new(), "holds no command"),
        (b"\n \n".to_vec(), "holds no command"),
        (b"help\n".repeat(1 << 20).split_off(4 << 20), "larger than 65536 bytes"),
        ((0..=255).collect(), "not text"),
        (b"\xff\xfeh\0e\0l\0p\0".to_vec(), "not text"),
    ] {
        gateway.mark();
        fs::write(gateway.file("fastway.cmd"), content).unwrap();
        gateway.signal(Signal::USR1);
        gateway.wait_log_with(&["ERROR", "fastway.cmd", error]);
        goes_on(&mut gateway);
    }
    assert_eq!(gateway.log().matches("ERROR").count(), 5);
}

#[test]
fn a_directory_as_command_file_is_an_error_and_nothing_else() {
    let mut gateway = Process::start(&[]);
    fs::create_dir(gateway.file("fastway.cmd")).unwrap();
    gateway.signal(Signal::USR1);
    gateway.wait_log_with(&["ERROR", "fastway.cmd", "not a regular file"]);
    fs::remove_dir(gateway.file("fastway.cmd")).unwrap();
    goes_on(&mut gateway);
}

#[test]
fn the_cpu_profile_opens_in_pprof_and_can_be_taken_again() {
    let mut gateway = Process::start(&[]);
    for _ in 0..2 {
        // Commands are the work that is profiled.
        gateway.command(&format!("cpuprof start\n{}cpuprof stop\n", "help\n".repeat(5_000)));
        gateway.wait_log_with(&["command done", "cpuprof start"]);
        gateway.wait_log_with(&["command done", "cpuprof stop"]);
        let profile = gateway.file("fastway.cpu.prof");
        let top = pprof::top(&profile);
        assert!(top.contains("fastway_admin::"), "none of our functions is in the profile:\n{top}");
        let of_profiler = top.lines().find(|line| line.contains("pprof::") && !line.trim_start().starts_with("0 "));
        assert_eq!(of_profiler, None, "samples lie within the profiler:\n{top}");
        fs::remove_file(profile).unwrap();
    }
}

#[test]
fn the_cpu_profile_shows_where_frames_cost_time() {
    let mut gateway = Gateway::start(&[]);
    let mut server = gateway.server(7);
    let mut clients: Vec<_> = (0..16).map(|_| gateway.client()).collect();
    let conns: Vec<_> = clients.iter_mut().map(|client| client.open(&mut server)).collect();
    let to_all: Vec<u8> = conns.iter().flat_map(|&conn| data(conn, b"hello")).collect();
    gateway.command("cpuprof start");
    gateway.wait_log_with(&["command done", "cpuprof start"]);
    // A hundred samples. Each link sends and gets a frame of its own, so that reads and writes both take their share.
    let enough = watch::cpu_time(gateway.pid()) + Duration::from_secs(1);
    while watch::cpu_time(gateway.pid()) < enough {
        server.send_raw(&to_all);
        for (client, &conn) in clients.iter_mut().zip(&conns) {
            client.expect_raw(&data(conn, b"hello"));
            client.send_raw(&data(conn, b"hello"));
        }
        conns.iter().for_each(|_| drop(server.receive().unwrap()));
    }
    gateway.command("cpuprof stop");
    gateway.wait_log_with(&["command done", "cpuprof stop"]);
    let top = pprof::top(gateway.file("fastway.cpu.prof"));
    for function in ["fastway::mux::worker::receive", "poll_link", "fastway::mux::worker::flush"] {
        assert!(top.contains(function), "{function} is not in the profile:\n{top}");
    }
}

#[test]
fn a_profile_of_nothing_opens_as_well() {
    let mut gateway = Process::start(&[]);
    gateway.command("cpuprof start\ncpuprof stop");
    gateway.wait_log_with(&["command done", "cpuprof stop"]);
    assert!(pprof::top(gateway.file("fastway.cpu.prof")).contains("Type: cpu"));
}

#[test]
fn the_cpu_profile_starts_once_and_stops_once() {
    let mut gateway = Process::start(&[]);
    gateway.command("cpuprof stop\ncpuprof start\ncpuprof start\ncpuprof stop\ncpuprof stop\n");
    gateway.wait_log_with(&["ERROR", "no CPU profile is being taken"]);
    gateway.wait_log_with(&["ERROR", "already"]);
    gateway.wait_log_with(&["command done", "cpuprof stop"]);
    gateway.wait_log_with(&["ERROR", "no CPU profile is being taken"]);
    goes_on(&mut gateway);
}

#[test]
fn a_cpu_profile_that_cannot_be_written_is_an_error() {
    let mut gateway = Process::start(&[]);
    fs::create_dir(gateway.file("fastway.cpu.prof")).unwrap();
    gateway.command("cpuprof start\ncpuprof stop");
    gateway.wait_log_with(&["ERROR", "fastway.cpu.prof", "cannot be written"]);
    goes_on(&mut gateway);
}

#[test]
fn lookup_gc_shows_where_the_memory_is() {
    let mut gateway = Process::start(&[]);
    for call in ["lookup gc", "lookup gc 1"] {
        gateway.command(call);
        let allocator = gateway.wait_log_with(&["allocator", "allocated="]);
        let process = gateway.wait_log_with(&["process", "resident="]);
        gateway.wait_log_with(&["command done", call]);
        assert!(number_after(&allocator, "allocated=") > 0, "{allocator}");
        assert!(
            number_after(&process, "resident=") >= number_after(&allocator, "allocated="),
            "{process}\n{allocator}"
        );
    }
}

#[test]
fn lookup_takes_nothing_but_a_number_of_four_digits() {
    let mut gateway = Process::start(&[]);
    for word in ["x", "-1", "10000"] {
        gateway.command(&format!("lookup gc {word}"));
        gateway.wait_log_with(&["ERROR", &format!("{word:?}"), "a number from 0 to 9999"]);
    }
    gateway.command("lookup gc 1 2");
    gateway.wait_log_with(&["ERROR", "\"2\""]);
    goes_on(&mut gateway);
}

#[test]
fn the_log_has_no_colours_when_nobody_watches() {
    let mut gateway = Process::start(&[]);
    goes_on(&mut gateway);
    assert!(!gateway.log().contains('\u{1b}'));
}

/// The gateway still answers.
fn goes_on(gateway: &mut Process) {
    gateway.mark();
    gateway.command("help");
    gateway.wait_log_with(&["command done", "help"]);
}

fn last_line(exit: &Exit) -> &str {
    exit.stderr.lines().last().unwrap_or_default()
}

fn number_after(line: &str, name: &str) -> u64 {
    let (_, rest) = line.split_once(name).unwrap_or_else(|| panic!("no {name} in {line:?}"));
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {name} in {line:?}"))
}
