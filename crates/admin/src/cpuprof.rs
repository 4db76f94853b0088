//! The commands `cpuprof start` and `cpuprof stop`: the CPU profile.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use fastway_sys::cpu_samples::{Sample, Sampler, StartError};
use tracing::warn;

use super::output::write_bytes;
use super::profile::ProfileBuilder;
use super::symbols::Symbols;
use super::{CommandError, RegisterError, Registry};

/// CPU time of a thread between its samples. A hundred samples of each second are enough for a profile of half a minute,
/// and too few to be felt; and no kernel's tick comes less often.
const PERIOD: Duration = Duration::from_millis(10);

/// How often samples are collected. Threads have room for those of half a second and more.
const COLLECT_EVERY: Duration = Duration::from_millis(100);

/// Different stacks that a profile keeps apart, some 30 MB of them: somebody may forget to stop it. Of further ones it keeps
/// the innermost function.
const MOST_STACKS: usize = 1 << 16;

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
pub(crate) struct CpuSampling {
    started: SystemTime,
    clock: Instant,
    /// Its drop ends the thread.
    end: Option<Sender<()>>,
    collector: Option<JoinHandle<Samples>>,
}

impl CpuSampling {
    /// Samples from now on.
    ///
    /// # Errors
    /// Somebody takes a profile already, or the system does not have what it takes.
    pub(crate) fn start() -> Result<Self, CommandError> {
        const TAKEN: &str =
            "a CPU profile is being taken already; `cpuprof stop` ends it, and one over HTTP ends by itself";
        let sampler = Sampler::start(PERIOD).map_err(|error| match error {
            StartError::Taken => CommandError::State(TAKEN),
            StartError::System(error) => CommandError::failed(format!("threads cannot be sampled: {error}")),
        })?;
        let (end, ended) = bounded(0);
        let collector = thread::Builder::new().name("cpu-profile".to_owned()).spawn(move || collect(sampler, &ended));
        let collector = Some(collector.map_err(CommandError::failed)?);
        Ok(Self { started: SystemTime::now(), clock: Instant::now(), end: Some(end), collector })
    }

    /// Ends the profile: its bytes, and the number of samples in it.
    ///
    /// # Errors
    /// The thread that collects samples has failed.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, u64), CommandError> {
        let span = self.clock.elapsed();
        let samples = self.end().ok_or_else(|| CommandError::failed("the samples are lost"))?;
        Ok((samples.profile(self.started, span), samples.count()))
    }

    fn end(&mut self) -> Option<Samples> {
        self.end = None;
        self.collector.take()?.join().ok()
    }
}

impl Drop for CpuSampling {
    fn drop(&mut self) {
        self.end();
    }
}

/// The thread of a profile: takes the samples of the others, and sees to those that begin, until `ended` says so.
fn collect(mut sampler: Sampler, ended: &Receiver<()>) -> Samples {
    let mut samples = Samples::default();
    let mut all_attached = Ok(());
    while ended.recv_timeout(COLLECT_EVERY) == Err(RecvTimeoutError::Timeout) {
        sampler.take(|sample| samples.add(sample));
        if all_attached.is_ok() {
            all_attached = sampler.attach_new_threads();
        }
    }
    sampler.stop();
    sampler.take(|sample| samples.add(sample));
    if let Err(error) = all_attached {
        warn!(target: "fastway::admin::cpuprof", %error, "the CPU profile lacks threads that began while it was taken");
    }
    samples
}

/// What was sampled, summed up.
#[derive(Debug, Default)]
struct Samples {
    /// The names of threads.
    threads: HashMap<u32, String>,
    sums: HashMap<(u32, Box<[usize]>), Sum>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    samples: u64,
    cpu: Duration,
}

impl Samples {
    fn add(&mut self, sample: Sample<'_>) {
        self.threads.entry(sample.thread).or_insert_with(|| thread_name(sample.thread));
        let mut key = (sample.thread, sample.stack.into());
        if self.sums.len() >= MOST_STACKS && !self.sums.contains_key(&key) {
            key.1 = sample.stack.iter().copied().take(1).collect();
        }
        let sum = self.sums.entry(key).or_default();
        sum.samples += 1;
        sum.cpu += sample.cpu;
    }

    fn count(&self) -> u64 {
        self.sums.values().map(|sum| sum.samples).sum()
    }

    fn profile(&self, started: SystemTime, span: Duration) -> Vec<u8> {
        const CPU: (&str, &str) = ("cpu", "nanoseconds");
        // The last value is the one that is shown unless another is asked for.
        let mut profile = ProfileBuilder::new(&[("samples", "count"), CPU]);
        profile.span(started, span, (CPU, PERIOD));
        let mut symbols = Symbols::alone();
        for ((thread, stack), Sum { samples, cpu }) in &self.sums {
            let mut frames = Vec::new();
            stack.iter().for_each(|address| frames.extend_from_slice(symbols.at(*address)));
            let values =
                [i64::try_from(*samples), i64::try_from(cpu.as_nanos())].map(|value| value.unwrap_or(i64::MAX));
            let thread = self.threads.get(thread).map_or("", String::as_str);
            profile.add_labelled(&frames, &values, ("thread", thread));
        }
        profile.encode()
    }
}

fn thread_name(thread: u32) -> String {
    let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
    name.map_or_else(|_ended| format!("{thread}"), |name| name.trim_end().to_owned())
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

    #[test]
    fn a_profile_that_goes_on_for_days_keeps_a_bounded_number_of_stacks_and_all_cpu_time() {
        let mut samples = Samples::default();
        let count = MOST_STACKS + 1000;
        for inner in 0..count {
            samples.add(Sample { thread: 1, cpu: PERIOD, stack: &[inner % 10, inner] });
        }
        assert!(samples.sums.len() <= MOST_STACKS + 10, "{}", samples.sums.len());
        assert_eq!(samples.count(), count as u64);
        assert_eq!(samples.sums.values().map(|sum| sum.cpu).sum::<Duration>(), PERIOD * u32::try_from(count).unwrap());
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
