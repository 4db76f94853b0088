//! A gateway as in a container, without an engine for containers: process 1 of its own process ids, its root a read-only
//! folder with the program and what that needs, its user nobody in particular. Where such namespaces cannot be made the test
//! fails and says so; `test.sh` skips it there by its name and lists it as not checked. `test.sh` runs it with the static
//! program, too.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fastway_testkit::process::{Process, Signal, gateway_binary};
use fastway_testkit::{Client, Server, watch};
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

/// The user, where the test may choose.
const USER: &str = "65532";
const RUN: &str = "/run/fastway";

/// Makes the root read-only but for the working directory, and becomes the gateway in it.
const ENTER: &str = "\
    set -e
    root=$1; run=$2; shift 2
    mount --bind \"$root\" \"$root\"
    mount -t tmpfs -o mode=0777 tmpfs \"$root$run\"
    mount -t proc proc \"$root/proc\"
    mount --bind /dev/urandom \"$root/dev/urandom\"
    mount -o remount,bind,ro \"$root\"
    exec unshare --root \"$root\" --wd \"$run\" \"$@\"";

struct Container {
    /// The process that waits for the gateway.
    outside: Process,
    /// The gateway's number outside.
    gateway: u32,
    _root: TempDir,
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn is_static(program: &Path) -> bool {
    let version = Command::new(program).arg("--version").output().unwrap();
    String::from_utf8(version.stdout).unwrap().contains(", static")
}

/// The folder that is to be the root: the program, and the libraries that it is linked with, if any.
fn assemble() -> TempDir {
    let root = TempDir::new().unwrap();
    let program = PathBuf::from(gateway_binary());
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for dir in ["etc", "proc", "dev", &RUN[1..]] {
        fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    fs::File::create(root.path().join("dev/urandom")).unwrap();
    fs::copy(&program, root.path().join("fastway")).unwrap();
    if !is_static(&program) {
        let libraries = Command::new("ldd").arg(&program).output().expect("ldd is there").stdout;
        let libraries = String::from_utf8(libraries).unwrap();
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            let place = root.path().join(&library[1..]);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(library, place).unwrap();
        }
    }
    root
}

impl Container {
    fn start(root: TempDir, flags: &[&str]) -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--pid", "--fork", "--kill-child=KILL"]);
        let identity: &[&str] = if is_root() {
            &["--setgid", USER, "--setuid", USER]
        } else {
            unshare.arg("--map-root-user");
            &[]
        };
        unshare.args(["sh", "-c", ENTER, "sh"]).arg(root.path()).arg(RUN).args(identity);
        unshare.args(["/fastway", "--server-addr", "127.0.0.1:0"]).args(flags);
        let outside = Process::start_program(unshare);
        watch::eventually(
            "the gateway listens: no namespaces can be made here? be root, or skip this test by its name",
            || {
                assert!(!outside.log().contains("unshare failed"), "no namespaces can be made here: {}", outside.log());
                outside.stdout().contains("listening ")
            },
        );
        let gateway = children(outside.pid())[0];
        Self { outside, gateway, _root: root }
    }

    /// Runs a command as `docker exec` does.
    fn exec(&self, words: &[&str]) -> Output {
        let (pid, root) = (self.gateway.to_string(), format!("/proc/{}/root", self.gateway));
        let mut enter = Command::new("nsenter");
        enter
            .args(["--target", &pid, "--mount", "--pid"])
            .arg(format!("--root={root}"))
            .arg(format!("--wd={root}{RUN}"));
        if is_root() {
            enter.args(["--setgid", USER, "--setuid", USER]);
        } else {
            enter.args(["--user", "--preserve-credentials"]);
        }
        enter.args(words).output().unwrap()
    }

    /// A file in its working directory.
    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{RUN}/{name}", self.gateway))
    }

    /// Starts a program among its processes that loses its parent at once, and gives its number outside.
    fn orphan(&self) -> u32 {
        let pid = self.gateway.to_string();
        let mut enter = Command::new("nsenter");
        if !is_root() {
            enter.args(["--user", "--preserve-credentials"]);
        }
        enter.args(["--target", &pid, "--pid", "sh", "-c", "sleep 600 >/dev/null 2>&1 &"]);
        assert!(enter.status().unwrap().success());
        watch::eventually("the orphan is the gateway's child", || !children(self.gateway).is_empty());
        children(self.gateway)[0]
    }
}

impl Drop for Container {
    /// A process that changes its user is not ended with its parent any more, whatever it was told before.
    fn drop(&mut self) {
        if self.outside.is_running() {
            let gateway = Pid::from_raw(self.gateway.cast_signed()).expect("a number of a process");
            let _it_may_be_ending = kill_process(gateway, Signal::KILL);
        }
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: PathBuf| fs::read_to_string(thread.join("children")).unwrap_or_default();
    let lists: String = threads.map(|thread| of_thread(thread.unwrap().path())).collect();
    lists.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn said(output: &Output) -> (Option<i32>, &str) {
    (output.status.code(), std::str::from_utf8(&output.stdout).unwrap().trim_end())
}

#[test]
fn as_process_1_in_a_read_only_root_it_serves_answers_ctl_and_reaps() {
    let mut container = Container::start(assemble(), &["--client-addr", "localhost:0"]);
    assert_eq!(fs::read_to_string(container.file("fastway.pid")).unwrap(), "1\n");
    assert_eq!(fs::metadata(container.file("fastway.sock")).unwrap().permissions().mode() & 0o777, 0o600);

    let listening = container.outside.listening();
    let mut server = Server::register(listening.server, "", 7);
    let mut client = Client::connect(listening.client);
    let conn = client.open(&mut server);
    client.send(conn, b"hi");
    server.expect_data(conn, b"hi");

    // From within, as a health check does, and from outside, where its process ids mean nothing.
    assert_eq!(said(&container.exec(&["/fastway", "ctl", "log"])), (Some(0), "log filter: info"));
    let mut ctl = Command::new(gateway_binary());
    let output = ctl.args(["ctl", "--dir"]).arg(container.file("")).args(["log", "warn"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(said(&container.exec(&["/fastway", "ctl", "log"])), (Some(0), "log filter: warn"));

    let orphan = container.orphan();
    kill_process(Pid::from_raw(orphan.cast_signed()).unwrap(), Signal::KILL).unwrap();
    watch::eventually("it is reaped", || children(container.gateway).is_empty());

    kill_process(Pid::from_raw(container.gateway.cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(container.outside.wait_exit().code, Some(0));
}

/// The names of a static program do not depend on the modules of another C library.
#[test]
fn a_static_program_finds_names_of_etc_hosts_whatever_nsswitch_says() {
    let root = assemble();
    fs::write(root.path().join("etc/hosts"), "127.0.0.1 gate.example\n").unwrap();
    fs::write(root.path().join("etc/nsswitch.conf"), "hosts: nowhere [UNAVAIL=return]\n").unwrap();
    // What is linked dynamically follows the configuration of its system.
    let name = if is_static(Path::new(&gateway_binary())) { "gate.example:0" } else { "127.0.0.1:0" };
    let container = Container::start(root, &["--client-addr", name]);
    assert!(container.outside.listening().client.ip().is_loopback());
}
