//! The built gateway as a child process: what it prints, what it logs, how it ends.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use rustix::pipe::fcntl_setpipe_size;
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

use crate::watch;

/// How long anything that must happen may take; generous, since it is only waited for in full by a test that fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running gateway in a directory of its own. It is killed, and its directory removed, when this is dropped.
pub struct Process {
    child: Child,
    /// Of a program that is spoken to.
    stdin: Option<ChildStdin>,
    dir: Workdir,
    stdout: Lines,
    stderr: Lines,
    /// Log lines below this index were there before the last [`Process::mark`].
    mark: usize,
}

/// How a gateway ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Everything it wrote on stdout.
    pub stdout: String,
    /// Everything it wrote on stderr.
    pub stderr: String,
}

/// The addresses of the line `listening client=… server=… admin=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// Where clients connect.
    pub client: SocketAddr,
    /// Where servers connect.
    pub server: SocketAddr,
    /// Where HTTP is answered, if it is.
    pub admin: Option<SocketAddr>,
}

impl Process {
    /// Starts the gateway in a new temporary directory and waits until it listens.
    pub fn start(args: &[&str]) -> Self {
        Self::start_in(Workdir::Temporary(TempDir::new().expect("a temporary directory")), args)
    }

    /// Starts the gateway in a new temporary directory with a stderr that the test owns: nothing of its log is collected.
    pub fn logging_to(stderr: impl Into<Stdio>, args: &[&str]) -> Self {
        let dir = Workdir::Temporary(TempDir::new().expect("a temporary directory"));
        let process = Self::spawn_logging_to(stderr.into(), dir, Self::gateway(args));
        process.listening();
        process
    }

    /// Starts the gateway in a directory that the test owns and waits until it listens.
    pub fn in_dir(dir: impl AsRef<Path>, args: &[&str]) -> Self {
        Self::start_in(Workdir::Given(dir.as_ref().to_owned()), args)
    }

    /// Runs the gateway in `dir` for a start that is expected to fail, or for `--help`, and waits for its end.
    pub fn run_in(dir: impl AsRef<Path>, args: &[&str]) -> Exit {
        Self::spawn(Workdir::Given(dir.as_ref().to_owned()), args).wait_exit()
    }

    fn start_in(dir: Workdir, args: &[&str]) -> Self {
        let process = Self::spawn(dir, args);
        process.listening();
        process
    }

    fn spawn(dir: Workdir, args: &[&str]) -> Self {
        Self::spawn_command(dir, Self::gateway(args))
    }

    fn gateway(args: &[&str]) -> Command {
        let mut command = Command::new(gateway_binary());
        command.args(args).env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    /// Starts another program than the gateway, in a new temporary directory, which is its place for temporary files,
    /// too. Its stdin stays open until [`Process::end_input`].
    pub fn start_program(mut command: Command) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        command.env("TMPDIR", dir.path()).stdin(Stdio::piped());
        Self::spawn_command(Workdir::Temporary(dir), command)
    }

    fn spawn_command(dir: Workdir, command: Command) -> Self {
        Self::spawn_logging_to(Stdio::piped(), dir, command)
    }

    fn spawn_logging_to(stderr: Stdio, dir: Workdir, mut command: Command) -> Self {
        command.current_dir(dir.path()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = Lines::collect(child.stdout.take().expect("stdout is piped"));
        // Of a stderr that the test owns there is nothing to collect.
        let stderr = child.stderr.take().map_or_else(|| Lines::collect(io::empty()), Lines::collect);
        Self { child, stdin, dir, stdout, stderr, mark: 0 }
    }

    /// Types a line, of text or of any bytes.
    pub fn type_line(&mut self, line: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(&[line.as_ref(), b"\n"].concat()).expect("the program reads its stdin");
    }

    /// Ends its stdin, as Ctrl-D does in a terminal.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for the first line on stdout that `wanted` accepts, whenever it came.
    pub fn wait_stdout(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.or_fail(self.stdout.wait(0, wanted), "the line on stdout waited for").1
    }

    /// Everything on stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// The addresses it printed on stdout.
    pub fn listening(&self) -> Listening {
        let line = self.stdout.wait(0, |line| line.starts_with("listening "));
        parse_listening(&self.or_fail(line, "the line `listening client=… server=…` on stdout").1)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A file of its working directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot send {signal:?} to {pid:?}: {error}"));
    }

    /// Stops it in the middle of what it does, until [`Process::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        watch::eventually("it is stopped", || watch::is_stopped(self.pid()));
    }

    /// Has it go on after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Stops one of its threads, for instance `worker-0`, until the guard is dropped; the others go on.
    ///
    /// # Panics
    /// When there is none of that name, or when the system does not let a program trace its child.
    pub fn stop_thread(&self, name: &str) -> StoppedThread {
        let thread = self.thread(name).unwrap_or_else(|| panic!("no thread {name}"));
        let id = thread.file_name().and_then(|id| id.to_str()?.parse().ok()).expect("a number");
        let id = nix::unistd::Pid::from_raw(id);
        ptrace::seize(id, ptrace::Options::empty()).expect("a child may be traced");
        ptrace::interrupt(id).expect("it is traced");
        waitpid(id, Some(WaitPidFlag::__WALL)).expect("it stops");
        StoppedThread { id, _of_the_tracing_thread: PhantomData }
    }

    /// Whether it has a thread of this name.
    pub fn has_thread(&self, name: &str) -> bool {
        self.thread(name).is_some()
    }

    /// The directory of a thread below `/proc`.
    fn thread(&self, name: &str) -> Option<PathBuf> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the process runs");
        let is_it = |dir: &PathBuf| fs::read_to_string(dir.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
        threads.filter_map(|entry| Some(entry.ok()?.path())).find(is_it)
    }

    /// From now on [`Process::wait_log`] only looks at lines that are logged after this call or after its last match.
    pub fn mark(&mut self) {
        self.mark = self.stderr.len();
    }

    /// Waits for the first line on stderr, since the line matched last, that `wanted` accepts.
    ///
    /// # Panics
    /// When there is none within the deadline, or before the process ends; the message holds the whole log.
    pub fn wait_log(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let found = self.stderr.wait(self.mark, wanted);
        let (index, line) = self.or_fail(found, "the log line waited for");
        self.mark = index + 1;
        line
    }

    /// [`Process::wait_log`] for a line that holds all of `parts`.
    pub fn wait_log_with(&mut self, parts: &[&str]) -> String {
        let found = self.stderr.wait(self.mark, |line| parts.iter().all(|part| line.contains(part)));
        let (index, line) = self.or_fail(found, &format!("a log line with {parts:?}"));
        self.mark = index + 1;
        line
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// Writes `text` to `NAME.cmd` in the working directory and tells the process to run it.
    pub fn command(&self, text: &str) {
        self.command_as("fastway", text);
    }

    /// [`Process::command`] for a gateway started with `--name`.
    pub fn command_as(&self, name: &str, text: &str) {
        std::fs::write(self.file(&format!("{name}.cmd")), text).expect("the command file is written");
        self.signal(Signal::USR1);
    }

    /// Runs `fastway ctl` with these words in its working directory and waits for its end.
    pub fn ctl(&self, words: &[&str]) -> Exit {
        Self::run_in(self.dir.path(), &[&["ctl"], words].concat())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child can be waited for").is_none()
    }

    /// Waits for its end; kills it, and panics with its log, when it does not end within the deadline.
    pub fn wait_exit(&mut self) -> Exit {
        let until = Instant::now() + DEADLINE;
        let ended = self.stderr.wait_end(until) && self.stdout.wait_end(until);
        if !ended {
            let log = self.log();
            self.kill();
            panic!("the gateway did not exit within {DEADLINE:?}; its log:\n{log}");
        }
        let status = self.child.wait().expect("the child can be waited for");
        Exit { code: status.code(), signal: status.signal(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Kills it without a chance to clean up, as `kill -9` does, and reaps it.
    pub fn kill(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn or_fail<T>(&self, found: Option<T>, what: &str) -> T {
        found.unwrap_or_else(|| {
            panic!("{what} did not come within {DEADLINE:?}; stdout:\n{}\nthe log:\n{}", self.stdout(), self.log())
        })
    }
}

/// A thread that is stopped as long as this lives.
pub struct StoppedThread {
    id: nix::unistd::Pid,
    _of_the_tracing_thread: PhantomData<*const ()>,
}

impl Drop for StoppedThread {
    fn drop(&mut self) {
        // The process may have ended: then nothing is to be let go.
        let _ = ptrace::detach(self.id, None);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory that goes with the process, or one that outlives it.
enum Workdir {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Workdir {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Given(path) => path,
        }
    }
}

/// The lines of one output stream, collected by a thread that ends with the stream.
#[derive(Clone, Default)]
struct Lines(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn collect(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let collector = lines.clone();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                collector.push(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
                line.clear();
            }
            collector.update(|collected| collected.ended = true);
        });
        lines
    }

    fn push(&self, line: String) {
        self.update(|collected| collected.lines.push(line));
    }

    fn update(&self, change: impl FnOnce(&mut Collected)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Index and text of the first line from `from` on that `wanted` accepts; `None` at the deadline or the stream's end.
    fn wait(&self, from: usize, wanted: impl Fn(&str) -> bool) -> Option<(usize, String)> {
        let mut next = from;
        let mut found = None;
        self.wait_until(Instant::now() + DEADLINE, |collected| {
            let seen = next;
            next = collected.lines.len().max(from);
            found = (seen..next).find(|&index| wanted(&collected.lines[index]));
            found.is_some() || collected.ended
        });
        let collected = self.0.0.lock().unwrap();
        found.map(|index| (index, collected.lines[index].clone()))
    }

    fn wait_end(&self, until: Instant) -> bool {
        self.wait_until(until, |collected| collected.ended)
    }

    /// Whether `done` came true before `until`; it is asked again after each change.
    fn wait_until(&self, until: Instant, mut done: impl FnMut(&Collected) -> bool) -> bool {
        let (lock, changed) = &*self.0;
        let mut collected = lock.lock().unwrap();
        while !done(&collected) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            collected = changed.wait_timeout(collected, left).unwrap().0;
        }
        true
    }

    fn len(&self) -> usize {
        self.0.0.lock().unwrap().lines.len()
    }

    fn text(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }
}

/// A pipe that takes no more than a page before it is read.
pub fn narrow_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    fcntl_setpipe_size(&writer, 4096).expect("a page at least");
    (reader, writer)
}

/// The binary that `FASTWAY_BIN` names, or else the one that cargo has built: it tells every integration test while
/// that runs, whichever package this file is compiled in.
pub fn gateway_binary() -> OsString {
    let binary = std::env::var_os("FASTWAY_BIN").or_else(|| std::env::var_os("CARGO_BIN_EXE_fastway"));
    binary.expect("run by `cargo test`, as an integration test of the gateway")
}

fn parse_listening(line: &str) -> Listening {
    let address = |side: &str| {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix(side)?.strip_prefix('='))
            .and_then(|address| address.parse().ok())
    };
    let needed = |side| address(side).unwrap_or_else(|| panic!("no {side}=ADDR in {line:?}"));
    Listening { client: needed("client"), server: needed("server"), admin: address("admin") }
}
