//! What every service of a fastway process shares. It knows no protocol.
//!
//! | shares of bounded resources: no I/O, no waiting, no clock | |
//! |---|---|
//! | [`AddressPrefix`] | the unit of fairness: the addresses that one peer is taken to hold |
//! | [`Cidr`] | networks, as operators write them |
//! | [`Shares`] | how much of a bounded resource each prefix holds |
//! | [`FairTable`] | the holders of a bounded resource, and which of them gives way first |
//! | [`FairQueue`] | work that waits for its turn, taken in rotation by prefix |
//! | [`PendingHandshakes`] | handshakes in progress, bounded in number and in time |
//! | [`HandshakePace`] | the share of a worker's time in which handshakes are computed |
//! | [`SharedRate`] | a bound on how often something happens in a second, in all threads together |
//! | [`Deadlines`] | a timing wheel |
//! | [`ByteAccount`] | the bytes held for all links, and whose link is closed for them |
//! | [`Kind`], [`Counts`] | enums whose variants have names, and how often each was met |
//!
//! | the process and the machine | |
//! |---|---|
//! | [`clock`] | time in milliseconds, for what is looked at now and then |
//! | [`listen`] | listening sockets, bound or inherited; the pause when accepting fails |
//! | [`logging`] | the log, which nobody waits for, and a limit for the lines that peers can cause |
//! | [`process`] | pid file, socket file, file names, signals, the service manager, descriptors, memory, what the process takes |
//! | [`Secret`] | bytes that must not show in logs |
//! | [`wake`] | waking a task after the next look at the sockets |

mod address_prefix;
mod byte_account;
mod cidr;
pub mod clock;
mod deadlines;
mod fair_queue;
mod fair_table;
mod handshake_pace;
mod kind;
pub mod listen;
pub mod logging;
mod pending_handshakes;
pub mod process;
mod secret;
mod shared_rate;
mod shares;
pub mod wake;

pub use address_prefix::{AddressPrefix, Ipv6Prefix, Network, PrefixLength};
pub use byte_account::{ByteAccount, ByteHolder};
pub use cidr::{Cidr, CidrError};
pub use deadlines::{Deadlines, TICK};
pub use fair_queue::FairQueue;
pub use fair_table::FairTable;
pub use handshake_pace::HandshakePace;
pub use kind::{Counts, Kind, PerKind};
pub use pending_handshakes::{HandshakeLimits, PendingHandshakes, Progress};
pub use secret::Secret;
pub use shared_rate::SharedRate;
pub use shares::{Share, Shares};
