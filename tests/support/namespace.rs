//! A network namespace for a program, joined to this one by a cable whose far address can change.

use std::net::Ipv4Addr;
use std::process::{self, Command, Stdio};

/// A namespace, and a pair of interfaces between it and this one. Removed when dropped.
pub struct Namespace {
    name: String,
    near: String,
    far: String,
    /// The third byte of all addresses.
    net: u8,
}

impl Namespace {
    /// A namespace whose address ends in 2; nothing where this machine does not allow it.
    pub fn new() -> Option<Self> {
        let id = process::id() % 10_000;
        let net = (id % 250) as u8;
        let this = Self { name: format!("fastway{id}"), near: format!("fwn{id}"), far: format!("fwf{id}"), net };
        this.make().then_some(this)
    }

    fn make(&self) -> bool {
        let Self { name, near, far, .. } = self;
        let (ours, theirs) = (format!("{}/24", self.near()), format!("{}/24", self.far(2)));
        ip(&["netns", "add", name])
            && ip(&["link", "add", near, "type", "veth", "peer", "name", far, "netns", name])
            && ip(&["addr", "add", &ours, "dev", near])
            && ip(&["link", "set", near, "up"])
            && ip(&["-n", name, "addr", "add", &theirs, "dev", far])
            && ip(&["-n", name, "link", "set", far, "up"])
    }

    /// The address at this end.
    pub fn near(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.net, 1)
    }

    /// The address at the other end that ends in `last`.
    pub fn far(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.net, last)
    }

    /// The other end loses the address that ends in `from`, and gets the one that ends in `to`.
    pub fn change_address(&self, from: u8, to: u8) {
        for (action, last) in [("del", from), ("add", to)] {
            let address = format!("{}/24", self.far(last));
            assert!(ip(&["-n", &self.name, "addr", action, &address, "dev", &self.far]), "{action} {address}");
        }
    }

    /// A program to be run in the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Namespace {
    /// Where it was made in part only, some of this fails.
    fn drop(&mut self) {
        ip(&["link", "del", &self.near]);
        ip(&["netns", "del", &self.name]);
    }
}

/// Whether `ip` could do that.
fn ip(args: &[&str]) -> bool {
    let status =
        Command::new("ip").args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
