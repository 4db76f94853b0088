//! What a process shows of itself in `/proc`, and waiting for what has no event.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// How long anything that must happen may take; generous, since only a failing test waits for it in full.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks `condition` again and again until it holds.
///
/// # Panics
/// When it does not hold within [`DEADLINE`]; the message holds `what`.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(DEADLINE, condition), "not within {DEADLINE:?}: {what}");
}

/// Whether `condition`, asked again and again, came true within `time`.
pub fn holds_within(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + time;
    while !condition() {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Waits until `progress` has not changed for `calm`: the pipeline that it counts is stuck.
///
/// Stopping the wait too early makes the test that uses it milder, never wrong.
pub fn wait_until_stuck(calm: Duration, mut progress: impl FnMut() -> u64) -> u64 {
    let mut last = (progress(), Instant::now());
    while last.1.elapsed() < calm {
        thread::sleep(Duration::from_millis(5));
        let now = progress();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    last.0
}

/// Resident memory of the process `pid`, in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    status_field(pid, "VmRSS:") * 1024
}

/// CPU time that the process `pid` has taken so far, as finely as the kernel's ticks go.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(") ").expect("the name stands in brackets");
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number of ticks"));
    Duration::from_secs(ticks.sum()) / u32::try_from(clock_ticks_per_second()).expect("a hundred or so")
}

/// Whether every thread of the process `pid` is stopped by a signal.
pub fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let stopped = |status: &str| status.lines().any(|line| line.starts_with("State:\tT"));
    let mut statuses = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok());
    statuses.all(|status| stopped(&status))
}

/// What the open descriptors of the process `pid` are, as far as the kernel tells.
pub fn open_files(pid: u32) -> Vec<PathBuf> {
    let directory = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    directory.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// TCP sockets of a process that listen.
pub fn listeners(pid: u32) -> usize {
    /// How `/proc/PID/net/tcp` writes the state LISTEN.
    const LISTEN: &str = "0A";
    let own: Vec<String> = open_files(pid).iter().map(|file| file.to_string_lossy().into_owned()).collect();
    let listens = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(3) == Some(&LISTEN)
            && columns.get(9).is_some_and(|inode| own.contains(&format!("socket:[{inode}]")))
    };
    let tables =
        ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).filter(listens).count()
}

/// `count` in a test run, and as many times that as `FASTWAY_SCALE` says: `scripts/heavy.sh` sets it.
pub fn scaled(count: usize) -> usize {
    let scale = std::env::var("FASTWAY_SCALE").map_or(1, |scale| scale.parse().expect("FASTWAY_SCALE is a number"));
    count * scale
}

/// Raises this process's own limit of descriptors as far as it may go.
pub fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a soft limit may be raised");
}

/// The highest number of an open descriptor of the process `pid`.
pub fn highest_descriptor(pid: u32) -> u64 {
    let directory = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    let numbers = directory.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.max().expect("stdin at least")
}

/// Sets how many descriptors the process `pid`, one of ours, may have from now on.
pub fn limit_descriptors(pid: u32, count: u64) {
    let pid = Pid::from_raw(pid.cast_signed());
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(count), maximum }).expect("a soft limit may be changed");
}

fn status_field(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the kernel states it");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
