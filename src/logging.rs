//! Structured logs on stderr, and a limit for the lines that a peer can cause.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

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

/// Changes how much is logged while the program runs.
#[derive(Clone, Debug)]
pub struct LogControl(reload::Handle<EnvFilter, Registry>);

/// Sends the log of the whole program to stderr.
///
/// `level` is what `--log-level` says. Without it `RUST_LOG` counts, and without that the level is `info`.
///
/// # Errors
/// When `RUST_LOG` is needed and is no filter, or when the program has a log already.
pub fn init(level: Option<LevelFilter>, format: LogFormat) -> Result<LogControl, LoggingError> {
    let (filter, control) = reload::Layer::new(filter(level, env::var(LEVEL_VARIABLE).ok())?);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.with_ansi(false).json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(LogControl(control))
}

impl LogControl {
    /// Logs this much from now on, whatever was said at the start.
    ///
    /// # Errors
    /// The program's log is gone.
    pub fn set_level(&self, level: LevelFilter) -> Result<(), reload::Error> {
        self.0.reload(EnvFilter::default().add_directive(level.into()))
    }

    /// What is logged now, as `RUST_LOG` would say it.
    ///
    /// # Errors
    /// The program's log is gone.
    pub fn filter(&self) -> Result<String, reload::Error> {
        self.0.with_current(ToString::to_string)
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
}

fn filter(level: Option<LevelFilter>, variable: Option<String>) -> Result<EnvFilter, LoggingError> {
    let default = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    match (level, variable) {
        (Some(level), _) => Ok(EnvFilter::default().add_directive(level.into())),
        (None, None) => Ok(default.parse_lossy("")),
        (None, Some(value)) => default.parse(&value).map_err(|error| LoggingError::Filter { value, error }),
    }
}

/// Lets a bounded number of log lines a second through and counts the others.
///
/// One per call site, or per reason, whatever a peer can trigger; it belongs to the thread that logs. The clock is the
/// caller's:
///
/// ```
/// # use std::time::Instant;
/// # let mut refused = fastway::logging::RateLimit::new(10);
/// if let Some(suppressed) = refused.allow(Instant::now()) {
///     tracing::warn!(%suppressed, "client refused");
/// }
/// ```
#[derive(Debug)]
pub struct RateLimit {
    per_second: u32,
    second: Option<Instant>,
    allowed: u32,
    suppressed: u64,
}

/// How many lines a [`RateLimit`] left out since the last one that it allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed(pub u64);

impl RateLimit {
    /// A limit that allows `per_second` lines in each second; with 0 it allows none.
    pub const fn new(per_second: u32) -> Self {
        Self { per_second, second: None, allowed: 0, suppressed: 0 }
    }

    /// Whether a line may be logged at `now`, and if so, how many before it were left out.
    pub fn allow(&mut self, now: Instant) -> Option<Suppressed> {
        self.turn_to(now);
        if self.allowed >= self.per_second {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.allowed += 1;
        Some(Suppressed(std::mem::take(&mut self.suppressed)))
    }

    /// Begins a new second when the one that counts is over.
    fn turn_to(&mut self, now: Instant) {
        let over = self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1));
        if over {
            self.second = Some(now);
            self.allowed = 0;
        }
    }
}

impl std::fmt::Display for Suppressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_so_many_lines_a_second_and_counts_the_rest() {
        let start = Instant::now();
        let mut limit = RateLimit::new(2);
        assert_eq!(limit.allow(start), Some(Suppressed(0)));
        assert_eq!(limit.allow(start), Some(Suppressed(0)));
        assert_eq!(limit.allow(start), None);
        assert_eq!(limit.allow(start + Duration::from_millis(999)), None);
        assert_eq!(limit.allow(start + Duration::from_secs(1)), Some(Suppressed(2)));
        assert_eq!(limit.allow(start + Duration::from_secs(1)), Some(Suppressed(0)));
        assert_eq!(limit.allow(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn a_limit_of_zero_allows_nothing() {
        assert_eq!(RateLimit::new(0).allow(Instant::now()), None);
    }

    #[test]
    fn a_clock_that_steps_back_neither_panics_nor_opens_the_limit() {
        let later = Instant::now() + Duration::from_secs(9);
        let mut limit = RateLimit::new(1);
        assert!(limit.allow(later).is_some());
        assert!(limit.allow(later - Duration::from_secs(5)).is_none());
    }

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
