//! The gateway of the tour: built by cargo, started as a program of its own, and stopped again.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fastway_client::PublicKey;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long the gateway may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines of the gateway's log that a failure shows.
const LOG_LINES: usize = 10;

/// Where a gateway listens, and what its servers have to know.
#[derive(Clone, Debug)]
pub(crate) struct GatewayAddrs {
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) key: String,
    /// The gateway's public key, if the players are to have secure sessions with it.
    pub(crate) session: Option<PublicKey>,
}

/// Has cargo build the gateway as it built this program, and says where it is.
///
/// Cargo builds no program of another package beside an example, so the tour asks for both: with both named, everything
/// that they have in common is compiled once.
///
/// # Errors
/// It cannot be built.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let this = env::current_exe().context("cannot tell where this program is")?;
    let folder = this.ancestors().nth(2).context("this program is not in cargo's target directory: give --gateway")?;
    let program = folder.join("fastway");
    let Some(cargo) = env::var_os("CARGO") else {
        ensure!(program.exists(), "there is no {}: run the tour by cargo, or give --gateway", program.display());
        return Ok(program);
    };
    let mut command = process::Command::new(cargo);
    // Build scripts that watch what cargo tells this program of its package would run again, and what they belong to would
    // be compiled again.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
    }
    let status = command
        .args(["build", "--package", "fastway", "--bin", "fastway", "--package", "fastway-client", "--example", "tour"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")])
        .args(["--profile", profile(folder)?])
        .arg("--target-dir")
        .arg(folder.parent().unwrap_or(folder))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cargo could not build the gateway");
    Ok(program)
}

/// The profile that cargo builds into `folder`.
fn profile(folder: &Path) -> anyhow::Result<&str> {
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => Ok("dev"),
        Some(name) => Ok(name),
        None => bail!("this program is not in cargo's target directory: give --gateway"),
    }
}

/// A gateway on free ports of this machine, in a directory of its own. Killed when dropped, and the directory removed.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    pid: Pid,
    dir: TempDir,
    addrs: GatewayAddrs,
}

impl Gateway {
    /// Starts it with keys of its own and waits until it listens.
    ///
    /// # Errors
    /// It cannot be started, or ends at once.
    pub(crate) async fn start(program: &Path, secure: bool) -> anyhow::Result<Self> {
        let shown = program.display();
        let program = fs::canonicalize(program).with_context(|| format!("no gateway at {shown}"))?;
        let dir = TempDir::with_prefix("fastway-tour-").context("cannot make a temporary directory")?;
        let key = format!("{:032x}", rand::random::<u128>());
        let session = if secure { Some(generate_key(&program, dir.path()).await?) } else { None };
        let mut command = command(&program, dir.path(), &key)?;
        if secure {
            command.args(["--client-link", "secure", "--session-key", KEY]);
        }
        let mut child = command.spawn().with_context(|| format!("cannot run {shown}"))?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the gateway has no process id")?;
        let line =
            timeout(PATIENCE, first_line(&mut child)).await.context("the gateway does not say where it listens")?;
        let addrs = parse(&line, key, session)
            .with_context(|| format!("the gateway did not start; {}", log_end(dir.path())))?;
        Ok(Self { child, pid, dir, addrs })
    }

    pub(crate) fn addrs(&self) -> &GatewayAddrs {
        &self.addrs
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// The most memory that it ever had resident, in bytes.
    pub(crate) fn peak_resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let field = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = field.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    /// What it logged last.
    pub(crate) fn log_end(&self) -> String {
        log_end(self.dir.path())
    }

    /// Stops it as an operator would, and waits for its end.
    ///
    /// # Errors
    /// It did not end well; it is gone all the same.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        // It may have ended by itself: then its exit code says so.
        let _ = kill_process(self.pid, Signal::TERM);
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let status = ended.context("the gateway does not stop, so it was killed")?.context("the gateway is lost")?;
        ensure!(status.success(), "the gateway ended with {status}; {}", self.log_end());
        Ok(())
    }
}

/// Has the gateway make itself a key pair, and says what is public of it.
async fn generate_key(program: &Path, dir: &Path) -> anyhow::Result<PublicKey> {
    let mut keygen = Command::new(program);
    let output = keygen.args(["keygen", KEY]).current_dir(dir).kill_on_drop(true).output().await;
    let output = output.context("cannot run the gateway")?;
    ensure!(output.status.success(), "the gateway made no key: {}", String::from_utf8_lossy(&output.stderr));
    let public = String::from_utf8_lossy(&output.stdout);
    public.trim().parse().with_context(|| format!("{public:?} should be the gateway's public key"))
}

fn command(program: &Path, dir: &Path, key: &str) -> anyhow::Result<Command> {
    let log = File::create(dir.join(LOG)).context("cannot write to the temporary directory")?;
    let mut command = Command::new(program);
    command
        .args(["--client-addr", "127.0.0.1:0", "--server-addr", "127.0.0.1:0"])
        .env("FASTWAY_SERVER_AUTH_KEY", key)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // So that Ctrl-C reaches the tour alone, which then stops the gateway.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

const LOG: &str = "gateway.log";
const KEY: &str = "gateway.key";

/// The first line of its output; empty when it ends without one.
async fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    if let Some(stdout) = child.stdout.as_mut() {
        // An error leaves the line empty, which is no line to start with.
        let _ = BufReader::new(stdout).read_line(&mut line).await;
    }
    line
}

/// Reads `listening client=ADDR server=ADDR`.
fn parse(line: &str, key: String, session: Option<PublicKey>) -> anyhow::Result<GatewayAddrs> {
    let address = |name| line.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
    match (address("client="), address("server=")) {
        (Some(client), Some(server)) => Ok(GatewayAddrs { client, server, key, session }),
        _ => bail!("it should say where it listens, and said {line:?}"),
    }
}

fn log_end(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join(LOG)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let end = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
    format!("its log ends with:\n{}", end.join("\n"))
}
