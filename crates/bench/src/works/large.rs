//! `large`: an echo of frames that fill buffers, 32 KiB as a rule.

use serde::Serialize;

use super::Echo;
use crate::load::Fault;
use crate::session::{Findings, Session};

/// A closed loop of large frames, one connection on each link.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Large {
    pub(crate) links: u32,
    /// Bytes of a payload.
    pub(crate) size: u32,
    /// Messages under way on each connection.
    pub(crate) window: u32,
}

impl Large {
    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        let Self { links, size, window } = *self;
        Echo { links, connections: 1, servers: 1, size, window }.run(session)
    }
}
