//! The common part of clients and servers: one link, and the connections on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::link::RawConnection;
use crate::link::{Answer, Carrier, Closing, Driver, Link};
use crate::session::{SessionEvents, Shared};
use crate::{ConnectError, DialError, LinkConfig, LinkEnd, LinkStats, Remote};

/// A link with its owner. Dropping it ends the link, its task and its connections.
#[derive(Debug)]
pub(crate) struct Endpoint {
    link: Arc<Link>,
    session: Option<Arc<Shared>>,
}

impl Endpoint {
    /// Starts the task of a link over `stream`.
    pub(crate) fn start<S>(
        stream: S,
        config: LinkConfig,
        first_command: Option<oneshot::Sender<()>>,
    ) -> Result<Self, ConnectError>
    where
        S: Carrier + Send + 'static,
    {
        config.check()?;
        let runtime = Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;

        let link = Arc::new(Link::new(config));
        let session = stream.session();
        runtime.spawn(Driver::new(stream, Arc::clone(&link), first_command));
        Ok(Self { link, session })
    }

    pub(crate) async fn dial(&self, remote: Remote) -> Result<RawConnection, DialError> {
        self.dial_timeout(remote, self.link.config.dial_timeout).await
    }

    pub(crate) async fn dial_timeout(&self, remote: Remote, after: Duration) -> Result<RawConnection, DialError> {
        match self.link.within(after, self.link.dial(remote)).await {
            Ok(Ok(Answer::Accepted(connection))) => Ok(connection),
            Ok(Ok(Answer::Refused)) => Err(DialError::Refused { remote }),
            Ok(Err(end)) => Err(end.into()),
            Err(_) => Err(DialError::TimedOut { remote, after }),
        }
    }

    /// Asks the gateway for a sign of life.
    pub(crate) fn ping(&self) {
        self.link.ping();
    }

    pub(crate) async fn accept(&self) -> Option<RawConnection> {
        self.link.accepts.pop().await
    }

    pub(crate) async fn close(&self) -> LinkEnd {
        self.link.shut_down(Closing::Gently);
        self.closed().await
    }

    pub(crate) async fn closed(&self) -> LinkEnd {
        self.link.ended().await
    }

    pub(crate) fn end(&self) -> Option<LinkEnd> {
        self.link.end().cloned()
    }

    pub(crate) fn is_held_up(&self) -> bool {
        self.link.is_held_up()
    }

    pub(crate) fn stats(&self) -> LinkStats {
        let stats = self.link.stats();
        let (interruptions, resumes) =
            self.session.as_ref().map(|session| session.interruptions_and_resumes()).unwrap_or_default();
        LinkStats { interruptions, resumes, ..stats }
    }

    pub(crate) fn reconnect_now(&self) {
        if let Some(session) = &self.session {
            session.reconnect_now();
        }
    }

    pub(crate) fn session_events(&self) -> SessionEvents {
        self.session.as_ref().map_or_else(SessionEvents::none, |session| session.subscribe())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.link.shut_down(Closing::AtOnce);
    }
}
