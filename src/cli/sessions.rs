//! Sessions: which links are admitted, and what sessions may cost.

use std::path::PathBuf;

use fastway::config::{Config, KeyPair, LinkKinds};

use super::command_line::{CommandLine, ParsedFlag};
use super::error::UsageError;
use super::fault::{Fault, Faults};
use super::flags::SessionFlags;
use super::overlay::{limit, set, timeout};
use crate::key_file;

/// Lays the flags over the defaults. Returns what the operator should know.
pub(super) fn merge(config: &mut Config, flags: &SessionFlags, line: &CommandLine, faults: &mut Faults) -> Vec<String> {
    config.settings.client.kinds = kinds(flags.client_link, flags.client_snet_enable);
    config.settings.server.kinds = kinds(flags.server_link, flags.server_snet_enable);
    of_ports(config, flags);
    let sessions = &mut config.settings.sessions;
    set(&mut sessions.max_handshakes_per_address, flags.max_handshakes_per_address);
    set(&mut sessions.max_handshakes_per_second, flags.max_handshakes_per_second.map(limit));
    set(&mut sessions.waiting.sessions, flags.max_waiting);
    set(&mut sessions.waiting.bytes, flags.max_waiting_bytes);
    set(&mut sessions.waiting.sessions_per_address, flags.max_waiting_per_address);
    set(&mut sessions.waiting.bytes_per_address, flags.max_waiting_bytes_per_address);
    sessions.keys = read_keys(&flags.session_key, line, faults);
    check_kinds(config, line, faults);
    notices(config)
}

fn read_keys(paths: &[PathBuf], line: &CommandLine, faults: &mut Faults) -> Vec<KeyPair> {
    let texts = line.given(KEY).map(ParsedFlag::texts).unwrap_or_default();
    let keys = texts.iter().zip(paths).map(|(text, path)| {
        let failed = |source| {
            let (flag, path) = (line.written(KEY), text.meant.as_str().into());
            Fault::new(text.place.clone(), UsageError::SessionKey { flag, path, source })
        };
        key_file::read(path).map_err(failed)
    });
    keys.filter_map(|key| key.map_err(|fault| faults.push(fault)).ok()).collect()
}

/// What one port cannot have, and what it needs a key for.
fn check_kinds(config: &Config, line: &CommandLine, faults: &mut Faults) {
    let (client, server) = (config.settings.client.kinds, config.settings.server.kinds);
    if server.plain && server.with_sessions() {
        let flag = line.written("--server-link");
        faults.push(line.fault("--server-link", UsageError::MixedServerLinks { flag }));
    }
    // A key that was given and is at fault is reported already.
    if line.given(KEY).is_some() || line.is_unusable(KEY) {
        return;
    }
    for (flag, kinds) in [("--client-link", client), ("--server-link", server)] {
        if kinds.secure && !kinds.unpinned {
            faults.push(line.fault(flag, UsageError::NoKeyToCheck { flag: line.written(flag) }));
        }
    }
}

const KEY: &str = "--session-key";

/// A list says exactly what is admitted; the original's switch stands for both kinds of sessions.
fn kinds(listed: Option<LinkKinds>, snet_enable: bool) -> LinkKinds {
    let otherwise = if snet_enable { LinkKinds::SESSIONS } else { LinkKinds::PLAIN };
    listed.unwrap_or(otherwise)
}

fn of_ports(config: &mut Config, flags: &SessionFlags) {
    let client = &mut config.settings.client.session;
    client.legacy_encrypt = flags.client_snet_encrypt;
    set(&mut client.legacy_replay_bytes, flags.client_snet_buffer);
    set(&mut client.handshake_time, flags.client_snet_init_timeout.map(timeout));
    set(&mut client.wait, flags.client_snet_wait_timeout);
    let server = &mut config.settings.server.session;
    server.legacy_encrypt = flags.server_snet_encrypt;
    set(&mut server.legacy_replay_bytes, flags.server_snet_buffer);
    set(&mut server.handshake_time, flags.server_snet_init_timeout.map(timeout));
    set(&mut server.wait, flags.server_snet_wait_timeout);
}

fn notices(config: &Config) -> Vec<String> {
    let (client, server) = (config.settings.client.kinds, config.settings.server.kinds);
    let any = |admitted: fn(LinkKinds) -> bool| admitted(client) || admitted(server);
    let notices = [
        (any(|kinds| kinds.legacy), LEGACY),
        (any(|kinds| kinds.secure) && config.settings.sessions.keys.is_empty(), WITHOUT_KEY),
        (server.unpinned && !config.settings.sessions.keys.is_empty(), UNPINNED_SERVERS),
        (any(LinkKinds::with_sessions) && config.startup.reuse_port, REUSE_PORT),
    ];
    notices.into_iter().filter(|(applies, _)| *applies).map(|(_, notice)| notice.to_owned()).collect()
}

const LEGACY: &str = "legacy sessions are admitted: they protect nothing against anybody who tries; \
    once all peers have secure sessions, --client-link secure and --server-link secure turn legacy ones away";

const WITHOUT_KEY: &str = "no session key: secure sessions cannot prove who the gateway is, and clients that pin its key are refused; \
    fastway keygen makes a key, --session-key names its file";

const UNPINNED_SERVERS: &str = "game servers may open secure sessions without checking the gateway's key (pattern NN), \
    so that somebody in between can be the gateway to them; --server-link secure-nk turns those away";

const REUSE_PORT: &str = "sessions with --reuse-port: a session lives in the process that it was opened in, \
    so resumes fail where several processes share a port";
