//! The tests that see the gateway from outside: its binary, its wire, its files and signals, its SDK and examples.
//!
//! One program, so that it is linked once. A test is named by its file: `cargo test --test blackbox limits::`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod admin_api;
mod admin_commands;
mod admin_http;
mod admin_metrics;
mod admin_page;
mod admin_pprof;
mod allocations;
mod architecture;
mod chaos;
mod cli;
mod completion;
mod config_file;
mod config_schema;
mod container;
mod crosstalk;
mod ctl;
mod ctl_socket;
mod drain;
mod embedded;
mod examples;
mod fairness;
mod front_ends;
mod health;
mod hostile;
mod key_files;
mod layers;
mod leaks;
mod lifecycle;
mod limits;
mod links_shown;
mod log_delivery;
mod log_targets;
mod login_herd;
mod logs;
mod manifests;
mod memory;
mod mux_protocol;
mod observer;
mod original_flags;
mod ownership;
mod packaging;
mod packaging_images;
mod planted_files;
mod process;
mod proxy_protocol;
mod readme;
mod reload;
mod rolling_deploy;
mod rough_ends;
mod run_time_settings;
mod sdk;
mod sdk_cancellation;
mod sdk_connect;
mod sdk_connections;
mod sdk_drain;
mod sdk_reconnect;
mod sdk_session;
mod sdk_session_address;
mod sdk_session_transfer;
mod session_attacks;
mod session_gateway;
mod session_herd;
mod session_limits;
mod session_overload;
mod session_policy;
mod session_waiting;
mod shutdown;
mod slow_peers;
mod systemd;
mod tour;
mod wrong_port;
