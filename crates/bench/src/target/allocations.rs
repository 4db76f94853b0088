//! What a gateway has allocated so far, as a command tells that knows it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::tempfile;

use super::template::Template;
use crate::load::GatewayAddrs;

/// How long the command may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Before the number, where the command says more than that.
const NAME: &str = "allocated_bytes=";

/// Why a gateway's allocations are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AllocationsError {
    #[error("cannot run {0} (--allocations): {1}")]
    Spawn(String, #[source] io::Error),
    #[error("{0} (--allocations) failed, {1}: {2}")]
    Failed(String, ExitStatus, String),
    #[error("{0} (--allocations) has to print a number, or {NAME} with one; it printed {1:?}")]
    NoNumber(String, String),
    #[error("{0} (--allocations) has not answered within {TIME_LIMIT:?}")]
    Late(String),
    #[error("cannot ask for allocations (--allocations): {0}")]
    Io(#[from] io::Error),
}

/// A command that runs; killed, with what it started, and reaped when this is dropped.
#[derive(Debug)]
pub(super) struct Asked {
    child: Child,
    program: String,
    output: File,
    until: Instant,
}

impl Asked {
    /// Runs the command in `dir`, or here.
    pub(super) fn start(
        template: &Template,
        addrs: &GatewayAddrs,
        dir: Option<&Path>,
    ) -> Result<Self, AllocationsError> {
        let mut command: Command = template.command(addrs);
        let output = tempfile()?;
        command.process_group(0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        if let Some(dir) = dir {
            command.current_dir(dir);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| AllocationsError::Spawn(program.clone(), error))?;
        Ok(Self { child, program, output, until: Instant::now() + TIME_LIMIT })
    }

    /// The answer, once it is there.
    pub(super) fn poll(&mut self) -> Result<Option<u64>, AllocationsError> {
        let program = || self.program.clone();
        let Some(status) = self.child.try_wait()? else {
            let late = Instant::now() > self.until;
            return if late { Err(AllocationsError::Late(program())) } else { Ok(None) };
        };
        let mut words = Vec::new();
        self.output.rewind()?;
        self.output.read_to_end(&mut words)?;
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        if !status.success() {
            return Err(AllocationsError::Failed(program(), status, words));
        }
        number(&words).map(Some).ok_or_else(|| AllocationsError::NoNumber(program(), words))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // It may have ended already; then only its children are left to be killed, if there are any.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn number(words: &str) -> Option<u64> {
    let named = || words.split_whitespace().find_map(|word| word.strip_prefix(NAME)?.parse().ok());
    words.parse().ok().or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_alone_or_by_its_name() {
        assert_eq!(number("4711"), Some(4711));
        assert_eq!(number("links=3\nworkers count=2 allocated_bytes=17 freed_bytes=4"), Some(17));
        for words in ["", "links=3", "allocated_bytes=", "allocated_bytes=x", "-1", "1 2"] {
            assert_eq!(number(words), None, "{words}");
        }
    }
}
