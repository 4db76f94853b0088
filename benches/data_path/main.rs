//! What the parts of a frame's way through the gateway cost, each alone: `cargo bench`.
//!
//! Without `--bench` among its arguments (`cargo test --bench data_path`) everything runs once, to show that it runs.

mod outbox;
mod pool;
mod routing;
mod wire;

use std::time::Duration;

use criterion::Criterion;

/// Bytes of a frame with 64 bytes of payload, the usual size of a game's message.
const FRAME_BYTES: usize = 72;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    wire::run(&mut criterion);
    routing::run(&mut criterion);
    outbox::run(&mut criterion);
    pool::run(&mut criterion);
    criterion.final_summary();
}
