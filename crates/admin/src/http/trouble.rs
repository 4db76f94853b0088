//! Troubles: what is wrong with the gateway now, for how long, and what to do about it.
//!
//! This is the only place that decides what counts as trouble. [`troubles`] is a pure function of a [`Situation`], so
//! every warning agrees with every other.

mod held_up;
mod recent;

use std::time::Duration;

use serde::Serialize;

pub(super) use self::held_up::{Collector, HeldUpLinks};
use self::held_up::{OUTBOX_FULL, TOLERATED};
pub(super) use self::recent::{Recent, Refusals, RefusalsLog};
use super::sample::Sample;
use super::units::millis;
use crate::observe::{LinkInfo, MemoryReport, PausedBy, Side, WaitReason};

/// The share of descriptors in use that counts as trouble.
const DESCRIPTORS_PERCENT: u64 = 90;

/// How bad a trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Players notice it.
    Critical,
    /// Somebody should look.
    Warning,
}

/// One trouble.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Trouble {
    severity: Severity,
    /// Its kind in one word (`docs/operations.md`).
    kind: &'static str,
    /// Which link or server is affected, and how.
    summary: String,
    /// What to do.
    advice: String,
    /// How long it has lasted, if known.
    lasting_ms: Option<u64>,
    /// The affected link, if there is one.
    link: Option<u32>,
    /// The affected server, if there is one.
    server: Option<u32>,
}

/// What the troubles are derived from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a> {
    pub(super) sample: &'a Sample,
    /// Links that are held up; empty if no worker was asked.
    pub(super) links: &'a HeldUpLinks,
    /// What was refused lately.
    pub(super) recent: &'a Recent,
}

/// All troubles, the worst first. A gateway that is stopping has none.
pub(super) fn troubles(now: &Situation<'_>) -> Vec<Trouble> {
    if now.sample.stopping {
        return Vec::new();
    }

    let mut all = silent_workers(now.sample);
    all.extend(now.links.servers().iter().filter_map(|link| stuck_server(link, now.links)));
    all.extend(further_servers(now.links));
    all.extend(no_server(now.sample));
    all.extend(accept_fails(now));
    all.extend(descriptors(now.sample));
    all.extend(memory(now.sample));
    all.extend(limits(now.recent));
    all.extend(paused_clients(now.links));
    all.extend(slow_clients(now.links));

    // The sort is stable: within a severity workers and servers stay first.
    all.sort_by_key(|trouble| trouble.severity);
    all
}

impl Trouble {
    fn new(severity: Severity, kind: &'static str, summary: String, advice: impl Into<String>) -> Self {
        Self { severity, kind, summary, advice: advice.into(), lasting_ms: None, link: None, server: None }
    }

    fn warning(kind: &'static str, summary: String, advice: impl Into<String>) -> Self {
        Self::new(Severity::Warning, kind, summary, advice)
    }

    fn lasting(self, time: Duration) -> Self {
        Self { lasting_ms: Some(millis(time)), ..self }
    }

    fn of(self, link: &LinkInfo) -> Self {
        Self { link: Some(link.id.get()), server: link.role.server().map(|server| server.get()), ..self }
    }
}

/// Workers that have not published a report, which each does at least once a second.
fn silent_workers(sample: &Sample) -> Vec<Trouble> {
    let silent = sample.silent.iter().enumerate().filter(|(_, silent)| **silent >= TOLERATED);
    let trouble = |(worker, silent): (usize, &Duration)| {
        let summary = format!("Worker {worker} does not answer. Its links stand still.");
        let advice = "Take fastway ctl lookup threadcreate and a CPU profile, then restart the gateway.";
        Trouble::new(Severity::Critical, "worker_silent", summary, advice).lasting(*silent)
    };
    silent.map(trouble).collect()
}

/// The trouble of a server link that is held up, if it has lasted for long enough.
fn stuck_server(link: &LinkInfo, links: &HeldUpLinks) -> Option<Trouble> {
    let (reason, lasting) = held_up::longest(link)?;
    let trouble = match reason {
        WaitReason::OutboxFull | WaitReason::SlowWrite if lasting >= TOLERATED => takes_too_little(link, links),
        WaitReason::OutboxFull if lasting >= OUTBOX_FULL => is_behind(link, links),
        WaitReason::UnreadAnswers if lasting >= TOLERATED => reads_no_answers(link),
        // For memory all servers are paused, which is a trouble of its own.
        WaitReason::PausedSource if link.paused_by == Some(PausedBy::Memory) => return None,
        WaitReason::PausedSource if lasting >= TOLERATED => paused_for_worker(link),
        WaitReason::NoTransport if lasting >= TOLERATED => interrupted(link),
        _ => return None,
    };
    Some(trouble.lasting(lasting).of(link))
}

fn takes_too_little(link: &LinkInfo, links: &HeldUpLinks) -> Trouble {
    let (who, waiting, paused) = (who(link), waiting(link), paused_clients_of(link, links));
    let summary = format!("{who} takes too little: {waiting} wait for it{paused}.");
    let advice = format!("Look at that server's process and network, or close its link: kick {}.", link.id);
    Trouble::new(Severity::Critical, "server_stuck", summary, advice)
}

fn is_behind(link: &LinkInfo, links: &HeldUpLinks) -> Trouble {
    let (who, waiting, paused) = (who(link), waiting(link), paused_clients_of(link, links));
    let summary = format!("{who} is behind: {waiting} wait for it, which is above --server-send-bytes{paused}.");
    let advice = "The server is slower than its clients; if this lasts, look at its process.";
    Trouble::warning("server_outbox_full", summary, advice)
}

fn reads_no_answers(link: &LinkInfo) -> Trouble {
    let summary = format!("{} does not read the answers to its own requests, so it is not read.", who(link));
    let advice = format!("Look at that server's process, or close its link: kick {}.", link.id);
    Trouble::new(Severity::Critical, "server_stuck", summary, advice)
}

fn paused_for_worker(link: &LinkInfo) -> Trouble {
    let summary = format!("{} is not read: the way to another worker is full.", who(link));
    let advice = "That worker is busy or stuck: take a CPU profile.";
    Trouble::new(Severity::Critical, "server_paused", summary, advice)
}

fn interrupted(link: &LinkInfo) -> Trouble {
    let (who, waiting) = (who(link), waiting(link));
    let summary = format!("{who} has lost its connection and has not come back; {waiting} wait for it.");
    let advice = "Look at that server's process and network. Its session ends after --server-snet-wait-timeout.";
    Trouble::new(Severity::Critical, "server_interrupted", summary, advice)
}

/// How many clients are paused for a server, as the end of a sentence.
fn paused_clients_of(link: &LinkInfo, links: &HeldUpLinks) -> String {
    match links.paused_by(link.id) {
        0 => String::new(),
        1 => ", and 1 client is paused for it".to_owned(),
        paused => format!(", and {paused} clients are paused for it"),
    }
}

/// The bytes that wait for a link.
fn waiting(link: &LinkInfo) -> String {
    size(link.waiting.bytes as u64)
}

fn further_servers(links: &HeldUpLinks) -> Option<Trouble> {
    let further = links.further_servers();
    let summary = format!("{further} further server links are held up.");
    let advice = "fastway ctl servers held-up lists them.";
    (further > 0).then(|| Trouble::new(Severity::Critical, "servers_stuck", summary, advice))
}

fn no_server(sample: &Sample) -> Option<Trouble> {
    let clients = sample.report.total.client.links();
    let summary = format!("No game server is registered; {clients} client links are here.");
    let advice = "Start a server, or look for \"server link closed\" in the log: its reason says who ended it.";
    (sample.report.servers == 0 && clients > 0).then(|| Trouble::new(Severity::Critical, "no_server", summary, advice))
}

/// Accepting pauses for 10 ms to 1 s after each failure, so it fails at least once a second while it cannot work.
fn accept_fails(now: &Situation<'_>) -> Option<Trouble> {
    let Recent { span, refusals } = now.recent;
    let usage = &now.sample.usage;
    let used = match (usage.open_files, usage.max_files) {
        (Some(open), Some(most)) => format!(" ({open} of {most} descriptors are open)"),
        _ => String::new(),
    };

    let summary = format!(
        "Accepting is paused: it failed {} times in the last {}{used}. Nobody can connect.",
        refusals.accept,
        words(*span)
    );

    let advice = "Raise the limit of open files (LimitNOFILE=, ulimit -Hn), or lower --max-links.";
    (refusals.accept > 0).then(|| Trouble::new(Severity::Critical, "accept_paused", summary, advice))
}

fn descriptors(sample: &Sample) -> Option<Trouble> {
    let (open, most) = (sample.usage.open_files?, sample.usage.max_files?);
    let near = open.saturating_mul(100) >= most.saturating_mul(DESCRIPTORS_PERCENT);
    let summary = format!("{open} of {most} descriptors are open. Without any, nobody can connect.");
    let advice = "Raise the limit of open files (LimitNOFILE=, ulimit -Hn), or lower --max-links.";
    near.then(|| Trouble::warning("descriptors_low", summary, advice))
}

fn memory(sample: &Sample) -> Option<Trouble> {
    let MemoryReport { held_bytes, most_bytes, readers_paused } = sample.report.memory;
    let (held, most) = (size(held_bytes as u64), size(most_bytes? as u64));
    let summary =
        format!("{held} are held for clients' links, and {most} may be: game servers are not read meanwhile.");
    let advice = "Clients that have stalled are closed for it. An attack, or --max-buffered-bytes is too low.";
    readers_paused.then(|| Trouble::new(Severity::Critical, "memory_short", summary, advice))
}

/// What limits have refused lately.
fn limits(recent: &Recent) -> Vec<Trouble> {
    let span = words(recent.span);
    let counts = recent.refusals.limits().into_iter().filter(|(_, count)| *count > 0);
    let trouble = |(limit, count): (&recent::Limit, u64)| {
        Trouble::warning(limit.kind, format!("{count} {} in the last {span}.", limit.what), limit.advice)
    };
    counts.map(trouble).collect()
}

fn paused_clients(links: &HeldUpLinks) -> Option<Trouble> {
    let group = links.paused_elsewhere()?;
    let (who, lasting) = (who(&group.longest), group.lasting);
    let summary = format!("{} not read, because what they send to is full; longest: {who}.", clients(group.count));
    let advice = "The servers table says which server takes too little.";
    Some(Trouble::warning("clients_paused", summary, advice).lasting(lasting))
}

fn slow_clients(links: &HeldUpLinks) -> Option<Trouble> {
    let group = links.slow_clients()?;
    let (who, waiting) = (who(&group.longest), size(group.waiting_bytes));
    let summary =
        format!("{} too slow for what is sent to them; {waiting} wait; longest: {who}.", clients(group.count));
    let advice = "Their network or device is slow. A client above its bound is closed after --client-slow-grace.";
    Some(Trouble::warning("clients_slow", summary, advice).lasting(group.lasting))
}

fn clients(count: u64) -> String {
    if count == 1 { "1 client is".to_owned() } else { format!("{count} clients are") }
}

/// Names a link, also at the beginning of a sentence.
fn who(link: &LinkInfo) -> String {
    let (id, peer) = (link.id, link.peer);
    match (link.role.server(), link.role.side()) {
        (Some(server), _) => format!("Server {server} (link {id}, {peer})"),
        (None, Side::Server) => format!("server link {id} ({peer})"),
        (None, Side::Client) => format!("link {id} ({peer})"),
    }
}

/// Bytes in a unit for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }

    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    format!("{value:.1} {unit}")
}

/// A time in whole seconds.
fn words(time: Duration) -> String {
    format!("{} s", time.as_secs().max(1))
}

#[cfg(test)]
mod tests;
