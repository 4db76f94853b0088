//! Settings of the admin listener.

use fastway_service::process::Name;

use fastway_service::Secret;

/// The address of the admin listener, and its conditions for access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where to listen, in the form `host:port`, `[v6]:port` or `:port`.
    pub addr: String,
    /// The token that requests must have. If it is empty, none is needed, and the listener must be on a loopback
    /// address.
    pub token: Secret,
    /// Names of hosts, in lower case, by which requests without a token may call this one, besides `localhost`.
    pub hosts: Vec<String>,
    /// Whether the gateway is not ready while no game server is registered.
    pub ready_needs_server: bool,
    /// The name of this gateway: the first part of its file names.
    pub name: Name,
}
