//! The command `lookup gc`: a summary of the gateway's memory.

use std::fmt::Write;
use std::fs;
use std::io;

use rustix::param::page_size;
use tikv_jemalloc_ctl::{epoch, stats};

use super::{CommandError, RegisterError, Registry, Verbosity};

/// Adds `lookup gc [n]`: a memory summary to the log. `details` adds the lines that only the gateway knows, such as the
/// buffer pool by size class and the averages per link.
///
/// The name is that of the original gateway, which had a garbage collector; the number is accepted for its scripts.
///
/// # Errors
/// When the registry has the command already.
pub fn register_lookup_gc(
    registry: &mut Registry,
    details: impl Fn(&mut String) + Send + Sync + 'static,
) -> Result<(), RegisterError> {
    registry.register(
        "lookup gc",
        "[n]",
        "memory summary: allocator, process, buffer pool, links",
        move |args, answer| {
            Verbosity::try_from(args)?;
            Allocator::read().map_err(CommandError::failed)?.show(answer)?;
            writeln!(answer, "process resident={}", resident_bytes().map_err(CommandError::failed)?)?;

            let mut lines = String::new();
            details(&mut lines);
            Ok(answer.write_str(&lines)?)
        },
    )
}

/// The counts of jemalloc, in bytes. They are 0 in a program with another global allocator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocator {
    pub(crate) allocated: usize,
    pub(crate) active: usize,
    pub(crate) resident: usize,
    pub(crate) mapped: usize,
    pub(crate) retained: usize,
}

impl Allocator {
    pub(crate) fn read() -> Result<Self, tikv_jemalloc_ctl::Error> {
        // The numbers belong to the last epoch.
        epoch::advance()?;

        Ok(Self {
            allocated: stats::allocated::read()?,
            active: stats::active::read()?,
            resident: stats::resident::read()?,
            mapped: stats::mapped::read()?,
            retained: stats::retained::read()?,
        })
    }

    fn show(&self, answer: &mut dyn Write) -> std::fmt::Result {
        let Self { allocated, active, resident, mapped, retained } = self;
        writeln!(
            answer,
            "allocator allocated={allocated} active={active} resident={resident} mapped={mapped} retained={retained} (bytes)"
        )
    }
}

/// Memory of the process that is in RAM, in bytes, as the kernel counts it.
fn resident_bytes() -> io::Result<u64> {
    parse_statm(&fs::read_to_string("/proc/self/statm")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/statm has no second number"))
}

fn parse_statm(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(page_size() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> Result<String, CommandError> {
        let mut registry = Registry::default();
        register_lookup_gc(&mut registry, |lines| lines.push_str("pool class=64 free=3\n")).unwrap();
        let mut answer = String::new();
        registry.run(line, &mut answer).map(|()| answer)
    }

    #[test]
    fn shows_the_allocator_the_process_and_the_gateways_own_lines() {
        for line in ["lookup gc", "lookup gc 1"] {
            let answer = answer(line).unwrap();
            let starts: Vec<&str> = answer.lines().map(|line| line.split_once('=').unwrap().0).collect();
            assert_eq!(starts, ["allocator allocated", "process resident", "pool class"]);
        }
    }

    #[test]
    fn a_wrong_number_shows_nothing() {
        assert!(answer("lookup gc x").unwrap_err().to_string().contains("\"x\" is not a number"));
    }

    #[test]
    fn the_process_has_some_memory() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert_eq!(parse_statm("100 2 3"), Some(2 * page_size() as u64));
        assert_eq!(parse_statm("100"), None);
    }
}
