//! `/api/events`: a stream of server-sent events for a live page, once a second.
//!
//! One task looks at the gateway for all who listen. While nobody does, it asks no worker: it only adds to the history what
//! they have published anyway. Who does not read what comes misses events; nothing piles up.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::Either;
use hyper::Response;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use rustc_hash::FxHashMap;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::app::{App, Identity, Phase};
use super::history::History;
use super::links::LinkView;
use super::query::Query;
use super::ranking::{Order, Place, TopN};
use super::reply::{Failure, Reply};
use super::sample::{Sample, Started};
use super::stats::{StatsView, unix_millis};
use super::trouble::{Collector, HeldUpLinks, Refusals, RefusalsLog, Situation, Trouble, troubles};
use crate::gateway::{AskError, LinkFilter, LinkInfo, Observer};
use crate::link::{Traffic, WaitReason};
use crate::routing::{LinkId, Side};

/// Time between events.
const PERIOD: Duration = Duration::from_secs(1);
/// Streams at a time.
const STREAMS: usize = 16;
/// Events that may wait for one that listens; further ones are left out.
const WAITING: usize = 4;
/// How long workers have for the links that tables show.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// A link that was held up for less than this is not slow.
const SLOW: Duration = Duration::from_secs(1);
/// Links in a table.
const TABLE: usize = 10;
/// Servers in a table: more are few gateways' case, and then `/api/servers` has them.
const SERVERS: usize = 100;

/// Those who listen.
#[derive(Debug)]
pub(super) struct Events {
    state: Mutex<State>,
    joined: Notify,
}

#[derive(Debug)]
struct State {
    /// `None`: there are no more events.
    listeners: Option<Vec<mpsc::Sender<Bytes>>>,
    /// What a newcomer gets at once, behind the history.
    latest: Option<Bytes>,
    history: History,
}

/// The body of an answer that goes on.
#[derive(Debug)]
pub(super) struct EventStream(mpsc::Receiver<Bytes>);

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

impl Default for Events {
    fn default() -> Self {
        let state = State { listeners: Some(Vec::new()), latest: None, history: History::default() };
        Self { state: Mutex::new(state), joined: Notify::new() }
    }
}

impl Events {
    /// Lets one more listen.
    fn join(&self) -> Result<EventStream, Failure> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut state = self.lock();
        let latest = state.latest.clone();
        let history = Bytes::from(event("history", &state.history));
        let listeners = state.listeners.as_mut().ok_or_else(|| Failure::busy("the gateway stops"))?;
        listeners.retain(|listener| !listener.is_closed());
        if listeners.len() >= STREAMS {
            return Err(Failure::busy(format!("there are {STREAMS} streams of events already; close one")));
        }
        if latest.is_none() {
            self.joined.notify_one();
        }
        let first = ["retry: 3000\n\n".into(), history].into_iter().chain(latest);
        first.for_each(|event: Bytes| drop(sender.try_send(event)));
        listeners.push(sender);
        Ok(EventStream(receiver))
    }

    /// Waits until somebody begins to listen who has got nothing yet.
    async fn joined(&self) {
        self.joined.notified().await;
    }

    /// Adds how things stood to what those get who listen later.
    fn record(&self, sample: &Sample) {
        self.lock().history.add(sample);
    }

    fn is_wanted(&self) -> bool {
        let mut state = self.lock();
        let State { listeners, latest, .. } = &mut *state;
        let Some(listeners) = listeners else { return false };
        listeners.retain(|listener| !listener.is_closed());
        if listeners.is_empty() {
            *latest = None;
        }
        !listeners.is_empty()
    }

    /// Gives an event to all who listen.
    fn send(&self, event: &Bytes) {
        let mut state = self.lock();
        // One that does not read misses it.
        state.listeners.iter().flatten().for_each(|listener| drop(listener.try_send(event.clone())));
        state.latest = Some(event.clone());
    }

    /// Ends all streams.
    fn end(&self) {
        self.send(&Bytes::from_static(b"event: end\ndata: {\"reason\":\"the gateway stops\"}\n\n"));
        self.lock().listeners = None;
    }

    /// A panic of another thread cannot leave a list half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The stream.
    pub(super) fn event_stream(&self, head: &Parts) -> Result<Reply, Failure> {
        Query::read(head, &[])?;
        let mut reply = Response::new(Either::Right(self.events.join()?));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // A proxy that waits for more would hold the events back.
        reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(reply)
    }

    /// Keeps the history, and sends events while anybody listens, until the end.
    pub(super) async fn broadcast(self: Arc<Self>) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut memory = Memory::default();
        loop {
            tokio::select! {
                () = self.ended() => return self.events.end(),
                _ = ticks.tick() => {}
                // Somebody has nothing to show yet.
                () = self.events.joined() => ticks.reset(),
            }
            if self.events.is_wanted() {
                memory = self.look_closely(memory).await;
            } else {
                memory.last = Last::default();
                self.look_from_afar(&mut memory);
            }
        }
    }

    /// Asks the workers, and tells those who listen.
    async fn look_closely(&self, memory: Memory) -> Memory {
        let (observer, started, stopping) = (self.observer.clone(), self.started, self.phase() != Phase::Serving);
        let identity = Arc::clone(&self.identity);
        let looked = self.questions.run(move || look(&observer, &identity, started, stopping, memory)).await;
        // Too many others ask: this second has no event.
        let Ok(Look { sample, event, memory }) = looked else { return Memory::default() };
        self.events.record(&sample);
        self.events.send(&event);
        memory
    }

    /// Takes what the workers have published.
    fn look_from_afar(&self, memory: &mut Memory) {
        let sample = Sample::take_published(&self.observer, self.started, self.phase() != Phase::Serving);
        memory.refusals.add(sample.uptime, Refusals::until(&sample));
        self.events.record(&sample);
    }
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
struct Memory {
    last: Last,
    refusals: RefusalsLog,
}

/// What came of a look.
struct Look {
    sample: Sample,
    event: Bytes,
    memory: Memory,
}

/// What links had done at the last event.
#[derive(Debug, Default)]
struct Last {
    at: Option<Instant>,
    traffic: FxHashMap<LinkId, Traffic>,
}

/// What tables show: servers, the links that moved the most bytes since the last event, and those that are held up.
#[derive(Debug, Serialize)]
struct Tables {
    time_ms: u64,
    servers: Vec<RatedLink>,
    busiest: Vec<RatedLink>,
    slowest: Vec<RatedLink>,
}

/// A link, and what it did since the last event; `None`: it was not there.
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

/// What is wrong, at a time.
#[derive(Debug, Serialize)]
struct TroublesView {
    time_ms: u64,
    trouble: Vec<Trouble>,
}

/// One look at everything that an event shows.
fn look(observer: &Observer, identity: &Identity, started: Started, stopping: bool, memory: Memory) -> Look {
    let Memory { last, mut refusals } = memory;
    let sample = Sample::take(observer, started, stopping);
    let recent = refusals.add(sample.uptime, Refusals::until(&sample));

    // If a worker does not answer there are no tables, which would only wait for it as well.
    let observer = observer.clone().with_time_limit(TIME_LIMIT);
    let time_ms = unix_millis(sample.time);
    let tables = if sample.fresh { tables(&observer, time_ms, &last).ok() } else { None };
    let (shown, links, last) = match tables {
        Some((tables, links, seen)) => (event("tables", &tables), links, seen),
        None => (String::new(), HeldUpLinks::default(), last),
    };

    let trouble = troubles(&Situation { sample: &sample, links: &links, recent: &recent });
    let stats = event("stats", &StatsView::new(&sample, identity));
    let trouble = event("trouble", &TroublesView { time_ms, trouble });
    Look { event: Bytes::from(stats + &trouble + &shown), sample, memory: Memory { last, refusals } }
}

fn event(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()));
    format!("event: {name}\ndata: {data}\n\n")
}

fn tables(observer: &Observer, time_ms: u64, last: &Last) -> Result<(Tables, HeldUpLinks, Last), AskError> {
    let now = Instant::now();
    let mut seen = Last { at: Some(now), traffic: FxHashMap::default() };
    let elapsed = last.at.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
    let (mut servers, mut busiest, mut slowest) = (TopN::new(SERVERS), TopN::new(TABLE), TopN::new(TABLE));
    let mut held_up = Collector::default();
    observer.visit_links(&LinkFilter::default(), |link| {
        seen.traffic.insert(link.id, link.traffic);
        let moved = last.traffic.get(&link.id).map_or(0, |before| moved(before, &link.traffic));
        busiest.add(Place::new(moved, bytes(&link.traffic), link.id), link.clone());
        held_up.add(&link);
        if is_slow(&link) {
            slowest.add(Order::Slowest.place(&link), link.clone());
        }
        if link.role.side() == Side::Server {
            servers.add(Order::Id.place(&link), link);
        }
        ControlFlow::Continue(())
    })?;
    let rated = |links: Vec<LinkInfo>| rated(observer, &links, last, elapsed);
    let [servers, busiest, slowest] = [servers, busiest, slowest].map(|top| rated(top.page().links));
    let tables = Tables { time_ms, servers: servers?, busiest: busiest?, slowest: slowest? };
    Ok((tables, held_up.finish(), seen))
}

/// Whether a link is held up for longer than a healthy one is. One that waits for its peer to come back is not slow.
fn is_slow(link: &LinkInfo) -> bool {
    link.held_up().any(|(reason, lasting)| reason != WaitReason::NoTransport && lasting >= SLOW)
}

fn rated(observer: &Observer, links: &[LinkInfo], last: &Last, elapsed: Duration) -> Result<Vec<RatedLink>, AskError> {
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

    #[tokio::test]
    async fn events_are_wanted_while_somebody_listens() {
        let events = Events::default();
        assert!(!events.is_wanted());
        let mut stream = events.join().unwrap();
        events.joined().await;
        assert!(events.is_wanted());
        events.send(&Bytes::from_static(b"one"));
        let mut late = events.join().unwrap();
        for stream in [&mut stream, &mut late] {
            assert_eq!(stream.0.recv().await.unwrap(), "retry: 3000\n\n");
            assert!(stream.0.recv().await.unwrap().starts_with(b"event: history\n"));
            assert_eq!(stream.0.recv().await.unwrap(), "one");
        }
        drop((stream, late));
        assert!(!events.is_wanted());
        let mut newcomer = events.join().unwrap();
        events.end();
        assert_eq!(newcomer.0.recv().await.unwrap(), "retry: 3000\n\n");
        assert!(newcomer.0.recv().await.unwrap().starts_with(b"event: history\n"));
        assert!(newcomer.0.recv().await.unwrap().starts_with(b"event: end\n"));
        assert_eq!(newcomer.0.recv().await, None);
        assert!(!events.is_wanted());
        assert!(events.join().is_err());
    }

    #[test]
    fn streams_are_bounded_and_one_that_does_not_read_misses_events() {
        let events = Events::default();
        let mut streams: Vec<EventStream> = (0..STREAMS).map(|_| events.join().unwrap()).collect();
        assert!(events.join().unwrap_err().error().contains("16 streams"));
        (0..100).for_each(|_| events.send(&Bytes::from_static(b"event")));
        let first = &mut streams[0].0;
        assert_eq!(std::iter::from_fn(|| first.try_recv().ok()).count(), WAITING);
        streams.pop();
        events.join().unwrap();
    }

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
