//! What an operator can ask of a running gateway: commands in a file, run on a signal, answered in the log
//! (`docs/protocol.md`, process contract).
//!
//! A [`Registry`] knows the commands; an embedder adds its own to it. On a signal an [`AdminThread`] reads the
//! [`CommandFile`] and runs its lines one after the other, away from the threads that serve links.

mod command_file;
mod cpuprof;
mod lookup;
mod memory;
mod registry;
mod thread;

pub use command_file::{CommandFile, CommandFileError};
pub use cpuprof::register_cpuprof;
pub use lookup::Verbosity;
pub use memory::register_lookup_gc;
pub use registry::{Args, CommandError, Excerpt, RegisterError, Registry};
pub use thread::AdminThread;
