//! Which links a port admits.

use std::fmt;

use fastway_session::{Open, Pattern, Protocol};

/// Kinds of links that a port admits (`docs/protocol.md` §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkKinds {
    /// The mux protocol, in the open.
    pub plain: bool,
    /// Secure sessions of peers that check the gateway's key (pattern NK).
    pub secure: bool,
    /// Those of peers that do not, as well (pattern NN).
    pub unpinned: bool,
    /// Legacy sessions.
    pub legacy: bool,
}

impl LinkKinds {
    /// Links without a session.
    pub const PLAIN: Self = Self { plain: true, secure: false, unpinned: false, legacy: false };
    /// Sessions of both kinds, and nothing else.
    pub const SESSIONS: Self = Self { plain: false, secure: true, unpinned: true, legacy: true };

    /// What is admitted by these or by others.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self {
            plain: self.plain || others.plain,
            secure: self.secure || others.secure,
            unpinned: self.unpinned || others.unpinned,
            legacy: self.legacy || others.legacy,
        }
    }

    /// Whether some kind of session is admitted.
    pub const fn with_sessions(self) -> bool {
        self.secure || self.legacy
    }

    /// Whether links of a protocol are admitted.
    pub const fn admits(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Plain => self.plain,
            Protocol::Secure => self.secure,
            Protocol::Legacy => self.legacy,
        }
    }

    /// Whether a session may be opened that asks for this.
    pub fn admits_open(self, open: &Open) -> bool {
        self.admits(open.protocol()) && (self.unpinned || open.pattern() != Some(Pattern::Nn))
    }
}

/// For people: `plain links and secure sessions`.
impl fmt::Display for LinkKinds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.plain, "plain links"),
            (self.secure && self.unpinned, "secure sessions"),
            (self.secure && !self.unpinned, "secure sessions with the gateway's key pinned"),
            (self.legacy, "legacy sessions"),
        ];
        let names: Vec<_> = kinds.into_iter().filter(|(admitted, _)| *admitted).map(|(_, name)| name).collect();
        out.write_str(&names.join(" and "))
    }
}
