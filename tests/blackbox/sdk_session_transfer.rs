//! Much data through sessions of the Rust SDK, while the network fails again and again.

use std::sync::Arc;
use std::time::Duration;

use fastway_client::{
    Backoff, Client, ClientConfig, ClientId, Connection, Server, ServerConfig, ServerId, SessionConfig, WhenFull,
};
use fastway_testkit::KEY;
use fastway_testkit::seeded::Seeded;
use fastway_testkit::sessions::SessionGateway;
use fastway_testkit::watch::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const SERVER: ServerId = ServerId::new(7);
const INTERRUPTIONS: u64 = 200;
const TOTAL_BYTES: usize = 100 << 20;
const BULK_BYTES: usize = 64 << 20;
/// Below what the gateway lets wait for a client for a while, 128 MiB.
const BURST_BYTES: usize = 40 << 20;
const MESSAGE_BYTES: usize = 16 << 10;
/// Below half of what the gateway keeps for a client: 8 MiB, and 1,000 packets.
const IN_FLIGHT: usize = (3 << 19) / MESSAGE_BYTES;

fn config(mut session: SessionConfig) -> ClientConfig {
    session.backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(20));
    // Nobody acknowledges in a legacy session: all that may be on its way has to be kept.
    session.replay_bytes = 8 << 20;
    let mut config = ClientConfig::default();
    config.link.session = Some(session);
    config
}

/// The message `number`: a place in noise that is different for each of them.
fn message(noise: &[u8], number: usize) -> &[u8] {
    let start = number * 31 % (noise.len() - MESSAGE_BYTES);
    &noise[start..start + MESSAGE_BYTES]
}

async fn echo(mut player: Connection<ClientId>) {
    while let Some(message) = player.recv().await {
        if player.send(message).await.is_err() {
            return;
        }
    }
}

/// Sends everything to a server that sends it back, compares it, and has the network fail on the way.
async fn transfer(session: SessionConfig, flags: &[&str]) {
    let stage = SessionGateway::start(flags);
    let server = Server::connect(stage.gateway.server_addr(), KEY, SERVER, ServerConfig::default()).await.unwrap();
    let client = Client::connect(stage.addr(), config(session)).await.unwrap();
    let (mut connection, accepted) = tokio::join!(client.dial(SERVER), server.accept());
    let connection = connection.as_mut().unwrap();
    let echoing = tokio::spawn(echo(accepted.unwrap()));

    let noise = Seeded::new(6).bytes(1 << 20);
    let total = TOTAL_BYTES / MESSAGE_BYTES;
    let (mut sent, mut failures) = (0, 0);
    let mut received = 0;
    while received < total || client.stats().resumes < INTERRUPTIONS {
        while sent < received + IN_FLIGHT && sent < total.max(received + 1) {
            connection.send_slice(message(&noise, sent)).await.unwrap();
            sent += 1;
        }
        let came = timeout(DEADLINE, connection.recv()).await;
        let came = came.unwrap_or_else(|_| panic!("message {received} does not come; {:?}", client.stats()));
        let came = came.unwrap_or_else(|| panic!("{:?}", connection.close_reason()));
        assert!(*came == *message(&noise, received), "message {received} is another one");
        received += 1;
        // When the last failure is mended, and some more has come.
        if client.stats().resumes == failures && received as u64 * INTERRUPTIONS >= failures * total as u64 {
            fail(&stage, &client, failures);
            failures += 1;
        }
    }
    assert!(connection.try_recv().is_err(), "something came twice");
    let stats = client.stats();
    assert!(stats.interruptions >= INTERRUPTIONS && stats.resumes >= INTERRUPTIONS, "{stats:?}");
    client.close().await;
    timeout(DEADLINE, echoing).await.unwrap().unwrap();
}

/// Every fourth time the network becomes a black hole, and the program is told that it has changed.
fn fail(stage: &SessionGateway, client: &Client, failures: u64) {
    if failures % 4 == 3 {
        stage.proxy.newest().unwrap().black_hole();
        client.reconnect_now();
    } else {
        stage.proxy.newest().unwrap().cut();
    }
}

/// The server sends in bulk what the player reads as fast as he can, by the stream adaptors on both sides.
async fn download(session: Option<SessionConfig>) {
    // How long that takes is not what is tested.
    let stage = SessionGateway::start(&["--client-slow-grace", "1h"]);
    let server = Server::connect(stage.gateway.server_addr(), KEY, SERVER, ServerConfig::default()).await.unwrap();
    let config = session.map_or_else(ClientConfig::default, config);
    let client = Client::connect(stage.gateway.client_addr(), config).await.unwrap();
    let (connection, accepted) = tokio::join!(client.dial(SERVER), server.accept());
    let (mut ours, mut theirs) = (connection.unwrap().into_io(), accepted.unwrap().into_io());

    let bulk = Arc::new(Seeded::new(8).bytes(BULK_BYTES));
    let offered = Arc::clone(&bulk);
    let sending = tokio::spawn(async move {
        tokio::io::copy(&mut &offered[..], &mut theirs).await?;
        theirs.shutdown().await
    });
    let mut came = Vec::new();
    let read = timeout(3 * DEADLINE, ours.read_to_end(&mut came)).await;
    assert!(matches!(read, Ok(Ok(BULK_BYTES))), "{read:?}, {} bytes, {:?}", came.len(), client.end());
    assert!(came == *bulk, "something else came");
    sending.await.unwrap().unwrap();
}

/// The server sends more at once than waits anywhere but in the gateway, and the player sends back what he reads. An
/// acknowledgement for what he has sent stands behind all that comes in.
async fn echo_a_burst(session: SessionConfig) {
    let flags = ["--client-slow-grace", "1h", "--client-send-bytes", "3M"];
    let stage = SessionGateway::start(&flags);
    let mut streams = ServerConfig::default();
    streams.link.receive_queue.when_full = WhenFull::Hold;
    let server = Server::connect(stage.gateway.server_addr(), KEY, SERVER, streams).await.unwrap();
    let mut config = ClientConfig::default();
    config.link.session = Some(session);
    let client = Client::connect(stage.gateway.client_addr(), config).await.unwrap();
    let (connection, accepted) = tokio::join!(client.dial(SERVER), server.accept());
    let (mut echoed, bulk) = (connection.unwrap().into_io(), accepted.unwrap().into_io());
    tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(&mut echoed);
        tokio::io::copy(&mut reader, &mut writer).await
    });

    let (mut reader, mut writer) = tokio::io::split(bulk);
    let sending = tokio::spawn(async move { writer.write_all(&vec![7; BURST_BYTES]).await });
    let mut back = vec![0; BURST_BYTES];
    let read = timeout(DEADLINE, reader.read_exact(&mut back)).await;
    assert!(matches!(read, Ok(Ok(_))), "{read:?}, {:?}, {:?}", client.end(), client.stats());
    assert!(back.iter().all(|byte| *byte == 7), "something else came");
    sending.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_echoes_a_burst_that_is_larger_than_all_buffers_by_a_secure_session() {
    echo_a_burst(SessionConfig::secure(Some(SessionGateway::key()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_64_mib_arrives_whole_by_a_plain_link() {
    download(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_of_64_mib_arrives_whole_by_a_secure_session() {
    download(Some(SessionConfig::secure(Some(SessionGateway::key())))).await;
}

#[tokio::test]
async fn a_secure_session_loses_and_doubles_nothing_in_100_mb_both_ways_with_200_interruptions() {
    transfer(SessionConfig::secure(Some(SessionGateway::key())), &[]).await;
}

#[tokio::test]
async fn a_legacy_session_loses_and_doubles_nothing_in_100_mb_both_ways_with_200_interruptions() {
    let flags = ["--client-snet-encrypt", "--client-snet-buffer", "8M"];
    transfer(SessionConfig::legacy(true), &flags).await;
}
