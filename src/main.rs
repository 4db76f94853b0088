//! The `fastway` program: its command line and its exit codes.

mod admin_port;
mod app;
mod cli;
mod config;
mod ctl;
mod drain;
mod key_file;
mod orders;
mod serving;
mod systemd;

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use fastway_service::logging;
use fastway_session::PublicKey;
use tracing::level_filters::LevelFilter;

use self::cli::{CommandLine, CtlOptions, Faults, Invocation};
use self::config::Loaded;
use self::ctl::Answered;
use self::key_file::KeyFileError;

// ThreadSanitizer (`scripts/tsan.sh`) has to see every allocation, and jemalloc's own threads do not start under it.
#[cfg(not(tsan))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The command line cannot be understood.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    fastway_sys::resolve_names_without_modules();
    let line = match cli::parse(env::args_os().skip(1)) {
        Ok(Invocation::Run(line)) => line,
        Ok(Invocation::Check(line)) => return check(&line),
        Ok(Invocation::Init(file)) => return init(file.as_deref()),
        Ok(Invocation::Schema) => return print(&config::schema()),
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
    match config::load(&line, &environment) {
        Ok(loaded) => run(loaded),
        Err(faults) => refuse(&faults),
    }
}

fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// `fastway check`: what the flags and the file mean.
fn check(line: &CommandLine) -> ExitCode {
    match config::load(line, &environment) {
        Ok(loaded) => {
            loaded.options.notices.iter().for_each(|notice| eprintln!("warning: {notice}"));
            print(&loaded.show(&environment))
        }
        Err(faults) => refuse(&faults),
    }
}

/// `fastway init`: a file with all defaults.
fn init(file: Option<&Path>) -> ExitCode {
    let text = config::template();
    let Some(path) = file else { return print(&text) };
    match File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastway init: cannot write '{}': {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the flags or the file.
fn refuse(faults: &Faults) -> ExitCode {
    for fault in faults.iter() {
        // A place stands at the beginning of a line, where editors look for it.
        let program = if fault.is_in_file() { "" } else { "fastway: " };
        eprintln!("{program}{fault}");
    }
    ExitCode::from(EXIT_USAGE)
}

fn run(loaded: Loaded) -> ExitCode {
    let options = &loaded.options;
    let log = match logging::init(options.log_level.map(LevelFilter::from_level), options.log_format) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("fastway: {error}");
            return ExitCode::FAILURE;
        }
    };
    match app::run(loaded, &log) {
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
    let answered = ctl::run(options).map_err(|error| error.to_string());
    let failure = answered.and_then(|Answered { outcome, pid }| {
        say(&outcome.answer).map_err(|error| format!("cannot write the answer: {error}"))?;
        outcome.error.map_or(Ok(()), Err)?;
        if ctl::begins_drain(&options.command) {
            ctl::follow_drain(options, pid, say).map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    });
    match failure {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fastway ctl: {error}");
            ExitCode::FAILURE
        }
    }
}
