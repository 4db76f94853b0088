//! Errors of a group.

use crate::{ConfigError, DialError};

/// Why a [`ServerGroup::add`](crate::ServerGroup::add) added nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// A setting that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Called outside of a tokio runtime, which the gateway's task needs.
    #[error("there is no tokio runtime here; call it from one, with I/O and time enabled")]
    NoRuntime,
    /// `close` was called on the group.
    #[error("the group is closed; make a new one")]
    Closed,
}

/// Why a [`ServerGroup::dial`](crate::ServerGroup::dial) gave no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupDialError {
    /// No such gateway was added.
    #[error("the gateway {gateway} is not in this group; add it first")]
    UnknownGateway {
        /// The address as it was given.
        gateway: String,
    },
    /// There is no link to it at the moment.
    #[error("the gateway {gateway} is not connected at the moment")]
    NotConnected {
        /// The address as it was given.
        gateway: String,
    },
    /// The dial itself failed.
    #[error(transparent)]
    Dial(#[from] DialError),
}
