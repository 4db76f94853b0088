//! Where secrets come from, and what the gateway does without a server key.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use fastway::config::{Config, Secret};

use super::address::{ListenAddr, Reach};
use super::command_line::{CommandLine, ParsedFlag, Text};
use super::error::UsageError;
use super::fault::{Fault, Faults};
use super::flags::ServerFlags;

/// More than any secret: what is longer was not meant, or does not end.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// A secret and the places that it may come from.
pub(crate) struct Source {
    /// What it is.
    secret: &'static str,
    flag: &'static str,
    file_flag: &'static str,
    /// Where it may come from if no flag gives it.
    variable: &'static str,
}

/// What game servers prove to know.
pub(crate) const SERVER_KEY: Source = Source {
    secret: "the server key",
    flag: "--server-auth-key",
    file_flag: "--server-auth-key-file",
    variable: "FASTWAY_SERVER_AUTH_KEY",
};

/// What requests to the admin listener prove to know.
pub(crate) const ADMIN_TOKEN: Source = Source {
    secret: "the admin token",
    flag: "--admin-token",
    file_flag: "--admin-token-file",
    variable: "FASTWAY_ADMIN_TOKEN",
};

/// The server keys: from the flag, else from the files, else from the environment, else none. `None`: there is a fault.
pub(super) fn find(
    flags: &ServerFlags,
    line: &CommandLine,
    env: &dyn Fn(&str) -> Option<OsString>,
    faults: &mut Faults,
) -> Option<Vec<Secret>> {
    SERVER_KEY.find(flags.server_auth_key.as_ref(), &flags.server_auth_key_file, line, env, faults)
}

impl Source {
    /// The secrets: from the flag (`value`), else from the files (`paths`), else from the environment, else none. `None`:
    /// there is a fault.
    pub(super) fn find(
        &self,
        value: Option<&Secret>,
        paths: &[PathBuf],
        line: &CommandLine,
        env: &dyn Fn(&str) -> Option<OsString>,
        faults: &mut Faults,
    ) -> Option<Vec<Secret>> {
        if line.is_unusable(self.flag) || line.is_unusable(self.file_flag) {
            return None;
        }
        let found = match (line.given(self.flag), line.given(self.file_flag)) {
            (Some(value), Some(file)) => {
                faults.push(self.two_secrets(value, file));
                return None;
            }
            (_, Some(file)) => return self.read_files(file, paths, faults),
            (Some(_), None) => value.cloned().unwrap_or_default(),
            (None, None) => self.in_environment(env),
        };
        Some(Some(found).filter(|secret| !secret.is_empty()).into_iter().collect())
    }

    /// The flag that gives the secret itself.
    pub(crate) fn flag(&self) -> &'static str {
        self.flag
    }

    /// Whether the secret is the variable's.
    pub(crate) fn is_from_environment(&self, line: &CommandLine, env: &dyn Fn(&str) -> Option<OsString>) -> bool {
        let is_given = [self.flag, self.file_flag].into_iter().any(|flag| line.given(flag).is_some());
        !is_given && !self.in_environment(env).is_empty()
    }

    /// What the variable holds.
    fn in_environment(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Secret {
        Secret::new(without_line_ends(env(self.variable).unwrap_or_default().into_vec()))
    }

    /// Blames the one that stands behind the other.
    fn two_secrets(&self, value: &ParsedFlag, file: &ParsedFlag) -> Fault {
        let place = value.place().max(file.place()).cloned();
        let (value, file) = (value.written.clone(), file.written.clone());
        Fault::new(place, UsageError::TwoSecrets { secret: self.secret, value, file })
    }

    fn read_files(&self, given: &ParsedFlag, paths: &[PathBuf], faults: &mut Faults) -> Option<Vec<Secret>> {
        let secrets = given.texts().iter().zip(paths).map(|(text, path)| {
            let failed = |error| faults.push(Fault::new(text.place.clone(), error));
            self.read_file(given, text, path).map_err(failed).ok()
        });
        // All of them are read, so that each fault is found.
        let secrets: Vec<_> = secrets.collect();
        secrets.into_iter().collect()
    }

    fn read_file(&self, given: &ParsedFlag, text: &Text, path: &Path) -> Result<Secret, UsageError> {
        let bytes = read_bounded(path).map_err(|source| UsageError::SecretFile {
            secret: self.secret,
            flag: given.written.clone(),
            path: text.meant.as_str().into(),
            source,
        })?;
        let bytes = without_line_ends(bytes);
        if bytes.is_empty() {
            return Err(given.invalid(text, &format!("a file with {} in it; this one is empty", self.secret)));
        }
        Ok(Secret::new(bytes))
    }
}

/// Line ends at the end do not count, whichever kind and however many.
fn without_line_ends(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.pop_if(|last| matches!(last, b'\r' | b'\n')).is_some() {}
    bytes
}

/// What an operator should know of a server key that has more at its ends than somebody would type.
pub(super) fn odd_ends(key: &Secret) -> Option<String> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let key = key.expose();
    let is_blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let odd = if key.starts_with(BYTE_ORDER_MARK) || key.ends_with(BYTE_ORDER_MARK) {
        "a byte order mark"
    } else if is_blank(key.first()) || is_blank(key.last()) {
        "white space"
    } else {
        return None;
    };
    Some(format!("the server key has {odd} at its beginning or end, which counts: game servers must have the same"))
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    let is_short = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES);
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {MAX_FILE_BYTES} bytes"));
    is_short.then_some(bytes).ok_or_else(too_long)
}

/// Without a key anybody who reaches the server port can be a game server: keeps the port to this
/// machine, or refuses an address that says otherwise. Returns what the operator should know.
pub(super) fn guard(config: &mut Config, line: &CommandLine) -> Result<Option<String>, Fault> {
    if !config.settings.server_auth_keys.is_empty() || line.is_unusable("--server-addr") {
        return Ok(None);
    }
    let reach = |text: &str| ListenAddr::parse(text).map_or(Reach::Network, |addr| addr.reach());
    let addrs = &mut config.listen.server;
    if addrs.iter().all(|addr| reach(addr) == Reach::Loopback) {
        return Ok(None);
    }
    if config.settings.allow_anonymous_servers {
        return Ok(Some(OPEN.to_owned()));
    }
    let given = line.given("--server-addr").into_iter().flat_map(ParsedFlag::texts);
    if let Some(open) = given.into_iter().find(|text| reach(&text.meant) == Reach::Network) {
        let (flag, addr) = (line.written("--server-addr"), open.meant.as_str().into());
        return Err(Fault::new(open.place.clone(), UsageError::OpenWithoutKey { flag, addr }));
    }
    for addr in addrs {
        if let Reach::Unnamed { port } = reach(addr) {
            *addr = format!("127.0.0.1:{port}");
        }
    }
    Ok(Some(LOOPBACK.to_owned()))
}

const LOOPBACK: &str = "no server key: the server port listens on 127.0.0.1 only; \
    --server-auth-key-file, FASTWAY_SERVER_AUTH_KEY or --server-auth-key gives a key, --allow-anonymous-servers does without";

const OPEN: &str =
    "no server key: whoever reaches the server port can register as a game server (--allow-anonymous-servers)";
