//! Load balancers in front of the ports: who is trusted with which of them.

use fastway::config::{ProxyProtocol, Settings};

use super::command_line::CommandLine;
use super::error::UsageError;
use super::fault::Faults;
use super::flags::Flags;
use super::overlay::set;

/// Lays the flags over the defaults.
pub(super) fn merge(settings: &mut Settings, flags: &Flags, line: &CommandLine, faults: &mut Faults) {
    set(&mut settings.client.proxy_protocol, flags.client.client_proxy_protocol);
    set(&mut settings.server.proxy_protocol, flags.server.server_proxy_protocol);
    set(&mut settings.trusted_proxies, flags.gateway.proxy_trusted.clone());

    let flags_of_all = ["--client-proxy-protocol", "--server-proxy-protocol", "--proxy-trusted"];
    if flags_of_all.into_iter().any(|flag| line.is_unusable(flag)) {
        return;
    }
    let ports = [("--client-proxy-protocol", &settings.client), ("--server-proxy-protocol", &settings.server)];
    let takes_headers = ports.into_iter().find(|(_, port)| port.proxy_protocol != ProxyProtocol::Off);
    match takes_headers {
        Some((flag, _)) if settings.trusted_proxies.is_empty() => {
            faults.push(line.fault(flag, UsageError::NobodyTrusted { flag: line.written(flag) }));
        }
        None if !settings.trusted_proxies.is_empty() => {
            let flag = "--proxy-trusted";
            faults.push(line.fault(flag, UsageError::TrustedForNothing { flag: line.written(flag) }));
        }
        _ => {}
    }
}
