//! What the gateway owes to the system it runs on: the pid file, signals, limits (`docs/protocol.md`, process contract).

mod descriptors;
mod files;
mod pid_file;
mod signals;
mod usage;

pub use descriptors::raise_descriptor_limit;
pub(crate) use descriptors::{DescriptorShare, SpareDescriptor};
pub use files::{Files, Name, NameError};
pub use pid_file::{NotRunning, PidFile, PidFileError, running_gateway};
pub use signals::{Signal, Signals};
pub use usage::Usage;
