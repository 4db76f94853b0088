//! What a result was measured on.

use std::fs;
use std::thread::available_parallelism;

use serde::Serialize;

/// Facts without which a figure means little. What the system does not tell is left out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: Option<String>,
    /// That this process may use.
    pub(crate) cores: usize,
    pub(crate) kernel: Option<String>,
    pub(crate) governor: Option<String>,
    /// Processes that wanted a processor over the last minute, when the run began.
    pub(crate) load_average: Option<String>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path| Some(fs::read_to_string(path).ok()?.trim().to_owned());
        Self {
            cpu: read("/proc/cpuinfo").as_deref().and_then(model),
            cores: available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease"),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            load_average: read("/proc/loadavg").and_then(|text| Some(text.split_whitespace().next()?.to_owned())),
        }
    }

    /// One line.
    pub(crate) fn describe(&self) -> String {
        let cores = format!("{} core{}", self.cores, if self.cores == 1 { "" } else { "s" });
        let facts = [
            self.cpu.clone(),
            Some(cores),
            self.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
            self.governor.as_ref().map(|governor| format!("governor {governor}")),
            self.load_average.as_ref().map(|load| format!("load average {load} at the start")),
        ];
        facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}
