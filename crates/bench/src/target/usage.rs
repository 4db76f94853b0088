//! What a process uses, as `/proc` tells.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The kernel shows CPU time in `stat` in hundredths of a second, whatever its own clock does.
const STAT_TICK: Duration = Duration::from_millis(10);

/// A process at one moment, all threads together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    /// It waited for something.
    pub(crate) voluntary_switches: u64,
    /// Its time slice was over.
    pub(crate) involuntary_switches: u64,
}

impl Usage {
    /// # Errors
    /// There is no such process, or it is not ours to look at.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        let status = fs::read_to_string(process.join("status"))?;
        let mut usage = Self { resident_bytes: field(&status, "VmRSS:") * 1024, ..Self::default() };
        let mut precise = true;
        for task in fs::read_dir(process.join("task"))? {
            let task = task?.path();
            // A thread may end between being listed and being read.
            let Ok(status) = fs::read_to_string(task.join("status")) else { continue };
            usage.threads += 1;
            usage.voluntary_switches += field(&status, "voluntary_ctxt_switches:");
            usage.involuntary_switches += field(&status, "nonvoluntary_ctxt_switches:");
            match run_time(&task) {
                Some(time) => usage.cpu += time,
                None => precise = false,
            }
        }
        if !precise {
            usage.cpu = stat_time(&fs::read_to_string(process.join("stat"))?);
        }
        Ok(usage)
    }

    /// How many descriptors a process has open.
    pub(crate) fn descriptors(pid: u32) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
    }
}

/// Nanoseconds that a thread was on a processor; not every kernel counts them.
fn run_time(task: &Path) -> Option<Duration> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// User and system time behind the program's name, which may hold anything.
fn stat_time(stat: &str) -> Duration {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    STAT_TICK * ticks
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::Instant;

    use super::*;

    #[test]
    fn this_process_uses_what_it_burns() {
        let pid = std::process::id();
        let before = Usage::of(pid).unwrap();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(50) {
            black_box(Instant::now());
        }
        let after = Usage::of(pid).unwrap();
        assert!(after.cpu > before.cpu);
        assert!(after.threads >= 1 && after.resident_bytes > 100_000);
    }

    #[test]
    fn times_are_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(stat_time(stat), Duration::from_secs(2));
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Usage::of(u32::MAX).is_err());
    }
}
