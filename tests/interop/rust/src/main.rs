//! A peer of the Rust SDK for the interop suites of other SDKs: what it obeys is in `tests/interop/README.md`.

use std::env;
use std::fmt::Display;
use std::process;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use fastway_client::{
    Client, ClientConfig, ClientId, Connection, DialError, LinkConfig, LinkEnd, Server, ServerConfig, ServerId,
    SessionConfig,
};
use tokio::task::{LocalSet, spawn_local};

const SERVER: ServerId = ServerId::new(1);
const PING_INTERVAL: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    LocalSet::new()
        .run_until(async {
            match arguments[..] {
                ["server", gateway, key] => serve(gateway, key, None).await,
                ["server", gateway, key, link] => serve(gateway, key, session(link)?).await,
                ["client", gateway] => play(gateway, None).await,
                ["client", gateway, link] => play(gateway, session(link)?).await,
                _ => bail!("usage: server ADDRESS KEY [LINK], or client ADDRESS [LINK]"),
            }
        })
        .await
}

/// What carries the connections; nothing for a plain link.
fn session(link: &str) -> anyhow::Result<Option<SessionConfig>> {
    Ok(match link {
        "plain" => None,
        "legacy" => Some(SessionConfig::legacy(false)),
        "legacy-encrypted" => Some(SessionConfig::legacy(true)),
        "secure" => Some(SessionConfig::secure(None)),
        _ => {
            let key = link.strip_prefix("secure:").context("no kind of link")?;
            Some(SessionConfig::secure(Some(key.parse()?)))
        }
    })
}

async fn serve(gateway: &str, key: &str, session: Option<SessionConfig>) -> anyhow::Result<()> {
    let mut config = ServerConfig::default();
    config.link.session = session;
    ping_often(&mut config.link);
    let server = Rc::new(Server::connect(gateway, key, SERVER, config).await?);
    println!("ready");
    obey_all(Rc::clone(&server)).await;
    ended(server.closed().await)
}

async fn play(gateway: &str, session: Option<SessionConfig>) -> anyhow::Result<()> {
    let mut config = ClientConfig::default();
    config.link.session = session;
    ping_often(&mut config.link);
    let client = Rc::new(Client::connect(gateway, config).await?);
    let connection = client.dial(SERVER).await?;
    spawn_local(obey(Rc::clone(&client), connection));
    obey_all(Rc::clone(&client)).await;
    ended(client.closed().await)
}

fn ping_often(link: &mut LinkConfig) {
    link.ping_interval = Some(PING_INTERVAL);
    // A machine that is busy for a third of a second has not lost its gateway.
    link.dead_after_intervals = 0;
}

fn ended(end: LinkEnd) -> anyhow::Result<()> {
    println!("{end}");
    Ok(())
}

/// What clients and servers have in common.
trait Endpoint: 'static {
    type Remote: Copy + Display + 'static;

    fn remote(id: u32) -> Self::Remote;
    async fn dial(&self, remote: Self::Remote) -> Result<Connection<Self::Remote>, DialError>;
    async fn accept(&self) -> Option<Connection<Self::Remote>>;
}

impl Endpoint for Client {
    type Remote = ServerId;

    fn remote(id: u32) -> ServerId {
        ServerId::new(id)
    }

    async fn dial(&self, remote: ServerId) -> Result<Connection<ServerId>, DialError> {
        self.dial(remote).await
    }

    async fn accept(&self) -> Option<Connection<ServerId>> {
        self.accept().await
    }
}

impl Endpoint for Server {
    type Remote = ClientId;

    fn remote(id: u32) -> ClientId {
        ClientId::new(id)
    }

    async fn dial(&self, remote: ClientId) -> Result<Connection<ClientId>, DialError> {
        self.dial(remote).await
    }

    async fn accept(&self) -> Option<Connection<ClientId>> {
        self.accept().await
    }
}

async fn obey_all<E: Endpoint>(endpoint: Rc<E>) {
    while let Some(connection) = endpoint.accept().await {
        spawn_local(obey(Rc::clone(&endpoint), connection));
    }
}

async fn obey<E: Endpoint>(endpoint: Rc<E>, mut connection: Connection<E::Remote>) {
    while let Some(message) = connection.recv().await {
        let done = match std::str::from_utf8(&message).unwrap_or_default() {
            "!close" => return say_bye(&connection).await,
            "!abort" => process::abort(),
            "!dial" => dial(&endpoint, &connection, connection.remote_id()).await,
            text if text.starts_with("!dial ") => match number(text) {
                Ok(id) => dial(&endpoint, &connection, E::remote(id)).await,
                Err(error) => Err(error),
            },
            text if text.starts_with("!count ") => count(&connection, number(text)).await,
            _ => connection.send(message).await.map(drop).context("echo"),
        };
        if let Err(error) = done {
            // The other end is gone, or has said what makes no sense: it sees the close.
            eprintln!("{error:#}");
            return;
        }
    }
}

async fn say_bye<R: Copy>(connection: &Connection<R>) {
    if let Err(error) = connection.send("bye").await {
        eprintln!("no bye: {error}");
    }
}

fn number(text: &str) -> anyhow::Result<u32> {
    let (_, number) = text.split_once(' ').context("no number")?;
    Ok(number.parse()?)
}

async fn dial<E: Endpoint>(
    endpoint: &Rc<E>,
    connection: &Connection<E::Remote>,
    remote: E::Remote,
) -> anyhow::Result<()> {
    let answer = match endpoint.dial(remote).await {
        Ok(dialed) => {
            spawn_local(obey_boxed(Rc::clone(endpoint), dialed));
            "dialed"
        }
        Err(DialError::Refused { .. }) => "refused",
        Err(error) => return Err(error).context("dial"),
    };
    connection.send(answer).await.map(drop).context("answer")
}

/// Names the type of a future that starts others of its kind.
fn obey_boxed<E: Endpoint>(
    endpoint: Rc<E>,
    connection: Connection<E::Remote>,
) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(obey(endpoint, connection))
}

async fn count<R: Copy>(connection: &Connection<R>, count: anyhow::Result<u32>) -> anyhow::Result<()> {
    for number in 0..count? {
        connection.send(number.to_string()).await?;
    }
    Ok(())
}
