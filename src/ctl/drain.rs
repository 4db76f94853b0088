//! `fastway ctl drain`: waits for the end of the drain that it has begun, and shows how that goes.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::ask::{Answered, run};
use super::error::{CtlError, Whom};
use crate::cli::CtlOptions;

/// Time between questions.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether a command begins a drain.
pub(crate) fn begins_drain(command: &str) -> bool {
    let mut words = command.split_whitespace();
    words.next() == Some("drain") && words.next() != Some("status")
}

/// Waits until the process has ended, or has drained and stays. Shows the status whenever the phase or the number of clients
/// has changed. The time limit counts from the last change.
///
/// # Errors
/// The drain was taken back, makes no progress, or the gateway cannot be asked.
pub(crate) fn follow_drain(
    options: &CtlOptions,
    pid: Option<u32>,
    mut show: impl FnMut(&str) -> io::Result<()>,
) -> Result<(), CtlError> {
    let stays = options.command.split_whitespace().any(|word| word == "--stay");
    // By its number: the next process of that name is another gateway.
    let status = CtlOptions { command: "drain status".to_owned(), pid: pid.or(options.pid), ..options.clone() };
    let (mut seen, mut changed) = (String::new(), Instant::now());
    loop {
        match run(&status) {
            Ok(Answered { outcome, .. }) if outcome.error.is_none() => {
                let [phase, clients] = ["phase=", "clients="].map(|name| field(&outcome.answer, name).to_owned());
                match phase.as_str() {
                    "serving" => return Err(CtlError::TakenBack(Whom(pid))),
                    "drained" if stays => return show(&outcome.answer).map_err(CtlError::Output),
                    _ => {}
                }
                let now = phase + " " + &clients;
                if now != seen {
                    (seen, changed) = (now, Instant::now());
                    show(&outcome.answer).map_err(CtlError::Output)?;
                }
            }
            Err(CtlError::NotRunning(_) | CtlError::Ended(_) | CtlError::NoSuchPid { .. }) => return Ok(()),
            // It ends, and answers no more commands.
            Ok(_) | Err(CtlError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        if changed.elapsed() >= options.timeout {
            return Err(CtlError::NoProgress { gateway: Whom(pid), limit: options.timeout });
        }
        thread::sleep(PAUSE);
    }
}

/// The value of a field of a status line.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    line.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap_or_default()
}
