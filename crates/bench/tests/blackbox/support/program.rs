//! `fastway-bench` as a child process, and what it leaves behind.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything that must happen may take; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(60);

const BENCH: &str = env!("CARGO_BIN_EXE_fastway-bench");

/// The command that starts the yardstick.
pub(crate) fn yardstick() -> String {
    format!("'{BENCH}' yardstick --client-addr {{client}} --server-addr {{server}} --key {{key}}")
}

/// A running `fastway-bench`; killed when dropped.
pub(crate) struct Program {
    child: Option<Child>,
    /// What it and everything that it starts have in their environment.
    mark: String,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The works that load a gateway, whose generators must leave the machine to the other tests.
const LOADS: [&str; 8] = ["echo", "rate", "push", "large", "mixed", "stall", "compare", "suite"];

/// Runs `fastway-bench` and waits for its end. Nothing that it started may be left then.
#[track_caller]
pub(crate) fn bench(words: &[&str]) -> Exit {
    Program::start(words).wait()
}

/// [`bench`] with further words.
#[track_caller]
pub(crate) fn bench_with(words: &[&str], more: &[String]) -> Exit {
    let more = more.iter().map(String::as_str);
    bench(&words.iter().copied().chain(more).collect::<Vec<_>>())
}

impl Program {
    pub(crate) fn start(words: &[&str]) -> Self {
        let sleeps = words.first().is_some_and(|work| LOADS.contains(work)) && !words.contains(&"--help");
        Self::start_awake(&[words, if sleeps { &["--sleep"] } else { &[] }].concat())
    }

    /// [`Program::start`] with a generator that polls, as it does by default.
    pub(crate) fn start_awake(words: &[&str]) -> Self {
        Self::start_within(&[], words)
    }

    /// Has another program run it, whose command line is `prefix` and then this one.
    pub(crate) fn start_within(prefix: &[&str], words: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let line = [prefix, &[BENCH], words].concat();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env("FASTWAY_BENCH_TEST", &mark).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child: Some(child), mark }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Waits until it has started a process of its own.
    #[track_caller]
    pub(crate) fn wait_for_gateway(&self) {
        let until = Instant::now() + DEADLINE;
        while self.family().len() < 2 {
            assert!(Instant::now() < until, "no gateway was started");
            sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Exit {
        let Output { status, stdout, stderr } = self.child.take().unwrap().wait_with_output().unwrap();
        let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(self.family(), Vec::<String>::new(), "left running\n{stderr}");
        Exit { code: status.code(), stdout, stderr }
    }

    /// The processes that carry its mark.
    fn family(&self) -> Vec<String> {
        let mark = format!("FASTWAY_BENCH_TEST={}", self.mark);
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let marked = processes.filter(|process| {
            // Processes end while they are looked at; those of others are none of ours.
            let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        });
        marked.collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Exit {
    /// A run that was right.
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// A run that failed with all of `words` in what it says.
    #[track_caller]
    pub(crate) fn expect_failure(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {:?}", self.stderr);
        }
    }

    /// The lines of `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}
