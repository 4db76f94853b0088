//! Every flag, as argh sees it, in the groups and the order of `--help`.
//!
//! The doc comment of a field is its line in `--help`; the one of a struct is the heading above its
//! flags. A default is named as `(default …)` and a test holds it against `Config::default()`.
//! `docs/protocol.md` §1 lists the flags that the original gateway has too.

use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use fastway::config::{
    LinkKinds, LinkLimit, MemoryLimit, PoolStrategy, PrefixLength, ProxyProtocol, Secret, TrustedProxies,
};
use fastway_service::logging::LogFormat;
use fastway_service::process::{Name, PidFilePlace};
use tracing::Level;

use super::address::{AdminAddr, HostNames, ListenAddr};
use super::command_line::CommandLine;
use super::error::UsageError;
use super::table::Table;
use super::values;

/// All flags of one command line; `None` where a flag was not given.
#[derive(Debug)]
pub(crate) struct Flags {
    /// See [`GatewayFlags`].
    pub gateway: GatewayFlags,
    /// See [`ClientFlags`].
    pub client: ClientFlags,
    /// See [`ServerFlags`].
    pub server: ServerFlags,
    /// See [`LimitFlags`].
    pub limits: LimitFlags,
    /// See [`SessionFlags`].
    pub sessions: SessionFlags,
    /// See [`AdminFlags`].
    pub admin: AdminFlags,
    /// See [`ProcessFlags`].
    pub process: ProcessFlags,
}

/// Gateway:
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct GatewayFlags {
    /// threads that carry links, 1 to 256 (default 1)
    #[argh(option, arg_name = "N", from_str_fn(values::workers))]
    pub workers: Option<usize>,
    /// share both ports (SO_REUSEPORT) with other gateway processes
    #[argh(switch)]
    pub reuse_port: bool,
    /// networks whose PROXY headers are believed, a,b (default empty)
    #[argh(option, arg_name = "NETWORKS", from_str_fn(values::trusted_proxies))]
    pub proxy_trusted: Option<TrustedProxies>,
    /// longest message, counted from its ConnID on (default 512K)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::max_packet))]
    pub max_packet: Option<u32>,
    /// how workers share free buffers: sync, atom, chan (default atom)
    #[argh(option, arg_name = "TYPE", from_str_fn(values::pool_strategy))]
    pub mem_pool_type: Option<PoolStrategy>,
    /// ratio of a buffer size to the one below (default 2)
    #[argh(option, arg_name = "N", from_str_fn(values::pool_factor))]
    pub mem_pool_factor: Option<usize>,
    /// smallest pooled buffer (default 64)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::buffer))]
    pub mem_pool_min_chunk: Option<usize>,
    /// largest pooled buffer (default 64K)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::buffer))]
    pub mem_pool_max_chunk: Option<usize>,
    /// memory the pool keeps for each buffer size (default 1M)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::pool_page))]
    pub mem_pool_page_size: Option<usize>,
}

/// Clients (players):
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct ClientFlags {
    /// where clients connect; may be repeated (default :0)
    #[argh(option, arg_name = "ADDR", from_str_fn(values::listen_addr))]
    pub client_addr: Vec<ListenAddr>,
    /// PROXY headers: off, optional, required (default off)
    #[argh(option, arg_name = "MODE", from_str_fn(values::client_proxy_protocol))]
    pub client_proxy_protocol: Option<ProxyProtocol>,
    /// connections a client may have open; 0: no limit (default 16)
    #[argh(option, arg_name = "N", from_str_fn(values::limit))]
    pub client_max_conn: Option<u32>,
    /// first buffer for a message that arrived in part (default 2K)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::buffer))]
    pub client_buffer_size: Option<usize>,
    /// packets that may wait for a client (default 1000)
    #[argh(option, arg_name = "N", from_str_fn(values::queue))]
    pub client_send_chan_size: Option<usize>,
    /// bytes that may wait, 16 times as much for a while (default 8M)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::size))]
    pub client_send_bytes: Option<usize>,
    /// how long more may wait before a client is closed (default 5s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub client_slow_grace: Option<Duration>,
    /// close a client silent for this long; 0: never (default 30s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub client_idle_timeout: Option<Duration>,
}

/// Game servers:
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct ServerFlags {
    /// where servers connect; loopback without key; repeats (default :0)
    #[argh(option, arg_name = "ADDR", from_str_fn(values::listen_addr))]
    pub server_addr: Vec<ListenAddr>,
    /// PROXY headers: off, required (default off)
    #[argh(option, arg_name = "MODE", from_str_fn(values::server_proxy_protocol))]
    pub server_proxy_protocol: Option<ProxyProtocol>,
    /// what servers must know; a flag shows it in ps (default empty)
    #[argh(option, arg_name = "KEY", from_str_fn(values::secret))]
    pub server_auth_key: Option<Secret>,
    /// file with the key; given again, a further key is valid as well
    #[argh(option, arg_name = "FILE")]
    pub server_auth_key_file: Vec<PathBuf>,
    /// open the server port to the network without a key
    #[argh(switch)]
    pub allow_anonymous_servers: bool,
    /// first buffer for a message that arrived in part (default 64K)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::buffer))]
    pub server_buffer_size: Option<usize>,
    /// packets that may wait; then its clients wait (default 100000)
    #[argh(option, arg_name = "N", from_str_fn(values::queue))]
    pub server_send_chan_size: Option<usize>,
    /// bytes that may wait; then its clients wait (default 16M)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::size))]
    pub server_send_bytes: Option<usize>,
    /// close a server silent for this long; 0: never (default 30s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub server_idle_timeout: Option<Duration>,
}

/// Limits (0: no limit):
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct LimitFlags {
    /// handshakes at a time on each port, at least 1 (default 1024)
    #[argh(option, arg_name = "N", from_str_fn(values::queue))]
    pub max_handshakes: Option<usize>,
    /// connections accepted from clients; further ones wait (default 0)
    #[argh(option, arg_name = "N", from_str_fn(values::limit))]
    pub max_accepts_per_second: Option<u32>,
    /// client links; auto leaves descriptors for others (default auto)
    #[argh(option, arg_name = "N", from_str_fn(values::link_limit))]
    pub max_links: Option<LinkLimit>,
    /// client links from one IP address (default 0)
    #[argh(option, arg_name = "N", from_str_fn(values::limit))]
    pub max_links_per_address: Option<u32>,
    /// bits of an IPv6 address that count as one, 32 to 128 (default 64)
    #[argh(option, arg_name = "N", from_str_fn(values::prefix_length))]
    pub ipv6_prefix_length: Option<PrefixLength>,
    /// dials by one client; further ones are refused (default 0)
    #[argh(option, arg_name = "N", from_str_fn(values::limit))]
    pub max_dials_per_second: Option<u32>,
    /// bytes read from one client; then it is read slower (default 0)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::size))]
    pub max_bytes_per_second: Option<usize>,
    /// memory held for all links; auto: a quarter (default auto)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::memory_limit))]
    pub max_buffered_bytes: Option<MemoryLimit>,
}

/// Sessions (resumable links):
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct SessionFlags {
    /// what clients may use (default plain)
    #[argh(option, arg_name = "LIST", from_str_fn(values::link_kinds))]
    pub client_link: Option<LinkKinds>,
    /// what servers may use: plain alone, or sessions (default plain)
    #[argh(option, arg_name = "LIST", from_str_fn(values::link_kinds))]
    pub server_link: Option<LinkKinds>,
    /// file with the private key, from fastway keygen; may be repeated
    #[argh(option, arg_name = "FILE")]
    pub session_key: Vec<PathBuf>,
    /// sessions that may wait; then the oldest one ends (default 100000)
    #[argh(option, arg_name = "N", from_str_fn(values::queue))]
    pub max_waiting: Option<usize>,
    /// bytes that may wait for all of these (default 256M)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::size))]
    pub max_waiting_bytes: Option<usize>,
    /// sessions of one address that may wait (default 10000)
    #[argh(option, arg_name = "N", from_str_fn(values::queue))]
    pub max_waiting_per_address: Option<usize>,
    /// bytes that may wait for these (default 64M)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::size))]
    pub max_waiting_bytes_per_address: Option<usize>,
    /// handshakes in progress from one address (default 256)
    #[argh(option, arg_name = "N", from_str_fn(values::queue))]
    pub max_handshakes_per_address: Option<usize>,
    /// handshakes computed in a second; 0: no limit (default 0)
    #[argh(option, arg_name = "N", from_str_fn(values::limit))]
    pub max_handshakes_per_second: Option<u32>,
    /// secure and legacy sessions for clients, no plain links
    #[argh(switch)]
    pub client_snet_enable: bool,
    /// encrypt the legacy sessions of clients
    #[argh(switch)]
    pub client_snet_encrypt: bool,
    /// bytes a legacy session can send again (default 64K)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::buffer))]
    pub client_snet_buffer: Option<usize>,
    /// time for the handshake; 0: no limit (default 10s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub client_snet_init_timeout: Option<Duration>,
    /// time to come back (default 60s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub client_snet_wait_timeout: Option<Duration>,
    /// secure and legacy sessions for servers, no plain links
    #[argh(switch)]
    pub server_snet_enable: bool,
    /// encrypt the legacy sessions of servers
    #[argh(switch)]
    pub server_snet_encrypt: bool,
    /// bytes a legacy session can send again (default 64K)
    #[argh(option, arg_name = "SIZE", from_str_fn(values::buffer))]
    pub server_snet_buffer: Option<usize>,
    /// time for the handshake; 0: no limit (default 10s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub server_snet_init_timeout: Option<Duration>,
    /// time to come back (default 60s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub server_snet_wait_timeout: Option<Duration>,
}

/// Administration over HTTP:
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct AdminFlags {
    /// where HTTP is answered; loopback without a token (default off)
    #[argh(option, arg_name = "ADDR", from_str_fn(values::admin_addr))]
    pub admin_addr: Option<AdminAddr>,
    /// what requests must know; a flag shows it in ps (default empty)
    #[argh(option, arg_name = "TOKEN", from_str_fn(values::secret))]
    pub admin_token: Option<Secret>,
    /// file with the token; line ends at its end do not count
    #[argh(option, arg_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// host names, a,b, for requests without a token (default empty)
    #[argh(option, arg_name = "NAMES", from_str_fn(values::host_names))]
    pub admin_host: Option<HostNames>,
    /// not ready while no game server is registered
    #[argh(switch)]
    pub admin_ready_needs_server: bool,
}

/// Process:
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct ProcessFlags {
    /// file with values for all of these; flags win over it
    #[argh(option, arg_name = "FILE")]
    #[expect(dead_code, reason = "the file is read before the other flags are")]
    pub config: Option<PathBuf>,
    /// first part of NAME.pid, NAME.cmd and the like (default fastway)
    #[argh(option, arg_name = "NAME", from_str_fn(values::name))]
    pub name: Option<Name>,
    /// where the process id is written; none: nowhere (default NAME.pid)
    #[argh(option, arg_name = "FILE", from_str_fn(values::pid_file))]
    pub pid_file: Option<PidFilePlace>,
    /// error, warn, info, debug, trace; or see RUST_LOG (default info)
    #[argh(option, arg_name = "LEVEL", from_str_fn(values::log_level))]
    pub log_level: Option<Level>,
    /// how log lines look: text, json (default text)
    #[argh(option, arg_name = "FORMAT", from_str_fn(values::log_format))]
    pub log_format: Option<LogFormat>,
    /// how long newcomers are let in when a drain begins (default 0)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub drain_delay: Option<Duration>,
    /// how long clients may stay after that (default 0)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub drain_timeout: Option<Duration>,
    /// time over which the ends of those who stay are spread (default 0)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub drain_spread: Option<Duration>,
    /// time to send what waits before an end (default 3s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::duration))]
    pub shutdown_grace: Option<Duration>,
    /// print the version
    #[argh(switch)]
    #[expect(dead_code, reason = "it is looked for before the other flags are read")]
    pub version: bool,
}

/// Flags of `fastway ctl`:
#[derive(Debug, FromArgs, ArgsInfo)]
pub(crate) struct CtlFlags {
    /// the gateway's --name (default fastway)
    #[argh(option, arg_name = "NAME", from_str_fn(values::name))]
    pub name: Option<Name>,
    /// the gateway's working directory (default: this one)
    #[argh(option, arg_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// the gateway's --pid-file (default NAME.pid)
    #[argh(option, arg_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// the gateway's process, where several share a name
    #[argh(option, arg_name = "PID", from_str_fn(values::pid))]
    pub pid: Option<u32>,
    /// how long to wait for the answer (default 30s)
    #[argh(option, arg_name = "TIME", from_str_fn(values::time_limit))]
    pub timeout: Option<Duration>,
}

impl Flags {
    /// The tables of all groups. `--help`, which argh puts into each, is in the last one only.
    pub(crate) fn tables() -> [Table; 7] {
        let mut tables = [
            Table::of::<GatewayFlags>("gateway"),
            Table::of::<ClientFlags>("gateway"),
            Table::of::<ServerFlags>("gateway"),
            Table::of::<LimitFlags>("gateway"),
            Table::of::<SessionFlags>("gateway"),
            Table::of::<AdminFlags>("admin"),
            Table::of::<ProcessFlags>("process"),
        ];
        let [others @ .., _] = &mut tables;
        others.iter_mut().for_each(|table| table.flags.retain(|flag| flag.long != "--help"));
        tables
    }

    /// Has argh read the flags of a command line, each group its own.
    pub(super) fn from_line(line: &CommandLine, tables: &[Table; 7]) -> Result<Self, UsageError> {
        let [gateway, client, server, limits, sessions, admin, process] = tables;
        Ok(Self {
            gateway: group(line, gateway)?,
            client: group(line, client)?,
            server: group(line, server)?,
            limits: group(line, limits)?,
            sessions: group(line, sessions)?,
            admin: group(line, admin)?,
            process: group(line, process)?,
        })
    }
}

impl CtlFlags {
    /// The table of these flags.
    pub(super) fn table() -> Table {
        Table::of::<Self>("")
    }

    /// Has argh read the flags of a command line.
    pub(super) fn from_line(line: &CommandLine, table: &Table) -> Result<Self, UsageError> {
        group(line, table)
    }
}

fn group<G: FromArgs>(line: &CommandLine, table: &Table) -> Result<G, UsageError> {
    G::from_args(&[], &line.words_for(table)).map_err(|exit| line.attribute_error(&exit.output))
}
