//! The admin listener: whether there is one, where, and who may use it.

use std::ffi::OsString;

use fastway::config::Secret;
use fastway_admin::http::{HttpConfig, is_token};
use fastway_service::process::Name;

use super::address::{AdminAddr, ListenAddr, Reach};
use super::command_line::CommandLine;
use super::error::UsageError;
use super::fault::{Fault, Faults};
use super::flags::AdminFlags;
use super::key::ADMIN_TOKEN;

/// What the flags say, and what the operator should know about it.
pub(super) fn merge(
    flags: AdminFlags,
    name: &Name,
    line: &CommandLine,
    env: &dyn Fn(&str) -> Option<OsString>,
    faults: &mut Faults,
) -> (HttpConfig, Option<String>) {
    let paths = flags.admin_token_file.as_slice();
    let tokens = ADMIN_TOKEN.find(flags.admin_token.as_ref(), paths, line, env, faults);
    let is_unknown = tokens.is_none() || line.is_unusable(ADDR);
    let token = tokens.into_iter().flatten().next().unwrap_or_default();
    if !token.is_empty() && !is_token(token.expose()) {
        let blamed = if line.given(TOKEN_FILE).is_some() { TOKEN_FILE } else { TOKEN };
        faults.push(line.fault(blamed, UsageError::BadAdminToken));
    }
    let (addr, notice) = match flags.admin_addr {
        Some(AdminAddr::At(addr)) if !is_unknown => {
            let guarded = faults.take(guard(&addr, &token, line).map(Some));
            guarded.map_or((None, None), |(addr, notice)| (Some(addr), notice))
        }
        Some(AdminAddr::At(_) | AdminAddr::Off) | None => (None, None),
    };
    let hosts = flags.admin_host.unwrap_or_default().0;
    let config =
        HttpConfig { addr, token, hosts, ready_needs_server: flags.admin_ready_needs_server, name: name.clone() };
    (config, notice)
}

/// Without a token anybody who reaches the listener could steer the gateway: keeps it to this machine, or refuses an
/// address that says otherwise.
fn guard(addr: &ListenAddr, token: &Secret, line: &CommandLine) -> Result<(String, Option<String>), Fault> {
    match addr.reach() {
        Reach::Unnamed { port } if token.is_empty() => Ok((format!("127.0.0.1:{port}"), Some(LOOPBACK.to_owned()))),
        Reach::Network if token.is_empty() => {
            let (flag, addr) = (line.written(ADDR), addr.text().into());
            Err(line.fault(ADDR, UsageError::AdminWithoutToken { flag, addr }))
        }
        _ => Ok((addr.text().to_owned(), None)),
    }
}

const ADDR: &str = "--admin-addr";
const TOKEN: &str = "--admin-token";
const TOKEN_FILE: &str = "--admin-token-file";

const LOOPBACK: &str = "no admin token: the admin listener answers on 127.0.0.1 only; \
    --admin-token-file, FASTWAY_ADMIN_TOKEN or --admin-token gives a token";
