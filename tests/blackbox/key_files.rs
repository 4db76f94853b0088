//! Files with keys: `fastway keygen`, and which files the gateway takes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use fastway_testkit::Server;
use fastway_testkit::process::{Exit, Process, gateway_binary};
use tempfile::tempdir;

fn keygen(dir: &Path, words: &[&str]) -> Exit {
    Process::run_in(dir, &[&["keygen"], words].concat())
}

#[test]
fn a_key_that_cannot_be_written_whole_leaves_no_file() {
    let dir = tempdir().unwrap();
    // No file may hold a byte, which is what a full disk comes to.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" keygen gateway.key";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(gateway_binary()).current_dir(dir.path());
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "half a key is left");
    assert_eq!(keygen(dir.path(), &["gateway.key"]).code, Some(0), "the next try is not refused");
}

#[test]
fn the_public_key_of_a_file_is_shown() {
    let dir = tempdir().unwrap();
    let made = keygen(dir.path(), &["gateway.key"]);
    let shown = keygen(dir.path(), &["--public", "gateway.key"]);
    assert_eq!((shown.code, &shown.stdout, shown.stderr.as_str()), (Some(0), &made.stdout, ""));
    let missing = keygen(dir.path(), &["--public", "missing"]);
    assert_eq!((missing.code, missing.stdout.as_str(), missing.stderr.lines().count()), (Some(1), "", 1));
    assert!(missing.stderr.contains("missing") && missing.stderr.contains("No such file"), "{missing:?}");
}

#[test]
fn the_public_key_is_logged_at_start() {
    let dir = tempdir().unwrap();
    let public = keygen(dir.path(), &["gateway.key"]).stdout;
    let mut gateway = Process::in_dir(dir.path(), &["--client-link", "secure", "--session-key", "gateway.key"]);
    gateway.wait_log_with(&["session key", public.trim_end()]);
}

#[test]
fn too_many_words_are_refused_with_what_is_taken() {
    let dir = tempdir().unwrap();
    for words in [&["a", "b"][..], &["--public", "a", "b"]] {
        let exit = keygen(dir.path(), words);
        assert_eq!((exit.code, exit.stderr.lines().count()), (Some(2), 1), "{exit:?}");
        assert!(exit.stderr.contains("'b'") && exit.stderr.contains("the name of one file"), "{exit:?}");
    }
    for words in [&["--public"][..], &["--public", "-x"], &["-x"]] {
        assert_eq!(keygen(dir.path(), words).code, Some(2), "{words:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_session_key_that_root_shares_with_a_group_is_taken() {
    let dir = tempdir().unwrap();
    keygen(dir.path(), &["gateway.key"]);
    let path = dir.path().join("gateway.key");
    let flags = ["--client-link", "secure", "--session-key", "gateway.key"];
    let is_roots = path.metadata().unwrap().uid() == 0;
    for mode in [0o440, 0o640] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if is_roots {
            drop(Process::in_dir(dir.path(), &flags));
        } else {
            assert_eq!(Process::run_in(dir.path(), &flags).code, Some(2), "{mode:o}");
        }
    }
    for mode in [0o444, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let exit = Process::run_in(dir.path(), &flags);
        assert_eq!(exit.code, Some(2), "{mode:o}");
        assert!(exit.stderr.contains("others may read or write it"), "{exit:?}");
    }
}

#[test]
fn line_ends_behind_a_server_key_do_not_count() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    for content in ["sesame\r\n", "sesame\n\n", "sesame\r", "sesame"] {
        fs::write(&path, content).unwrap();
        let process = Process::in_dir(dir.path(), &["--server-addr=127.0.0.1:0", "--server-auth-key-file=key"]);
        let mut server = Server::register(process.listening().server, "sesame", 1);
        server.ping();
        server.expect_pong();
        assert!(!process.log().contains("which counts"), "{}", process.log());
    }
}

#[test]
fn what_else_stands_around_a_server_key_is_warned_of() {
    let dir = tempdir().unwrap();
    for (content, odd) in
        [("\u{feff}sesame\n", "a byte order mark"), (" sesame\n", "white space"), ("sesame \n", "white space")]
    {
        fs::write(dir.path().join("key"), content).unwrap();
        let mut process = Process::in_dir(dir.path(), &["--server-auth-key-file=key"]);
        process.wait_log_with(&["WARN", "the server key has", odd]);
        assert!(!process.log().contains("sesame"), "the key is shown");
    }
}
