//! What an operator can ask of a running gateway: commands in a file, run on a signal, answered in the log
//! (`docs/protocol.md`, process contract).
//!
//! A [`Registry`] knows the commands; an embedder adds its own to it. On a signal an [`AdminThread`] reads the
//! [`CommandFile`] and runs its lines one after the other, away from the threads that serve links.

mod block;
mod command_file;
mod cpuprof;
mod heap;
mod links;
mod log_level;
mod lookup;
mod memory;
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

use fastway_service::process::Files;

use crate::observer::Observer;

/// Adds every command that asks or steers a running gateway, with files named as [`Files`] says. A program adds its own
/// before or after:
///
/// ```
/// use fastway::admin::{self, Registry};
/// use fastway::process::{Files, Name};
/// # use fastway::{config::Config, gateway::Gateway};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut config = Config::default();
/// # config.client.addr = "127.0.0.1:0".to_owned();
/// # config.server.addr = "127.0.0.1:0".to_owned();
/// # let mut running = Gateway::bind(config)?.start()?;
/// let observer = running.observer();
/// let mut commands = Registry::default();
/// admin::register_all(&mut commands, &Files::new(".", Name::default()), &observer)?;
/// commands.register("players", "", "counts the players", move |args, answer| {
///     args.none()?;
///     let players = observer.report().workers.iter().map(|worker| worker.stats.sides.client.links()).sum::<u64>();
///     Ok(writeln!(answer, "{players} players")?)
/// })?;
/// let mut answer = String::new();
/// commands.run("players", &mut answer)?;
/// assert_eq!(answer, "0 players\n");
/// # running.stop();
/// # running.ended().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the registry has one of the commands already.
pub fn register_all(registry: &mut Registry, files: &Files, observer: &Observer) -> Result<(), RegisterError> {
    let asked = observer.clone();
    register_cpuprof(registry, files.path("cpu.prof"))?;
    register_heap(registry, files.path("heap.prof"))?;
    register_tasks(registry, observer.clone(), files.path("goroutine.prof"))?;
    register_block(registry, observer.clone(), files.path("block.prof"))?;
    register_threads(registry, files.path("threadcreate.prof"))?;
    register_lookup_gc(registry, move |lines| lines.push_str(&asked.report().to_string()))?;
    register_links(registry, observer)
}
