//! The command line of the built binary, as far as it ends by itself: help, version and every refusal.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Output};

/// Runs the binary in an empty directory, which must be empty afterwards as well.
fn fastway<S: AsRef<OsStr>>(words: &[S]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastway"));
    command.args(words).env_remove("FASTWAY_SERVER_AUTH_KEY").env_remove("FASTWAY_ADMIN_TOKEN").env_remove("RUST_LOG");
    let directory = tempfile::tempdir().unwrap();
    let output = command.current_dir(&directory).output().unwrap();
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "files were left behind");
    output
}

/// Runs a faulty command line and returns its one line of complaint.
fn refusal<S: AsRef<OsStr> + Debug>(words: &[S]) -> String {
    let output = fastway(words);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{words:?} wrote to stdout");
    assert_eq!((stderr.matches('\n').count(), stderr.ends_with('\n')), (1, true), "{words:?}: {stderr}");
    assert!(stderr.starts_with("fastway: "), "{words:?}: {stderr}");
    stderr
}

/// Faulty lines, each with what the complaint must contain: flag, value, what is accepted.
fn assert_refused(cases: &[(&str, &[&str])]) {
    for (line, parts) in cases {
        let words: Vec<_> = line.split_whitespace().collect();
        let complaint = refusal(&words);
        for part in *parts {
            assert!(complaint.contains(part), "{line}: {complaint:?} lacks {part:?}");
        }
    }
}

#[test]
fn help_goes_to_stdout() {
    for word in ["-h", "-help", "--help"] {
        let output = fastway(&[word]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{word}");
        assert!(help.starts_with("Usage: fastway"), "{word}: {help}");
        for flag in ["--client-addr", "--server-auth-key-file", "--max-packet", "--log-level", "--version"] {
            assert!(help.contains(flag), "{flag}");
        }
    }
}

#[test]
fn help_keeps_flags_and_descriptions_apart() {
    for words in [&["--help"][..], &["ctl", "--help"]] {
        let help = String::from_utf8(fastway(words).stdout).unwrap();
        let mut flags = 0;
        for line in help.lines().filter(|line| line.starts_with("  --")) {
            let flag = line.trim_start().split("  ").next().unwrap();
            assert!(flag.split(' ').count() <= 2, "{line:?}");
            assert!(flag.split(' ').nth(1).is_none_or(|name| name.chars().all(char::is_uppercase)), "{line:?}");
            flags += 1;
        }
        assert!(flags > 3, "{help}");
    }
}

#[test]
fn version_goes_to_stdout() {
    for word in ["-version", "--version", "-Version"] {
        let output = fastway(&[word]);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{word}");
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, concat!("fastway ", env!("CARGO_PKG_VERSION"))), "{said}");
        assert!(lines[1].starts_with("commit: ") && lines[2].starts_with("features: jemalloc, "), "{said}");
    }
}

#[test]
fn faulty_numbers() {
    assert_refused(&[
        ("--workers 0", &["--workers", "'0'", "1 to 256"]),
        ("--workers=257", &["--workers", "'257'", "1 to 256"]),
        ("-Workers -1", &["-Workers", "'-1'", "1 to 256"]),
        ("--workers=", &["--workers", "''", "1 to 256"]),
        ("--workers=99999999999999999999", &["--workers", "'99999999999999999999'", "1 to 256"]),
        ("-ClientMaxConn=many", &["-ClientMaxConn", "'many'", "a number from 0 (no limit)"]),
        ("-ClientMaxConn=4294967296", &["-ClientMaxConn", "'4294967296'", "to 4294967295"]),
        ("-ClientSendChanSize=0", &["-ClientSendChanSize", "'0'", "a number from 1"]),
        ("-ServerSendChanSize=-5", &["-ServerSendChanSize", "'-5'", "a number from 1"]),
        ("-MemPoolFactor=1", &["-MemPoolFactor", "'1'", "a number from 2"]),
        ("--max-handshakes=0", &["--max-handshakes", "'0'", "a number from 1"]),
        ("--max-links=x", &["--max-links", "'x'", "0 (no limit)"]),
        ("--max-links-per-address=1.5", &["--max-links-per-address", "'1.5'", "0 (no limit)"]),
        ("-ClientMaxConn=-1", &["-ClientMaxConn", "'-1'", "a number from 0 (no limit)"]),
        ("-ServerSendChanSize=0", &["-ServerSendChanSize", "'0'", "a number from 1"]),
        ("-ClientMaxConn=08", &["-ClientMaxConn", "'08'", "without leading zeros"]),
        ("--client-max-conn=010", &["--client-max-conn", "'010'", "without leading zeros"]),
        ("--client-max-conn=0x10", &["--client-max-conn", "'0x10'", "0 (no limit)"]),
        ("--max-dials-per-second=1K", &["--max-dials-per-second", "'1K'", "0 (no limit)"]),
    ]);
}

#[test]
fn faulty_sizes() {
    assert_refused(&[
        ("-MaxPacket=3", &["-MaxPacket", "'3'", "a size from 4 to below 1G"]),
        ("-MaxPacket=1G", &["-MaxPacket", "'1G'", "a size from 4 to below 1G"]),
        ("--max-packet 512Q", &["--max-packet", "'512Q'", "a size from 4 to below 1G"]),
        ("-MaxPacket=0x3", &["-MaxPacket", "'0x3'", "a size from 4 to below 1G"]),
        ("--max-packet=010000", &["--max-packet", "'010000'", "without leading zeros"]),
        ("-MaxPacket=-1", &["-MaxPacket", "'-1'", "a size from 4 to below 1G"]),
        ("-MemPoolMinChunk=63", &["-MemPoolMinChunk", "'63'", "a size from 64"]),
        ("-MemPoolMinChunk=128K", &["-MemPoolMinChunk", "'128K'", "at most the 64K of --mem-pool-max-chunk"]),
        ("-MemPoolPageSize=32K", &["-MemPoolPageSize", "'32K'", "at least the 64K of --mem-pool-max-chunk"]),
        ("-ClientBufferSize=63", &["-ClientBufferSize", "'63'", "a size from 64"]),
        ("-ServerBufferSize=", &["-ServerBufferSize", "''", "a size from 64"]),
        ("-ClientSnetBuffer=x", &["-ClientSnetBuffer", "'x'", "a size from 64"]),
        ("--client-send-bytes=1K", &["--client-send-bytes", "'1K'", "at least the 512K of --max-packet"]),
        ("--server-send-bytes=1K", &["--server-send-bytes", "'1K'", "at least the 512K of --max-packet"]),
        ("--max-bytes-per-second=fast", &["--max-bytes-per-second", "'fast'", "a size such as"]),
        ("--client-send-bytes=99999999999999G", &["--client-send-bytes", "'99999999999999G'", "a size such as"]),
    ]);
}

#[test]
fn faulty_durations() {
    let of_clients = ["-ClientIdleTimeout", "--client-slow-grace", "-ClientSnetInitTimeout"];
    let of_others = ["-ServerIdleTimeout", "--shutdown-grace", "-ServerSnetWaitTimeout"];
    for flag in of_clients.into_iter().chain(of_others) {
        for value in ["30", "-1s", "", "soon", "1d", "9999999999h"] {
            let complaint = refusal(&[format!("{flag}={value}")]);
            let expected = format!("invalid value '{value}' for {flag}: expected a duration such as 30s");
            assert!(complaint.contains(&expected), "{complaint}");
        }
    }
}

#[test]
fn faulty_addresses() {
    for flag in ["-ClientAddr", "--server-addr"] {
        for value in ["10010", ":", ":65536", ":-1", "::1:10010", "[::1]", "256.1.1.1:1", "http://x:1"] {
            let complaint = refusal(&[format!("{flag}={value}")]);
            let expected = format!("invalid value '{value}' for {flag}: expected an address");
            assert!(complaint.contains(&expected), "{complaint}");
        }
    }
    let complaint = refusal(&["--client-addr="]);
    assert!(complaint.contains("invalid value '' for --client-addr: expected an address"), "{complaint}");
}

#[test]
fn faulty_words() {
    assert_refused(&[
        ("-ReusePort=maybe", &["-ReusePort", "'maybe'", "true or false"]),
        ("-ReusePort false", &["'false'", "-ReusePort=false"]),
        ("-MemPoolType=slab", &["-MemPoolType", "'slab'", "sync, atom or chan"]),
        ("--log-level=loud", &["--log-level", "'loud'", "error, warn, info, debug or trace"]),
        ("--name=a/b", &["--name", "'a/b'", "letters, digits"]),
        ("--name=.x", &["--name", "'.x'", "letters, digits"]),
        ("--name=", &["--name", "''", "letters, digits"]),
        ("-ClientAdr=:1", &["-ClientAdr", "--client-addr"]),
        ("--frobnicate", &["--frobnicate", "--help"]),
        ("-ClientAddr", &["-ClientAddr", "needs a value", "ADDR"]),
        ("-ClientAddr -ReusePort", &["-ClientAddr", "needs a value", "ADDR"]),
        ("start", &["'start'", "--flag"]),
        ("-- start", &["'start'", "behind --"]),
        ("-ReusePort -- --help", &["'--help'", "behind --"]),
    ]);
}

#[test]
fn an_open_server_port_needs_a_key() {
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:10020", "game.example.com:10020"] {
        let complaint = refusal(&["-ServerAddr", addr]);
        for part in ["-ServerAddr", addr, "--server-auth-key", "--allow-anonymous-servers"] {
            assert!(complaint.contains(part), "{addr}: {complaint}");
        }
    }
}

#[test]
fn faulty_key_files() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let path = empty.path().to_str().unwrap();
    for (path, reason) in [(path, "empty"), ("/no/such/file", "No such file"), ("/", "directory")] {
        let complaint = refusal(&["--server-auth-key-file", path]);
        for part in ["--server-auth-key-file", path, reason] {
            assert!(complaint.contains(part), "{path}: {complaint}");
        }
    }
    let complaint = refusal(&["-ServerAuthKey=hush", "--server-auth-key-file", path]);
    assert!(complaint.contains("-ServerAuthKey and --server-auth-key-file"), "{complaint}");
    assert!(!complaint.contains("hush"), "the key is shown: {complaint}");
}

#[test]
fn hostile_words_stay_on_one_line() {
    for word in ["--no\nsuch\nflag", "a\r\nb", "--workers=1\n2", "-ClientAddr=\x1b[2J", "--name=a\u{2028}b/"] {
        let complaint = refusal(&[word]);
        assert!(!complaint.trim_end().contains(char::is_control), "{complaint:?}");
    }
    assert!(refusal(&[format!("--workers={}", "9".repeat(100_000))]).len() < 1000);
    let complaint = refusal(&[OsString::from_vec(b"-ClientAddr=\xff\xfe".to_vec())]);
    assert!(complaint.contains("argument 1 (-ClientAddr=…) is not UTF-8"), "{complaint}");
}
