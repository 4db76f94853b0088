//! The state of a session that its endpoint shares, and its events for the application.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::LinkEnd;
use crate::lock::lock;

/// How many events a subscriber may be behind.
const EVENTS: usize = 16;

/// An event of a link's session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The link has lost its transport, and tries to resume. Until then, sent messages wait.
    Interrupted,
    /// The link continues on a new transport, without loss.
    Resumed {
        /// The time without a transport.
        after: Duration,
    },
    /// The link and its connections have ended, not by this side. The last event.
    Lost(LinkEnd),
}

/// The events of a session, from the subscription on.
///
/// ```no_run
/// # use fastway_client::{Client, SessionEvent};
/// # fn show(_: &str) {}
/// # fn hide() {}
/// # async fn run(client: Client) {
/// let mut events = client.session_events();
/// while let Some(event) = events.next().await {
///     match event {
///         SessionEvent::Interrupted => show("connecting …"),
///         SessionEvent::Resumed { .. } => hide(),
///         SessionEvent::Lost(end) => show(&format!("the game was left: {end}")),
///         _ => {}
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct SessionEvents {
    /// `None` if the link has ended or has no session.
    events: Option<broadcast::Receiver<SessionEvent>>,
}

impl SessionEvents {
    /// No events, for a link without a session.
    pub(crate) fn none() -> Self {
        Self { events: None }
    }

    /// The next event; `None` once the link has ended. A subscriber that is more than 16 events behind misses the
    /// oldest. Cancel-safe.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        let events = self.events.as_mut()?;
        loop {
            match events.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// The state of a session, for its link, its redialer and its endpoint.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Notified when the application wants a new transport.
    pub(super) asked: Notify,
    /// Notified when the link wants a new transport, as the gateway is silent.
    pub(super) silent: Notify,
    /// Whether the link was read in its last turn. If not, silence says nothing about the gateway.
    is_listening: AtomicBool,
    /// Whether the gateway has sent something since the last [`Shared::take_heard`].
    has_heard: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// `None` once the link has ended.
    events: Option<broadcast::Sender<SessionEvent>>,
    since: Instant,
    is_live: bool,
    interruptions: u64,
    resumes: u64,
}

impl Shared {
    /// The state of a session that was just opened.
    pub(super) fn new() -> Self {
        let events = Some(broadcast::Sender::new(EVENTS));
        let state = State { events, since: Instant::now(), is_live: true, interruptions: 0, resumes: 0 };
        Self {
            state: Mutex::new(state),
            asked: Notify::new(),
            silent: Notify::new(),
            is_listening: AtomicBool::new(true),
            has_heard: AtomicBool::new(false),
        }
    }

    pub(crate) fn reconnect_now(&self) {
        self.asked.notify_one();
    }

    pub(crate) fn subscribe(&self) -> SessionEvents {
        SessionEvents { events: lock(&self.state).events.as_ref().map(broadcast::Sender::subscribe) }
    }

    /// How often a transport was lost, and how often the session was resumed.
    pub(crate) fn interruptions_and_resumes(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.interruptions, state.resumes)
    }

    /// The age of the live transport.
    pub(super) fn live_for(&self) -> Option<Duration> {
        let state = lock(&self.state);
        state.is_live.then(|| state.since.elapsed())
    }

    /// Sets whether the link is read.
    pub(super) fn set_listening(&self, is_listening: bool) {
        self.is_listening.store(is_listening, Ordering::Relaxed);
    }

    /// Whether the link is read.
    pub(super) fn is_listening(&self) -> bool {
        self.is_listening.load(Ordering::Relaxed)
    }

    /// The gateway has sent something.
    pub(super) fn set_heard(&self) {
        self.has_heard.store(true, Ordering::Relaxed);
    }

    /// Whether the gateway has sent something since the last call.
    pub(super) fn take_heard(&self) -> bool {
        self.has_heard.swap(false, Ordering::Relaxed)
    }

    /// The transport is lost. Returns its age, unless that is known already.
    pub(super) fn interrupted(&self) -> Option<Duration> {
        let mut state = lock(&self.state);
        if !state.is_live {
            return None;
        }
        state.interruptions += 1;
        let lived = state.turn(false);
        state.tell(SessionEvent::Interrupted);
        Some(lived)
    }

    /// A transport carries the session again.
    pub(super) fn resumed(&self) {
        let mut state = lock(&self.state);
        if !state.is_live {
            state.resumes += 1;
            let after = state.turn(true);
            state.tell(SessionEvent::Resumed { after });
        }
    }

    /// Ends the events, with [`SessionEvent::Lost`] if the link was lost.
    pub(super) fn over(&self, lost: Option<LinkEnd>) {
        let mut state = lock(&self.state);
        if let Some(end) = lost {
            state.tell(SessionEvent::Lost(end));
        }
        state.events = None;
    }
}

impl State {
    /// Returns how long the state before has lasted.
    fn turn(&mut self, is_live: bool) -> Duration {
        self.is_live = is_live;
        std::mem::replace(&mut self.since, Instant::now()).elapsed()
    }

    fn tell(&self, event: SessionEvent) {
        if let Some(events) = &self.events {
            // There may be no subscriber.
            let _ = events.send(event);
        }
    }
}
