//! The `fastway` program.

mod cli;
mod ctl;
mod key_file;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::thread;

use anyhow::Context;
use fastway::admin::{self, AdminThread, CommandFile, Registry};
use fastway::gateway::{Gateway, Running};
use fastway::http::{HttpAdmin, HttpListener};
use fastway::observer::Undelivered;
use fastway_service::logging::{self, Log, LogControl};
use fastway_service::process::{
    Files, PidFile, Signal, Signals, check_directory, raise_descriptor_limit, take_pid_file,
};
use fastway_session::PublicKey;
use tokio::runtime;
use tracing::level_filters::LevelFilter;
use tracing::{info, warn};

use self::cli::{CtlOptions, Invocation, Options};
use self::key_file::KeyFileError;

// ThreadSanitizer (`scripts/tsan.sh`) has to see every allocation, and jemalloc's own threads do not start under it.
#[cfg(not(tsan))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The command line cannot be understood.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = match cli::parse(env::args_os().skip(1), &|name| env::var_os(name)) {
        Ok(Invocation::Run(options)) => *options,
        Ok(Invocation::Ctl(options)) => return ask(&options),
        Ok(Invocation::Keygen(path)) => return print_key("write", &path, key_file::generate(&path)),
        Ok(Invocation::PublicKey(path)) => {
            return print_key("use", &path, key_file::read(&path).map(|keys| keys.public()));
        }
        Ok(Invocation::Print(text)) => return print(&text),
        Err(error) => {
            eprintln!("fastway: {error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let log = match logging::init(options.log_level.map(LevelFilter::from_level), options.log_format) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("fastway: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(options, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.fatal(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match say(&format!("{}\n", text.trim_end())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastway: cannot write to stdout: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes to stdout. A reader who has seen enough, as `head` does, is no fault.
fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The answer of `fastway keygen`: the public key.
fn print_key(action: &str, path: &Path, public: Result<PublicKey, KeyFileError>) -> ExitCode {
    match public {
        Ok(public) => print(&public.to_string()),
        Err(error) => {
            eprintln!("fastway keygen: cannot {action} '{}': {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// `fastway ctl`.
fn ask(options: &CtlOptions) -> ExitCode {
    let outcome = ctl::run(options).map_err(|error| error.to_string());
    let failure = outcome.and_then(|outcome| {
        say(&outcome.answer).map_err(|error| format!("cannot write the answer: {error}"))?;
        outcome.error.map_or(Ok(()), Err)
    });
    match failure {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastway ctl: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options, log: &Log) -> anyhow::Result<()> {
    options.notices.iter().for_each(|notice| warn!("{notice}"));
    let dir = env::current_dir().context("cannot tell the working directory")?;
    check_directory(&dir);
    let files = Files::new(dir, options.name.clone());
    // The main thread only waits for signals; the workers have runtimes of their own.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(serve(files, options, log))
}

async fn serve(files: Files, options: Options, log: &Log) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let (pid_file, files) = take_pid_file(files, &options.pid_file, options.config.reuse_port)?;
    raise_descriptor_limit();
    if cfg!(not(tsan)) {
        return_freed_memory();
    }
    if let Some(keys) = &options.config.sessions.key {
        info!(public = %keys.public(), "session key");
    }
    let gateway = Gateway::bind(options.config)?;
    let listener = options.admin.map(HttpListener::bind).transpose()?;
    let line = listening(&gateway, listener.as_ref());
    let mut running = gateway.start()?;
    let commands = commands(&files, &running, log.control())?;
    let command_file = CommandFile::new(files.path("cmd"));
    let admin = AdminThread::start(commands, command_file, files.path("cmd.out")).context("cannot start a thread")?;
    let observed = (running.observer(), admin.caller());
    let http = listener.map(|listener| listener.start(observed.0, observed.1)).transpose();
    let http = http.context("cannot start the thread that answers HTTP")?;
    announce(line).context("cannot start the thread that says where the gateway listens")?;
    tokio::select! {
        () = until_stopped(&mut signals, &admin) => {}
        failed = running.ended() => return failed.context("a worker ended by itself"),
    }
    http.iter().for_each(HttpAdmin::announce_end);
    info!("stopping");
    running.stop();
    match signals.unless_stopped(running.ended()).await {
        Some(stopped) => stopped.context("a worker failed while stopping")?,
        None => exit_at_once(pid_file, log),
    }
    warn_of_losses(&running);
    info!("stopped");
    Ok(())
}

/// Says what was left for peers that did not take it in time. That is their doing: the exit code stays 0.
fn warn_of_losses(running: &Running) {
    let Undelivered { links, bytes } = running.observer().report().total().stats.undelivered;
    if links > 0 {
        warn!(links, bytes, "peers did not take what waited for them within --shutdown-grace: it is lost");
    }
}

/// Has the allocator give the memory of a burst back even while the workers are quiet.
fn return_freed_memory() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        warn!(%error, "freed memory stays with the process: the allocator has no background thread");
    }
}

/// Everything that can be asked of this gateway.
fn commands(files: &Files, running: &Running, log: LogControl) -> anyhow::Result<Registry> {
    let mut registry = Registry::default();
    admin::register_all(&mut registry, files, &running.observer())?;
    admin::register_log_level(&mut registry, log)?;
    Ok(registry)
}

/// Where the gateway listens, for scripts.
fn listening(gateway: &Gateway, admin: Option<&HttpListener>) -> String {
    let admin = admin.map(|listener| format!(" admin={}", listener.addr())).unwrap_or_default();
    format!("listening client={} server={}{admin}", gateway.client_addr(), gateway.server_addr())
}

/// Tells scripts where the gateway listens. On a thread of its own: a stdout that is full, and whose reader stalls, must not
/// keep signals from being heard.
fn announce(line: String) -> io::Result<()> {
    info!(pid = process::id(), "{line}");
    let say = move || {
        if let Err(error) = writeln!(io::stdout(), "{line}") {
            warn!(%error, line, "nobody reads stdout");
        }
    };
    thread::Builder::new().name("stdout".to_owned()).spawn(say).map(drop)
}

async fn until_stopped(signals: &mut Signals, admin: &AdminThread) {
    while signals.next().await == Signal::RunCommands {
        admin.run_commands();
    }
}

/// For an operator who does not want to wait for the end of the grace time. Nothing is asked to finish.
fn exit_at_once(pid_file: Option<PidFile>, log: &Log) -> ! {
    warn!("stopped at once by a second signal: what waited to be sent is lost");
    drop(pid_file);
    log.finish();
    process::exit(1)
}
