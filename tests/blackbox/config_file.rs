//! The configuration file: what it means, what is refused and how, and what `check` and `init` print.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use fastway_session::{Fault, Identity, PublicKey, Session, Status};
use fastway_testkit::process::{Process, gateway_binary};
use fastway_testkit::{Client, Link, Server, Tunnel, challenge_of, watch};
use fastway_wire::ServerId;
use tempfile::{TempDir, tempdir};

use crate::readme::markdown::root;

pub(crate) const NAME: &str = "fastway.toml";
const TOKEN: &str = "sesame-sesame-sesame";

/// A directory with files, which their owner alone can read.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

fn run(dir: &Path, words: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(gateway_binary());
    for variable in ["RUST_LOG", "FASTWAY_SERVER_AUTH_KEY", "FASTWAY_ADMIN_TOKEN"] {
        command.env_remove(variable);
    }
    command.args(words).envs(env.iter().copied()).current_dir(dir).output().unwrap()
}

/// What `check` prints, which has to end well.
fn check(dir: &Path, words: &[&str], env: &[(&str, &str)]) -> String {
    let output = run(dir, &[&["check"], words].concat(), env);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `check` complains of a file with this text.
fn complaint(text: &str) -> String {
    let dir = folder(&[(NAME, text)]);
    refused(dir.path(), &["--config", NAME])
}

fn refused(dir: &Path, flags: &[&str]) -> String {
    let output = run(dir, &[&["check"], flags].concat(), &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The value of a key and its origin, from what `check` prints.
fn shown<'a>(printed: &'a str, key: &str) -> (&'a str, &'a str) {
    let line = printed.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    let line = line.unwrap_or_else(|| panic!("{key} is not in\n{printed}"));
    let (value, origin) = line.rsplit_once(" # ").unwrap();
    (value.trim_end(), origin)
}

/// The values of what `check` prints, without their origins.
fn values(printed: &str) -> Vec<&str> {
    printed.lines().map(|line| line.rsplit_once(" # ").map_or(line, |(value, _)| value.trim_end())).collect()
}

fn broken_files() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("tests/config/broken")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    files.sort();
    files
}

#[test]
fn each_broken_file_is_refused_with_the_place_of_every_fault() {
    let broken = broken_files();
    assert!(broken.len() >= 60, "{} files", broken.len());
    let dir = folder(&[("empty.key", ""), ("exposed.key", "x")]);
    fs::set_permissions(dir.path().join("exposed.key"), Permissions::from_mode(0o644)).unwrap();
    let mut wrong = Vec::new();
    for path in broken {
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::copy(&path, dir.path().join(name)).unwrap();
        fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o644)).unwrap();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        // The start refuses what `check` refuses, in the same words.
        for words in [&["check", "--config", name][..], &["--config", name]] {
            let output = run(dir.path(), words, &[]);
            let found = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code() != Some(2) || !output.stdout.is_empty() || found != expected {
                wrong.push(format!("{words:?}, {}:\n{found}expected:\n{expected}", output.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!dir.path().join("fastway.pid").exists());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = folder(&[("long.toml", &"#".repeat((1 << 20) + 1))]);
    fs::write(dir.path().join("binary.toml"), b"[log]\n# \xff\n").unwrap();
    for (file, expected) in [
        ("missing.toml", "fastway: cannot read 'missing.toml', the file of --config: No such file"),
        (".", "fastway: cannot read '.', the file of --config: Is a directory"),
        ("long.toml", "fastway: cannot read 'long.toml', the file of --config: it is longer than 1048576 bytes"),
        ("binary.toml", "binary.toml:2:3: this byte is not UTF-8: expected a TOML file"),
    ] {
        let complaint = refused(dir.path(), &["--config", file]);
        assert!(complaint.starts_with(expected) && complaint.lines().count() == 1, "{file}: {complaint}");
    }
}

#[test]
fn a_faulty_flag_is_refused_before_the_file_is_read() {
    let dir = folder(&[]);
    let complaint = refused(dir.path(), &["--config", "missing.toml", "--workers=0"]);
    assert_eq!(complaint, "fastway: invalid value '0' for --workers: expected a number from 1 to 256\n");
}

#[test]
fn a_file_in_unusual_forms_is_taken() {
    let forms = [
        "",
        "# nothing\n",
        "[gateway]\n",
        "\u{feff}[gateway]\r\nworkers = 2\r\n",
        "gateway.workers = 2",
        "gateway = { workers = 2, client-link = ['plain'] }\n",
        "[\"gateway\"]\n\"workers\" = 0x2\nmax-packet = 1_048_576\nsession-key = []\n",
    ];
    for text in forms {
        let dir = folder(&[(NAME, text)]);
        let printed = check(dir.path(), &["--config", NAME], &[]);
        let workers = if text.contains("workers") { "2" } else { "1" };
        assert_eq!(shown(&printed, "workers").0, workers, "{text:?}");
    }
}

#[test]
fn numbers_are_bytes_and_seconds() {
    let text = "[gateway]\nmax-packet = 65536\nclient-send-bytes = '1M'\nclient-idle-timeout = 90\nclient-slow-grace = 0.25\n\
                server-idle-timeout = 0\nclient-snet-init-timeout = 1e1\n[process]\nshutdown-grace = '1m30s'\n";
    let dir = folder(&[(NAME, text)]);
    let printed = check(dir.path(), &["--config", NAME], &[]);
    for (key, value) in [
        ("max-packet", "65536"),
        ("client-send-bytes", "\"1M\""),
        ("client-idle-timeout", "\"90s\""),
        ("client-slow-grace", "\"0.25s\""),
        ("server-idle-timeout", "\"0s\""),
        ("client-snet-init-timeout", "\"10s\""),
        ("shutdown-grace", "\"1m30s\""),
    ] {
        assert_eq!(shown(&printed, key).0, value, "{key}");
    }
}

#[test]
fn check_shows_where_each_value_comes_from_and_no_secret() {
    let text =
        format!("[gateway]\nworkers = 2\nclient-max-conn = 5\n\n[admin]\naddr = \":9000\"\ntoken = \"{TOKEN}\"\n");
    let dir = folder(&[(NAME, &text)]);
    let env = [("FASTWAY_SERVER_AUTH_KEY", "hidden-key"), ("RUST_LOG", "warn")];
    let flags = ["--config", NAME, "--client-max-conn=6", "-ReusePort"];
    let printed = check(dir.path(), &flags, &env);
    assert_eq!(shown(&printed, "workers"), ("2", "fastway.toml:2"));
    assert_eq!(shown(&printed, "client-max-conn"), ("6", "flag"));
    assert_eq!(shown(&printed, "reuse-port"), ("true", "flag"));
    assert_eq!(shown(&printed, "addr"), ("\":9000\"", "fastway.toml:6"));
    assert_eq!(shown(&printed, "max-links"), ("\"auto\"", "default"));
    for line in ["# server-auth-key: hidden", "# token: hidden", "# level: RUST_LOG is \"warn\""] {
        assert!(printed.lines().any(|printed| printed.starts_with(line)), "{line} is not in\n{printed}");
    }
    let origin = |key: &str| printed.lines().find(|line| line.starts_with(key)).and_then(|line| line.rsplit_once("# "));
    assert_eq!(origin("# server-auth-key:").unwrap().1, "environment");
    assert_eq!(origin("# token:").unwrap().1, "fastway.toml:7");
    assert_eq!(origin("# level:").unwrap().1, "environment");
    assert!(!printed.contains("hidden-key") && !printed.contains(TOKEN), "{printed}");
}

#[test]
fn check_shows_values_that_follow_others() {
    let dir = folder(&[(NAME, "[gateway]\nmax-packet = '16M'\nserver-addr = ':10020'\n[process]\nname = 'eu-1'\n")]);
    let output = run(dir.path(), &["check", "--config", NAME], &[]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(shown(&printed, "client-send-bytes"), ("67108880", "default"));
    assert_eq!(shown(&printed, "server-addr"), ("\"127.0.0.1:10020\"", "fastway.toml:3"));
    assert_eq!(shown(&printed, "pid-file"), ("\"eu-1.pid\"", "default"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("warning: no server key: the server port listens on 127.0.0.1 only"), "{stderr}");
}

#[test]
fn check_prints_a_file_that_means_the_same() {
    let text = "[gateway]\nclient-addr = '[::1]:10010'\nclient-link = ['plain', 'legacy']\nserver-auth-key-file = ['a \"key\"', 'b']\n\
                [admin]\nhost = ['a.example', 'b']\n[limits]\nmax-links = 7\nmax-bytes-per-second = '3K'\n";
    let dir = folder(&[(NAME, text), ("a \"key\"", "a"), ("b", "b")]);
    let printed = check(dir.path(), &["--config", NAME], &[]);
    fs::write(dir.path().join("again.toml"), &printed).unwrap();
    let again = check(dir.path(), &["--config", "again.toml"], &[]);
    assert_eq!(values(&again), values(&printed));
}

#[test]
fn check_without_a_file_checks_the_flags() {
    let dir = folder(&[]);
    let printed = check(dir.path(), &["--workers", "3"], &[]);
    assert_eq!((shown(&printed, "workers"), shown(&printed, "client-addr")), (("3", "flag"), ("\":0\"", "default")));
    assert!(refused(dir.path(), &["--workers=0"]).starts_with("fastway: invalid value '0' for --workers"));
}

#[test]
fn check_opens_no_port_and_leaves_no_file() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("[gateway]\nclient-addr = '{}'\n", taken.local_addr().unwrap());
    let dir = folder(&[(NAME, &text)]);
    check(dir.path(), &["--config", NAME], &[]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// What `init` writes, with every key in force. Keys without a default have an example: those are left out.
fn all_keys(template: &str) -> String {
    const EXAMPLES: [&str; 2] = ["#token-file", "#pid-file"];
    let lines = template.lines().filter(|line| !EXAMPLES.iter().any(|key| line.starts_with(key)));
    let is_key = |line: &str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    lines.map(|line| format!("{}\n", if is_key(line) { &line[1..] } else { line })).collect()
}

#[test]
fn a_new_file_has_every_key_with_its_default() {
    let dir = folder(&[]);
    assert_eq!(run(dir.path(), &["init", NAME], &[]).status.code(), Some(0));
    let template = fs::read_to_string(dir.path().join(NAME)).unwrap();
    let defaults = check(dir.path(), &[], &[]);
    assert_eq!(check(dir.path(), &["--config", NAME], &[]), defaults, "all keys are comments");

    fs::write(dir.path().join(NAME), all_keys(&template)).unwrap();
    let printed = check(dir.path(), &["--config", NAME], &[]);
    assert_eq!(values(&printed), values(&defaults));
    let unset: Vec<_> = printed.lines().filter(|line| line.ends_with("# default")).collect();
    let without_default = ["# server-auth-key-file: none", "# session-key: none", "# token-file: none", "pid-file = "];
    assert_eq!(unset.len(), without_default.len(), "{unset:?}");
    assert!(unset.iter().zip(without_default).all(|(line, key)| line.starts_with(key)), "{unset:?}");
}

#[test]
fn init_overwrites_nothing_and_prints_without_a_name() {
    let dir = folder(&[(NAME, "mine")]);
    let again = run(dir.path(), &["init", NAME], &[]);
    let stderr = String::from_utf8(again.stderr).unwrap();
    assert_eq!((again.status.code(), again.stdout.len()), (Some(1), 0));
    assert!(stderr.starts_with("fastway init: cannot write 'fastway.toml': File exists"), "{stderr}");
    assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), "mine");

    run(dir.path(), &["init", "new.toml"], &[]);
    let printed = run(dir.path(), &["init"], &[]).stdout;
    assert_eq!(fs::read(dir.path().join("new.toml")).unwrap(), printed);
    for words in [&["init", "a", "b"][..], &["init", "--force"]] {
        assert_eq!(run(dir.path(), words, &[]).status.code(), Some(2), "{words:?}");
    }
    assert!(
        String::from_utf8(run(dir.path(), &["init", "--help"], &[]).stdout).unwrap().starts_with("Usage: fastway init")
    );
}

#[test]
fn a_file_says_where_the_gateway_listens_and_flags_win_over_it() {
    let text = "[gateway]\nclient-addr = '127.0.0.1:0'\nserver-addr = '127.0.0.1:1'\n[admin]\naddr = '127.0.0.1:0'\n\
                [process]\nname = 'eu-1'\n";
    let dir = folder(&[(NAME, text)]);
    let process = Process::in_dir(dir.path(), &["--config", NAME, "--server-addr", "127.0.0.1:0"]);
    let listening = process.listening();
    assert!(listening.admin.is_some() && listening.server.port() != 1);
    assert!(process.file("eu-1.pid").exists());
    let line = process.wait_stdout(|line| line.starts_with("listening "));
    let names: Vec<_> = line.split(' ').skip(1).filter_map(|part| part.split('=').next()).collect();
    assert_eq!(names, ["client", "server", "admin"], "{line}");
}

#[test]
fn a_file_without_sections_runs_the_gateway_as_no_flags_do() {
    let dir = folder(&[(NAME, "[log]\nlevel = 'warn'\n")]);
    let process = Process::in_dir(dir.path(), &["--config", NAME]);
    assert!(process.listening().server.ip().is_loopback() && process.listening().admin.is_none());
    let _client = Client::connect(process.listening().client);
}

#[test]
fn relative_paths_count_from_the_folder_of_the_file() {
    let text = "[gateway]\nserver-addr = '127.0.0.1:0'\nserver-auth-key-file = 'keys/server.key'\n[process]\npid-file = 'gate.pid'\n";
    let dir = folder(&[("etc/fastway.toml", text), ("etc/keys/server.key", "sesame\n")]);
    let process = Process::in_dir(dir.path(), &["--config", "etc/fastway.toml"]);
    let mut server = Server::register(process.listening().server, "sesame", 1);
    server.ping();
    server.expect_pong();
    assert!(dir.path().join("etc/gate.pid").exists());
}

#[test]
fn a_secret_may_stand_in_a_file_that_nobody_else_reads() {
    let text = format!("[gateway]\nserver-auth-key = 'sesame'\n[admin]\naddr = ':0'\ntoken = '{TOKEN}'\n");
    let dir = folder(&[(NAME, &text)]);
    check(dir.path(), &["--config", NAME], &[]);
    for mode in [0o644, 0o604, 0o660, 0o620] {
        fs::set_permissions(dir.path().join(NAME), Permissions::from_mode(mode)).unwrap();
        let complaint = refused(dir.path(), &["--config", NAME]);
        assert!(complaint.starts_with("fastway.toml:2:1: server-auth-key is a secret"), "{complaint}");
        assert!(
            complaint.contains("(chmod 600 fastway.toml)") && complaint.contains("fastway.toml:5:1: token"),
            "{complaint}"
        );
        assert!(!complaint.contains("sesame"), "{complaint}");
    }
}

#[test]
fn faults_never_show_a_secret() {
    for text in [
        "[gateway]\nserver-auth-key = sesame\n",
        "[gateway]\nserver-auth-key = \"sesame\n",
        "[gateway]\nserver-auth-key = [\"sesame\"]\n",
        "[gateway]\nserver-auth-keys = \"sesame\"\n",
        "[admin]\ntoken = \"sesame\" x\n",
        "[admin]\ntoken = \"sesame\"\n",
        "[admin]\ntoken = { sesame = 1 }\n",
    ] {
        let complaint = complaint(text);
        assert!(!complaint.contains("sesame"), "{text}: {complaint}");
    }
}

#[test]
fn secrets_come_from_flags_then_the_file_then_the_environment() {
    let dir = folder(&[(NAME, "[gateway]\nserver-auth-key-file = 'of-the-file.key'\n"), ("of-the-file.key", "file")]);
    let origin = |words: &[&str]| {
        let printed = check(dir.path(), words, &[("FASTWAY_SERVER_AUTH_KEY", "environment")]);
        let lines = printed.lines().filter(|line| line.contains("server-auth-key"));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(origin(&[]), "# server-auth-key: hidden # environment; # server-auth-key-file: none # default");
    let of_file = "# server-auth-key: none # default; server-auth-key-file = \"of-the-file.key\" # fastway.toml:2";
    assert_eq!(origin(&["--config", NAME]), of_file);
    let of_flag = "# server-auth-key: hidden # flag; # server-auth-key-file: none # default";
    assert_eq!(origin(&["--config", NAME, "--server-auth-key", "flag"]), of_flag);
}

pub(crate) fn expect_refusal(server_addr: SocketAddr, key: &str) {
    let mut link = Link::connect(server_addr);
    let answer = challenge_of(&mut link).respond(key.as_bytes(), ServerId::new(3));
    link.send_raw(&answer);
    link.expect_eof();
}

#[test]
fn each_of_several_server_keys_lets_servers_in() {
    let text = "[gateway]\nserver-addr = '127.0.0.1:0'\nserver-auth-key-file = ['new.key', 'old.key']\n";
    let keys = [("new.key", "new\n"), ("old.key", "old\n")];
    let dir = folder(&[&[(NAME, text)][..], &keys].concat());
    let by_flags = ["--server-addr=127.0.0.1:0", "--server-auth-key-file=new.key", "--server-auth-key-file", "old.key"];
    for flags in [&["--config", NAME][..], &by_flags] {
        let process = Process::in_dir(dir.path(), flags);
        for (id, key) in [(1, "new"), (2, "old")] {
            let mut server = Server::register(process.listening().server, key, id);
            server.ping();
            server.expect_pong();
        }
        for key in ["", "other", "newold"] {
            expect_refusal(process.listening().server, key);
        }
    }
}

#[test]
fn players_that_pin_either_of_two_session_keys_get_in() {
    let dir = folder(&[(
        NAME,
        "[gateway]\nclient-addr = '127.0.0.1:0'\nclient-link = ['secure-nk']\nsession-key = ['new.key', 'old.key']\n",
    )]);
    let keygen = |name: &str| -> PublicKey {
        let printed = run(dir.path(), &["keygen", name], &[]).stdout;
        String::from_utf8(printed).unwrap().trim().parse().unwrap()
    };
    let [new, old, other] = ["new.key", "old.key", "other.key"].map(keygen);
    let by_flags =
        ["--client-addr=127.0.0.1:0", "--client-link=secure-nk", "--session-key=new.key", "--session-key=old.key"];
    for flags in [&["--config", NAME][..], &by_flags] {
        let process = Process::in_dir(dir.path(), flags);
        let client = process.listening().client;
        let session = |key| Session::secure(Identity::Pinned(key), watch::DEADLINE, Instant::now());
        for key in [new, old] {
            let (link, _tunnel) = Tunnel::open(client, session(key)).unwrap();
            let mut client = Client::over(link);
            client.ping();
            client.expect_pong();
        }
        assert_eq!(Tunnel::open(client, session(other)).err(), Some(Fault::Refused(Status::NotAuthentic)));
    }
}
