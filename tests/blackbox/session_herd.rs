//! A network that fails for all players at one moment, and has them back at the next.

use fastway_client::{
    Backoff, Client, ClientConfig, ClientId, ConnectError, Connection, Server, ServerConfig, ServerId, SessionConfig,
    SessionEvent, SessionFault, SessionStatus,
};
use fastway_testkit::{Gateway, KEY, watch};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;
use tokio::time::timeout;

const SERVER: ServerId = ServerId::new(7);

/// A player with a connection to a server that sends back what it gets.
struct Player {
    client: Client,
    connection: Connection<ServerId>,
}

impl Player {
    async fn join(gateway: &Gateway) -> Self {
        const OVERLOADED: Option<SessionFault> = Some(SessionFault::Refused(SessionStatus::Overloaded));
        let mut backoff = Backoff::default();
        let client = loop {
            let mut config = ClientConfig::default();
            config.link.session = Some(SessionConfig::secure(None));
            match Client::connect(gateway.client_addr(), config).await {
                Err(ConnectError::NoSession { fault: OVERLOADED, .. }) => backoff.wait().await,
                connected => break connected.unwrap(),
            }
        };
        let connection = client.dial(SERVER).await.unwrap();
        Self { client, connection }
    }

    /// Loses the network when `failed` says so, with a message on its way and another behind it. Both come back, in order
    /// and once.
    async fn come_back(mut self, mut failed: signal::Receiver<bool>) {
        let mut events = self.client.session_events();
        failed.wait_for(|failed| *failed).await.unwrap();
        self.connection.send("on its way").await.unwrap();
        self.client.reconnect_now();
        assert!(matches!(events.next().await, Some(SessionEvent::Interrupted)));
        self.connection.send("while it is away").await.unwrap();
        for expected in ["on its way", "while it is away"] {
            let received = self.connection.recv().await;
            assert_eq!(received.unwrap_or_else(|| panic!("{:?}", self.client.end())), expected);
        }
    }
}

async fn echo(mut player: Connection<ClientId>) {
    while let Some(message) = player.recv().await {
        if player.send(message).await.is_err() {
            return;
        }
    }
}

async fn echo_server(gateway: &Gateway) {
    let server = Server::connect(gateway.server_addr(), KEY, SERVER, ServerConfig::default()).await.unwrap();
    tokio::spawn(async move {
        while let Some(player) = server.accept().await {
            tokio::spawn(echo(player));
        }
    });
}

#[tokio::test]
async fn all_players_come_back_at_once_and_lose_nothing() {
    let players = watch::scaled(300);
    watch::raise_descriptor_limit();
    let gateway = Gateway::start(&["--client-link", "secure"]);
    echo_server(&gateway).await;
    let (fails, failed) = signal::channel(false);
    let mut away = JoinSet::new();
    for _ in 0..players {
        away.spawn(Player::join(&gateway).await.come_back(failed.clone()));
    }
    fails.send_replace(true);
    let back = timeout(watch::DEADLINE, away.join_all()).await.expect("they come back in time");
    assert_eq!(back.len(), players);
}

/// How a player's session went on after its network failed.
async fn come_back_or_be_lost(player: Player) -> SessionEvent {
    let mut events = player.client.session_events();
    player.client.reconnect_now();
    loop {
        match events.next().await {
            Some(SessionEvent::Interrupted) => {}
            other => return other.unwrap(),
        }
    }
}

#[tokio::test]
async fn all_players_come_back_even_if_that_takes_longer_than_their_sessions_wait() {
    const PLAYERS: usize = 150;
    let slow = ["--client-link", "secure", "--max-handshakes-per-second", "20", "--max-handshakes", "32"];
    let gateway = Gateway::start(&[&slow[..], &["-ClientSnetWaitTimeout", "5s"]].concat());
    echo_server(&gateway).await;
    let mut players = Vec::new();
    for _ in 0..PLAYERS {
        players.push(Player::join(&gateway).await);
    }
    let away: JoinSet<_> = players.into_iter().map(come_back_or_be_lost).collect();
    for ended in timeout(watch::DEADLINE, away.join_all()).await.expect("they come back in time") {
        assert!(matches!(ended, SessionEvent::Resumed { .. }), "{ended:?}");
    }
}
