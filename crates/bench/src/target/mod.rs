//! The gateway that is measured: one that runs already, or one that is started for it.

mod child;
mod template;
mod usage;

use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::load::Doors;
use child::ChildGateway;
pub(crate) use template::Template;
pub(crate) use usage::Usage;

/// What servers of a gateway that was started here have to know.
const KEY: &str = "fastway-bench";

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("cannot start {0}: {1}")]
    Spawn(String, #[source] io::Error),
    #[error("the gateway ended before it listened: {0}")]
    Died(String),
    #[error("the gateway does not listen on both of its ports after {0:?}; {1}")]
    Deaf(Duration, String),
    #[error("interrupted")]
    Interrupted,
    #[error("cannot start a gateway: {0}")]
    Io(#[from] io::Error),
}

/// Where a gateway comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// It runs already; its process may be known.
    Running { doors: Doors, pid: Option<u32> },
    /// It is started for each run.
    Command(Template),
}

/// A gateway under test. One that was started here is killed and reaped when this is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) doors: Doors,
    pid: Option<u32>,
    child: Option<ChildGateway>,
}

impl Source {
    /// The gateway beside this program.
    pub(crate) fn beside_us() -> Option<Self> {
        let program = std::env::current_exe().ok()?.parent()?.join("fastway");
        program.is_file().then(|| Self::Command(Template::fastway(&program)))
    }

    pub(crate) fn provide(&self, interrupted: &AtomicBool) -> Result<Gateway, TargetError> {
        match self {
            Self::Running { doors, pid } => Ok(Gateway { doors: doors.clone(), pid: *pid, child: None }),
            Self::Command(template) => {
                let (child, client, server) = ChildGateway::start(template, KEY, interrupted)?;
                let doors = Doors { client, server, key: KEY.to_owned() };
                Ok(Gateway { doors, pid: Some(child.pid()), child: Some(child) })
            }
        }
    }
}

impl Gateway {
    /// What its process uses; `None` where the process is not known.
    pub(crate) fn usage(&self) -> io::Result<Option<Usage>> {
        self.pid.map(Usage::of).transpose()
    }

    /// Its open descriptors; `None` where the process is not known.
    pub(crate) fn descriptors(&self) -> Option<usize> {
        Usage::descriptors(self.pid?).ok()
    }

    /// How it ended, if it has.
    pub(crate) fn death(&mut self) -> Option<String> {
        match (&mut self.child, self.pid) {
            (Some(child), _) => child.death(),
            (None, Some(pid)) => Usage::of(pid).is_err().then(|| format!("there is no process {pid} any more")),
            (None, None) => None,
        }
    }
}
