//! What systemd, or another manager of its protocols, gives to a gateway and hears from it: sockets that it has bound, and
//! the gateway's readiness, state and watchdog.

use std::env;
use std::ffi::OsString;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, bail};
use fastway_admin::observe::{Observe, STUCK_AFTER};
use fastway_service::listen::Inherited;
use fastway_service::process::ServiceManager;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// The names of sockets: those of the ports.
const SOCKET_NAMES: [&str; 3] = ["client", "server", "admin"];
/// The state is told so often, if it has changed.
const STATUS_PERIOD: Duration = Duration::from_secs(5);

/// The sockets that were passed to this process (`sd_listen_fds(3)`): `LISTEN_FDS` of them, with the names in
/// `LISTEN_FDNAMES`. To be called before anything opens descriptors.
///
/// # Errors
/// They are not as the variables say, or not what the gateway can listen on.
pub(crate) fn inherited_sockets() -> anyhow::Result<Inherited> {
    let variable = |name: &str| env::var_os(name).map(OsString::into_string).transpose().unwrap_or_default();
    // They may be meant for the process that started this one.
    let is_ours = variable("LISTEN_PID").is_some_and(|pid| pid == process::id().to_string());
    let Some(count) = variable("LISTEN_FDS").filter(|_| is_ours) else { return Ok(Inherited::default()) };
    let count: u16 =
        count.parse().with_context(|| format!("LISTEN_FDS is {count:?}, which is no number of sockets"))?;
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').filter(|_| !names.is_empty()).collect();
    if names.len() != usize::from(count) {
        let accepted = SOCKET_NAMES.join(", ");
        bail!("LISTEN_FDS is {count}, and LISTEN_FDNAMES has {} names; a socket needs one of {accepted}", names.len());
    }
    let descriptors = fastway_sys::inherited_descriptors(count).context("cannot take over the inherited sockets")?;
    Ok(Inherited::new(descriptors.into_iter().zip(names), &SOCKET_NAMES)?)
}

/// The news for the service manager, until it is dropped.
pub(crate) struct News {
    shared: Arc<Shared>,
    _telling: JoinSet<()>,
}

struct Shared {
    manager: ServiceManager,
    observer: Arc<dyn Observe>,
    stopping: AtomicBool,
}

impl News {
    /// Tells the service manager, if there is one, that the gateway serves; from now on how it stands, and as long as all
    /// workers sweep that it lives.
    pub(crate) fn ready(observer: &Arc<dyn Observe>) -> Option<Self> {
        let manager = ServiceManager::find(&|name| env::var_os(name))?;
        let shared = Arc::new(Shared { manager, observer: Arc::clone(observer), stopping: AtomicBool::new(false) });
        shared.manager.tell(&format!("READY=1\n{}", shared.status()));
        let mut telling = JoinSet::new();
        telling.spawn(Arc::clone(&shared).tell_status());
        if let Some(limit) = shared.manager.watchdog() {
            telling.spawn(Arc::clone(&shared).feed_watchdog(limit / 2));
        }
        Some(Self { shared, _telling: telling })
    }

    /// Tells it that the configuration is read again.
    pub(crate) fn reloading(&self) {
        self.shared.manager.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_micros()));
    }

    /// Tells it that this is done.
    pub(crate) fn reloaded(&self) {
        self.shared.manager.tell(&format!("READY=1\n{}", self.shared.status()));
    }

    /// Tells it that the gateway stops.
    pub(crate) fn stopping(&self) {
        self.shared.stopping.store(true, Relaxed);
        self.shared.manager.tell(&format!("STOPPING=1\n{}", self.shared.status()));
    }
}

impl Shared {
    async fn tell_status(self: Arc<Self>) {
        let mut told = self.status();
        let mut times = ticks(STATUS_PERIOD);
        loop {
            times.tick().await;
            let status = self.status();
            if status != told {
                self.manager.tell(&status);
                told = status;
            }
        }
    }

    async fn feed_watchdog(self: Arc<Self>, period: Duration) {
        let mut times = ticks(period);
        loop {
            times.tick().await;
            let silence = self.observer.longest_silence().map_or(Duration::ZERO, |(_, silence)| silence);
            if silence < STUCK_AFTER {
                self.manager.tell("WATCHDOG=1\n");
            }
        }
    }

    fn status(&self) -> String {
        let report = self.observer.report();
        let (clients, connections) = (report.total.client.links(), report.total.connections);
        let stopping = if self.stopping.load(Relaxed) { "stopping, " } else { "" };
        format!("STATUS={stopping}clients: {clients}, servers: {}, connections: {connections}\n", report.servers)
    }
}

/// The time of CLOCK_MONOTONIC, by which the service manager tells this reload from earlier ones.
fn monotonic_micros() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default()).as_micros()
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
