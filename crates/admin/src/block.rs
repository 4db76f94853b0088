//! The command `lookup block`: how long links were held up, by link and reason.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::output::{Counted, write_bytes};
use super::profile::{Frame, ProfileBuilder};
use super::{CommandError, RegisterError, Registry, Verbosity};
use crate::observe::{AskError, LinkFilter, LinkInfo, Observe, Role, Side, Wait, WaitReason, WaitReport};

/// Links that a profile shows one by one. Those that were held up for less time are one entry.
const MOST_LINKS: usize = 10_000;

/// Adds `lookup block`, which writes how often and how long links were held up, by link and reason, to `path`: for
/// `go tool pprof`, or with a number above 0 as text.
///
/// # Errors
/// When the registry has the command already.
pub fn register_block(registry: &mut Registry, observer: Arc<dyn Observe>, path: PathBuf) -> Result<(), RegisterError> {
    let help = "writes what was held up and how long, for `go tool pprof`, or (n > 0) as text";
    registry.register("lookup block", "[n]", help, move |args, answer| {
        let as_text = Verbosity::try_from(args)?.get() > 0;
        let delays = delays(&*observer).map_err(CommandError::failed)?;
        let content = if as_text { text(&delays).into_bytes() } else { profile(&delays) };
        write_bytes(&path, "the block profile", &content)?;
        Ok(writeln!(answer, "{} written to {}", Counted(delays.len(), "delay"), path.display())?)
    })
}

/// Where, why and how long links were held up: for `go tool pprof`, or as text.
///
/// # Errors
/// A worker has not answered.
pub(crate) fn block_profile(observer: &dyn Observe, as_text: bool) -> Result<Vec<u8>, AskError> {
    let delays = delays(observer)?;
    Ok(if as_text { text(&delays).into_bytes() } else { profile(&delays) })
}

/// One place where time was lost.
#[derive(Debug)]
struct Delay {
    side: Side,
    /// The link and its peer, or those that are closed by now.
    place: String,
    reason: WaitReason,
    wait: Wait,
}

/// All delays, the longest first.
fn delays(observer: &dyn Observe) -> Result<Vec<Delay>, AskError> {
    let mut delays = Vec::new();
    let mut rest = BTreeMap::new();
    observer.visit_links(&LinkFilter::default(), &mut |link| {
        delays.extend(of(link.role.side(), &place(&link), &link.waits));
        if delays.len() > 2 * MOST_LINKS {
            fold(&mut delays, &mut rest);
        }
        ControlFlow::Continue(())
    })?;
    fold(&mut delays, &mut rest);
    delays.extend(rest.into_values());
    for worker in observer.tasks()? {
        let place = format!("links of worker {} that are closed", worker.worker);
        delays.extend(worker.past_waits.into_iter().flat_map(|(side, waits)| of(side, &place, &waits)));
    }
    delays.sort_by_key(|delay| Reverse(delay.wait.total));
    Ok(delays)
}

/// Puts the shortest delays together, by side and reason.
fn fold(delays: &mut Vec<Delay>, rest: &mut BTreeMap<(Side, WaitReason), Delay>) {
    delays.sort_by_key(|delay| Reverse(delay.wait.total));
    for delay in delays.drain(MOST_LINKS.min(delays.len())..) {
        match rest.entry((delay.side, delay.reason)) {
            Entry::Occupied(mut sum) => sum.get_mut().wait.add(delay.wait),
            Entry::Vacant(sum) => {
                let place = "links that were held up for less time".to_owned();
                sum.insert(Delay { place, wait: Wait { lasting: None, ..delay.wait }, ..delay });
            }
        }
    }
}

/// What was ever held up at a place.
fn of(side: Side, place: &str, waits: &WaitReport) -> Vec<Delay> {
    let held_up = waits.iter().filter(|(_, wait)| wait.count > 0);
    held_up.map(|(reason, wait)| Delay { side, place: place.to_owned(), reason, wait: *wait }).collect()
}

fn place(link: &LinkInfo) -> String {
    match link.role {
        Role::Client => format!("link {} {}", link.id, link.peer),
        Role::Server(server) => format!("server {server} link {} {}", link.id, link.peer),
    }
}

/// Go's own block profiles have the same two values.
fn profile(delays: &[Delay]) -> Vec<u8> {
    let mut profile = ProfileBuilder::new(&[("contentions", "count"), ("delay", "nanoseconds")]);
    for Delay { side, place, reason, wait } in delays {
        let nanos = i64::try_from(wait.total.as_nanos()).unwrap_or(i64::MAX);
        let stack = [place.as_str(), &format!("{side}s"), reason.name()].map(Frame::from);
        profile.add(&stack, &[i64::try_from(wait.count).unwrap_or(i64::MAX), nanos]);
    }
    profile.encode()
}

fn text(delays: &[Delay]) -> String {
    let mut text = format!("{}, the longest first\n", Counted(delays.len(), "delay"));
    for Delay { side, place, reason, wait } in delays {
        let Wait { count, total, lasting } = wait;
        let _ = write!(text, "total={total:.3?} count={count} reason={} side={side} at={place:?}", reason.name());
        if let Some(lasting) = lasting {
            let _ = write!(text, " lasting={lasting:.3?}");
        }
        text.push('\n');
    }
    text
}
