//! The connections of the admin listener, a bounded number.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};

use super::access::ClientTrust;
use super::app::App;
use super::connection::serve;

/// Connections at a time.
const CONNECTIONS: usize = 64;

/// The connections being served. If there is no room, the oldest one without access so far is closed for a new one:
/// such connections must not keep out health checks.
#[derive(Default)]
pub(super) struct Connections {
    serving: JoinSet<()>,
    /// In the order of their arrival.
    unauthenticated: VecDeque<Unauthenticated>,
}

struct Unauthenticated {
    trust: ClientTrust,
    task: AbortHandle,
}

impl Connections {
    /// Serves a connection, if there is room or room can be made.
    ///
    /// # Errors
    /// There is no room: the connection is given back.
    pub(super) async fn add(&mut self, stream: TcpStream, app: &Arc<App>) -> Result<(), TcpStream> {
        self.unauthenticated.retain(Unauthenticated::is_there);
        if self.serving.len() >= CONNECTIONS && !self.make_room().await {
            return Err(stream);
        }

        // Where the address cannot be told, the peer is gone.
        let Ok(near) = stream.local_addr() else { return Ok(()) };
        let trust = ClientTrust::new(near.ip());
        let task = self.serving.spawn(serve(stream, Arc::clone(app), trust.clone()));
        self.unauthenticated.push_back(Unauthenticated { trust, task });
        Ok(())
    }

    /// Waits for the end of a connection; `None` if there is none.
    pub(super) async fn next_end(&mut self) -> Option<()> {
        self.serving.join_next().await.map(drop)
    }

    async fn make_room(&mut self) -> bool {
        let Some(oldest) = self.unauthenticated.pop_front() else { return false };
        oldest.task.abort();
        self.next_end().await.is_some()
    }
}

impl Unauthenticated {
    fn is_there(&self) -> bool {
        !self.trust.is_trusted() && !self.task.is_finished()
    }
}
