//! What a gateway can be told, checked and with units in the types.
//!
//! The command line of the program makes a [`Config`]; a program that embeds the gateway fills one itself. Each of its parts
//! says when it can change.

mod kinds;
mod proxies;
mod settings;
mod startup;

pub use fastway_service::{Cidr, PrefixLength, Secret};
pub use fastway_session::KeyPair;

pub use self::kinds::LinkKinds;
pub use self::proxies::{ProxyProtocol, TrustedProxies};
pub(crate) use self::settings::CLIENT_SHARE;
pub use self::settings::{
    Limits, LinkLimit, MemoryLimit, SessionConfig, SessionsConfig, Settings, SideConfig, WaitingLimits,
};
pub use self::startup::Startup;
pub use crate::mux::pool::{PoolConfig, PoolStrategy};
pub use fastway_admin::observe::{PerSide, Side};

/// Everything that a gateway needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// What holds as long as the gateway runs.
    pub startup: Startup,
    /// Where clients and servers connect, at least one address each, in the form `host:port`, `[v6]:port` or `:port`.
    pub listen: PerSide<Vec<String>>,
    /// What can change while it runs.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            startup: Startup::default(),
            listen: PerSide::new(|_| vec![":0".to_owned()]),
            settings: Settings::default(),
        }
    }
}
