//! A gateway that was started here, and goes when its guard goes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::error::TargetError;
use super::template::Template;
use crate::load::{GatewayAddrs, LinkKind};

/// How long a gateway may take until it listens.
const START: Duration = Duration::from_secs(10);
/// How often it is asked whether it does.
const ASK: Duration = Duration::from_millis(2);
/// How long a gateway that has dropped its links may take until it is gone.
const LAST_BREATH: Duration = Duration::from_millis(300);
/// Bytes of its output that are shown when it fails.
const LAST_WORDS: u64 = 600;

/// A running child in a directory and a process group of its own, so that a wrapper's children go with it.
#[derive(Debug)]
pub(crate) struct ChildGateway {
    child: Child,
    output: File,
    /// Removed when this is dropped, after the child was reaped.
    dir: TempDir,
}

impl ChildGateway {
    /// Starts a gateway on free ports of this machine and waits until it listens on both.
    pub(super) fn start(
        template: &Template,
        key: &str,
        players: LinkKind,
        interrupted: &AtomicBool,
    ) -> Result<(Self, GatewayAddrs), TargetError> {
        let (client, server) = free_ports()?;
        let addrs = GatewayAddrs { client, server, key: key.to_owned(), players };
        let dir = TempDir::with_prefix("fastway-bench-")?;
        let output = File::options().read(true).append(true).create(true).open(dir.path().join("output"))?;
        let mut command = template.command(&addrs);
        command.current_dir(dir.path()).process_group(0).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output.try_clone()?);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| TargetError::Spawn(program, error))?;
        let mut gateway = Self { child, output, dir };
        gateway.wait_listening(&[client, server], interrupted)?;
        Ok((gateway, addrs))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it runs.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// How it ended, and what it said last, if it has ended or is about to.
    pub(super) fn death(&mut self) -> Option<String> {
        let until = Instant::now() + LAST_BREATH;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(self.obituary(status));
            }
            if Instant::now() > until {
                return None;
            }
            sleep(ASK);
        }
    }

    fn wait_listening(&mut self, addrs: &[SocketAddr], interrupted: &AtomicBool) -> Result<(), TargetError> {
        let until = Instant::now() + START;
        while !addrs.iter().all(|addr| listens(*addr)) {
            if let Some(status) = self.child.try_wait()? {
                return Err(TargetError::Died(self.obituary(status)));
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(TargetError::Interrupted);
            }
            if Instant::now() > until {
                return Err(TargetError::NotListening(START, self.last_words()));
            }
            sleep(ASK);
        }
        Ok(())
    }

    fn obituary(&mut self, status: ExitStatus) -> String {
        format!("{status}; {}", self.last_words())
    }

    fn last_words(&mut self) -> String {
        let mut words = Vec::new();
        let length = self.output.metadata().map_or(0, |file| file.len());
        let from = self.output.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)));
        // Without its words the message still says that it ended.
        let _ = from.and_then(|_| self.output.read_to_end(&mut words));
        match String::from_utf8_lossy(&words).trim() {
            "" => "it printed nothing".to_owned(),
            words => format!("its last words: {words}"),
        }
    }
}

impl Drop for ChildGateway {
    fn drop(&mut self) {
        // It may have ended already; then only its children are left to be killed, if there are any.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Two ports that nobody listens on now.
fn free_ports() -> io::Result<(SocketAddr, SocketAddr)> {
    let free = || TcpListener::bind("127.0.0.1:0");
    let (one, other) = (free()?, free()?);
    Ok((one.local_addr()?, other.local_addr()?))
}

/// Whether somebody accepts there. A socket that got its own address as the peer's has found nobody.
fn listens(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_ok_and(|probe| probe.local_addr().is_ok_and(|own| own != addr))
}
