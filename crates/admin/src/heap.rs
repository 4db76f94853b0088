//! The commands `lookup heap`, `heapprof start` and `heapprof stop`: the heap profile.

use std::path::PathBuf;

use jemalloc_pprof::{JemallocProfCtl, PROF_CTL, StackProfile};
use tokio::sync::MutexGuard;

use super::output::write_bytes;
use super::profile::{Frame, ProfileBuilder};
use super::symbols::Symbols;
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
        let (profile, was_on) = heap_profile(WhenOff::Start)?;
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

/// What to do about a heap profile while sampling is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenOff {
    /// Start sampling.
    Start,
    /// Take no profile.
    Refuse,
}

/// The memory held by each call path, for `go tool pprof`, and whether sampling was on before. It is on afterwards.
///
/// # Errors
/// The allocator takes no profiles, or takes one already; or sampling is off and not to be started.
pub(crate) fn heap_profile(when_off: WhenOff) -> Result<(Vec<u8>, bool), CommandError> {
    let mut sampler = sampler()?;
    let was_on = sampler.activated();
    if !was_on && when_off == WhenOff::Refuse {
        return Err(CommandError::State("allocations are not sampled; the command `heapprof start` starts it"));
    }

    sampler.activate().map_err(CommandError::failed)?;
    let samples = sampler.dump_profile().map_err(|error| CommandError::failed(error.into_boxed_dyn_error()))?;
    Ok((profile(&samples), was_on))
}

/// jemalloc's sampler.
fn sampler() -> Result<MutexGuard<'static, JemallocProfCtl>, CommandError> {
    let sampler = PROF_CTL.as_deref();
    let sampler = sampler.ok_or(CommandError::State("this program's allocator takes no heap profiles"))?;
    sampler.try_lock().map_err(|_busy| CommandError::State("a heap profile is being written already"))
}

/// Gives the call paths their names.
fn profile(samples: &StackProfile) -> Vec<u8> {
    let mut profile = ProfileBuilder::new(&[("inuse_space", "bytes")]);
    let mut symbols = Symbols::alone();
    for (stack, _) in samples.iter() {
        let mut frames = Vec::new();
        stack.addrs.iter().rev().for_each(|address| frames.extend_from_slice(symbols.of_call(*address)));

        // Frames of the allocator itself are left out, else it would hold all memory.
        let own = frames.iter().rposition(is_of_allocator).map_or(0, |last| last + 1);
        #[expect(clippy::cast_possible_truncation, reason = "bytes that fit into memory")]
        profile.add(frames.get(own..).unwrap_or_default(), &[stack.weight as i64]);
    }
    profile.encode()
}

/// Whether a function belongs to the allocator.
fn is_of_allocator(frame: &Frame) -> bool {
    let path = frame.name.trim_start_matches('<');
    ["_rjem_", "tikv_jemallocator::", "alloc::alloc::", "alloc::raw_vec::"].iter().any(|own| path.starts_with(own))
        || path.contains("__rust_alloc")
        || path.contains("__rust_realloc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allocators_functions_are_told_from_those_that_use_it() {
        let frame = |name: &str| Frame { name: name.to_owned(), ..Frame::default() };
        for own in
            ["_rjem_malloc", "<tikv_jemallocator::Jemalloc as x>::alloc", "alloc::raw_vec::finish_grow", "__rust_alloc"]
        {
            assert!(is_of_allocator(&frame(own)), "{own}");
        }
        for other in ["fastway::pool::Pool::take", "alloc::vec::Vec<T>::push", "main"] {
            assert!(!is_of_allocator(&frame(other)), "{other}");
        }
    }
}
