//! One gateway of a group: the task that keeps the link to it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::health::{GatewayHealth, GatewayState, GroupEvent, GroupEventKind};
use super::shared::Group;
use crate::link::RawConnection;
use crate::lock::lock;
use crate::{Backoff, ConnectError, LinkEnd, Server};

/// A gateway of a group with its task. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Member {
    status: Arc<Mutex<Status>>,
    stop: watch::Sender<bool>,
    /// Closed when the task has ended.
    ended: watch::Receiver<()>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Status {
    state: GatewayState,
    server: Option<Arc<Server>>,
    connects: u64,
    failures: u64,
    accepts_overflowed: u64,
    /// The end of the link that existed when the gateway was removed.
    end: Option<LinkEnd>,
}

impl Member {
    pub(super) fn start(runtime: &Handle, group: Arc<Group>, gateway: Arc<str>) -> Self {
        let status = Arc::new(Mutex::new(Status::new()));
        let (stop, stopped) = watch::channel(false);

        let (alive, ended) = watch::channel(());
        let backoff = group.config.backoff.clone();

        let keeper = Keeper { group, gateway, status: Arc::clone(&status), backoff, stopped, _alive: alive };
        Self { status, stop, ended, task: runtime.spawn(keeper.run()) }
    }

    /// Tells the task to close the link. The result waits until it has, and returns the end of the link.
    pub(super) fn leave(&self) -> impl Future<Output = Option<LinkEnd>> + use<> {
        self.stop.send_replace(true);
        let (status, mut ended) = (Arc::clone(&self.status), self.ended.clone());
        async move {
            // Nothing is ever sent: the channel closes when the task has ended, for whatever reason.
            let _ = ended.changed().await;
            lock(&status).end.clone()
        }
    }

    pub(super) fn server(&self) -> Option<Arc<Server>> {
        lock(&self.status).server.clone()
    }

    pub(super) fn health(&self, gateway: Arc<str>) -> GatewayHealth {
        let status = lock(&self.status);
        GatewayHealth {
            gateway,
            state: status.state,
            connects: status.connects,
            failures: status.failures,
            accepts_overflowed: status.accepts_overflowed,
            stats: status.server.as_ref().map(|server| server.stats()),
        }
    }
}

impl Status {
    fn new() -> Self {
        let state = GatewayState::Connecting;
        Self { state, server: None, connects: 0, failures: 0, accepts_overflowed: 0, end: None }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The state of the task of a gateway.
struct Keeper {
    group: Arc<Group>,
    gateway: Arc<str>,
    status: Arc<Mutex<Status>>,
    backoff: Backoff,
    stopped: watch::Receiver<bool>,
    _alive: watch::Sender<()>,
}

impl Keeper {
    async fn run(mut self) {
        while let Some(retry_in) = self.attempt().await {
            if self.wait(retry_in).await.is_none() {
                break;
            }
        }
        lock(&self.status).state = GatewayState::Closed;
    }

    /// Makes an attempt, and serves the link until its end. Returns the time to wait; `None` if the gateway was
    /// removed.
    async fn attempt(&mut self) -> Option<Duration> {
        match self.connect().await? {
            Ok(server) => self.serve(server).await,
            Err(error) => Some(self.failed(error)),
        }
    }

    /// `None` if the gateway was removed.
    async fn connect(&mut self) -> Option<Result<Server, ConnectError>> {
        lock(&self.status).state = GatewayState::Connecting;
        let Group { key, id, config, .. } = &*self.group;
        let connecting = Server::connect(&self.gateway, key, *id, config.server.clone());
        tokio::select! {
            connected = connecting => Some(connected),
            () = told_to_stop(&mut self.stopped) => None,
        }
    }

    /// Passes on accepted connections until the link ends. Returns the time to wait; `None` if the gateway was removed.
    async fn serve(&mut self, server: Server) -> Option<Duration> {
        let (server, since) = (Arc::new(server), Instant::now());
        self.up(&server);

        while let Some(connection) = self.next_accepted(&server).await {
            self.hand_on(connection);
        }

        let (end, lived) = (server.closed().await, since.elapsed());
        self.backoff.after_link(lived);
        let retry_in = (!*self.stopped.borrow()).then(|| self.backoff.next_delay());

        self.down(end, lived, retry_in);
        retry_in
    }

    /// `None` if the link has ended, or the gateway was removed, which closes the link.
    async fn next_accepted(&mut self, server: &Server) -> Option<RawConnection> {
        tokio::select! {
            accepted = server.accept_raw() => accepted,
            () = told_to_stop(&mut self.stopped) => {
                server.close().await;
                None
            }
        }
    }

    fn hand_on(&self, connection: RawConnection) {
        if self.group.accepts.push((Arc::clone(&self.gateway), connection)).is_err() {
            lock(&self.status).accepts_overflowed += 1;
        }
    }

    fn up(&self, server: &Arc<Server>) {
        {
            let mut status = lock(&self.status);
            status.state = GatewayState::Up;
            status.server = Some(Arc::clone(server));
            status.connects += 1;
        }
        tracing::info!(gateway = %self.gateway, "the gateway is connected");
        self.tell(GroupEventKind::Up);
    }

    fn down(&self, end: LinkEnd, lived: Duration, retry_in: Option<Duration>) {
        {
            let mut status = lock(&self.status);
            status.server = None;
            status.end = retry_in.is_none().then(|| end.clone());
        }
        tracing::warn!(gateway = %self.gateway, %end, ?lived, ?retry_in, "the link to the gateway has ended");
        self.tell(GroupEventKind::Down { end, lived, retry_in });
    }

    fn failed(&mut self, error: ConnectError) -> Duration {
        let retry_in = match error.retry_after() {
            Some(retry_after) => self.backoff.after_overload(retry_after),
            None => self.backoff.next_delay(),
        };

        lock(&self.status).failures += 1;
        tracing::warn!(gateway = %self.gateway, %error, ?retry_in, "the gateway cannot be reached");
        self.tell(GroupEventKind::Failed { error: Arc::new(error), retry_in });
        retry_in
    }

    fn tell(&self, kind: GroupEventKind) {
        // There may be no subscriber.
        let _ = self.group.events.send(GroupEvent { gateway: Arc::clone(&self.gateway), kind });
    }

    /// `None` if the gateway was removed.
    async fn wait(&mut self, retry_in: Duration) -> Option<()> {
        lock(&self.status).state = GatewayState::Waiting { retry_in };
        tokio::select! {
            () = tokio::time::sleep(retry_in) => Some(()),
            () = told_to_stop(&mut self.stopped) => None,
        }
    }
}

/// Completes when the gateway is removed. An error means the end of the group, with the same effect.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|&stop| stop).await;
}
