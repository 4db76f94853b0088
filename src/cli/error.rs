//! What can be wrong with a command line.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::key_file::KeyFileError;

/// A fault in the command line, the operator's to mend. Its text is one line of bounded length.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum UsageError {
    /// A word is not UTF-8. Its value stays out of the text: it may be a key.
    #[error("argument {position}{flag} is not UTF-8: expected UTF-8 text{hint}")]
    NotUtf8 {
        /// Which word, counted from 1.
        position: usize,
        /// The flag in it, ready to print, or nothing.
        flag: OneLine,
        /// What helps, ready to print, or nothing.
        hint: &'static str,
    },
    /// A word that is neither a flag nor the value of one.
    #[error("unexpected argument '{word}': expected flags only, written --flag value or --flag=value{hint}")]
    UnexpectedArgument {
        /// The word.
        word: OneLine,
        /// What was probably meant, ready to print, or nothing.
        hint: OneLine,
    },
    /// A word behind `--`. The original ignores such words, flags among them.
    #[error(
        "unexpected argument '{word}' behind --: expected nothing there, since a word or flag there would have no effect"
    )]
    AfterFlags {
        /// The word.
        word: OneLine,
    },
    /// No flag has this name.
    #[error("unknown flag {flag}: {hint}")]
    UnknownFlag {
        /// The flag as written.
        flag: OneLine,
        /// The nearest known flag, or where the list is.
        hint: OneLine,
    },
    /// The line ends, or goes on with a flag, where a value should be.
    #[error("{flag} needs a value, as in {flag}={arg_name}: {description}")]
    MissingValue {
        /// The flag as written.
        flag: OneLine,
        /// What kind of value.
        arg_name: &'static str,
        /// What the flag is for.
        description: &'static str,
    },
    /// A value that its flag does not take.
    #[error("invalid value '{value}' for {flag}: expected {accepted}")]
    InvalidValue {
        /// The flag as written.
        flag: OneLine,
        /// The value as written.
        value: OneLine,
        /// What the flag takes.
        accepted: OneLine,
    },
    /// A secret is given twice, so that one of them would silently not count.
    #[error("{value} and {file} both give {secret}: expected one of them")]
    TwoSecrets {
        /// What it is, for instance `the server key`.
        secret: &'static str,
        /// The flag with the secret, as written.
        value: OneLine,
        /// The flag with the file, as written.
        file: OneLine,
    },
    /// The file of a secret cannot be read.
    #[error("cannot read '{path}', the file of {flag}: {source}: expected a readable file with {secret}")]
    SecretFile {
        /// What it should hold, for instance `the server key`.
        secret: &'static str,
        /// The flag as written.
        flag: OneLine,
        /// The path.
        path: OneLine,
        /// Why not.
        source: io::Error,
    },
    /// Anybody could register as a game server.
    #[error(
        "{flag} '{addr}' can be reached from outside and there is no server key, so that anybody could register as a game server: \
         expected a key (--server-auth-key-file, FASTWAY_SERVER_AUTH_KEY or --server-auth-key), a loopback address, or --allow-anonymous-servers"
    )]
    OpenWithoutKey {
        /// The flag of the address, as written.
        flag: OneLine,
        /// The address.
        addr: OneLine,
    },
    /// Anybody could steer the gateway.
    #[error(
        "{flag} '{addr}' can be reached from outside and there is no admin token, so that anybody could steer the gateway: \
         expected a token (--admin-token-file, FASTWAY_ADMIN_TOKEN or --admin-token) or a loopback address"
    )]
    AdminWithoutToken {
        /// The flag of the address, as written.
        flag: OneLine,
        /// The address.
        addr: OneLine,
    },
    /// The admin token can be guessed, or cannot stand in a header. It stays out of the text.
    #[error(
        "the admin token is too short or has characters that no header takes: expected 16 to 4096 printable ASCII characters \
         without blanks, such as `head -c 24 /dev/urandom | base64` makes them"
    )]
    BadAdminToken,
    /// The file of the gateway's private key is of no use.
    #[error("cannot use '{path}', the file of {flag}: {source}")]
    SessionKey {
        /// The flag as written.
        flag: OneLine,
        /// The path.
        path: OneLine,
        /// Why not.
        source: KeyFileError,
    },
    /// The server port cannot admit plain links beside others.
    #[error(
        "{flag} cannot have plain beside other kinds: the gateway speaks first to plain servers, so that it cannot wait for what they are; \
         expected plain alone, or secure, legacy or both"
    )]
    MixedServerLinks {
        /// The flag as written.
        flag: OneLine,
    },
    /// Peers are to check a key that there is not.
    #[error(
        "{flag} has secure-nk, and there is no key that peers could check: expected --session-key FILE, from fastway keygen"
    )]
    NoKeyToCheck {
        /// The flag as written.
        flag: OneLine,
    },
    /// PROXY headers of nobody would be believed.
    #[error(
        "{flag} needs the addresses of the load balancers, since headers of others are not believed: \
         expected --proxy-trusted with them, as in --proxy-trusted 10.0.0.0/8, or {flag} off"
    )]
    NobodyTrusted {
        /// The flag as written.
        flag: OneLine,
    },
    /// Peers are trusted with something that no port takes.
    #[error(
        "{flag} has no effect, since no port takes PROXY headers: \
         expected --client-proxy-protocol or --server-proxy-protocol beside it"
    )]
    TrustedForNothing {
        /// The flag as written.
        flag: OneLine,
    },
    /// `fastway keygen` without the name of a file.
    #[error("keygen needs the name of a file for the private key, as in: fastway keygen gateway.key")]
    NoKeyFile,
    /// `fastway keygen` with a word too many.
    #[error("unexpected argument '{word}': keygen takes the name of one file, as in: fastway keygen gateway.key")]
    OneKeyFile {
        /// The word.
        word: OneLine,
    },
    /// `fastway init` with a word that names no file.
    #[error("unexpected argument '{word}': init takes the name of one file, as in: fastway init fastway.toml")]
    OneConfigFile {
        /// The word.
        word: OneLine,
    },
    /// `fastway ctl` without a command.
    #[error("ctl needs a command, as in: fastway ctl help")]
    NoCommand,
    /// `fastway completion` without a shell, or with a word too many.
    #[error("completion needs the name of one shell, bash, zsh or fish, as in: fastway completion bash")]
    NoShell,
    /// `fastway man` with a word too many.
    #[error("unexpected argument '{word}': man takes none")]
    AfterMan {
        /// The word.
        word: OneLine,
    },
    /// argh found a fault that the checks before it should have found.
    #[error("{0}")]
    Other(OneLine),
}

/// Text from outside, made fit for one line: control characters are escaped, an end beyond
/// [`OneLine::MAX_CHARS`] is cut.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct OneLine(String);

impl OneLine {
    /// How many characters of the original are shown.
    pub(crate) const MAX_CHARS: usize = 200;
}

impl<T: AsRef<str>> From<T> for OneLine {
    fn from(text: T) -> Self {
        let text = text.as_ref();
        let mut line = String::new();
        for c in text.chars().take(Self::MAX_CHARS) {
            if breaks_line(c) { line.extend(c.escape_default()) } else { line.push(c) }
        }
        if text.chars().nth(Self::MAX_CHARS).is_some() {
            line.push('…');
        }
        Self(line)
    }
}

/// Whether a terminal or a log reader may take `c` for more than a character: controls, the two
/// Unicode line ends, and the marks that turn the direction of writing.
fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OneLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(OneLine::from("--größe='1 K'").to_string(), "--größe='1 K'");
    }

    #[test]
    fn line_ends_and_escapes_are_shown_not_sent() {
        assert_eq!(OneLine::from("a\nb\x1b[2J\u{2028}").to_string(), "a\\nb\\u{1b}[2J\\u{2028}");
    }

    #[test]
    fn long_text_is_cut() {
        let shown = OneLine::from("x".repeat(1_000_000)).to_string();
        assert_eq!(shown, format!("{}…", "x".repeat(OneLine::MAX_CHARS)));
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_line(text in prop::collection::vec(any::<char>(), 0..300)) {
            let shown = OneLine::from(String::from_iter(text)).to_string();
            prop_assert!(!shown.chars().any(breaks_line));
        }
    }
}
