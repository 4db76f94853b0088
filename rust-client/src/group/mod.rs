//! One game server behind several gateways.

mod error;
mod health;
mod member;
mod shared;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fastway_wire::{ClientId, ServerId};
use tokio::runtime::Handle;
use tokio::sync::broadcast;

pub use error::{AddError, GroupDialError};
pub use health::{GatewayHealth, GatewayState, GroupEvent, GroupEventKind, GroupEvents};
use member::Member;
use shared::Group;

use crate::lock::lock;
use crate::queue::Queue;
use crate::{Connection, GroupConfig, LinkEnd};

/// How many events a subscriber may be behind.
const EVENTS: usize = 1024;

/// A game server that stays connected to a list of gateways: each is reconnected with a jittered back-off, and what
/// clients of all of them open comes from one [`ServerGroup::accept`].
///
/// Dropping it ends all links. Gateways can be added and removed at any time.
///
/// ```no_run
/// use fastway_client::{GroupConfig, ServerGroup, ServerId};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let group = ServerGroup::new("the key", ServerId::new(1), GroupConfig::default());
/// group.add("10.0.0.1:10020")?;
/// group.add("10.0.0.2:10020")?;
/// while let Some(mut accepted) = group.accept().await {
///     println!("{} comes by {}", accepted.connection.remote_id(), accepted.gateway);
///     tokio::spawn(async move { while accepted.connection.recv().await.is_some() {} });
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ServerGroup {
    group: Arc<Group>,
    members: Mutex<Members>,
}

/// A connection that a client opened.
#[derive(Debug)]
pub struct Accepted {
    /// The gateway that it came by, as it was added.
    pub gateway: Arc<str>,
    /// The connection. Its client ID is that gateway's own: with another gateway it means another client.
    pub connection: Connection<ClientId>,
}

/// A gateway that was removed, or left when its group was closed.
#[derive(Debug)]
pub struct Removed {
    /// The gateway, as it was added.
    pub gateway: Arc<str>,
    /// How its link ended, as [`Server::close`](crate::Server::close) says; `None`: there was none at that moment.
    pub end: Option<LinkEnd>,
}

#[derive(Debug, Default)]
struct Members {
    by_gateway: BTreeMap<Arc<str>, Member>,
    closed: bool,
}

impl ServerGroup {
    /// A group without gateways. `key` is the gateways' ServerAuthKey.
    pub fn new(key: impl AsRef<[u8]>, id: ServerId, config: GroupConfig) -> Self {
        let group = Group {
            key: key.as_ref().to_vec(),
            id,
            accepts: Queue::new(config.server.link.pending_accepts),
            config,
            events: broadcast::Sender::new(EVENTS),
        };
        Self { group: Arc::new(group), members: Mutex::default() }
    }

    /// Connects to the server port of one more gateway, `host:port`, now and after every loss; `false` when it was in
    /// the group already. Whether it is there is told by [`ServerGroup::subscribe`] and [`ServerGroup::health`].
    ///
    /// Gateways are told apart by what is written here. Do not add one under two names (`localhost:10020` and
    /// `127.0.0.1:10020`): it lets a newer link of a [`ServerId`] replace the older one, so the two links would end each
    /// other over and over. The back-off bounds how often, and it shows as [`GroupEventKind::Down`] with a short
    /// `lived` and in the growing [`GatewayHealth::connects`] of both. Two programs with the same ID do the same.
    ///
    /// # Errors
    /// A bad setting, no tokio runtime, or a group that is closed.
    pub fn add(&self, gateway: impl ToString) -> Result<bool, AddError> {
        self.group.config.server.link.check()?;
        let runtime = Handle::try_current().map_err(|_| AddError::NoRuntime)?;
        let gateway: Arc<str> = gateway.to_string().into();

        let mut members = lock(&self.members);
        if members.closed {
            return Err(AddError::Closed);
        }
        if members.by_gateway.contains_key(&gateway) {
            return Ok(false);
        }

        let member = Member::start(&runtime, Arc::clone(&self.group), Arc::clone(&gateway));
        members.by_gateway.insert(gateway, member);
        Ok(true)
    }

    /// Closes the link to a gateway as [`Server::close`](crate::Server::close) does; `None` when it was not in the
    /// group. A removal that is dropped half-way ends the link at once.
    pub async fn remove(&self, gateway: &str) -> Option<Removed> {
        let (gateway, member) = lock(&self.members).by_gateway.remove_entry(gateway)?;
        Some(Removed { gateway, end: member.leave().await })
    }

    /// The next connection that a client of any gateway opens; `None` once the group is closed and all that came before
    /// were taken. Cancel-safe.
    pub async fn accept(&self) -> Option<Accepted> {
        let (gateway, connection) = self.group.accepts.pop().await?;
        Some(Accepted { gateway, connection: connection.with_remote(ClientId::new) })
    }

    /// Opens a connection to a client of one of the gateways. Cancel-safe.
    ///
    /// # Errors
    /// There is no link to that gateway, or the dial failed.
    pub async fn dial(&self, gateway: &str, client: ClientId) -> Result<Connection<ClientId>, GroupDialError> {
        let unknown = || GroupDialError::UnknownGateway { gateway: gateway.to_owned() };
        let server = lock(&self.members).by_gateway.get(gateway).ok_or_else(unknown)?.server();
        let server = server.ok_or_else(|| GroupDialError::NotConnected { gateway: gateway.to_owned() })?;
        Ok(server.dial(client).await?)
    }

    /// What happens to the links from now on.
    pub fn subscribe(&self) -> GroupEvents {
        GroupEvents::new(self.group.events.subscribe())
    }

    /// How each gateway is doing, in the order of their addresses.
    pub fn health(&self) -> Vec<GatewayHealth> {
        let members = lock(&self.members);
        members.by_gateway.iter().map(|(gateway, member)| member.health(Arc::clone(gateway))).collect()
    }

    /// Closes all links at the same time, as [`Server::close`](crate::Server::close) does, and ends `accept`. Says how each
    /// ended, in the order of their addresses, which may be ignored.
    ///
    /// The group is closed as soon as this is polled: nothing can be added or comes any more. A `close` that is dropped
    /// goes on, and a second one waits for the same.
    pub async fn close(&self) -> Vec<Removed> {
        let mut left = Vec::new();
        for (gateway, leaving) in self.start_closing() {
            left.push(Removed { gateway, end: leaving.await });
        }
        left
    }

    fn start_closing(&self) -> Vec<(Arc<str>, impl Future<Output = Option<LinkEnd>> + use<>)> {
        // No connection comes from here on. Waiting tasks are woken without the lock.
        self.group.accepts.finish();
        let mut members = lock(&self.members);
        members.closed = true;
        members.by_gateway.iter().map(|(gateway, member)| (Arc::clone(gateway), member.leave())).collect()
    }
}

impl Drop for ServerGroup {
    fn drop(&mut self) {
        let members = std::mem::take(&mut *lock(&self.members));
        drop(members);
        drop(self.group.accepts.close());
    }
}
