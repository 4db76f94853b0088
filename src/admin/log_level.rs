//! `log`: how much is logged from now on.

use fastway_service::logging::LogControl;

use super::{CommandError, RegisterError, Registry};

/// Adds `log LEVEL`; without a level it shows the present one.
///
/// # Errors
/// When the registry has the command already.
pub fn register_log_level(registry: &mut Registry, control: LogControl) -> Result<(), RegisterError> {
    registry.register("log", "[LEVEL]", "sets the log level: error, warn, info, debug, trace", move |args, answer| {
        match args.words() {
            [] => {}
            [level] => {
                let known = ["error", "warn", "info", "debug", "trace"].contains(level);
                let parsed = level.parse().ok().filter(|_| known);
                let level =
                    parsed.ok_or_else(|| CommandError::argument(level, "a level: error, warn, info, debug, trace"))?;
                control.set_level(level).map_err(CommandError::failed)?;
            }
            [_, surplus, ..] => return Err(CommandError::argument(surplus, "expected: one level is all it takes")),
        }
        Ok(writeln!(answer, "log filter: {}", control.filter().map_err(CommandError::failed)?)?)
    })
}
