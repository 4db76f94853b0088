//! The gateway that is measured: one that runs already, or one that is started for it.

mod allocations;
mod child;
mod error;
mod template;
mod usage;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::load::{GatewayAddrs, LinkKind};
pub(crate) use allocations::AllocationsError;
use allocations::Asked;
use child::ChildGateway;
pub(crate) use error::TargetError;
pub(crate) use template::Template;
pub(crate) use usage::Usage;

/// What servers of a gateway that was started here have to know.
const KEY: &str = "fastway-bench";

/// Where a gateway comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// It runs already; its process may be known.
    Running { addrs: GatewayAddrs, pid: Option<u32> },
    /// It is started for each run.
    Command(Template),
}

/// A gateway and what results call it.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// The command that tells what it has allocated.
    pub(crate) allocations: Option<Template>,
    /// How players come to it.
    pub(crate) players: LinkKind,
}

/// A gateway under test. One that was started here is killed and reaped when this is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) addrs: GatewayAddrs,
    pid: Option<u32>,
    child: Option<ChildGateway>,
}

/// The fastway beside this program.
pub(crate) fn beside_us() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.parent()?.join("fastway");
    program.is_file().then_some(program)
}

impl Source {
    pub(crate) fn provide(&self, players: LinkKind, interrupted: &AtomicBool) -> Result<Gateway, TargetError> {
        match self {
            Self::Running { addrs, pid } => Ok(Gateway { addrs: addrs.clone(), pid: *pid, child: None }),
            Self::Command(template) => {
                let (child, addrs) = ChildGateway::start(template, KEY, players, interrupted)?;
                Ok(Gateway { addrs, pid: Some(child.pid()), child: Some(child) })
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

/// What a gateway has allocated, read at the borders of the recorded parts.
#[derive(Debug)]
pub(crate) struct Allocations<'a> {
    gateway: &'a Gateway,
    /// The command that tells it, where there is one.
    question: Option<&'a Template>,
    asked: Option<Asked>,
    /// By border, in bytes.
    told: Vec<u64>,
}

impl<'a> Allocations<'a> {
    pub(crate) fn new(gateway: &'a Gateway, question: Option<&'a Template>) -> Self {
        Self { gateway, question, asked: None, told: Vec::new() }
    }

    /// Whether it is known how things stand at this border; false: call again soon. Never waits, so that the load goes
    /// on meanwhile.
    pub(crate) fn are_read(&mut self) -> Result<bool, AllocationsError> {
        let Some(question) = self.question else { return Ok(true) };
        let gateway = self.gateway;
        let mut asked = match self.asked.take() {
            Some(asked) => asked,
            None => Asked::start(question, &gateway.addrs, gateway.child.as_ref().map(ChildGateway::dir))?,
        };
        match asked.poll()? {
            Some(bytes) => self.told.push(bytes),
            None => self.asked = Some(asked),
        }
        Ok(self.asked.is_none())
    }

    /// Bytes that were allocated during each part, in order; none where nobody knows.
    pub(crate) fn by_part(&self) -> Vec<u64> {
        self.told.windows(2).filter_map(|borders| borders.last()?.checked_sub(*borders.first()?)).collect()
    }
}
