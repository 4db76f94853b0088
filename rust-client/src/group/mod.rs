//! One game server behind several gateways.

mod health;
mod member;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fastway_wire::{ClientId, ServerId};
use tokio::runtime::Handle;
use tokio::sync::broadcast;

pub use health::{GatewayHealth, GatewayState, GroupEvent, GroupEventKind, GroupEvents};
use member::Member;

use crate::queue::Queue;
use crate::{ConnectError, Connection, DialError, GroupConfig, lock};

/// Events that a subscriber may be behind.
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
}

/// A connection that a client opened.
#[derive(Debug)]
pub struct Accepted {
    /// The gateway that it came by, as it was added.
    pub gateway: Arc<str>,
    /// The connection. Its client ID is that gateway's own: with another gateway it means another client.
    pub connection: Connection<ClientId>,
}

/// Why a [`ServerGroup::dial`] gave no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupDialError {
    /// No such gateway was added.
    #[error("the gateway {gateway} is not in this group; add it first")]
    UnknownGateway {
        /// The address as it was given.
        gateway: String,
    },
    /// There is no link to it at the moment.
    #[error("the gateway {gateway} is not connected at the moment")]
    NotConnected {
        /// The address as it was given.
        gateway: String,
    },
    /// The dial itself failed.
    #[error(transparent)]
    Dial(#[from] DialError),
}

/// What the group shares with the tasks of its gateways.
#[derive(Debug)]
struct Group {
    key: Vec<u8>,
    id: ServerId,
    config: GroupConfig,
    accepts: Queue<Accepted>,
    events: broadcast::Sender<GroupEvent>,
    members: Mutex<BTreeMap<Arc<str>, Member>>,
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
            members: Mutex::default(),
        };
        Self { group: Arc::new(group) }
    }

    /// Connects to the server port of one more gateway, `host:port`, now and after every loss; `false` when it was in
    /// the group already. Whether it is there is told by [`ServerGroup::subscribe`] and [`ServerGroup::health`].
    ///
    /// # Errors
    /// A bad setting, or no tokio runtime.
    pub fn add(&self, gateway: impl ToString) -> Result<bool, ConnectError> {
        self.group.config.server.link.check()?;
        let runtime = Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
        let gateway: Arc<str> = gateway.to_string().into();
        let mut members = lock(&self.group.members);
        if members.contains_key(&gateway) {
            return Ok(false);
        }
        let member = Member::start(&runtime, Arc::clone(&self.group), Arc::clone(&gateway));
        members.insert(gateway, member);
        Ok(true)
    }

    /// Closes the link to a gateway as [`Server::close`](crate::Server::close) does; `false` when it was not in the
    /// group. A removal that is dropped half-way ends the link at once.
    pub async fn remove(&self, gateway: &str) -> bool {
        let member = lock(&self.group.members).remove(gateway);
        match member {
            Some(member) => member.stop().await,
            None => return false,
        }
        true
    }

    /// The next connection that a client of any gateway opens; `None` once the group is closed. Cancel-safe.
    pub async fn accept(&self) -> Option<Accepted> {
        self.group.accepts.pop().await
    }

    /// Opens a connection to a client of one of the gateways. Cancel-safe.
    ///
    /// # Errors
    /// There is no link to that gateway, or the dial failed.
    pub async fn dial(&self, gateway: &str, client: ClientId) -> Result<Connection<ClientId>, GroupDialError> {
        let unknown = || GroupDialError::UnknownGateway { gateway: gateway.to_owned() };
        let server = lock(&self.group.members).get(gateway).ok_or_else(unknown)?.server();
        let server = server.ok_or_else(|| GroupDialError::NotConnected { gateway: gateway.to_owned() })?;
        Ok(server.dial(client).await?)
    }

    /// What happens to the links from now on.
    pub fn subscribe(&self) -> GroupEvents {
        GroupEvents::new(self.group.events.subscribe())
    }

    /// How each gateway is doing, in the order of their addresses.
    pub fn health(&self) -> Vec<GatewayHealth> {
        let members = lock(&self.group.members);
        members.iter().map(|(gateway, member)| member.health(Arc::clone(gateway))).collect()
    }

    /// Closes all links as [`Server::close`](crate::Server::close) does, and ends `accept`.
    pub async fn close(&self) {
        let members = std::mem::take(&mut *lock(&self.group.members));
        // All are told before the first is waited for.
        members.values().for_each(Member::tell_to_stop);
        for member in members.into_values() {
            member.stop().await;
        }
        drop(self.group.accepts.close());
    }
}

impl Drop for ServerGroup {
    fn drop(&mut self) {
        let members = std::mem::take(&mut *lock(&self.group.members));
        drop(members);
        drop(self.group.accepts.close());
    }
}
