//! One run of one work: what it is given, and what it records.

use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::load::{Conduct, Fault, Layout, Part, Setup, Stats, Traffic, Watch, run};
use crate::outcome::{Generator, Plots, Process, float};
use crate::progress::Progress;
use crate::target::{Allocations, Gateway, Template, Usage};

/// How long things take, and what is borne.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) time: Duration,
    pub(crate) warmup: Duration,
    pub(crate) patience: Duration,
    pub(crate) max_lag: Duration,
    /// Whether the generator asks for events again and again instead of sleeping until there are some.
    pub(crate) spin: bool,
    pub(crate) seed: u64,
}

/// What a work runs in.
pub(crate) struct Session<'a> {
    pub(crate) gateway: &'a Gateway,
    /// The command that tells what the gateway has allocated.
    pub(crate) allocations: Option<&'a Template>,
    pub(crate) settings: Settings,
    pub(crate) interrupted: &'a AtomicBool,
    pub(crate) progress: &'a mut Progress,
}

/// What a run recorded.
pub(crate) struct Recorded {
    pub(crate) parts: Vec<Part>,
    /// The gateway's process at the beginning and the end of each part; empty where it is not known.
    pub(crate) usage: Vec<(Usage, Usage)>,
    /// Bytes that the gateway has allocated during each part; empty where nobody knows.
    pub(crate) allocated: Vec<u64>,
}

/// What a work has found; the session knows the rest of an [`Outcome`].
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) seconds: f64,
    pub(crate) frames: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) process: Option<Process>,
    /// What the gateway has allocated.
    pub(crate) allocated_bytes: Option<u64>,
    pub(crate) generator: Generator,
    pub(crate) details: Map<String, Value>,
    pub(crate) plots: Plots,
}

impl<'a> Session<'a> {
    /// What the gateway has allocated, where it can be known.
    pub(crate) fn allocations(&self) -> Allocations<'a> {
        Allocations::new(self.gateway, self.allocations)
    }

    /// Runs `traffic` between the links of `layout`, recorded in parts of the given lengths; `on_part` is called when one
    /// begins.
    pub(crate) fn load(
        &mut self,
        layout: Layout,
        traffic: Traffic,
        parts: Vec<Duration>,
        on_part: &mut dyn FnMut(usize) -> Result<(), Fault>,
    ) -> Result<Recorded, Fault> {
        let Settings { warmup, patience, max_lag, spin, seed, .. } = self.settings;
        let setup = Setup::open(&self.gateway.addrs, layout, self.interrupted)?;
        let conduct = Conduct { warmup, parts, patience, max_lag, spin, seed };
        let (gateway, allocations) = (self.gateway, self.allocations());
        let progress = &mut *self.progress;
        let mut observer = Observer { gateway, allocations, progress, on_part, usage: Vec::new(), begun: None };
        let parts = run(setup, traffic, &conduct, &mut observer, self.interrupted)?;
        Ok(Recorded { parts, usage: observer.usage, allocated: observer.allocations.by_part() })
    }
}

impl Recorded {
    /// The findings of the parts that are `wanted`, by their number, as one.
    pub(crate) fn findings(&self, wanted: impl Fn(usize) -> bool) -> Findings {
        let stats = self.stats(&wanted);
        let processes = choose(&self.usage, &wanted).map(|(before, after)| Process::between(before, after));
        let busy: Vec<f64> = choose(&self.parts, &wanted).map(|part| part.busy).collect();
        Findings {
            seconds: stats.time().as_secs_f64(),
            frames: stats.frames,
            payload_bytes: stats.bytes,
            process: processes.reduce(Process::and),
            allocated_bytes: choose(&self.allocated, &wanted).copied().reduce(|sum, bytes| sum + bytes),
            generator: Generator::of(busy.iter().sum::<f64>() / float(busy.len().max(1) as u64), &stats.lag),
            details: Map::new(),
            plots: Plots { latency: Some(stats.latency), timeline: stats.timeline, ..Plots::default() },
        }
    }

    /// What was counted in the parts that are `wanted`.
    pub(crate) fn stats(&self, wanted: impl Fn(usize) -> bool) -> Stats {
        Stats::join(choose(&self.parts, wanted).map(|part| &part.stats))
    }
}

fn choose<T>(parts: &[T], wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = &T> {
    parts.iter().enumerate().filter(move |(number, _)| wanted(*number)).map(|(_, part)| part)
}

struct Observer<'a> {
    gateway: &'a Gateway,
    allocations: Allocations<'a>,
    progress: &'a mut Progress,
    on_part: &'a mut dyn FnMut(usize) -> Result<(), Fault>,
    usage: Vec<(Usage, Usage)>,
    begun: Option<Usage>,
}

impl Observer<'_> {
    /// A process that is gone shows in its links, and is named then.
    fn look_at_process(&self) -> Result<Option<Usage>, Fault> {
        self.gateway.usage().map_err(|error: io::Error| Fault::Kernel(error))
    }
}

impl Watch for Observer<'_> {
    fn is_past_border(&mut self) -> Result<bool, Fault> {
        Ok(self.allocations.are_read()?)
    }

    fn part_begins(&mut self, part: usize) -> Result<(), Fault> {
        (self.on_part)(part)?;
        self.begun = self.look_at_process()?;
        Ok(())
    }

    fn part_ends(&mut self, _part: usize) -> Result<(), Fault> {
        let ended = self.look_at_process()?;
        self.usage.extend(self.begun.take().zip(ended));
        Ok(())
    }

    fn look(&mut self, stats: Option<&Stats>) -> Result<(), Fault> {
        self.progress.show(stats);
        Ok(())
    }
}
