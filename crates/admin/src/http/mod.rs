//! The admin listener: HTTP for operators and their programs (`docs/operations.md`).
//!
//! It has a thread of its own with a runtime of its own, so that it can neither starve the workers nor be starved by them.
//! What it tells of them it asks through [`Observe`], a bounded number of questions at a time; what it has them do, it
//! hands to the thread that runs commands.
//!
//! Without a token it answers only this machine, and only requests that no web page can have a browser make: see
//! `access`.

mod access;
mod answer;
mod app;
mod commands;
mod config;
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
mod subscribers;
mod trouble;
mod units;

pub use access::is_token;
pub use config::HttpConfig;
pub use listener::{HttpAdmin, HttpError, HttpListener};

#[cfg(doc)]
use crate::observe::Observe;
