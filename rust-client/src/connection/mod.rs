//! Virtual connections, as the application holds them.

mod batch;
mod io;
mod recv;
mod send;
mod whole;

pub use batch::Batch;
pub use io::ConnectionIo;
pub use recv::{RecvHalf, ReuniteError, TryRecv};
pub use send::{Pace, SendHalf};
pub use whole::Connection;
