//! What the process takes of the machine, as the kernel counts it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the process takes of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time spent in the program.
    pub user: Duration,
    /// CPU time spent in the kernel on its behalf.
    pub system: Duration,
    /// Memory in RAM, in bytes.
    pub resident_bytes: u64,
    /// Address space, in bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors; `None`: this kernel only tells by listing them.
    pub open_files: Option<u64>,
    /// Descriptors that may be open; `None`: no limit.
    pub max_files: Option<u64>,
}

impl Usage {
    /// What this process takes now.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn now() -> io::Result<Self> {
        let usage =
            parse(&stat()?).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/stat is odd"))?;
        // Since Linux 6.2 the size of the directory is the number of descriptors.
        let open_files = fs::metadata("/proc/self/fd")?.len();
        let max_files = getrlimit(Resource::Nofile).current;
        Ok(Self { open_files: Some(open_files).filter(|count| *count > 0), max_files, ..usage })
    }
}

/// The text of `/proc/self/stat`. The file stays open: a process without a free descriptor must still be seen.
fn stat() -> io::Result<String> {
    static STAT: OnceLock<File> = OnceLock::new();
    /// It has 52 fields of at most 20 digits.
    const MOST: usize = 2048;

    let file = match STAT.get() {
        Some(file) => file,
        None => {
            let file = File::open("/proc/self/stat")?;
            STAT.get_or_init(|| file)
        }
    };
    let mut text = vec![0; MOST];
    let read = file.read_at(&mut text, 0)?;
    text.truncate(read);
    String::from_utf8(text).map_err(io::Error::other)
}

/// `proc(5)`: `id (name) state` and further numbers. The name may hold anything.
fn parse(stat: &str) -> Option<Usage> {
    /// Numbers behind the state, counted from 0.
    const USER: usize = 10;
    const SYSTEM: usize = 11;
    const THREADS: usize = 16;
    const VIRTUAL: usize = 19;
    const RESIDENT: usize = 20;
    let (_, fields) = stat.rsplit_once(") ")?;
    let numbers: Vec<&str> = fields.split_whitespace().skip(1).collect();
    let number = |index: usize| numbers.get(index)?.parse::<u64>().ok();
    Some(Usage {
        user: duration(number(USER)?),
        system: duration(number(SYSTEM)?),
        threads: number(THREADS)?,
        virtual_bytes: number(VIRTUAL)?,
        resident_bytes: number(RESIDENT)?.saturating_mul(page_size() as u64),
        ..Usage::default()
    })
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1000) / clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_something() {
        let usage = Usage::now().unwrap();
        assert!(usage.resident_bytes > 1 << 20 && usage.virtual_bytes > usage.resident_bytes, "{usage:?}");
        assert!(usage.threads >= 2 && usage.max_files.is_none_or(|most| most > 2), "{usage:?}");
        assert!(usage.open_files.is_none_or(|open| open > 2), "{usage:?}");
    }

    #[test]
    fn the_numbers_stand_where_the_kernel_puts_them() {
        let stat = "12 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 200 300 13 14 15 16 17 18 19 4096 3 22";
        let usage = parse(stat).unwrap();
        assert_eq!((usage.user * 3, usage.threads), (usage.system * 2, 17));
        assert_eq!((usage.virtual_bytes, usage.resident_bytes), (4096, 3 * page_size() as u64));
        for odd in ["", "12 (a) S 1 2 3", "12 (a) S 1 2 3 4 5 6 7 8 9 10 x 300 13 14 15 16 17 18 19 4096 3 22"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
