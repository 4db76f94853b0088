//! Structured logs on stderr, and a limit for the lines that a peer can cause.
//!
//! Nobody who logs waits for whoever reads the log: see [`Log`].

mod limit;
mod panics;
mod queue;
mod writer;

use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};
use std::{env, fmt};

pub use limit::{RateLimit, Suppressed, limited};
use queue::LineQueue;
pub use queue::Patience;
use tracing::{Level, error};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::{Layer, Layered, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, reload};
use writer::Writer;

/// Environment variable that sets the log level when the command line does not.
const LEVEL_VARIABLE: &str = "RUST_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Changes how much is logged, and how lines look, while the program runs.
#[derive(Clone)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: reload::Handle<Lines, Filtered>,
    queue: Arc<LineQueue>,
}

/// What makes lines of events, and what events it gets.
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;
type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;

/// How much is logged: checked, and not in force yet.
#[derive(Debug)]
pub struct LogLevel(EnvFilter);

/// The log of the program. Dropping it ends the log, as [`Log::finish`] does.
///
/// Lines go into a queue with a bound, in bytes, and a thread of their own writes them. When the reader of stderr stalls,
/// lines that do not fit are dropped, counted ([`dropped_lines`]), and reported in the log as soon as it is read again.
#[derive(Debug)]
pub struct Log {
    queue: Arc<LineQueue>,
    control: LogControl,
}

/// The queue of the log that this program has, for [`dropped_lines`].
static QUEUE: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// Sends the log of the whole program to stderr, panics included.
///
/// `level` is what `--log-level` says. Without it `RUST_LOG` counts, and without that the level is `info`.
///
/// # Errors
/// When `RUST_LOG` is needed and is no filter, when the program has a log already, or when the system refuses a thread.
pub fn init(level: Option<LevelFilter>, format: LogFormat) -> Result<Log, LoggingError> {
    let queue = Arc::new(LineQueue::default());
    let (filter_layer, filter) = reload::Layer::new(filter(level, env::var(LEVEL_VARIABLE).ok())?);
    let (lines_layer, lines) = reload::Layer::new(lines(&queue, format));
    tracing_subscriber::registry().with(filter_layer).with(lines_layer).try_init()?;
    Writer::start(Arc::clone(&queue), io::stderr()).map_err(LoggingError::Thread)?;
    let _first = QUEUE.set(Arc::clone(&queue));
    panics::log_them();
    Ok(Log { control: LogControl { filter, lines, queue: Arc::clone(&queue) }, queue })
}

fn lines(queue: &Arc<LineQueue>, format: LogFormat) -> Lines {
    let lines = tracing_subscriber::fmt::layer().with_writer(Arc::clone(queue)).log_internal_errors(false);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.with_ansi(false).json().flatten_event(true).boxed(),
    }
}

/// Lines of the program's log that were dropped since it started, since nobody took them in time.
pub fn dropped_lines() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

impl Log {
    /// What changes the level.
    pub fn control(&self) -> LogControl {
        self.control.clone()
    }

    /// Ends the log once its lines are written. Waits for that for a second at most, and not at all when the reader has
    /// stalled before. Later lines are lost.
    pub fn finish(&self) {
        self.queue.finish();
    }

    /// Says why the program ends, even where the log is turned off.
    pub fn fatal(&self, reason: &str) {
        if tracing::enabled!(target: "fastway::logging", Level::ERROR) {
            error!(target: "fastway::logging", "{reason}");
        } else {
            self.queue.push(format!("fastway: {reason}\n").as_bytes());
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LogControl").finish_non_exhaustive()
    }
}

impl LogControl {
    /// Logs this much from now on, whatever was said at the start.
    ///
    /// # Errors
    /// The program's log is gone.
    pub fn set_level(&self, level: LevelFilter) -> Result<(), reload::Error> {
        self.filter.reload(EnvFilter::default().add_directive(level.into()))
    }

    /// What is logged now, as `RUST_LOG` would say it.
    ///
    /// # Errors
    /// The program's log is gone.
    pub fn filter(&self) -> Result<String, reload::Error> {
        self.filter.with_current(ToString::to_string)
    }

    /// Logs this much from now on.
    ///
    /// # Errors
    /// The program's log is gone.
    pub fn apply_level(&self, level: LogLevel) -> Result<(), reload::Error> {
        self.filter.reload(level.0)
    }

    /// Has lines look like this from now on. Those that wait to be written stay as they are.
    ///
    /// # Errors
    /// The program's log is gone.
    pub fn apply_format(&self, format: LogFormat) -> Result<(), reload::Error> {
        self.lines.reload(lines(&self.queue, format))
    }
}

impl LogLevel {
    /// What [`init`] would log with this level.
    ///
    /// # Errors
    /// `RUST_LOG` is needed and is no filter.
    pub fn new(level: Option<LevelFilter>) -> Result<Self, LoggingError> {
        Ok(Self(filter(level, env::var(LEVEL_VARIABLE).ok())?))
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The operator's environment holds a filter that cannot be read.
    #[error(
        "{LEVEL_VARIABLE}={value:?} is no log filter ({error}); use a level (error, warn, info, debug, trace) or --log-level"
    )]
    Filter {
        /// What the variable holds.
        value: String,
        /// What is wrong with it.
        error: ParseError,
    },
    /// Something in this program has set up a log before.
    #[error("the log is set up already: {0}")]
    Twice(#[from] TryInitError),
    /// The system refuses the thread that writes it.
    #[error("cannot start the thread of the log: {0}")]
    Thread(io::Error),
}

fn filter(level: Option<LevelFilter>, variable: Option<String>) -> Result<EnvFilter, LoggingError> {
    let default = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    match (level, variable) {
        (Some(level), _) => Ok(EnvFilter::default().add_directive(level.into())),
        (None, None) => Ok(default.parse_lossy("")),
        (None, Some(value)) => default.parse(&value).map_err(|error| LoggingError::Filter { value, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_variable() {
        let filter = filter(Some(LevelFilter::WARN), Some("no filter=!".to_owned())).unwrap();
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::WARN));
    }

    #[test]
    fn the_log_can_be_turned_off() {
        let filter = filter(Some(LevelFilter::OFF), None).unwrap();
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::OFF));
    }

    #[test]
    fn the_default_is_info() {
        assert_eq!(filter(None, None).unwrap().max_level_hint(), Some(LevelFilter::INFO));
    }

    #[test]
    fn the_variable_counts_without_the_flag() {
        let filter = filter(None, Some("debug".to_owned())).unwrap();
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::DEBUG));
    }

    #[test]
    fn a_wrong_variable_is_named_with_its_value() {
        let error = filter(None, Some("fastway=loud".to_owned())).unwrap_err().to_string();
        assert!(error.contains("RUST_LOG=\"fastway=loud\""), "{error}");
    }
}
