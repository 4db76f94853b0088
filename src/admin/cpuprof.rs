//! `cpuprof start` and `cpuprof stop`: where the CPU time of the gateway goes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pprof::protos::{Mapping, Message, Profile};
use pprof::{Frames, ProfilerGuard, ProfilerGuardBuilder, Symbol};

use super::{CommandError, RegisterError, Registry};

/// Samples of each second of CPU time. Enough for a profile of half a minute, too few to be felt.
const SAMPLES_PER_SECOND: i32 = 100;

/// Libraries whose code is not sampled, since the unwinder may hold their locks there. The customary `libc` is not among
/// them: its system calls are half of what a gateway does.
const NOT_SAMPLED: [&str; 2] = ["libgcc_s", "ld-linux"];

/// Adds `cpuprof start` and `cpuprof stop`, which writes the profile between them to `path`, for `go tool pprof`.
///
/// # Errors
/// When the registry has the commands already.
pub fn register_cpuprof(registry: &mut Registry, path: PathBuf) -> Result<(), RegisterError> {
    let started = Arc::new(Mutex::new(CpuProfile { path, running: None }));
    let stopped = Arc::clone(&started);
    registry.register("cpuprof start", "", "starts a CPU profile", move |args, answer| {
        args.none()?;
        started.lock().unwrap_or_else(PoisonError::into_inner).start()?;
        Ok(writeln!(answer, "CPU profile started; `cpuprof stop` writes it")?)
    })?;
    registry.register("cpuprof stop", "", "writes the CPU profile, for `go tool pprof`", move |args, answer| {
        args.none()?;
        let mut profile = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = profile.stop()?;
        Ok(writeln!(answer, "CPU profile written to {} samples={samples}", profile.path.display())?)
    })
}

/// The one profile that a process can take at a time.
struct CpuProfile {
    path: PathBuf,
    running: Option<ProfilerGuard<'static>>,
}

/// Why a profile could not be had.
#[derive(Debug, thiserror::Error)]
enum ProfileError {
    #[error("the profiler failed: {0}")]
    Profiler(#[from] pprof::Error),
    #[error("{path}: the CPU profile cannot be written and is lost: {source}")]
    Write { path: PathBuf, source: io::Error },
}

impl CpuProfile {
    fn start(&mut self) -> Result<(), CommandError> {
        if self.running.is_some() {
            return Err(CommandError::State("a CPU profile is being taken already; `cpuprof stop` ends it"));
        }
        let profiler = ProfilerGuardBuilder::default().frequency(SAMPLES_PER_SECOND).blocklist(&NOT_SAMPLED);
        self.running = Some(profiler.build().map_err(|error| CommandError::failed(ProfileError::from(error)))?);
        Ok(())
    }

    /// Ends the profile, whether or not it can be written, and returns the number of samples in it.
    fn stop(&mut self) -> Result<u64, CommandError> {
        let running = self.running.take();
        let running =
            running.ok_or(CommandError::State("no CPU profile is being taken; `cpuprof start` starts one"))?;
        self.write(&running).map_err(CommandError::failed)
    }

    fn write(&self, running: &ProfilerGuard<'_>) -> Result<u64, ProfileError> {
        let report = running.report().frames_post_processor(leave_out_profiler).build()?;
        let samples = report.data.values().map(|&count| count.unsigned_abs() as u64).sum();
        let mut profile = report.pprof()?;
        declare_symbolized(&mut profile);
        let bytes = profile.encode_to_vec();
        // The symbols of the whole program, which nobody needs before the next profile.
        backtrace::clear_symbol_cache();
        replace(&self.path, &bytes).map_err(|source| ProfileError::Write { path: self.path.clone(), source })?;
        Ok(samples)
    }
}

/// Says that all functions have their names already. Otherwise `go tool pprof` looks them up again when it is given
/// the program as well, by addresses that the profile does not have.
fn declare_symbolized(profile: &mut Profile) {
    let id = 1;
    let named = Mapping {
        id,
        memory_limit: u64::MAX,
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
        ..Mapping::default()
    };
    profile.mapping.push(named);
    profile.location.iter_mut().for_each(|location| location.mapping_id = id);
}

/// Takes the profiler's own frames off the top of a stack. Where the compiler has not inlined them, they would get all of
/// the time, and the function that was interrupted none.
fn leave_out_profiler(stack: &mut Frames) {
    let is_profiler = |frame: &&Vec<Symbol>| frame.iter().any(|symbol| is_of_profiler(&symbol.name()));
    let own = stack.frames.iter().take_while(is_profiler).count();
    stack.frames.drain(..own);
}

fn is_of_profiler(function: &str) -> bool {
    let path = function.trim_start_matches('<');
    path.starts_with("backtrace::") || path.starts_with("pprof::")
}

/// Writes the whole file or leaves what was there: a reader never sees half a profile.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // What is left of it is of no use, and the error that counts is the first one.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn run(registry: &mut Registry, line: &str) -> Result<String, String> {
        let mut answer = String::new();
        registry.run(line, &mut answer).map(|()| answer).map_err(|error| error.to_string())
    }

    // One test, since a process has one profiler.
    #[test]
    fn start_and_stop_take_turns() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("fastway.cpu.prof");
        let mut registry = Registry::default();
        register_cpuprof(&mut registry, path.clone()).unwrap();

        assert!(run(&mut registry, "cpuprof stop").unwrap_err().contains("no CPU profile is being taken"));
        assert!(run(&mut registry, "cpuprof start now").unwrap_err().contains("\"now\""));
        for _ in 0..2 {
            run(&mut registry, "cpuprof start").unwrap();
            assert!(run(&mut registry, "cpuprof start").unwrap_err().contains("already"));
            assert!(run(&mut registry, "cpuprof stop").unwrap().contains("fastway.cpu.prof"));
            assert!(fs::metadata(&path).unwrap().len() > 0);
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        dir.close().unwrap();
        run(&mut registry, "cpuprof start").unwrap();
        assert!(run(&mut registry, "cpuprof stop").unwrap_err().contains("cannot be written"));
        assert!(run(&mut registry, "cpuprof stop").unwrap_err().contains("no CPU profile"));
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let dir = tempdir().unwrap();
        let taken = dir.path().join("taken");
        fs::create_dir_all(taken.join("inside")).unwrap();
        assert!(replace(&taken, b"profile").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
