//! A player's terminal.

use std::io::{BufRead, stdin};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use fastway_client::{Client, ClientConfig, PublicKey, SessionConfig};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{LINE_CHARS, ROOM, printable};

/// How long the room may take to dial us back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says each line of stdin in the room and prints what the others say, until stdin ends.
pub(crate) async fn join(gateway: &str, name: &str, key: Option<PublicKey>) -> anyhow::Result<()> {
    let mut config = ClientConfig::default();
    config.link.session = key.map(|key| SessionConfig::secure(Some(key)));
    let client = Client::connect(gateway, config).await?;
    let room = client.dial(ROOM).await?;
    room.send_slice(name.as_bytes()).await?;
    let delivery = timeout(PATIENCE, client.accept()).await.context("the room did not dial back")?;
    let Some(mut delivery) = delivery else { return Err(client.closed().await.into()) };
    let mut typed = typed_lines();
    loop {
        tokio::select! {
            line = typed.recv() => match line {
                Some(line) => drop(room.send(line).await?),
                None => break,
            },
            message = delivery.recv() => match message {
                Some(message) => println!("{}", printable(&message, 2 * LINE_CHARS)),
                None => return Err(delivery.closed().await.into()),
            },
        }
    }
    // Unlike a drop, this waits until what was said is on its way.
    client.close().await;
    Ok(())
}

/// The lines of stdin. A read of a terminal cannot be given up, so it has a thread, which ends with the program.
fn typed_lines() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(1);
    thread::spawn(move || {
        // What is pasted into a terminal may be anything, and of any length.
        let typed = stdin().lock().split(b'\n').map_while(Result::ok).map(|line| printable(&line, LINE_CHARS));
        for line in typed.filter(|line| !line.trim().is_empty()) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}
