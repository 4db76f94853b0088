//! Where the server key comes from, and what the gateway does without one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::address::{ListenAddr, Reach};
use super::error::UsageError;
use super::flags::ServerFlags;
use super::normalize::{CommandLine, Given};
use crate::config::{Config, Secret};

/// Where the key may come from if no flag gives it.
const KEY_VARIABLE: &str = "FASTWAY_SERVER_AUTH_KEY";

/// More than any key: what is longer was not meant, or does not end.
const MAX_KEY_FILE_BYTES: u64 = 64 << 10;

/// The server key: from its flag, else from its file, else from the environment, else none.
pub(super) fn find(
    flags: &ServerFlags,
    line: &CommandLine,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Secret, UsageError> {
    match (line.given("--server-auth-key"), line.given("--server-auth-key-file")) {
        (Some(key), Some(file)) => Err(UsageError::TwoKeys { key: key.written.clone(), file: file.written.clone() }),
        (_, Some(file)) => read_file(file, flags.server_auth_key_file.as_deref().unwrap_or(Path::new(""))),
        (Some(_), None) => Ok(flags.server_auth_key.clone().unwrap_or_default()),
        (None, None) => Ok(Secret::new(env(KEY_VARIABLE).unwrap_or_default().into_vec())),
    }
}

fn read_file(given: &Given, path: &Path) -> Result<Secret, UsageError> {
    let mut key = read_bounded(path).map_err(|source| UsageError::KeyFile {
        flag: given.written.clone(),
        path: given.text().into(),
        source,
    })?;
    key.pop_if(|last| *last == b'\n');
    if key.is_empty() { Err(given.invalid("a file with a key in it; this one is empty")) } else { Ok(Secret::new(key)) }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut key = Vec::new();
    File::open(path)?.take(MAX_KEY_FILE_BYTES + 1).read_to_end(&mut key)?;
    let is_short = u64::try_from(key.len()).is_ok_and(|length| length <= MAX_KEY_FILE_BYTES);
    let too_long =
        || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {MAX_KEY_FILE_BYTES} bytes"));
    is_short.then_some(key).ok_or_else(too_long)
}

/// Without a key anybody who reaches the server port can be a game server: keeps the port to this
/// machine, or refuses an address that says otherwise. Returns what the operator should know.
pub(super) fn guard(config: &mut Config, line: &CommandLine) -> Result<Option<String>, UsageError> {
    if !config.server_auth_key.is_empty() {
        return Ok(None);
    }
    match ListenAddr::parse(&config.server.addr).map(|addr| addr.reach()) {
        Some(Reach::Loopback) => Ok(None),
        _ if config.allow_anonymous_servers => Ok(Some(OPEN.to_owned())),
        Some(Reach::Unnamed { port }) => {
            config.server.addr = format!("127.0.0.1:{port}");
            Ok(Some(LOOPBACK.to_owned()))
        }
        _ => Err(UsageError::OpenWithoutKey {
            flag: line.written("--server-addr"),
            addr: config.server.addr.as_str().into(),
        }),
    }
}

const LOOPBACK: &str = "no server key: the server port listens on 127.0.0.1 only; \
    --server-auth-key-file, FASTWAY_SERVER_AUTH_KEY or --server-auth-key gives a key, --allow-anonymous-servers does without";

const OPEN: &str =
    "no server key: whoever reaches the server port can register as a game server (--allow-anonymous-servers)";
