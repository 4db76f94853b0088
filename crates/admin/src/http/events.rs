//! `/api/events`: server-sent events for a live page, one per second.
//!
//! One task samples the gateway for all subscribers. Without subscribers it asks no worker, and only adds their
//! published reports to the history. A slow subscriber misses events; none are queued for it without bound.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Either;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use rustc_hash::FxHashMap;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::app::{App, Identity, Phase};
use super::links::LinkView;
use super::query::Query;
use super::ranking::{Order, SortKey, TopN};
use super::reply::{Failure, Reply};
use super::sample::{Sample, Started};
use super::stats::StatsView;
use super::subscribers::event;
use super::trouble::{Collector, HeldUpLinks, Refusals, RefusalsLog, Situation, Trouble, troubles};
use super::units::unix_millis;
use crate::observe::{AskError, LinkFilter, LinkId, LinkInfo, Observe, Side, Traffic, WaitReason};

/// The time between events.
const PERIOD: Duration = Duration::from_secs(1);
/// The time that workers have to list their links.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// A link held up for less than this is not slow.
const SLOW: Duration = Duration::from_secs(1);
/// Links in a table.
const TABLE: usize = 10;
/// Servers in a table. Few gateways have more; `/api/servers` lists all.
const SERVERS: usize = 100;

impl App {
    /// Subscribes to the stream.
    pub(super) fn event_stream(&self, head: &Parts) -> Result<Reply, Failure> {
        Query::read(head, &[])?;
        let mut reply = Response::new(Either::Right(self.subscribers.join()?));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // A buffering proxy would delay the events.
        reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(reply)
    }

    /// Keeps the history, and sends events while there are subscribers, until the end.
    pub(super) async fn broadcast(self: Arc<Self>) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = EventState::default();

        loop {
            tokio::select! {
                () = self.ended() => return self.subscribers.end(),
                _ = ticks.tick() => {}
                // A new subscriber has nothing to show yet.
                () = self.subscribers.joined() => ticks.reset(),
            }

            if self.subscribers.is_wanted() {
                state = self.sample_and_send(state).await;
            } else {
                state.last = LastTraffic::default();
                self.record_published(&mut state);
            }
        }
    }

    /// Asks the workers, and sends an event.
    async fn sample_and_send(&self, state: EventState) -> EventState {
        let (observer, started, stopping) = (Arc::clone(&self.observer), self.started, self.phase() != Phase::Serving);
        let identity = Arc::clone(&self.identity);
        let taken = self.questions.run(move || take_event(&*observer, &identity, started, stopping, state)).await;
        // Too many other questions are in progress: there is no event in this second.
        let Ok(TakenEvent { sample, event, state }) = taken else { return EventState::default() };

        self.subscribers.record(&sample);
        self.subscribers.send(&event);
        state
    }

    /// Adds the published reports to the history.
    fn record_published(&self, state: &mut EventState) {
        let sample = Sample::take_published(&*self.observer, self.started, self.phase() != Phase::Serving);
        state.refusals.add(sample.uptime, Refusals::until(&sample));
        self.subscribers.record(&sample);
    }
}

/// The state from one event to the next.
#[derive(Debug, Default)]
struct EventState {
    last: LastTraffic,
    refusals: RefusalsLog,
}

/// The result of taking an event.
struct TakenEvent {
    sample: Sample,
    event: Bytes,
    state: EventState,
}

/// The traffic of links at the last event.
#[derive(Debug, Default)]
struct LastTraffic {
    at: Option<Instant>,
    traffic: FxHashMap<LinkId, Traffic>,
}

/// The tables: servers, the links with the most bytes since the last event, and those that are held up.
#[derive(Debug, Serialize)]
struct Tables {
    time_ms: u64,
    servers: Vec<RatedLink>,
    busiest: Vec<RatedLink>,
    slowest: Vec<RatedLink>,
}

/// A link with its rates since the last event; `None` if it is new.
#[derive(Debug, Serialize)]
struct RatedLink {
    #[serde(flatten)]
    link: LinkView,
    rates: Option<Rates>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Rates {
    received_frames_per_second: u64,
    received_bytes_per_second: u64,
    sent_frames_per_second: u64,
    sent_bytes_per_second: u64,
}

/// The troubles at a time.
#[derive(Debug, Serialize)]
struct TroublesView {
    time_ms: u64,
    trouble: Vec<Trouble>,
}

/// Takes everything that an event shows.
fn take_event(
    observer: &dyn Observe,
    identity: &Identity,
    started: Started,
    stopping: bool,
    state: EventState,
) -> TakenEvent {
    let EventState { last, mut refusals } = state;
    let sample = Sample::take(observer, started, stopping);
    let recent = refusals.add(sample.uptime, Refusals::until(&sample));

    // If a worker does not answer there are no tables: they would only wait for it as well.
    let observer = observer.with_time_limit(TIME_LIMIT);
    let time_ms = unix_millis(sample.time);
    let tables = if sample.fresh { tables(&*observer, time_ms, &last).ok() } else { None };
    let (shown, links, last) = match tables {
        Some((tables, links, seen)) => (event("tables", &tables), links, seen),
        None => (String::new(), HeldUpLinks::default(), last),
    };

    let trouble = troubles(&Situation { sample: &sample, links: &links, recent: &recent });
    let stats = event("stats", &StatsView::new(&sample, identity));
    let trouble = event("trouble", &TroublesView { time_ms, trouble });
    TakenEvent { event: Bytes::from(stats + &trouble + &shown), sample, state: EventState { last, refusals } }
}

fn tables(
    observer: &dyn Observe,
    time_ms: u64,
    last: &LastTraffic,
) -> Result<(Tables, HeldUpLinks, LastTraffic), AskError> {
    let now = Instant::now();
    let mut seen = LastTraffic { at: Some(now), traffic: FxHashMap::default() };

    let elapsed = last.at.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
    let (mut servers, mut busiest, mut slowest) = (TopN::new(SERVERS), TopN::new(TABLE), TopN::new(TABLE));
    let mut held_up = Collector::default();

    observer.visit_links(&LinkFilter::default(), &mut |link| {
        seen.traffic.insert(link.id, link.traffic);
        let moved = last.traffic.get(&link.id).map_or(0, |before| moved(before, &link.traffic));
        busiest.add(SortKey::new(moved, bytes(&link.traffic), link.id), link.clone());
        held_up.add(&link);
        if is_slow(&link) {
            slowest.add(Order::Slowest.sort_key(&link), link.clone());
        }
        if link.role.side() == Side::Server {
            servers.add(Order::Id.sort_key(&link), link);
        }
        ControlFlow::Continue(())
    })?;

    let rated = |links: Vec<LinkInfo>| rated(observer, &links, last, elapsed);
    let [servers, busiest, slowest] = [servers, busiest, slowest].map(|top| rated(top.page().links));
    let tables = Tables { time_ms, servers: servers?, busiest: busiest?, slowest: slowest? };
    Ok((tables, held_up.finish(), seen))
}

/// Whether a link is held up for longer than a healthy one. A session that waits for its peer is not slow.
fn is_slow(link: &LinkInfo) -> bool {
    link.held_up().any(|(reason, lasting)| reason != WaitReason::NoTransport && lasting >= SLOW)
}

fn rated(
    observer: &dyn Observe,
    links: &[LinkInfo],
    last: &LastTraffic,
    elapsed: Duration,
) -> Result<Vec<RatedLink>, AskError> {
    let views = LinkView::of_all(observer, links)?.into_iter();
    let rated = views.zip(links).map(|(link, info)| {
        let before = last.traffic.get(&info.id);
        RatedLink { link, rates: before.and_then(|before| Rates::new(before, &info.traffic, elapsed)) }
    });
    Ok(rated.collect())
}

impl Rates {
    fn new(before: &Traffic, after: &Traffic, elapsed: Duration) -> Option<Self> {
        let millis = u64::try_from(elapsed.as_millis()).ok().filter(|millis| *millis > 0)?;
        let rate =
            |count: fn(&Traffic) -> u64| (count(after).saturating_sub(count(before))).saturating_mul(1000) / millis;

        Some(Self {
            received_frames_per_second: rate(|traffic| traffic.received_frames),
            received_bytes_per_second: rate(|traffic| traffic.received_bytes),
            sent_frames_per_second: rate(|traffic| traffic.sent_frames),
            sent_bytes_per_second: rate(|traffic| traffic.sent_bytes),
        })
    }
}

/// Bytes both ways since before.
fn moved(before: &Traffic, after: &Traffic) -> u64 {
    bytes(after).saturating_sub(bytes(before))
}

fn bytes(traffic: &Traffic) -> u64 {
    traffic.received_bytes + traffic.sent_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second() {
        let before = Traffic { received_bytes: 100, sent_frames: 7, ..Traffic::default() };
        let after = Traffic { received_bytes: 1100, sent_frames: 9, ..Traffic::default() };
        let rates = Rates::new(&before, &after, Duration::from_millis(500)).unwrap();
        assert_eq!((rates.received_bytes_per_second, rates.sent_frames_per_second), (2000, 4));
        assert_eq!(Rates::new(&before, &after, Duration::ZERO), None);
    }

    #[test]
    fn a_count_that_went_down_is_no_traffic() {
        let (more, less) = (Traffic { sent_bytes: 9, ..Traffic::default() }, Traffic::default());
        assert_eq!([moved(&more, &less), moved(&less, &more)], [0, 9]);
        assert_eq!(Rates::new(&more, &less, Duration::from_secs(1)).unwrap().sent_bytes_per_second, 0);
    }
}
