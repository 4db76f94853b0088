//! `lookup heap`, `heapprof start` and `heapprof stop`: who holds memory.

use std::path::PathBuf;

use jemalloc_pprof::{JemallocProfCtl, PROF_CTL};
use tokio::sync::MutexGuard;

use super::output::write_bytes;
use super::{CommandError, RegisterError, Registry, Verbosity};

/// Adds `lookup heap`, which writes the memory held by each call path to `path`, for `go tool pprof`; and the commands
/// that start and stop the sampling that it needs.
///
/// Sampling is off until the first `lookup heap` or `heapprof start`: memory that was allocated before is not in the
/// profile. In a program without jemalloc, or with its profiling off, the commands fail.
///
/// # Errors
/// When the registry has one of the commands already.
pub fn register_heap(registry: &mut Registry, path: PathBuf) -> Result<(), RegisterError> {
    registry.register("lookup heap", "[n]", "writes the heap profile, for `go tool pprof`", move |args, answer| {
        Verbosity::try_from(args)?;
        let mut sampler = sampler()?;
        let was_on = sampler.activated();
        sampler.activate().map_err(CommandError::failed)?;
        let profile = sampler.dump_pprof().map_err(|error| CommandError::failed(error.into_boxed_dyn_error()))?;
        // The symbols of the whole program, which nobody needs before the next profile.
        backtrace::clear_symbol_cache();
        write_bytes(&path, "the heap profile", &profile)?;
        writeln!(answer, "heap profile written to {}", path.display())?;
        if !was_on {
            writeln!(
                answer,
                "sampling starts now: the profile is empty; the next one has what is allocated from now on"
            )?;
        }
        Ok(())
    })?;
    registry.register("heapprof start", "", "starts to sample allocations, for `lookup heap`", |args, answer| {
        args.none()?;
        sampler()?.activate().map_err(CommandError::failed)?;
        Ok(writeln!(answer, "allocations are sampled; `lookup heap` writes the profile")?)
    })?;
    registry.register("heapprof stop", "", "stops sampling allocations and forgets the samples", |args, answer| {
        args.none()?;
        sampler()?.deactivate().map_err(CommandError::failed)?;
        Ok(writeln!(answer, "allocations are not sampled")?)
    })
}

/// jemalloc's sampler.
fn sampler() -> Result<MutexGuard<'static, JemallocProfCtl>, CommandError> {
    let sampler = PROF_CTL.as_deref();
    let sampler = sampler.ok_or(CommandError::State("this program's allocator takes no heap profiles"))?;
    sampler.try_lock().map_err(|_busy| CommandError::State("a heap profile is being written already"))
}
