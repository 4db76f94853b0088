//! What the gateway owes to the system it runs on: the pid file, signals, limits (`docs/protocol.md`, process contract).

mod descriptors;
mod files;
mod memory;
mod pid_file;
mod service_manager;
mod signals;
mod socket_file;
mod trust;
mod usage;

pub use descriptors::{SpareDescriptor, descriptor_limit, raise_descriptor_limit};
pub use files::{Files, Name, NameError};
pub use memory::available_memory;
pub use pid_file::{NotRunning, PidFile, PidFileError, PidFilePlace, running_gateway, running_gateways, take_pid_file};
pub use service_manager::ServiceManager;
pub use signals::{Signal, Signals};
pub use socket_file::{SocketFile, SocketFileError, connect_socket_file};
pub use trust::{OtherWriter, check_directory, create_anew, read_text};
pub use usage::Usage;
