//! The network of `--chaos`: it stands between the players and the gateway, and fails them at random.

use std::time::Duration;

use anyhow::Context;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// No connection lasts longer in rough weather. Most of them last for a third of it, and some for no time at all.
const LONGEST: Duration = Duration::from_secs(4);

/// Of those that fail, the part that falls silent without telling either end. The others are cut.
const SILENT: f64 = 0.25;

/// A silent connection is held for so long; by then its player has given it up.
const SILENCE: Duration = Duration::from_secs(10);

/// Carries the players' bytes. Its connections end with it.
#[derive(Debug)]
pub(crate) struct Network {
    addr: String,
    rough: watch::Sender<bool>,
    _carriers: JoinSet<()>,
}

impl Network {
    /// A network that leads to `gateway`, calm at first.
    ///
    /// # Errors
    /// There is no port for it.
    pub(crate) async fn to(gateway: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the network of --chaos")?;
        let addr = listener.local_addr()?.to_string();
        let (rough, weather) = watch::channel(false);
        let mut carriers = JoinSet::new();
        carriers.spawn(serve(listener, gateway, weather));
        Ok(Self { addr, rough, _carriers: carriers })
    }

    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// From now on connections fail, or do not.
    pub(crate) fn set_rough(&self, rough: bool) {
        self.rough.send_replace(rough);
    }
}

async fn serve(listener: TcpListener, gateway: String, weather: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((player, _)) => drop(connections.spawn(carry(player, gateway.clone(), weather.clone()))),
            // Out of descriptors, most likely: some are about to be free.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Carries both ways until either end is gone, or the weather ends it.
async fn carry(mut player: TcpStream, gateway: String, mut weather: watch::Receiver<bool>) {
    let Ok(mut gateway) = TcpStream::connect(gateway).await else { return };
    // Where it fails, bytes wait for each other; that is all.
    let _ = player.set_nodelay(true).and_then(|()| gateway.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut player, &mut gateway) => return,
        () = fail(&mut weather) => {}
    }
    if rand::random_bool(SILENT) {
        tokio::select! {
            _ = weather.wait_for(|rough| !rough) => {}
            () = sleep(SILENCE) => {}
        }
    }
}

/// Waits for rough weather, and then for as long as a connection lasts in it.
async fn fail(weather: &mut watch::Receiver<bool>) {
    // The network is gone, and this with it, when nobody makes the weather any more.
    let _ = weather.wait_for(|rough| *rough).await;
    let part: f64 = rand::random_range(0.0..=1.0);
    sleep(LONGEST.mul_f64(part * part)).await;
}
