//! From the values of flags to a configuration that agrees with itself.

use std::ffi::OsString;

use fastway::config::{Config, Limits, Settings, Startup};
use fastway::drain::DrainTimes;

use super::address::ListenAddr;
use super::command_line::CommandLine;
use super::fault::{Fault, Faults};
use super::flags::{ClientFlags, Flags, GatewayFlags, LimitFlags, ProcessFlags, ServerFlags};
use super::invocation::Options;
use super::overlay::{limit, set, timeout};
use super::values::show_size;
use super::{admin, key, proxies, sessions};

/// Lays the flags over the defaults and checks what depends on more than one of them.
///
/// # Errors
/// All that do not agree.
pub(super) fn options(
    flags: Flags,
    line: &CommandLine,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Options, Faults> {
    let mut config = Config::default();
    set(&mut config.settings.shutdown_grace, flags.process.shutdown_grace);
    startup(&mut config.startup, &flags.gateway);
    client(&mut config.settings, &flags.client);
    server(&mut config.settings, &flags.server);
    set(&mut config.listen.client, addresses(&flags.client.client_addr));
    set(&mut config.listen.server, addresses(&flags.server.server_addr));
    limits(&mut config.settings.limits, &flags.limits);
    raise_defaults(&mut config, line);

    let mut faults = Faults::default();
    let server_keys = key::find(&flags.server, line, env, &mut faults);
    let is_unguarded = server_keys.is_none();
    config.settings.server_auth_keys = server_keys.unwrap_or_default();
    faults.extend(check_order(&config, line));
    faults.extend(["--client-addr", "--server-addr"].into_iter().flat_map(|flag| given_twice(flag, line)));
    proxies::merge(&mut config.settings, &flags, line, &mut faults);
    let session_notices = sessions::merge(&mut config, &flags.sessions, line, &mut faults);
    let name = flags.process.name.clone().unwrap_or_default();
    let pid_file = flags.process.pid_file.clone().unwrap_or_default();
    let (admin, admin_notice) = admin::merge(flags.admin, &name, line, env, &mut faults);
    let key_notice = if is_unguarded { None } else { faults.take(key::guard(&mut config, line)) };

    let odd_keys = config.settings.server_auth_keys.iter().filter_map(key::odd_ends);
    let notices = key_notice.into_iter().chain(odd_keys).chain(admin_notice).chain(session_notices).collect();
    let (log_level, log_format) = (flags.process.log_level, flags.process.log_format.unwrap_or_default());
    let ProcessFlags { drain_delay, drain_timeout, drain_spread, .. } = flags.process;
    let [delay, timeout, spread] = [drain_delay, drain_timeout, drain_spread].map(Option::unwrap_or_default);
    let drain = DrainTimes { delay, timeout, spread };
    let addr_flags = ["--client-addr", "--server-addr", "--admin-addr"];
    let addr_flags = addr_flags.into_iter().filter(|flag| line.given(flag).is_some()).collect();
    faults.or(Options { config, admin, addr_flags, name, pid_file, drain, log_level, log_format, notices })
}

/// The addresses that were given, if any were.
fn addresses(given: &[ListenAddr]) -> Option<Vec<String>> {
    (!given.is_empty()).then(|| given.iter().map(|addr| addr.text().to_owned()).collect())
}

/// Addresses that stand behind the same one. Random ports are different ones.
fn given_twice<'a>(flag: &str, line: &'a CommandLine) -> impl Iterator<Item = Fault> + 'a {
    let given = line.given(flag);
    given.into_iter().flat_map(|given| {
        let mut seen = Vec::new();
        let again = given.texts().iter().filter(move |text| {
            let is_again = !text.meant.ends_with(":0") && seen.contains(&text.meant.as_str());
            seen.push(&text.meant);
            is_again
        });
        again.map(|text| Fault::new(text.place.clone(), given.invalid(text, "each address once")))
    })
}

fn startup(startup: &mut Startup, flags: &GatewayFlags) {
    set(&mut startup.workers, flags.workers);
    startup.reuse_port = flags.reuse_port;
    set(&mut startup.max_packet, flags.max_packet);
    set(&mut startup.pool.strategy, flags.mem_pool_type);
    set(&mut startup.pool.factor, flags.mem_pool_factor);
    set(&mut startup.pool.min_chunk, flags.mem_pool_min_chunk);
    set(&mut startup.pool.max_chunk, flags.mem_pool_max_chunk);
    set(&mut startup.pool.page_bytes, flags.mem_pool_page_size);
}

fn client(settings: &mut Settings, flags: &ClientFlags) {
    set(&mut settings.client_max_conns, flags.client_max_conn.map(limit));
    set(&mut settings.client.buffer_bytes, flags.client_buffer_size);
    set(&mut settings.client.send_queue_packets, flags.client_send_chan_size);
    set(&mut settings.client.send_queue_bytes, flags.client_send_bytes);
    set(&mut settings.client_slow_grace, flags.client_slow_grace);
    set(&mut settings.client.idle_timeout, flags.client_idle_timeout.map(timeout));
}

fn server(settings: &mut Settings, flags: &ServerFlags) {
    settings.allow_anonymous_servers = flags.allow_anonymous_servers;
    set(&mut settings.server.buffer_bytes, flags.server_buffer_size);
    set(&mut settings.server.send_queue_packets, flags.server_send_chan_size);
    set(&mut settings.server.send_queue_bytes, flags.server_send_bytes);
    set(&mut settings.server.idle_timeout, flags.server_idle_timeout.map(timeout));
}

fn limits(limits: &mut Limits, flags: &LimitFlags) {
    set(&mut limits.max_handshakes, flags.max_handshakes);
    set(&mut limits.max_accepts_per_second, flags.max_accepts_per_second.map(limit));
    set(&mut limits.max_links, flags.max_links);
    set(&mut limits.max_links_per_address, flags.max_links_per_address.map(|n| limit(n as usize)));
    set(&mut limits.ipv6_prefix, flags.ipv6_prefix_length);
    set(&mut limits.max_dials_per_second, flags.max_dials_per_second.map(limit));
    set(&mut limits.max_bytes_per_second, flags.max_bytes_per_second.map(|bytes| limit(bytes as u64)));
    set(&mut limits.max_buffered_bytes, flags.max_buffered_bytes);
}

/// Sizes that were not given follow those that were: a start line of the original with a large MaxPacket or
/// MemPoolMaxChunk knows nothing of the bounds that came later.
fn raise_defaults(config: &mut Config, line: &CommandLine) {
    // Room for the frame that is being sent and for those that follow it.
    let packets = 4 * (fastway_wire::LEN_BYTES + config.startup.max_packet as usize);
    let raise = |size: &mut usize, flag, least: usize| {
        if line.given(flag).is_none() {
            *size = least.max(*size);
        }
    };
    raise(&mut config.settings.client.send_queue_bytes, "--client-send-bytes", packets);
    raise(&mut config.settings.server.send_queue_bytes, "--server-send-bytes", packets);
    raise(&mut config.startup.pool.page_bytes, "--mem-pool-page-size", config.startup.pool.max_chunk);
}

/// Sizes of which one must not be above the other.
fn check_order(config: &Config, line: &CommandLine) -> impl Iterator<Item = Fault> {
    let (pool, settings) = (&config.startup.pool, &config.settings);
    let packet = Bound("--max-packet", config.startup.max_packet as usize);
    let largest_chunk = Bound("--mem-pool-max-chunk", pool.max_chunk);
    let faults = [
        at_most(Bound("--mem-pool-min-chunk", pool.min_chunk), largest_chunk, line),
        at_most(largest_chunk, Bound("--mem-pool-page-size", pool.page_bytes), line),
        at_most(packet, Bound("--client-send-bytes", settings.client.send_queue_bytes), line),
        at_most(packet, Bound("--server-send-bytes", settings.server.send_queue_bytes), line),
        settings.limits.max_buffered_bytes.most().and_then(|bytes| one_message_fits(config, bytes, line)),
    ];
    faults.into_iter().flatten()
}

/// A part of the memory for all links may wait for one client: it must hold a message.
fn one_message_fits(config: &Config, buffered_bytes: usize, line: &CommandLine) -> Option<Fault> {
    let least = config.startup.least_buffered_bytes();
    let given = line.given("--max-buffered-bytes").filter(|_| buffered_bytes < least)?;
    let packet = Bound("--max-packet", config.startup.max_packet as usize);
    let accepted =
        format!("at least {least} bytes, so that an eighth of it holds a message (the {}), or 0", packet.show(line));
    (!line.is_unusable(packet.0)).then(|| given.fault(&accepted))
}

/// A flag and the size that holds for it.
#[derive(Clone, Copy)]
struct Bound(&'static str, usize);

impl Bound {
    fn show(self, line: &CommandLine) -> String {
        format!("{} of {}", show_size(self.1), line.written(self.0))
    }
}

/// Blames the flag that was given; the defaults agree with each other.
fn at_most(low: Bound, high: Bound, line: &CommandLine) -> Option<Fault> {
    if low.1 <= high.1 || line.is_unusable(low.0) || line.is_unusable(high.0) {
        return None;
    }
    let too_low = || line.given(high.0).map(|given| given.fault(&format!("at least the {}", low.show(line))));
    let too_high = || line.given(low.0).map(|given| given.fault(&format!("at most the {}", high.show(line))));
    too_low().or_else(too_high)
}
