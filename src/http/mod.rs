//! The admin listener: HTTP for whoever watches and steers a gateway, people and programs (`docs/operations.md`).
//!
//! It has a thread of its own with a runtime of its own, so that it can neither starve the workers nor be starved by them.
//! What it tells of them it asks through an [`Observer`], a bounded number of questions at a time; what it has them do, it
//! hands to the thread that runs commands.
//!
//! Without a token it answers this machine only, and only requests that no web page can have a browser make: see `access`.

mod access;
mod app;
mod commands;
mod connection;
mod connections;
mod events;
mod health;
mod history;
mod job_limiter;
mod links;
mod listener;
mod metrics;
mod pages;
mod profiles;
mod query;
mod ranking;
mod reply;
mod route;
mod sample;
mod stats;
mod trouble;

pub use access::is_token;
pub use listener::{HttpAdmin, HttpError, HttpListener};

use crate::config::Secret;
#[cfg(doc)]
use crate::gateway::Observer;
use crate::process::Name;

/// Where the admin listener answers, and whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where to listen, in the form `host:port`, `[v6]:port` or `:port`.
    pub addr: String,
    /// What requests prove to know. Empty: nothing, and the listener answers on loopback addresses only.
    pub token: Secret,
    /// Names of hosts, in lower case, by which requests without a token may call this one, besides `localhost`.
    pub hosts: Vec<String>,
    /// Whether the gateway is not ready while no game server is registered.
    pub ready_needs_server: bool,
    /// What tells this gateway from others: the first part of its files' names.
    pub name: Name,
}
