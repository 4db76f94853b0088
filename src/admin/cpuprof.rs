//! `cpuprof start` and `cpuprof stop`: where the CPU time of the gateway goes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pprof::protos::Message;
use pprof::{Frames, ProfilerGuard, ProfilerGuardBuilder, Symbol};

use super::output::write_bytes;
use super::profile::declare_symbolized;
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

/// The profile between the two commands.
struct CpuProfile {
    path: PathBuf,
    running: Option<CpuSampling>,
}

impl CpuProfile {
    fn start(&mut self) -> Result<(), CommandError> {
        self.running = Some(CpuSampling::start()?);
        Ok(())
    }

    /// Ends the profile, whether or not it can be written, and returns the number of samples in it.
    fn stop(&mut self) -> Result<u64, CommandError> {
        let running = self.running.take();
        let running =
            running.ok_or(CommandError::State("no CPU profile is being taken; `cpuprof start` starts one"))?;
        let (profile, samples) = running.finish()?;
        write_bytes(&self.path, "the CPU profile (it is lost)", &profile)?;
        Ok(samples)
    }
}

/// The one CPU profile that a process can take at a time. Dropping it ends it.
pub(crate) struct CpuSampling(ProfilerGuard<'static>);

impl CpuSampling {
    /// Samples from now on.
    ///
    /// # Errors
    /// Somebody takes a profile already, or the profiler fails.
    pub(crate) fn start() -> Result<Self, CommandError> {
        const TAKEN: &str =
            "a CPU profile is being taken already; `cpuprof stop` ends it, and one over HTTP ends by itself";
        let profiler = ProfilerGuardBuilder::default().frequency(SAMPLES_PER_SECOND).blocklist(&NOT_SAMPLED);
        profiler.build().map(Self).map_err(|error| match error {
            pprof::Error::Running => CommandError::State(TAKEN),
            other => failed(other),
        })
    }

    /// Ends the profile: its bytes, and the number of samples in it.
    ///
    /// # Errors
    /// The profiler fails.
    pub(crate) fn finish(self) -> Result<(Vec<u8>, u64), CommandError> {
        let report = self.0.report().frames_post_processor(leave_out_profiler).build().map_err(failed)?;
        let samples = report.data.values().map(|&count| count.unsigned_abs() as u64).sum();
        let mut profile = report.pprof().map_err(failed)?;
        declare_symbolized(&mut profile);
        let bytes = profile.encode_to_vec();
        // The symbols of the whole program, which nobody needs before the next profile.
        backtrace::clear_symbol_cache();
        Ok((bytes, samples))
    }
}

/// The profiler's own error.
fn failed(error: pprof::Error) -> CommandError {
    CommandError::failed(format!("the profiler failed: {error}"))
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

#[cfg(test)]
mod tests {
    use std::fs;

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
}
