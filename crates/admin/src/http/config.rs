//! What the admin listener is told at start.

use fastway_service::process::Name;

use fastway_service::Secret;

/// Where the admin listener answers, and whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where to listen, in the form `host:port`, `[v6]:port` or `:port`; `None`: nowhere, unless a listener is inherited.
    pub addr: Option<String>,
    /// What requests prove to know. Empty: nothing, and the listener answers on loopback addresses only.
    pub token: Secret,
    /// Names of hosts, in lower case, by which requests without a token may call this one, besides `localhost`.
    pub hosts: Vec<String>,
    /// Whether the gateway is not ready while no game server is registered.
    pub ready_needs_server: bool,
    /// What tells this gateway from others: the first part of its files' names.
    pub name: Name,
}
