//! A gateway that admits sessions, behind a network that fails on demand.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use fastway_session::{KeyPair, PublicKey};
use tempfile::TempDir;

use crate::Gateway;
use crate::chaos::Proxy;

const PRIVATE: [u8; 32] = [9; 32];

/// The gateway, and the network between it and its clients.
pub struct SessionGateway {
    /// The gateway.
    pub gateway: Gateway,
    /// The network.
    pub proxy: Proxy,
    flags: Vec<String>,
    _dir: TempDir,
}

impl SessionGateway {
    /// A gateway with a key that admits all kinds of links to the client port, and what `flags` say.
    pub fn start(flags: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let key = dir.path().join("key");
        write_key(&key);
        let file = key.to_str().expect("a temporary directory has a name");
        let ours = ["--client-link", "plain,secure,legacy", "--session-key", file];
        let flags: Vec<String> = ours.iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
        let gateway = Self::gateway(&flags);
        let proxy = Proxy::to(gateway.client_addr());
        Self { gateway, proxy, flags, _dir: dir }
    }

    fn gateway(flags: &[String]) -> Gateway {
        Gateway::start(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.proxy.addr()
    }

    /// The gateway's public key.
    pub fn key() -> PublicKey {
        KeyPair::from_private(PRIVATE).public()
    }

    /// Kills the gateway; another one takes its place on the same ports. It knows none of the sessions.
    pub fn restart(&mut self) {
        let (client, server) = (self.gateway.client_addr(), self.gateway.server_addr());
        self.gateway.kill();
        let ports = ["--client-addr".to_owned(), client.to_string(), "--server-addr".to_owned(), server.to_string()];
        self.gateway = Self::gateway(&[&self.flags[..], &ports].concat());
    }
}

/// Writes the private key, readable by its owner alone.
fn write_key(path: &Path) {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a new file");
    let digits: String = PRIVATE.iter().map(|byte| format!("{byte:02x}")).collect();
    file.write_all(digits.as_bytes()).expect("a small file can be written");
}
