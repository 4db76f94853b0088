//! The process while its gateway serves: signals and orders come, and the configuration is read again.

use std::env;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow};
use fastway::config::{KeyPair, Side};
use fastway::gateway::Running;
use fastway_admin::AdminThread;
use fastway_service::listen;
use fastway_service::logging::{LogControl, LogLevel};
use fastway_service::process::{Signal, Signals};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};

use crate::admin_port::AdminPort;
use crate::cli::{Faults, Options};
use crate::config::{Changes, Loaded};
use crate::drain::{Drain, End};
use crate::orders::{Order, Orders, Refusal};
use crate::systemd::News;

/// What the log calls the program.
const TARGET: &str = "fastway";
/// How long the files of a configuration may take to be read.
const READ_TIME: Duration = Duration::from_secs(3);
/// How long a reload waits until all workers have the new settings.
const APPLY_TIME: Duration = Duration::from_secs(1);
/// Time between looks at a drain.
const PROGRESS: Duration = Duration::from_secs(1);

/// A gateway that serves, with what is around it in the process.
pub(crate) struct Serving {
    /// What holds.
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) running: Running,
    pub(crate) drain: Drain,
    pub(crate) commands: AdminThread,
    pub(crate) admin: AdminPort,
    pub(crate) log: LogControl,
    pub(crate) news: Option<News>,
    /// The flags of ports that the service manager has bound.
    pub(crate) inherited: Vec<&'static str>,
    /// What reads the files of a reload, or has.
    pub(crate) reader: Option<JoinHandle<()>>,
}

/// Why a configuration that was read again does not hold.
#[derive(Debug)]
enum ReloadError {
    /// It is wrong.
    Faults(Faults),
    /// What it asks for is not to be had.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for ReloadError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Serving {
    /// Serves, and drains, until the process is told to end, or the drain that it was told to end with is over.
    ///
    /// # Errors
    /// A worker ended by itself.
    pub(crate) async fn until_told_to_end(
        &mut self,
        signals: &mut Signals,
        orders: &mut Orders,
    ) -> anyhow::Result<End> {
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::RunCommands => self.commands.run_commands(),
                    Signal::Reload => drop(self.reload().await),
                    Signal::Stop => if let Some(end) = self.drain.signalled(&self.running) { return Ok(end) },
                },
                request = orders.next() => {
                    let outcome = self.carry_out(request.order).await;
                    request.answer(outcome);
                }
                is_drained = self.running.drained(), if self.drain.ends_when_drained() => if is_drained {
                    return Ok(End::Graceful);
                },
                failed = self.running.ended() => {
                    failed.context("a worker ended by itself")?;
                    return Ok(End::Graceful);
                }
                () = tokio::time::sleep(PROGRESS), if self.drain.is_under_way() => {}
            }
            self.drain.show(self.running.observer().drain());
        }
    }

    async fn carry_out(&mut self, order: Order) -> Result<String, Refusal> {
        match order {
            Order::Reload => return self.reload().await,
            Order::Drain { timeout, stay } => self.drain.begin(timeout, stay, &self.running),
            Order::Undrain => self.drain.undo(&self.running)?,
        }
        Ok(self.running.observer().drain().to_string())
    }

    /// Reads the configuration again, and has all of it hold that can change, or nothing. What came of it is the answer,
    /// and in the log.
    async fn reload(&mut self) -> Result<String, Refusal> {
        self.news.iter().for_each(News::reloading);
        let outcome = self.read_and_apply().await;
        self.news.iter().for_each(News::reloaded);
        match outcome {
            Ok(changes) => {
                let (changed, needs_restart) = changes.counts();
                info!(target: TARGET, changed, needs_restart, "reloaded");
                Ok(format!("{changes}{}", listening(&self.running, &self.admin)))
            }
            Err(ReloadError::Faults(faults)) => {
                faults.iter().for_each(|fault| warn!(target: TARGET, "{fault}"));
                warn!(target: TARGET, "not reloaded, and nothing changed: the configuration is at fault");
                let details = faults.iter().map(|fault| format!("{fault}\n")).collect();
                Err(Refusal { details, reason: "the configuration is at fault: nothing changed".to_owned() })
            }
            Err(ReloadError::Failed(error)) => {
                warn!(target: TARGET, "not reloaded, and nothing changed: {error:#}");
                Err(format!("{error:#}: nothing changed").into())
            }
        }
    }

    /// Reads the files on a thread of its own: one that hangs, as on a file system that is away, must not make the process
    /// deaf.
    async fn read_again(&mut self) -> Result<(Loaded, Changes), ReloadError> {
        if self.reader.as_ref().is_some_and(|reader| !reader.is_finished()) {
            return Err(anyhow!("the files of an earlier reload are still being read").into());
        }
        let (loaded, (answer, answered)) = (Arc::clone(&self.loaded), oneshot::channel());
        let read = move || drop(answer.send(read_and_resolve(&loaded)));
        self.reader = Some(thread::Builder::new().name("reload".to_owned()).spawn(read)?);
        match timeout(READ_TIME, answered).await {
            Ok(read) => read?,
            Err(_late) => Err(anyhow!("the files cannot be read within {} s", READ_TIME.as_secs()).into()),
        }
    }

    async fn read_and_apply(&mut self) -> Result<Changes, ReloadError> {
        let (next, changes) = self.read_again().await?;
        let Options { config, admin, drain, log_level, log_format, .. } = &next.options;
        let level = LogLevel::new(log_level.map(LevelFilter::from_level))?;
        let admin_change = self.admin.prepare(admin)?;
        let applied = self.running.reconfigure(&config.listen, config.settings.clone())?;

        // From here on nothing fails.
        next.options.notices.iter().for_each(|notice| warn!(target: TARGET, "{notice}"));
        self.admin.apply(admin_change, admin.clone());
        self.drain.set_times(*drain);
        if changes.has(&["--session-key"]) {
            log_session_keys(&config.settings.sessions.keys);
        }
        // A level that the command `log` has set stays until another one is configured.
        let level = changes.has(&["--log-level"]).then(|| self.log.apply_level(level));
        let format = changes.has(&["--log-format"]).then(|| self.log.apply_format(*log_format));
        if let Some(error) = [level, format].into_iter().flatten().find_map(Result::err) {
            warn!(target: TARGET, %error, "the log stays as it is");
        }
        for flag in self.inherited.iter().filter(|flag| changes.has(&[flag])) {
            warn!(target: TARGET, "{flag} has no effect: the service manager has bound that port");
        }
        self.loaded = Arc::new(next);
        if timeout(APPLY_TIME, applied.by_all()).await.is_err() {
            warn!(target: TARGET, "a worker is busy: links of its own have the settings of before until it is not");
        }
        Ok(changes)
    }
}

/// Reads the configuration again, and resolves the names of hosts in it: when they are bound, the resolver has answered.
fn read_and_resolve(loaded: &Loaded) -> Result<(Loaded, Changes), ReloadError> {
    let (next, changes) = loaded.again(&|name| env::var_os(name)).map_err(ReloadError::Faults)?;
    let Options { config, admin, .. } = &next.options;
    for addr in config.listen.values().into_iter().flatten().chain(&admin.addr) {
        listen::resolve(addr).with_context(|| format!("cannot resolve {addr:?}"))?;
    }
    Ok((next, changes))
}

/// Tells what clients can pin.
pub(crate) fn log_session_keys(keys: &[KeyPair]) {
    keys.iter().for_each(|pair| info!(target: TARGET, public = %pair.public(), "session key"));
}

/// Where the gateway listens, for scripts.
pub(crate) fn listening(running: &Running, admin: &AdminPort) -> String {
    let of_side = |side: Side| running.addrs(side).map(move |addr| format!(" {side}={addr}"));
    let admin = admin.addr().map(|addr| format!(" admin={addr}"));
    let ports: String = Side::ALL.into_iter().flat_map(of_side).chain(admin).collect();
    format!("listening{ports}")
}
