//! Load balancers in front of the ports: who is trusted with which of them.

use fastway::config::{ProxyProtocol, Settings};

use super::error::UsageError;
use super::flags::Flags;
use super::normalize::CommandLine;
use super::overlay::set;

/// Lays the flags over the defaults.
pub(super) fn merge(settings: &mut Settings, flags: &Flags, line: &CommandLine) -> Result<(), UsageError> {
    set(&mut settings.client.proxy_protocol, flags.client.client_proxy_protocol);
    set(&mut settings.server.proxy_protocol, flags.server.server_proxy_protocol);
    set(&mut settings.trusted_proxies, flags.gateway.proxy_trusted.clone());

    let ports = [("--client-proxy-protocol", &settings.client), ("--server-proxy-protocol", &settings.server)];
    let takes_headers = ports.into_iter().find(|(_, port)| port.proxy_protocol != ProxyProtocol::Off);
    match takes_headers {
        Some((flag, _)) if settings.trusted_proxies.is_empty() => {
            Err(UsageError::NobodyTrusted { flag: line.written(flag) })
        }
        None if !settings.trusted_proxies.is_empty() => {
            Err(UsageError::TrustedForNothing { flag: line.written("--proxy-trusted") })
        }
        _ => Ok(()),
    }
}
