//! The subscribers of `/api/events`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use super::history::History;
use super::reply::{EventStream, Failure};
use super::sample::Sample;

/// Streams at a time.
const STREAMS: usize = 16;
/// Events that may wait for a subscriber. It misses further ones.
const WAITING: usize = 4;

/// The subscribers, and what a new one gets first.
#[derive(Debug)]
pub(super) struct Subscribers {
    state: Mutex<State>,
    joined: Notify,
}

#[derive(Debug)]
struct State {
    /// `None` once there are no more events.
    listeners: Option<Vec<mpsc::Sender<Bytes>>>,
    /// The latest event, for new subscribers, behind the history.
    latest: Option<Bytes>,
    history: History,
}

impl Default for Subscribers {
    fn default() -> Self {
        let state = State { listeners: Some(Vec::new()), latest: None, history: History::default() };
        Self { state: Mutex::new(state), joined: Notify::new() }
    }
}

impl Subscribers {
    /// Adds a subscriber.
    pub(super) fn join(&self) -> Result<EventStream, Failure> {
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

    /// Waits for a new subscriber that got no event yet.
    pub(super) async fn joined(&self) {
        self.joined.notified().await;
    }

    /// Adds a sample to the history for later subscribers.
    pub(super) fn record(&self, sample: &Sample) {
        self.lock().history.add(sample);
    }

    /// Whether there are subscribers. Closed ones are removed.
    pub(super) fn is_wanted(&self) -> bool {
        let mut state = self.lock();
        let State { listeners, latest, .. } = &mut *state;
        let Some(listeners) = listeners else { return false };

        listeners.retain(|listener| !listener.is_closed());
        if listeners.is_empty() {
            *latest = None;
        }
        !listeners.is_empty()
    }

    /// Sends an event to all subscribers.
    pub(super) fn send(&self, event: &Bytes) {
        let mut state = self.lock();
        // A slow subscriber misses it.
        state.listeners.iter().flatten().for_each(|listener| drop(listener.try_send(event.clone())));
        state.latest = Some(event.clone());
    }

    /// Ends the streams that there are. New ones may begin.
    pub(super) fn dismiss(&self) {
        self.lock().listeners.iter_mut().for_each(Vec::clear);
    }

    /// Ends all streams.
    pub(super) fn end(&self) {
        self.send(&Bytes::from_static(b"event: end\ndata: {\"reason\":\"the gateway stops\"}\n\n"));
        self.lock().listeners = None;
    }

    /// A panic of another thread cannot leave the list in a wrong state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Formats an event.
pub(super) fn event(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()));
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_wanted_while_somebody_listens() {
        let subscribers = Subscribers::default();
        assert!(!subscribers.is_wanted());
        let mut stream = subscribers.join().unwrap();
        subscribers.joined().await;
        assert!(subscribers.is_wanted());
        subscribers.send(&Bytes::from_static(b"one"));
        let mut late = subscribers.join().unwrap();
        for stream in [&mut stream, &mut late] {
            assert_eq!(stream.0.recv().await.unwrap(), "retry: 3000\n\n");
            assert!(stream.0.recv().await.unwrap().starts_with(b"event: history\n"));
            assert_eq!(stream.0.recv().await.unwrap(), "one");
        }
        drop((stream, late));
        assert!(!subscribers.is_wanted());
        let mut newcomer = subscribers.join().unwrap();
        subscribers.end();
        assert_eq!(newcomer.0.recv().await.unwrap(), "retry: 3000\n\n");
        assert!(newcomer.0.recv().await.unwrap().starts_with(b"event: history\n"));
        assert!(newcomer.0.recv().await.unwrap().starts_with(b"event: end\n"));
        assert_eq!(newcomer.0.recv().await, None);
        assert!(!subscribers.is_wanted());
        assert!(subscribers.join().is_err());
    }

    #[test]
    fn streams_are_bounded_and_one_that_does_not_read_misses_events() {
        let subscribers = Subscribers::default();
        let mut streams: Vec<EventStream> = (0..STREAMS).map(|_| subscribers.join().unwrap()).collect();
        assert!(subscribers.join().unwrap_err().error().contains("16 streams"));
        (0..100).for_each(|_| subscribers.send(&Bytes::from_static(b"event")));
        let first = &mut streams[0].0;
        assert_eq!(std::iter::from_fn(|| first.try_recv().ok()).count(), WAITING);
        streams.pop();
        subscribers.join().unwrap();
    }
}
