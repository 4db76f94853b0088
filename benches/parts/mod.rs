//! The parts of a frame's way through the gateway, each alone, for whoever measures them.

mod inbox;
mod outbox;
pub(crate) mod pool;
mod routing;
mod wire;

/// Bytes of a frame with 64 bytes of payload, the usual size of a game's message.
const FRAME_BYTES: usize = 72;

/// Measures cases in its own unit: time, instructions.
pub(crate) trait Bench {
    /// Measures `work`, which does something `count` times each time it is called.
    fn case(&mut self, name: &str, count: u64, work: impl FnMut());
}

/// Has each part measured.
pub(crate) fn measure_all(bench: &mut impl Bench) {
    wire::measure(bench);
    routing::measure(bench);
    inbox::measure(bench);
    outbox::measure(bench);
    pool::measure(bench);
}
