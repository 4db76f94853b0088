//! What a service manager is told: the protocol of `sd_notify(3)`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use tracing::warn;

/// What the log calls this module.
const TARGET: &str = "fastway::process::service_manager";
/// How long a manager whose queue is full is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager that started this process and waits for news of it.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Finds it by the variables `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; `None`: nobody waits for news, or
    /// nobody can be reached, which is logged.
    pub fn find(env: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        let name = env("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        let connected = address(&name).and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => Some(Self { socket, watchdog: watchdog(env) }),
            Err(error) => {
                warn!(target: TARGET, %error, socket = %name.display(), "the service manager cannot be told anything (NOTIFY_SOCKET)");
                None
            }
        }
    }

    /// The time within which it has to hear `WATCHDOG=1`, if it wants to.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells it something: lines of the form `NAME=value`. What it does not take is logged.
    pub fn tell(&self, news: &str) {
        if let Err(error) = self.socket.send(news.as_bytes()) {
            warn!(target: TARGET, %error, news, "the service manager did not take its news");
        }
    }
}

/// A path, or a name behind `@`.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}

/// `WATCHDOG_USEC`, if it is meant for this process.
fn watchdog(env: &dyn Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name| env(name)?.to_str()?.parse::<u64>().ok();
    let is_ours = env("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(process::id().into());
    number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn find(variables: &[(&str, &str)]) -> Option<ServiceManager> {
        ServiceManager::find(&|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut news = [0; 256];
        let length = socket.recv(&mut news).unwrap();
        String::from_utf8(news[..length].to_vec()).unwrap()
    }

    #[test]
    fn news_reach_a_path_and_an_abstract_name() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("fastway-test-{}", process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, address) in
            [(UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()), (by_name, format!("@{name}"))]
        {
            find(&[("NOTIFY_SOCKET", &address)]).unwrap().tell("READY=1\nSTATUS=none\n");
            assert_eq!(received(&socket), "READY=1\nSTATUS=none\n", "{address}");
        }
    }

    #[test]
    fn without_a_manager_nobody_is_told() {
        assert!(find(&[]).is_none());
        assert!(find(&[("NOTIFY_SOCKET", "")]).is_none());
        assert!(find(&[("NOTIFY_SOCKET", "/nowhere/notify")]).is_none());
    }

    #[test]
    fn the_watchdog_is_that_of_this_process() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let watchdog = |micros: &str, pid: Option<String>| {
            let mut variables = vec![("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", micros)];
            variables.extend(pid.as_deref().map(|pid| ("WATCHDOG_PID", pid)));
            find(&variables).unwrap().watchdog()
        };
        let five = Some(Duration::from_secs(5));
        assert_eq!(watchdog("5000000", None), five);
        assert_eq!(watchdog("5000000", Some(process::id().to_string())), five);
        assert_eq!(watchdog("5000000", Some("1".to_owned())), None);
        assert_eq!((watchdog("0", None), watchdog("soon", None)), (None, None));
    }
}
