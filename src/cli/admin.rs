//! The admin listener: whether there is one, where, and who may use it.

use std::ffi::OsString;

use fastway::config::Secret;
use fastway_admin::http::{HttpConfig, is_token};
use fastway_service::process::Name;

use super::address::{AdminAddr, ListenAddr, Reach};
use super::error::UsageError;
use super::flags::AdminFlags;
use super::key::ADMIN_TOKEN;
use super::normalize::CommandLine;

/// What the flags say, and what the operator should know about it.
pub(super) fn merge(
    flags: AdminFlags,
    name: &Name,
    line: &CommandLine,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(HttpConfig, Option<String>), UsageError> {
    let token = ADMIN_TOKEN.find(flags.admin_token.as_ref(), flags.admin_token_file.as_deref(), line, env)?;
    if !token.is_empty() && !is_token(token.expose()) {
        return Err(UsageError::BadAdminToken);
    }
    let (addr, notice) = match flags.admin_addr {
        Some(AdminAddr::At(addr)) => guard(&addr, &token, line).map(|(addr, notice)| (Some(addr), notice))?,
        Some(AdminAddr::Off) | None => (None, None),
    };
    let hosts = flags.admin_host.unwrap_or_default().0;
    let config =
        HttpConfig { addr, token, hosts, ready_needs_server: flags.admin_ready_needs_server, name: name.clone() };
    Ok((config, notice))
}

/// Without a token anybody who reaches the listener could steer the gateway: keeps it to this machine, or refuses an
/// address that says otherwise.
fn guard(addr: &ListenAddr, token: &Secret, line: &CommandLine) -> Result<(String, Option<String>), UsageError> {
    match addr.reach() {
        Reach::Unnamed { port } if token.is_empty() => Ok((format!("127.0.0.1:{port}"), Some(LOOPBACK.to_owned()))),
        Reach::Network if token.is_empty() => {
            Err(UsageError::AdminWithoutToken { flag: line.written("--admin-addr"), addr: addr.text().into() })
        }
        _ => Ok((addr.text().to_owned(), None)),
    }
}

const LOOPBACK: &str = "no admin token: the admin listener answers on 127.0.0.1 only; \
    --admin-token-file, FASTWAY_ADMIN_TOKEN or --admin-token gives a token";
