//! `fastway ctl`: whom it asks, and what it says when there is no answer. What the commands answer: `admin_commands`; the
//! socket: `ctl_socket`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use fastway_testkit::process::{Exit, Process, Signal, gateway_binary};
use fastway_testkit::watch;
use tempfile::tempdir;

fn ctl_in(dir: &Path, words: &[&str]) -> Exit {
    Process::run_in(dir, &[&["ctl"], words].concat())
}

/// The one line of complaint of a `ctl` that failed.
fn complaint(exit: &Exit, code: i32) -> &str {
    assert_eq!((exit.code, exit.stdout.as_str(), exit.stderr.lines().count()), (Some(code), "", 1), "{exit:?}");
    &exit.stderr
}

/// A gateway as where its socket cannot be had: `ctl` uses the command file and the signal.
fn without_socket() -> Process {
    let gateway = Process::start(&[]);
    fs::remove_file(gateway.file("fastway.sock")).unwrap();
    gateway
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn prints_the_answer_and_nothing_else() {
    let gateway = Process::start(&[]);
    let exit = gateway.ctl(&["stats"]);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    assert!(exit.stdout.starts_with("links side=client open=0"), "{exit:?}");
}

#[test]
fn finds_the_gateway_by_directory_and_name() {
    let dir = tempdir().unwrap();
    let _first = Process::in_dir(dir.path(), &[]);
    let _second = Process::in_dir(dir.path(), &["--name", "second"]);
    let elsewhere = tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    for words in [vec!["--dir", at, "log", "warn"], vec!["-name=second", &format!("--dir={at}"), "log", "debug"]] {
        assert_eq!(ctl_in(elsewhere.path(), &words).code, Some(0), "{words:?}");
    }
    assert_eq!(ctl_in(dir.path(), &["log"]).stdout, "log filter: warn");
    assert_eq!(ctl_in(dir.path(), &["--name", "second", "log"]).stdout, "log filter: debug");
    assert_eq!(names(elsewhere.path()), BTreeSet::new());
}

#[test]
fn a_command_that_fails_is_a_failure_with_its_reason() {
    let gateway = Process::start(&[]);
    let exit = gateway.ctl(&["no", "such", "command"]);
    assert!(complaint(&exit, 1).starts_with("fastway ctl: there is no command \"no such command\""), "{exit:?}");
}

#[test]
fn without_a_gateway_it_says_what_it_looked_for() {
    let dir = tempdir().unwrap();
    let exit = ctl_in(dir.path(), &["help"]);
    let said = complaint(&exit, 1);
    assert!(said.contains("no gateway runs here: there is no ./fastway.pid") && said.contains("--name"), "{said}");
    assert_eq!(names(dir.path()), BTreeSet::new());
}

#[test]
fn a_killed_gateway_is_not_taken_for_a_running_one() {
    let dir = tempdir().unwrap();
    let mut killed = Process::in_dir(dir.path(), &[]);
    killed.kill();
    let exit = ctl_in(dir.path(), &["help"]);
    assert!(complaint(&exit, 1).contains("nobody holds ./fastway.pid"), "{exit:?}");
    // Not even when the number belongs to somebody else by now: nobody must be signalled by mistake.
    fs::write(dir.path().join("fastway.pid"), format!("{}\n", std::process::id())).unwrap();
    assert!(complaint(&ctl_in(dir.path(), &["help"]), 1).contains("nobody holds"));
    assert!(!dir.path().join("fastway.cmd").exists());
}

#[test]
fn a_process_that_has_nothing_to_do_with_the_file_is_not_signalled() {
    let dir = tempdir().unwrap();
    let mut bystander = Command::new("sleep").arg("600").spawn().unwrap();
    // As where the gateway has other process ids than this machine: its file names a process of its own.
    let path = dir.path().join("fastway.pid");
    fs::write(&path, format!("{}\n", bystander.id())).unwrap();
    let held = fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let exit = ctl_in(dir.path(), &["help"]);
    assert!(complaint(&exit, 1).contains("cannot be seen from here"), "{exit:?}");
    // A signal would have ended it by now: `ctl` waits for an answer after it.
    assert!(bystander.try_wait().unwrap().is_none(), "the bystander was signalled");
    assert!(!dir.path().join("fastway.cmd").exists());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let gateway = Process::start(&[]);
    let mut command = Command::new("sh");
    let script = "exec 3>&1; { \"$0\" ctl --timeout 30s \"$@\"; echo $? >&3; } | true";
    command.args(["-c", script]).arg(gateway_binary()).arg("help");
    let output = command.current_dir(gateway.file("")).output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.len()), (&b"0\n"[..], 0), "{output:?}");
}

#[test]
fn a_directory_that_is_no_text_is_no_matter_of_keys() {
    let dir = tempdir().unwrap();
    let mut command = Command::new(gateway_binary());
    command.args(["ctl", "--dir"]).arg(OsStr::from_bytes(b"\xff\xfe")).arg("help").current_dir(dir.path());
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("argument 2 is not UTF-8") && !stderr.contains("key"), "{stderr}");
}

#[test]
fn a_gateway_that_does_not_answer_is_given_up() {
    let mut gateway = without_socket();
    gateway.signal(Signal::STOP);
    let exit = gateway.ctl(&["--timeout", "200ms", "help"]);
    let said = complaint(&exit, 1);
    assert!(said.contains(&format!("pid {} did not answer within 200ms", gateway.pid())), "{said}");
    assert!(!gateway.file("fastway.cmd").exists(), "what was given up must not be run later");
    gateway.signal(Signal::CONT);
    gateway.wait_log_with(&["ERROR", "command file not run", "No such file"]);
    assert_eq!(gateway.ctl(&["help"]).code, Some(0));
}

#[test]
fn a_gateway_that_ends_meanwhile_is_named() {
    let dir = tempdir().unwrap();
    let mut gateway = Process::in_dir(dir.path(), &[]);
    fs::remove_file(dir.path().join("fastway.sock")).unwrap();
    gateway.signal(Signal::STOP);
    let asking = {
        let dir = dir.path().to_owned();
        thread::spawn(move || ctl_in(&dir, &["help"]))
    };
    watch::eventually("the command is written", || dir.path().join("fastway.cmd").exists());
    gateway.kill();
    let exit = asking.join().unwrap();
    let said = complaint(&exit, 1);
    // Killed between the writing of the command and the signal, there is nobody to signal.
    assert!(said.contains("ended before it answered") || said.contains("cannot signal"), "{said}");
}

#[test]
fn many_at_once_each_get_their_own_answer() {
    for (gateway, expected) in
        [(Process::start(&[]), ["fastway.pid", "fastway.sock"]), (without_socket(), ["fastway.cmd.out", "fastway.pid"])]
    {
        let asking = |number: u32| (number, gateway.ctl(&["kick", &number.to_string()]));
        thread::scope(|scope| {
            let all: Vec<_> = (100..140).map(|number| scope.spawn(move || asking(number))).collect();
            for (number, exit) in all.into_iter().map(|one| one.join().unwrap()) {
                assert!(complaint(&exit, 1).contains(&format!("there is no link {number};")), "{exit:?}");
            }
        });
        assert_eq!(names(gateway.file("fastway.pid").parent().unwrap()), BTreeSet::from(expected.map(str::to_owned)));
    }
}

#[test]
fn the_gateway_can_read_the_command_whatever_the_mask_of_who_asks() {
    let gateway = without_socket();
    gateway.signal(Signal::STOP);
    thread::scope(|scope| {
        let asking = scope.spawn(|| gateway.ctl(&["help"]));
        watch::eventually("the command is written", || gateway.file("fastway.cmd").exists());
        let mode = fs::metadata(gateway.file("fastway.cmd")).unwrap().permissions().mode();
        gateway.signal(Signal::CONT);
        assert_eq!((mode & 0o777, asking.join().unwrap().code), (0o644, Some(0)));
    });
}

#[test]
fn what_can_be_no_command_is_not_sent() {
    for gateway in [Process::start(&[]), without_socket()] {
        for word in ["help\nkick 1", "# help", "he\u{1b}lp"] {
            let exit = gateway.ctl(&[word]);
            assert!(complaint(&exit, 1).contains("cannot be a command"), "{exit:?}");
        }
        assert!(complaint(&gateway.ctl(&[" "]), 1).contains("holds no command"));
        let long = format!("links {}", "client ".repeat(12_000));
        assert!(complaint(&gateway.ctl(&[&long]), 1).contains("larger than 65536 bytes"));
    }
    let gateway = without_socket();
    fs::create_dir(gateway.file("fastway.cmd")).unwrap();
    assert!(complaint(&gateway.ctl(&["help"]), 1).contains("cannot write the command file"));
}

#[test]
fn a_faulty_command_line_is_refused_before_anybody_is_asked() {
    let dir = tempdir().unwrap();
    for (words, part) in [
        (vec![], "ctl needs a command"),
        (vec!["--name", "a/b", "help"], "letters, digits"),
        (vec!["--timeout", "soon", "help"], "a duration"),
        (vec!["--timeout"], "--timeout needs a value"),
        (vec!["--frobnicate=1", "help"], "unknown flag --frobnicate"),
    ] {
        let exit = ctl_in(dir.path(), &words);
        assert!(complaint(&exit, 2).contains(part), "{words:?}: {exit:?}");
    }
}

#[test]
fn help_says_how_to_use_it() {
    let dir = tempdir().unwrap();
    for word in ["--help", "-h"] {
        let exit = ctl_in(dir.path(), &[word]);
        assert_eq!(exit.code, Some(0));
        for part in ["Usage: fastway ctl", "--name NAME", "--dir DIR", "--timeout TIME"] {
            assert!(exit.stdout.contains(part), "{part} is not in:\n{}", exit.stdout);
        }
    }
    assert!(Process::run_in(dir.path(), &["--help"]).stdout.contains("fastway ctl"));
}

#[test]
fn a_timeout_of_no_time_is_refused() {
    let dir = tempdir().unwrap();
    for time in ["0", "0s"] {
        let exit = Process::run_in(dir.path(), &["ctl", "--timeout", time, "help"]);
        assert_eq!(exit.code, Some(2), "{exit:?}");
        assert!(exit.stderr.contains("--timeout") && exit.stderr.contains("above 0"), "{}", exit.stderr);
    }
}
