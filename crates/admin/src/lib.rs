//! Administration of a fastway process: commands in a file, run on a signal and answered in the log
//! (`docs/protocol.md`, "Process contract"), profiles, and HTTP.
//!
//! A [`Registry`] holds the commands; an embedder adds its own to it. On a signal an [`AdminThread`] reads the
//! [`CommandFile`] and runs its lines one after the other, on a thread that serves no links. [`register_all`] adds all
//! commands of a gateway, with the profiles that they write.
//!
//! | | |
//! |---|---|
//! | [`http`] | the admin listener: JSON, metrics for Prometheus, profiles, commands, and the live page |
//! | [`observe`] | the trait that a gateway implements for all of this, and the plain data of its answers |

mod block;
mod command_file;
mod cpuprof;
mod heap;
pub mod http;
mod links;
mod log_level;
mod lookup;
mod memory;
pub mod observe;
mod output;
mod profile;
mod profile_format;
mod registry;
mod results;
mod symbols;
mod tasks;
mod thread;
mod threads;

pub(crate) use block::block_profile;
pub use block::register_block;
pub use command_file::{CommandFile, CommandFileError, Script};
pub(crate) use cpuprof::CpuSampling;
pub use cpuprof::register_cpuprof;
pub use heap::register_heap;
pub(crate) use heap::{WhenOff, heap_profile};
pub use links::register_links;
pub use log_level::register_log_level;
pub use lookup::Verbosity;
pub(crate) use memory::Allocator;
pub use memory::register_lookup_gc;
pub use registry::{Args, CommandError, CommandInfo, Excerpt, RegisterError, Registry};
pub use results::{Outcome, Results};
pub use tasks::register_tasks;
pub(crate) use tasks::task_profile;
pub use thread::{AdminThread, CallError, Caller};
pub use threads::register_threads;
pub(crate) use threads::thread_profile;

use std::sync::Arc;

use fastway_service::process::Files;

use crate::observe::Observe;

/// Adds all commands of a running gateway, which write their files to the paths of [`Files`]. A program may add its own
/// before or after.
///
/// # Errors
/// When the registry has one of the commands already.
pub fn register_all(registry: &mut Registry, files: &Files, observer: &Arc<dyn Observe>) -> Result<(), RegisterError> {
    let asked = Arc::clone(observer);
    register_cpuprof(registry, files.path("cpu.prof"))?;
    register_heap(registry, files.path("heap.prof"))?;
    register_tasks(registry, Arc::clone(observer), files.path("goroutine.prof"))?;
    register_block(registry, Arc::clone(observer), files.path("block.prof"))?;
    register_threads(registry, files.path("threadcreate.prof"))?;
    register_lookup_gc(registry, move |lines| lines.push_str(&asked.report().to_string()))?;
    register_links(registry, observer)
}
