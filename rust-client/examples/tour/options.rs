//! What can be changed.

use std::env;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use argh::FromArgs;
use fastway_client::PublicKey;

use crate::gateway::{self, GatewayAddrs};
use crate::messages::{LEAST_BYTES, MOST_BYTES, Script};

/// Starts a gateway, two game servers and many players on this machine, and checks every byte that comes back.
#[derive(FromArgs)]
pub(crate) struct Options {
    /// players; each has one link and two connections (default 1000)
    #[argh(option, default = "1000")]
    pub(crate) players: u32,

    /// messages that go there and back on each connection (default 250)
    #[argh(option, default = "250")]
    messages: u32,

    /// bytes of the messages, by turns (default 12,64,200,1000)
    #[argh(option, default = "String::from(\"12,64,200,1000\")")]
    payloads: String,

    /// have the players' links encrypted, with the gateway's key pinned, and resumed when they are cut
    #[argh(switch)]
    secure: bool,

    /// cut the players' links, or let them fall silent, at random; needs --secure
    #[argh(switch)]
    pub(crate) chaos: bool,

    /// the gateway's program; without it cargo builds one
    #[argh(option)]
    gateway: Option<PathBuf>,

    /// client port of a gateway that runs already; its key is taken from FASTWAY_SERVER_AUTH_KEY
    #[argh(option)]
    client_addr: Option<String>,

    /// server port of that gateway
    #[argh(option)]
    server_addr: Option<String>,

    /// public key of that gateway, for --secure; it has to admit secure links
    #[argh(option)]
    public_key: Option<PublicKey>,
}

/// Where the gateway comes from.
pub(crate) enum Source {
    /// The tour starts it, with secure links or plain ones.
    Program { program: PathBuf, secure: bool },
    /// It runs already.
    Running(GatewayAddrs),
}

impl Options {
    /// Where the gateway comes from; it is built if need be.
    ///
    /// # Errors
    /// The options contradict each other, or the gateway cannot be built.
    pub(crate) fn source(&self) -> anyhow::Result<Source> {
        ensure!(self.secure || !self.chaos, "a plain link that is cut is gone: --chaos needs --secure");
        let secure = self.secure;
        match (&self.gateway, &self.client_addr, &self.server_addr) {
            (None, None, None) => Ok(Source::Program { program: gateway::build()?, secure }),
            (Some(program), None, None) => Ok(Source::Program { program: program.clone(), secure }),
            (None, Some(client), Some(server)) => {
                ensure!(
                    secure == self.public_key.is_some(),
                    "a gateway that runs has a key of its own: give --secure and --public-key, or neither"
                );
                let key = env::var("FASTWAY_SERVER_AUTH_KEY").unwrap_or_default();
                let (client, server) = (client.clone(), server.clone());
                Ok(Source::Running(GatewayAddrs { client, server, key, session: self.public_key }))
            }
            (Some(_), ..) => bail!("--gateway starts one, --client-addr and --server-addr use another: give either"),
            _ => bail!("a gateway that runs has two ports: give --client-addr and --server-addr"),
        }
    }

    /// What is said on each connection.
    ///
    /// # Errors
    /// A number is out of its range.
    pub(crate) fn script(&self) -> anyhow::Result<Script> {
        ensure!(self.players > 0, "--players is 0; there has to be one at least");
        ensure!(self.messages > 0, "--messages is 0; there has to be one at least");
        let sizes = self.payloads.split(',').map(payload_bytes).collect::<anyhow::Result<_>>()?;
        Ok(Script::new(self.messages, sizes))
    }
}

fn payload_bytes(text: &str) -> anyhow::Result<usize> {
    match text.trim().parse() {
        Ok(bytes) if (LEAST_BYTES..=MOST_BYTES).contains(&bytes) => Ok(bytes),
        _ => bail!("--payloads has {text:?}; it takes numbers from {LEAST_BYTES} to {MOST_BYTES}, with commas between"),
    }
}
