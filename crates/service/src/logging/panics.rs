//! Panics in the log: the standard library writes its message to stderr by itself, and waits for whoever reads that.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing::error;

/// Has every panic logged, with the backtrace that `RUST_BACKTRACE` asks for.
pub(super) fn log_them() {
    panic::set_hook(Box::new(log));
}

fn log(panicked: &PanicHookInfo<'_>) {
    let message = panicked.payload_as_str().unwrap_or("with something that is no text");
    let location = panicked.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let thread = thread::current();
    error!(target: "fastway::logging::panics", thread = thread.name(), location, backtrace, "panicked: {message}");
}
