//! The links of one port in `/api/stats`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::http::sample::Sample;
use crate::http::units::millis;
use crate::observe::{HeldUp, Histogram, NamedCounts, Side};

/// Counts or gauges, by name.
pub(super) type ByName<T> = BTreeMap<&'static str, T>;

/// The links of one port.
#[derive(Debug, Serialize)]
pub(super) struct SideView {
    links: u64,
    links_by_transport: ByName<u64>,
    links_by_protocol: ByName<u64>,
    opened: u64,
    closed: ByName<u64>,
    received_bytes: u64,
    sent_bytes: u64,
    received_frames: u64,
    sent_frames: u64,
    forwarded_frames: u64,
    reads: u64,
    writes: u64,
    waiting_packets: u64,
    waiting_bytes: u64,
    partial_bytes: u64,
    held_bytes: u64,
    held_up: ByName<HeldUpView>,
    round_trips: RoundTripsView,
}

#[derive(Debug, Serialize)]
struct HeldUpView {
    now: u64,
    count: u64,
    total_ms: u64,
}

#[derive(Debug, Serialize)]
struct RoundTripsView {
    count: u64,
    total_us: u64,
}

impl SideView {
    pub(super) fn new(sample: &Sample, side: Side) -> Self {
        let counts = sample.report.total.of(side);
        Self {
            links: counts.links(),
            links_by_transport: sums(counts.links_by_kind.iter().map(|links| (links.transport, links.count))),
            links_by_protocol: sums(counts.links_by_kind.iter().map(|links| (links.protocol, links.count))),
            opened: counts.opened,
            closed: by_name(&counts.closed),
            received_bytes: counts.received_bytes,
            sent_bytes: counts.sent_bytes,
            received_frames: counts.reads.sum,
            sent_frames: counts.writes.sum,
            forwarded_frames: counts.forwarded,
            reads: counts.reads.count,
            writes: counts.writes.count,
            waiting_packets: counts.waiting_packets,
            waiting_bytes: counts.waiting_bytes,
            partial_bytes: counts.partial_bytes,
            held_bytes: counts.held_bytes,
            held_up: counts.held_up.iter().map(|held_up| (held_up.reason.name(), held_up.into())).collect(),
            round_trips: RoundTripsView::from(&counts.round_trips),
        }
    }
}

impl From<&HeldUp> for HeldUpView {
    fn from(HeldUp { reason: _, now, count, total }: &HeldUp) -> Self {
        Self { now: *now, count: *count, total_ms: millis(*total) }
    }
}

impl From<&Histogram> for RoundTripsView {
    fn from(times: &Histogram) -> Self {
        Self { count: times.count, total_us: times.sum }
    }
}

/// The sums of counts of the same name.
fn sums(counts: impl Iterator<Item = (&'static str, u64)>) -> ByName<u64> {
    let mut sums = ByName::new();
    counts.for_each(|(name, count)| *sums.entry(name).or_default() += count);
    sums
}

/// Counts by name.
pub(super) fn by_name(counts: &NamedCounts) -> ByName<u64> {
    counts.iter().collect()
}
