//! The command `lookup threadcreate`: the threads of the process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

use super::output::{Counted, write_bytes};
use super::profile::{Frame, ProfileBuilder};
use super::{CommandError, RegisterError, Registry, Verbosity};

const THREADS: &str = "/proc/self/task";

/// Adds `lookup threadcreate`, which writes each thread's name, state and CPU time to `path`, as text.
///
/// # Errors
/// When the registry has the command already.
pub fn register_threads(registry: &mut Registry, path: PathBuf) -> Result<(), RegisterError> {
    registry.register("lookup threadcreate", "[n]", "writes the threads, as text", move |args, answer| {
        Verbosity::try_from(args)?;
        let threads = threads().map_err(CommandError::failed)?;
        write_bytes(&path, "the list of threads", &text(&threads))?;
        Ok(writeln!(answer, "{} written to {}", Counted(threads.len(), "thread"), path.display())?)
    })
}

/// The threads with their CPU time: for `go tool pprof`, or as text.
///
/// # Errors
/// There is no `/proc`.
pub(crate) fn thread_profile(as_text: bool) -> io::Result<Vec<u8>> {
    let threads = threads()?;

    if as_text {
        return Ok(text(&threads));
    }
    // `go tool pprof` shows the last value by default.
    let mut profile = ProfileBuilder::new(&[("cpu", "nanoseconds"), ("threadcreate", "count")]);
    for thread in threads {
        let cpu = i64::try_from((thread.user + thread.system).as_nanos()).unwrap_or(i64::MAX);
        profile.add(&[thread.state, &thread.name].map(Frame::from), &[cpu, 1]);
    }
    Ok(profile.encode())
}

fn text(threads: &[Thread]) -> Vec<u8> {
    let lines: String = threads.iter().map(Thread::line).collect();
    format!("{} threads\n{lines}", threads.len()).into_bytes()
}

#[derive(Debug, PartialEq, Eq)]
struct Thread {
    id: u32,
    name: String,
    state: &'static str,
    user: Duration,
    system: Duration,
}

fn threads() -> io::Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(THREADS)? {
        // A thread may end during the walk.
        threads.extend(read(&entry?.path()));
    }

    threads.sort_by_key(|thread| thread.id);
    Ok(threads)
}

fn read(task: &Path) -> Option<Thread> {
    parse(&fs::read_to_string(task.join("stat")).ok()?)
}

/// `proc(5)`: `id (name) state` and 10 numbers, then user and system time in ticks. The name may hold anything.
fn parse(stat: &str) -> Option<Thread> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, fields) = rest.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace();
    let state = state(fields.next()?);
    let mut ticks = fields.skip(10).map(|field| field.parse().ok().map(duration));
    let (user, system) = (ticks.next()??, ticks.next()??);
    Some(Thread { id: id.parse().ok()?, name: name.escape_debug().to_string(), state, user, system })
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1000) / clock_ticks_per_second().max(1))
}

fn state(letter: &str) -> &'static str {
    match letter {
        "R" => "running",
        "S" => "sleeping",
        "D" => "waiting for a disk",
        "T" | "t" => "stopped",
        "Z" | "X" => "ended",
        "I" => "idle",
        _ => "in a state of its own",
    }
}

impl Thread {
    fn line(&self) -> String {
        let Self { id, name, state, user, system } = self;
        format!("thread={id} name={name} state={state:?} cpu={:?} user={user:?} system={system:?}\n", *user + *system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_is_among_them() {
        let threads = std::thread::Builder::new().name("look here".to_owned()).spawn(|| threads().unwrap()).unwrap();
        let threads = threads.join().unwrap();
        assert!(threads.iter().any(|thread| thread.name == "look here" && thread.state == "running"), "{threads:?}");
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "12 (a) S 9 (b\n) R 1 2 3 4 5 6 7 8 9 10 200 300 0 0";
        let thread = parse(stat).unwrap();
        assert_eq!((thread.id, thread.name.as_str(), thread.state), (12, "a) S 9 (b\\n", "running"));
        assert_eq!(thread.user * 3, thread.system * 2);
        assert_eq!(thread.line().lines().count(), 1);
    }

    #[test]
    fn what_the_kernel_would_not_write_is_no_thread() {
        for stat in
            ["", "12", "12 (a", "12 (a) R", "12 (a) R 1 2 3 4 5 6 7 8 9 10 x y", "x (a) R 1 2 3 4 5 6 7 8 9 10 1 1"]
        {
            assert_eq!(parse(stat), None, "{stat}");
        }
    }
}
