//! The game servers and the players.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use fastway_client::{
    Backoff, Client, ClientConfig, ClientId, ConnectError, Connection, Server, ServerConfig, ServerId, SessionConfig,
    SessionEvent, SessionEvents, SessionFault, SessionStatus,
};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::gateway::GatewayAddrs;
use crate::messages::{Line, Script};
use crate::network::Network;
use crate::progress::Counts;

/// What the game servers register as: IDs that no real server has, should the gateway be one that others use.
const SERVERS: [ServerId; 2] = [ServerId::new(4_000_000_001), ServerId::new(4_000_000_002)];

/// Connections that each player opens.
pub(crate) const CONNECTIONS: u64 = SERVERS.len() as u64;

/// Messages of one connection that may be under way. It keeps what waits for a player far below the gateway's bound.
const IN_FLIGHT: u32 = 4;

/// Players that connect and dial at a time; a server lets no more than 1,024 dialers wait.
const ARRIVING: usize = 128;

/// How long a message may take to come back.
const PATIENCE: Duration = Duration::from_secs(15);

/// When a player replaces a connection on which the gateway is silent. A game's own would be longer.
const SILENT_AFTER: Duration = Duration::from_millis(500);

/// What all players share.
struct Stage {
    addrs: GatewayAddrs,
    /// What stands between them and the gateway, if it is to fail.
    network: Option<Network>,
    script: Script,
    counts: Arc<Counts>,
    arriving: Semaphore,
    all_there: Gate,
    all_done: Gate,
}

impl Stage {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.link.session = self.addrs.session.map(|key| {
            let mut session = SessionConfig::secure(Some(key));
            session.silent_after = SILENT_AFTER;
            session
        });
        config
    }

    fn set_rough(&self, rough: bool) {
        if let Some(network) = &self.network {
            network.set_rough(rough);
        }
    }
}

/// Lets nobody pass until all have come, and knows when that was.
struct Gate {
    barrier: Barrier,
    opened: OnceLock<Instant>,
}

impl Gate {
    fn new(players: usize) -> Self {
        Self { barrier: Barrier::new(players), opened: OnceLock::new() }
    }

    async fn pass(&self) {
        if self.barrier.wait().await.is_leader() {
            self.opened();
        }
    }

    fn opened(&self) -> Instant {
        *self.opened.get_or_init(Instant::now)
    }
}

/// Has everybody play until all messages were compared, and says how long they played, from when all connections were
/// open. Dropping it ends them all.
///
/// # Errors
/// What came back was wrong, late, or did not come.
pub(crate) async fn perform(
    mut addrs: GatewayAddrs,
    chaos: bool,
    script: Script,
    players: u32,
    counts: Arc<Counts>,
) -> anyhow::Result<Duration> {
    let network = if chaos { Some(Network::to(addrs.client.clone()).await?) } else { None };
    if let Some(network) = &network {
        network.addr().clone_into(&mut addrs.client);
    }
    let mut servers = JoinSet::new();
    for id in SERVERS {
        let server = Server::connect(&addrs.server, &addrs.key, id, ServerConfig::default()).await?;
        counts.links.add(1);
        servers.spawn(serve(server));
    }
    let arriving = Semaphore::new(ARRIVING);
    let [all_there, all_done] = [(); 2].map(|()| Gate::new(players as usize));
    let stage = Arc::new(Stage { addrs, network, script, counts, arriving, all_there, all_done });
    let mut crowd: JoinSet<_> = (1..=players).map(|player| play(Arc::clone(&stage), player)).collect();
    tokio::select! {
        outcome = everybody(&mut crowd) => outcome?,
        Some(lost) = servers.join_next() => return Err(lost.unwrap_or_else(|panic| panic.into())),
    }
    Ok(stage.all_done.opened() - stage.all_there.opened())
}

/// Waits for all of them, or for the first that fails.
async fn everybody(crowd: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(player) = crowd.join_next().await {
        player.context("a player's task failed")??;
    }
    Ok(())
}

/// Accepts everybody and sends back what they say. A server's work has no end but that of its link, which is returned.
async fn serve(server: Server) -> anyhow::Error {
    let mut echoes = JoinSet::new();
    while let Some(player) = server.accept().await {
        echoes.spawn(echo(player));
        while echoes.try_join_next().is_some() {}
    }
    anyhow!(server.closed().await).context(format!("game server {}", server.id()))
}

async fn echo(mut player: Connection<ClientId>) {
    while let Some(message) = player.recv().await {
        if player.send(message).await.is_err() {
            return;
        }
    }
}

/// One player, from its first byte to its last.
async fn play(stage: Arc<Stage>, player: u32) -> anyhow::Result<()> {
    let (client, [mut one, mut two]) = arrive(&stage).await.with_context(|| format!("player {player}"))?;
    stage.all_there.pass().await;
    stage.set_rough(true);
    let exchanges = async {
        tokio::try_join!(
            exchange(&stage, Line { player, server: 1 }, &mut one),
            exchange(&stage, Line { player, server: 2 }, &mut two)
        )
    };
    tokio::select! {
        outcome = exchanges => drop(outcome?),
        never = count_resumes(client.session_events(), &stage.counts) => match never {},
    }
    stage.all_done.pass().await;
    stage.set_rough(false);
    client.close().await;
    Ok(())
}

/// Connects, and dials both servers.
async fn arrive(stage: &Stage) -> anyhow::Result<(Client, [Connection<ServerId>; SERVERS.len()])> {
    let _turn = stage.arriving.acquire().await?;
    let client = connect(stage).await?;
    stage.counts.links.add(1);
    let [one, two] = SERVERS;
    let (one, two) = tokio::try_join!(client.dial(one), client.dial(two))?;
    stage.counts.connections.add(CONNECTIONS);
    Ok((client, [one, two]))
}

/// Connects as soon as the gateway has time for it: it bounds the sessions that it opens in a second.
async fn connect(stage: &Stage) -> Result<Client, ConnectError> {
    const OVERLOADED: Option<SessionFault> = Some(SessionFault::Refused(SessionStatus::Overloaded));
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
    loop {
        match Client::connect(&stage.addrs.client, stage.config()).await {
            Err(error @ ConnectError::NoSession { fault: OVERLOADED, .. }) => {
                tokio::time::sleep(error.retry_after().unwrap_or_default()).await;
                backoff.wait().await;
            }
            outcome => return outcome,
        }
    }
}

/// Counts how often the player came back to the gateway.
async fn count_resumes(mut events: SessionEvents, counts: &Counts) -> Infallible {
    while let Some(event) = events.next().await {
        counts.resumes.add(u64::from(matches!(event, SessionEvent::Resumed { .. })));
    }
    pending().await
}

/// Sends all messages of a connection, a few ahead of what has come back, and compares each.
async fn exchange(stage: &Stage, line: Line, connection: &mut Connection<ServerId>) -> anyhow::Result<()> {
    let Stage { script, counts, .. } = stage;
    let mut sent = 0;
    for due in 1..=script.messages {
        let at = || format!("{line}: message {due} of {}", script.messages);
        while sent < script.messages.min(due - 1 + IN_FLIGHT) {
            sent += 1;
            connection.send(script.message(line, sent)).await.with_context(at)?;
        }
        let since = Instant::now();
        let came = timeout(PATIENCE, connection.recv()).await;
        counts.longest_wait.reach(since.elapsed());
        let came = came.map_err(|_| anyhow!("did not come back within {PATIENCE:?}")).with_context(at)?;
        let Some(came) = came else { return Err(anyhow!(connection.closed().await)).with_context(at) };
        script.compare(line, due, &came).map_err(|fault| anyhow!("{fault}")).with_context(at)?;
        counts.messages.add(1);
        counts.bytes.add(came.len() as u64);
    }
    Ok(())
}
