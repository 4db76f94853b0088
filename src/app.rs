//! The gateway's process from its start to its end: what it starts, in which order, and how it stops.

use std::env;
use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use fastway::config::PerSide;
use fastway::gateway::{Gateway, Running};
use fastway::observer::Undelivered;
use fastway_admin::http::HttpListener;
use fastway_admin::observe::Observe;
use fastway_admin::{AdminThread, Caller, CommandFile, ControlServer, ControlSocket, Registry};
use fastway_service::listen::Inherited;
use fastway_service::logging::{Log, LogControl};
use fastway_service::process::{Files, PidFile, Signals, check_directory, raise_descriptor_limit, take_pid_file};
use tokio::runtime;
use tracing::{info, warn};

use crate::admin_port::AdminPort;
use crate::cli::Options;
use crate::config::Loaded;
use crate::drain::{Drain, End};
use crate::orders;
use crate::serving::{self, Serving};
use crate::systemd::{self, News};

/// What the log calls the program.
const TARGET: &str = "fastway";

/// Runs a gateway until a signal stops it.
///
/// # Errors
/// It cannot start, or a worker fails.
pub(crate) fn run(loaded: Loaded, log: &Log) -> anyhow::Result<()> {
    let inherited = systemd::inherited_sockets()?;
    loaded.options.notices.iter().for_each(|notice| warn!(target: TARGET, "{notice}"));
    let dir = env::current_dir().context("cannot tell the working directory")?;
    check_directory(&dir);
    let files = Files::new(dir, loaded.options.name.clone());
    // The main thread only waits for signals; the workers have runtimes of their own.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let ended = runtime.block_on(serve(files, loaded, inherited, log));
    // A command that somebody waits for must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn serve(files: Files, loaded: Loaded, inherited: Inherited, log: &Log) -> anyhow::Result<()> {
    let options = &loaded.options;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let (pid_file, files) = take_pid_file(files, &options.pid_file, options.config.startup.reuse_port)?;
    raise_descriptor_limit();
    if cfg!(not(tsan)) {
        return_freed_memory();
    }
    serving::log_session_keys(&options.config.settings.sessions.keys);

    let OpenPorts { gateway, admin, inherited } = open_ports(options, inherited)?;
    let running = gateway.start()?;
    let observer: Arc<dyn Observe> = Arc::new(running.observer());
    let mut commands = commands(&files, &observer, log.control())?;
    let mut orders = orders::register(&mut commands, &observer)?;
    let command_file = CommandFile::new(files.path("cmd"));
    let commands =
        AdminThread::start(commands, command_file, files.path("cmd.out")).context("cannot start a thread")?;
    let control = control(&files, commands.caller());
    let config = options.admin.clone();
    let is_inherited = inherited.contains(&"--admin-addr");
    let admin = AdminPort::start(admin, config, is_inherited, Arc::clone(&observer), commands.caller());
    let admin = admin.context("cannot start the thread that answers HTTP")?;
    announce(serving::listening(&running, &admin))
        .context("cannot start the thread that says where the gateway listens")?;
    let (news, drain) = (News::ready(&observer), Drain::new(options.drain));

    let mut serving = Serving {
        loaded: Arc::new(loaded),
        running,
        drain,
        commands,
        admin,
        log: log.control(),
        news,
        inherited,
        reader: None,
    };
    let end = serving.until_told_to_end(&mut signals, &mut orders).await?;
    if end == End::AtOnce {
        drop(control);
        exit_at_once(pid_file, log);
    }

    // Whoever sends players here learns that the gateway stops before the first of them is turned away.
    serving.admin.announce_end();
    serving.news.iter().for_each(News::stopping);
    info!(target: TARGET, "stopping");
    serving.running.stop();
    match signals.unless_stopped(serving.running.ended()).await {
        Some(stopped) => stopped.context("a worker failed while stopping")?,
        None => {
            drop(control);
            exit_at_once(pid_file, log)
        }
    }
    warn_of_losses(&serving.running);
    info!(target: TARGET, "stopped");
    Ok(())
}

/// The ports, before anything serves.
struct OpenPorts {
    gateway: Gateway,
    admin: Option<HttpListener>,
    /// The flags of those that the service manager has bound.
    inherited: Vec<&'static str>,
}

/// Binds all ports: one that is taken ends the start at once.
fn open_ports(options: &Options, mut inherited: Inherited) -> anyhow::Result<OpenPorts> {
    let mut flags = Vec::new();
    let mut take = |name, flag| {
        let listener = inherited.take(name)?;
        flags.push(flag);
        if options.addr_flags.contains(&flag) {
            warn!(target: TARGET, "{flag} has no effect: the service manager has bound the {name} port");
        }
        Some(listener)
    };
    let ports = PerSide { client: take("client", "--client-addr"), server: take("server", "--server-addr") };
    let admin = take("admin", "--admin-addr");
    let gateway = Gateway::inherit(options.config.clone(), ports)?;
    let admin = HttpListener::open(options.admin.clone(), admin)?;
    Ok(OpenPorts { gateway, admin, inherited: flags })
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
