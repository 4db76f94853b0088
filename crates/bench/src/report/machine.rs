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

    /// A warning, if others wanted the processors when the run began.
    pub(crate) fn busy(&self) -> Option<String> {
        let load: f64 = self.load_average.as_ref()?.parse().ok()?;
        let cores = u32::try_from(self.cores).unwrap_or(u32::MAX);
        (load >= f64::from(cores)).then(|| {
            format!(
                "The machine was busy: a load average of {load} on {} when the run began. Other programs took the \
                 processors away in between, so the figures say little; measure again on a quiet machine.",
                self.cores_in_words()
            )
        })
    }

    fn cores_in_words(&self) -> String {
        format!("{} core{}", self.cores, if self.cores == 1 { "" } else { "s" })
    }

    /// One line.
    pub(crate) fn describe(&self) -> String {
        let facts = [
            self.cpu.clone(),
            Some(self.cores_in_words()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_a_load_of_all_its_cores_is_busy() {
        let machine = |load: &str| Machine {
            cpu: None,
            cores: 2,
            kernel: None,
            governor: None,
            load_average: Some(load.to_owned()),
        };
        for quiet in ["0.00", "1.99", "odd"] {
            assert_eq!(machine(quiet).busy(), None, "{quiet}");
        }
        let warning = machine("8.03").busy().unwrap();
        assert!(warning.starts_with("The machine was busy: a load average of 8.03 on 2 cores"), "{warning}");
        assert!(machine("2.00").busy().is_some());
    }
}
