//! What the parts of a frame's way through the gateway cost, each alone, in time: `cargo bench --bench data_path`.
//!
//! Without `--bench` among its arguments (`cargo test --bench data_path`) everything runs once, to show that it runs.

#[path = "../parts/mod.rs"]
mod parts;
mod shared_pool;

use std::time::Duration;

use criterion::{Criterion, Throughput};

struct Clock(Criterion);

impl parts::Bench for Clock {
    fn case(&mut self, name: &str, count: u64, mut work: impl FnMut()) {
        let (part, what) = name.split_once(": ").unwrap_or(("", name));
        let mut group = self.0.benchmark_group(part);
        group.throughput(Throughput::Elements(count));
        group.bench_function(what, |bencher| bencher.iter(&mut work));
        group.finish();
    }
}

fn main() {
    let criterion = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    let mut clock = Clock(criterion.configure_from_args());
    parts::measure_all(&mut clock);
    shared_pool::run(&mut clock.0);
    clock.0.final_summary();
}
