//! What a session shares with its endpoint, and what it tells the application.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::LinkEnd;
use crate::lock::lock;

/// Events that may wait for who reads them.
const EVENTS: usize = 16;

/// Something happened to the session of a link.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The link has no transport. It tries to come back; until then what is sent waits.
    Interrupted,
    /// The link goes on by a new transport; nothing was lost.
    Resumed {
        /// How long it had none.
        after: Duration,
    },
    /// The link has ended, and its connections with it; this side did not ask for it. Comes last.
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
    /// None, if the link has ended or never had a session.
    events: Option<broadcast::Receiver<SessionEvent>>,
}

impl SessionEvents {
    /// Of a link without a session.
    pub(crate) fn none() -> Self {
        Self { events: None }
    }

    /// The next event; `None` once the link has ended. Who is more than 16 events behind misses the oldest.
    /// Cancel-safe.
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

/// How a session stands.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The application wants a new transport, whatever the present one looks like.
    pub(super) asked: Notify,
    /// The link wants one, since the gateway is silent on the present one.
    pub(super) silent: Notify,
    /// Whether the link was read when it had its last turn. Of one that was not, nothing says that the gateway is silent.
    is_listening: AtomicBool,
    /// Whether the gateway has sent something since this was asked last.
    has_heard: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Gone with the link.
    events: Option<broadcast::Sender<SessionEvent>>,
    since: Instant,
    is_live: bool,
    interruptions: u64,
    resumes: u64,
}

impl Shared {
    /// Of a session that has just been opened.
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

    /// How often the transport was lost, and how often the session went on.
    pub(crate) fn interruptions_and_resumes(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.interruptions, state.resumes)
    }

    /// For how long the present transport has carried the session.
    pub(super) fn live_for(&self) -> Option<Duration> {
        let state = lock(&self.state);
        state.is_live.then(|| state.since.elapsed())
    }

    /// The link is read, or not.
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

    /// Whether it has, since this was asked last.
    pub(super) fn take_heard(&self) -> bool {
        self.has_heard.swap(false, Ordering::Relaxed)
    }

    /// The transport is lost; gives how long it had lived, the first time.
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

    /// Nothing follows.
    pub(super) fn over(&self, lost: Option<LinkEnd>) {
        let mut state = lock(&self.state);
        if let Some(end) = lost {
            state.tell(SessionEvent::Lost(end));
        }
        state.events = None;
    }
}

impl State {
    /// Gives how long it was the other way.
    fn turn(&mut self, is_live: bool) -> Duration {
        self.is_live = is_live;
        std::mem::replace(&mut self.since, Instant::now()).elapsed()
    }

    fn tell(&self, event: SessionEvent) {
        if let Some(events) = &self.events {
            // Nobody has to listen.
            let _ = events.send(event);
        }
    }
}
