//! How much of its time a worker's thread computes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time of a thread, between two measurements.
#[derive(Debug, Default)]
pub(super) struct ThreadLoad {
    cpu: Duration,
    busy_permille: u32,
}

impl ThreadLoad {
    /// Measures the time since the last call, which was `elapsed` ago; the thread has used `cpu` since it began.
    pub(super) fn measure(&mut self, elapsed: Duration, cpu: Duration) {
        let used = cpu.saturating_sub(std::mem::replace(&mut self.cpu, cpu));
        self.busy_permille = permille(used, elapsed).unwrap_or(self.busy_permille);
    }

    /// The share of the time between the last two measurements in which the thread was on a processor.
    pub(super) fn busy_permille(&self) -> u32 {
        self.busy_permille
    }
}

/// The CPU time that this thread has used since it began: one system call.
pub(super) fn thread_cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// `None`: no time has passed.
fn permille(used: Duration, elapsed: Duration) -> Option<u32> {
    let share = used.as_micros().checked_mul(1000)?.checked_div(elapsed.as_micros())?;
    // A measurement may be late: more than one core is impossible.
    Some(u32::try_from(share.min(1000)).unwrap_or(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_core_is_used_time_by_elapsed_time() {
        let micros = Duration::from_micros;
        for (used, elapsed, share) in [
            (0, 1000, Some(0)),
            (250, 1000, Some(250)),
            (1000, 1000, Some(1000)),
            (1100, 1000, Some(1000)),
            (5, 0, None),
        ] {
            assert_eq!(permille(micros(used), micros(elapsed)), share, "{used} of {elapsed}");
        }
    }

    #[test]
    fn a_thread_that_computes_uses_cpu_time() {
        let before = thread_cpu();
        while thread_cpu() <= before {
            std::hint::spin_loop();
        }
        let mut load = ThreadLoad::default();
        load.measure(thread_cpu() * 2, thread_cpu());
        let busy = load.busy_permille();
        assert!((1..=1000).contains(&busy), "{busy}");
        load.measure(Duration::ZERO, thread_cpu());
        assert_eq!(load.busy_permille(), busy, "no time has passed");
    }
}
