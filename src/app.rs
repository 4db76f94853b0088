//! The gateway's process from its start to its end: what it starts, in which order, and how it stops.

use std::env;
use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use fastway::config::PerSide;
use fastway::gateway::{Gateway, Running};
use fastway::observer::Undelivered;
use fastway_admin::http::{HttpAdmin, HttpListener};
use fastway_admin::observe::Observe;
use fastway_admin::{AdminThread, Caller, CommandFile, ControlServer, ControlSocket, Registry};
use fastway_service::listen::Inherited;
use fastway_service::logging::{Log, LogControl};
use fastway_service::process::{
    Files, PidFile, Signal, Signals, check_directory, raise_descriptor_limit, take_pid_file,
};
use tokio::runtime;
use tracing::{info, warn};

use crate::cli::Options;
use crate::drain::{self, Drain, End, Orders};
use crate::systemd::{self, News};

/// What the log calls the program.
const TARGET: &str = "fastway";
/// Time between looks at a drain.
const PROGRESS: Duration = Duration::from_secs(1);

/// Runs a gateway until a signal stops it.
///
/// # Errors
/// It cannot start, or a worker fails.
pub(crate) fn run(options: Options, log: &Log) -> anyhow::Result<()> {
    let inherited = systemd::inherited_sockets()?;
    options.notices.iter().for_each(|notice| warn!(target: TARGET, "{notice}"));
    let dir = env::current_dir().context("cannot tell the working directory")?;
    check_directory(&dir);
    let files = Files::new(dir, options.name.clone());
    // The main thread only waits for signals; the workers have runtimes of their own.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let ended = runtime.block_on(serve(files, options, inherited, log));
    // A command that somebody waits for must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn serve(files: Files, options: Options, mut inherited: Inherited, log: &Log) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let (pid_file, files) = take_pid_file(files, &options.pid_file, options.config.startup.reuse_port)?;
    raise_descriptor_limit();
    if cfg!(not(tsan)) {
        return_freed_memory();
    }
    for keys in &options.config.settings.sessions.keys {
        info!(target: TARGET, public = %keys.public(), "session key");
    }

    // All ports are bound before anything serves: a port that is taken ends the start at once.
    let mut take = |name, flag| {
        let listener = inherited.take(name);
        if listener.is_some() && options.addr_flags.contains(&flag) {
            warn!(target: TARGET, "{flag} has no effect: the service manager has bound the {name} port");
        }
        listener
    };
    let ports = PerSide { client: take("client", "--client-addr"), server: take("server", "--server-addr") };
    let gateway = Gateway::inherit(options.config, ports)?;
    let listener = HttpListener::open(options.admin, take("admin", "--admin-addr"))?;
    let line = listening(&gateway, listener.as_ref());

    let mut running = gateway.start()?;
    let observer: Arc<dyn Observe> = Arc::new(running.observer());
    let mut commands = commands(&files, &observer, log.control())?;
    let mut orders = drain::register(&mut commands, &observer)?;
    let command_file = CommandFile::new(files.path("cmd"));
    let admin = AdminThread::start(commands, command_file, files.path("cmd.out")).context("cannot start a thread")?;
    let control = control(&files, admin.caller());
    let http = listener.map(|listener| listener.start(Arc::clone(&observer), admin.caller())).transpose();
    let http = http.context("cannot start the thread that answers HTTP")?;
    announce(line).context("cannot start the thread that says where the gateway listens")?;
    let news = News::ready(&observer);

    let mut drain = Drain::new(options.drain);
    let end = until_told_to_end(&mut drain, &mut signals, &mut orders, &admin, &mut running).await?;
    if end == End::AtOnce {
        drop(control);
        exit_at_once(pid_file, log);
    }

    // Whoever sends players here learns that the gateway stops before the first of them is turned away.
    http.iter().for_each(HttpAdmin::announce_end);
    news.iter().for_each(News::stopping);
    info!(target: TARGET, "stopping");
    running.stop();
    match signals.unless_stopped(running.ended()).await {
        Some(stopped) => stopped.context("a worker failed while stopping")?,
        None => {
            drop(control);
            exit_at_once(pid_file, log)
        }
    }
    warn_of_losses(&running);
    info!(target: TARGET, "stopped");
    Ok(())
}

/// Serves, and drains, until the process is told to end, or the drain that it was told to end with is over.
///
/// # Errors
/// A worker ended by itself.
async fn until_told_to_end(
    drain: &mut Drain,
    signals: &mut Signals,
    orders: &mut Orders,
    admin: &AdminThread,
    running: &mut Running,
) -> anyhow::Result<End> {
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::RunCommands => admin.run_commands(),
                Signal::Stop => if let Some(end) = drain.signalled(running) { return Ok(end) },
            },
            request = orders.next() => drain.carry_out(&request, running),
            is_drained = running.drained(), if drain.ends_when_drained() => if is_drained { return Ok(End::Graceful) },
            failed = running.ended() => {
                failed.context("a worker ended by itself")?;
                return Ok(End::Graceful);
            }
            () = tokio::time::sleep(PROGRESS), if drain.is_under_way() => {}
        }
        drain.show(running.observer().drain());
    }
}

/// Says what was left for peers that did not take it in time. That is their doing: the exit code stays 0.
fn warn_of_losses(running: &Running) {
    let Undelivered { links, bytes } = running.observer().report().total().stats.undelivered;
    if links > 0 {
        warn!(
            target: TARGET,
            links, bytes, "peers did not take what waited for them within --shutdown-grace: it is lost"
        );
    }
}

/// Has the allocator give the memory of a burst back even while the workers are quiet.
fn return_freed_memory() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        warn!(target: TARGET, %error, "freed memory stays with the process: the allocator has no background thread");
    }
}

/// Everything that can be asked of this gateway.
fn commands(files: &Files, observer: &Arc<dyn Observe>, log: LogControl) -> anyhow::Result<Registry> {
    let mut registry = Registry::default();
    fastway_admin::register_all(&mut registry, files, observer)?;
    fastway_admin::register_log_level(&mut registry, log)?;
    Ok(registry)
}

/// The socket for `fastway ctl`. Where it cannot be had, the command file and the signal are left.
fn control(files: &Files, caller: Caller) -> Option<ControlServer> {
    let started = ControlSocket::bind(files.path("sock")).map_err(anyhow::Error::from);
    let started = started.and_then(|socket| Ok(socket.start(caller)?));
    started
        .inspect_err(|error| {
            warn!(target: TARGET, "{error:#}; the gateway runs without it: `fastway ctl` uses the command file and a signal");
        })
        .ok()
}

/// Where the gateway listens, for scripts.
fn listening(gateway: &Gateway, admin: Option<&HttpListener>) -> String {
    let admin = admin.map(|listener| format!(" admin={}", listener.addr())).unwrap_or_default();
    format!("listening client={} server={}{admin}", gateway.client_addr(), gateway.server_addr())
}

/// Tells scripts where the gateway listens. On a thread of its own: a stdout that is full, and whose reader stalls, must not
/// keep signals from being heard.
fn announce(line: String) -> io::Result<()> {
    info!(target: TARGET, pid = process::id(), "{line}");
    let say = move || {
        if let Err(error) = writeln!(io::stdout(), "{line}") {
            warn!(target: TARGET, %error, line, "nobody reads stdout");
        }
    };
    thread::Builder::new().name("stdout".to_owned()).spawn(say).map(drop)
}

/// For an operator who does not want to wait for the end of the grace time. Nothing is asked to finish.
fn exit_at_once(pid_file: Option<PidFile>, log: &Log) -> ! {
    warn!(target: TARGET, "stopped at once by a second signal: what waited to be sent is lost");
    drop(pid_file);
    log.finish();
    process::exit(1)
}
