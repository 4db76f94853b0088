//! The last quarter of an hour as numbers, a row per second, so that a page just opened shows the time before.
//!
//! No worker is asked for it: a row is what the workers published at their last sweeps. It costs the admin thread a few
//! reads of `/proc` and of the allocator's counts per second, and less than half a megabyte in all.

use std::collections::VecDeque;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::sample::Sample;
use super::units::millis;
use super::units::unix_millis;
use crate::observe::{Side, WaitReason};

/// Rows kept, one per second.
const ROWS: usize = 900;

/// Rows of numbers, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Row>);

/// The numbers of one time, in the order of [`FIELDS`]. `None`: unknown.
type Row = [Option<u64>; FIELDS.len()];

/// A number of a row: its path in `/api/stats`, and its value. `all` is the sum over the reasons there.
type Field = (&'static str, fn(&Sample) -> Option<u64>);

impl History {
    /// Adds a row, unless no worker has published anything since the last one.
    pub(super) fn add(&mut self, sample: &Sample) {
        let row = FIELDS.map(|(_, read)| read(sample));
        let uptime = |row: &Row| row.first().copied().flatten();
        if self.0.back().is_some_and(|last| uptime(last) >= uptime(&row)) {
            return;
        }

        if self.0.len() >= ROWS {
            self.0.pop_front();
        }
        self.0.push_back(row);
    }
}

/// The names of the fields, then the rows.
impl Serialize for History {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("History", 2)?;
        object.serialize_field("fields", &FIELDS.map(|(name, _)| name)[..])?;
        // serde supports arrays of up to 32 elements.
        object.serialize_field("rows", &self.0.iter().map(|row| &row[..]).collect::<Vec<_>>())?;
        object.end()
    }
}

const FIELDS: [Field; 34] = [
    ("uptime_ms", |sample| Some(millis(sample.uptime))),
    ("time_ms", |sample| Some(unix_millis(sample.time))),
    ("started_ms", |sample| Some(unix_millis(sample.started))),
    ("connections.open", |sample| Some(sample.report.total.connections as u64)),
    ("client.links", |sample| Some(sample.report.total.client.links())),
    ("server.links", |sample| Some(sample.report.total.server.links())),
    ("client.opened", |sample| Some(sample.report.total.client.opened)),
    ("server.opened", |sample| Some(sample.report.total.server.opened)),
    ("client.closed.all", |sample| Some(sample.report.total.client.closed.total())),
    ("server.closed.all", |sample| Some(sample.report.total.server.closed.total())),
    ("client.received_frames", |sample| Some(sample.report.total.client.reads.sum)),
    ("server.received_frames", |sample| Some(sample.report.total.server.reads.sum)),
    ("client.received_bytes", |sample| Some(sample.report.total.client.received_bytes)),
    ("server.received_bytes", |sample| Some(sample.report.total.server.received_bytes)),
    ("client.waiting_bytes", |sample| Some(sample.report.total.client.waiting_bytes)),
    ("server.waiting_bytes", |sample| Some(sample.report.total.server.waiting_bytes)),
    ("client.held_up.paused_source.now", |sample| held_up(sample, Side::Client, WaitReason::PausedSource)),
    ("server.held_up.paused_source.now", |sample| held_up(sample, Side::Server, WaitReason::PausedSource)),
    ("client.held_up.unread_answers.now", |sample| held_up(sample, Side::Client, WaitReason::UnreadAnswers)),
    ("server.held_up.unread_answers.now", |sample| held_up(sample, Side::Server, WaitReason::UnreadAnswers)),
    ("client.round_trips.count", |sample| Some(sample.report.total.client.round_trips.count)),
    ("server.round_trips.count", |sample| Some(sample.report.total.server.round_trips.count)),
    ("client.round_trips.total_us", |sample| Some(sample.report.total.client.round_trips.sum)),
    ("server.round_trips.total_us", |sample| Some(sample.report.total.server.round_trips.sum)),
    ("refused.dials.all", |sample| Some(sample.report.total.dials_refused.total())),
    ("refused.links.all", |sample| Some(sample.report.total.links_rejected.total())),
    ("sessions.refused.all", |sample| Some(sample.report.total.sessions.refused.total())),
    ("busiest_worker_permille", |sample| Some(u64::from(sample.report.total.busy_permille))),
    ("process.uptime_ms", |sample| Some(millis(sample.measured))),
    ("process.user_cpu_ms", |sample| Some(millis(sample.usage.user))),
    ("process.system_cpu_ms", |sample| Some(millis(sample.usage.system))),
    ("process.resident_bytes", |sample| Some(sample.usage.resident_bytes)),
    ("process.open_files", |sample| sample.usage.open_files),
    ("allocator.allocated_bytes", |sample| sample.allocator.map(|allocator| allocator.allocated as u64)),
];

fn held_up(sample: &Sample, side: Side, reason: WaitReason) -> Option<u64> {
    let counted = sample.report.total.of(side).held_up.iter().find(|held_up| held_up.reason == reason);
    counted.map(|held_up| held_up.now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn sample(uptime: u64) -> Sample {
        Sample { uptime: Duration::from_millis(uptime), ..Sample::default() }
    }

    #[test]
    fn rows_are_bounded_and_the_oldest_goes_first() {
        let mut history = History::default();
        (1..=ROWS as u64 + 5).for_each(|second| history.add(&sample(second * 1000)));
        let view = serde_json::to_value(&history).unwrap();
        let rows = view["rows"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0][0], &rows[ROWS - 1][0]), (ROWS, &json!(6000), &json!(905_000)));
        assert_eq!(view["fields"].as_array().unwrap().len(), rows[0].as_array().unwrap().len());
    }

    #[test]
    fn a_time_that_is_there_already_is_not_added_again() {
        let mut history = History::default();
        [1000, 1000, 900, 1300].into_iter().for_each(|uptime| history.add(&sample(uptime)));
        let uptimes: Vec<_> = history.0.iter().map(|row| row[0].unwrap()).collect();
        assert_eq!(uptimes, [1000, 1300]);
    }
}
