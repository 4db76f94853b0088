//! What the works that are nothing but load have in common.

use crate::load::{Fault, Layout, Traffic};
use crate::session::{Findings, Session};

/// Runs `traffic` in one recorded part.
pub(super) fn carry(mut session: Session<'_>, layout: Layout, traffic: Traffic) -> Result<Findings, Fault> {
    let time = session.settings.time;
    let recorded = session.load(layout, traffic, vec![time], &mut |_| Ok(()))?;
    Ok(recorded.findings(|_| true))
}
