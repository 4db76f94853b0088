//! What honest peers do meanwhile, how often it succeeds, and how long it takes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use fastway_testkit::{Gateway, KEY};
use fastway_wire::{CHALLENGE_BYTES, Challenge, Command, ServerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use crate::player::{Distance, Player, connect};

/// Peers that do the same at a time, each at an address of its own.
const LANES: u16 = 4;
/// Time between two attempts of a peer.
const INTERVAL: Duration = Duration::from_millis(100);
/// What an attempt may take: the shortest time limit that an SDK has for one.
const PATIENCE: Duration = Duration::from_secs(3);

/// Peers of one kind.
pub(crate) struct Honest {
    pub(crate) name: &'static str,
    action: Action,
    round_trip: Duration,
}

/// What a peer does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Opens a secure session and pings.
    Open,
    /// Opens a legacy session and pings.
    LegacyOpen,
    /// Resumes its secure session by a new connection and pings.
    Resume,
    /// Registers as a game server over a plain link.
    Register,
    /// Pings by its plain link.
    Ping,
    /// Asks the admin listener.
    AskWhetherAlive,
}

impl Honest {
    pub(crate) const fn near(name: &'static str, action: Action) -> Self {
        Self::away(name, action, Duration::ZERO)
    }

    pub(crate) const fn away(name: &'static str, action: Action, round_trip: Duration) -> Self {
        Self { name, action, round_trip }
    }
}

/// What came of the attempts of one kind of peers.
#[derive(Default)]
pub(crate) struct Outcome {
    attempts: usize,
    /// How long the successful ones took, without the time on an emulated way.
    taken: Vec<Duration>,
}

impl Outcome {
    fn add(&mut self, taken: Option<Duration>) {
        self.attempts += 1;
        self.taken.extend(taken);
    }

    fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.taken.extend(other.taken);
        self.taken.sort_unstable();
    }

    /// In milliseconds; not a number if there was no success.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let index = self.taken.len().saturating_sub(1) * percent / 100;
        self.taken.get(index).map_or(f64::NAN, |time| 1e3 * time.as_secs_f64())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p95] = [50, 95].map(|percent| self.percentile_ms(percent));
        f.pad(&format!("{} of {}  {p50:8.2} {p95:8.2}", self.taken.len(), self.attempts))
    }
}

/// All honest peers of a measurement. What they have is kept from one phase to the next.
pub(crate) struct Lanes {
    runtime: Runtime,
    /// By kind.
    lanes: Vec<Vec<Lane>>,
}

impl Lanes {
    pub(crate) fn of(honest: &[Honest], gateway: &Gateway) -> Self {
        let lane = |kind: &Honest, number: u8, place: u16| Lane {
            action: kind.action,
            distance: Distance::new(kind.round_trip),
            network: 1 + number,
            host: place,
            client_addr: gateway.client_addr(),
            server_addr: gateway.server_addr(),
            admin_addr: gateway.admin_addr(),
            server: ServerId::new(100 * u32::from(number) + u32::from(place)),
            player: None,
            link: None,
        };
        let lanes = |(number, kind)| (0..LANES).map(|place| lane(kind, number, place)).collect();
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            lanes: (0..).zip(honest).map(lanes).collect(),
        }
    }

    /// Has all of them act for some time. What came of it, by kind.
    pub(crate) fn run(&mut self, time: Duration) -> Vec<Outcome> {
        let lanes = std::mem::take(&mut self.lanes);
        let (outcomes, lanes) = self.runtime.block_on(async {
            let begin = |lanes: Vec<Lane>| lanes.into_iter().map(|lane| tokio::spawn(lane.run(time))).collect();
            let running: Vec<Vec<_>> = lanes.into_iter().map(begin).collect();
            let (mut outcomes, mut lanes) = (Vec::new(), Vec::new());
            for kind in running {
                let (mut all, mut kept) = (Outcome::default(), Vec::new());
                for lane in kind {
                    let (lane, outcome) = lane.await.unwrap();
                    all.merge(outcome);
                    kept.push(lane);
                }
                outcomes.push(all);
                lanes.push(kept);
            }
            (outcomes, lanes)
        });
        self.lanes = lanes;
        outcomes
    }
}

/// One peer.
struct Lane {
    action: Action,
    distance: Distance,
    /// The second number of its address, and the last two.
    network: u8,
    host: u16,
    client_addr: SocketAddr,
    server_addr: SocketAddr,
    admin_addr: SocketAddr,
    server: ServerId,
    /// Who resumes.
    player: Option<Player>,
    /// The plain link of who pings.
    link: Option<TcpStream>,
}

impl Lane {
    async fn run(mut self, time: Duration) -> (Self, Outcome) {
        let end = Instant::now() + time;
        let mut outcome = Outcome::default();
        sleep(INTERVAL.mul_f64(rand::random())).await;
        while Instant::now() < end {
            if self.prepare().await.is_none() {
                outcome.add(None);
                sleep(INTERVAL).await;
                continue;
            }
            if matches!(self.action, Action::Open | Action::LegacyOpen) {
                // Another player at another address, who leaves as many do: without a word. The session waits, and is
                // one of the links that an address may have.
                self.host += LANES;
            }
            self.distance.take_waited();
            let began = Instant::now();
            let done = timeout(PATIENCE, self.attempt()).await.ok().flatten();
            let taken = began.elapsed();
            outcome.add(done.map(|()| taken.saturating_sub(self.distance.take_waited())));
            sleep(INTERVAL.saturating_sub(taken)).await;
        }
        (self, outcome)
    }

    fn from(&self) -> IpAddr {
        let [high, low] = self.host.to_be_bytes();
        Ipv4Addr::new(127, 100 + self.network, high, low).into()
    }

    /// Sees to it that there is what an attempt begins with.
    async fn prepare(&mut self) -> Option<()> {
        if self.action == Action::Resume && self.player.as_ref().is_none_or(Player::is_over) {
            self.player = None;
            let mut player = Player::secure();
            timeout(PATIENCE, self.play(&mut player)).await.ok()??;
            self.player = Some(player);
        }
        if self.action == Action::Ping && self.link.is_none() {
            self.link = Some(timeout(PATIENCE, connect(self.from(), self.client_addr)).await.ok()??);
        }
        Some(())
    }

    async fn attempt(&mut self) -> Option<()> {
        match self.action {
            Action::Open => self.play(&mut Player::secure()).await,
            Action::LegacyOpen => self.play(&mut Player::legacy()).await,
            Action::Resume => play(self.from(), self.client_addr, &mut self.distance, self.player.as_mut()?).await,
            Action::Register => self.register().await,
            Action::Ping => self.ping().await,
            Action::AskWhetherAlive => self.ask().await,
        }
    }

    async fn play(&mut self, player: &mut Player) -> Option<()> {
        play(self.from(), self.client_addr, &mut self.distance, player).await
    }

    async fn register(&mut self) -> Option<()> {
        let mut stream = connect(self.from(), self.server_addr).await?;
        let mut challenge = [0; CHALLENGE_BYTES];
        stream.read_exact(&mut challenge).await.ok()?;
        self.distance.round_trip().await;
        stream.write_all(&Challenge::new(challenge).respond(KEY.as_bytes(), self.server)).await.ok()?;
        exchange(&mut stream, &Command::Ping.encode(), &Command::Ping.encode()).await
    }

    /// A link that failed is given up.
    async fn ping(&mut self) -> Option<()> {
        let mut link = self.link.take()?;
        exchange(&mut link, &Command::Ping.encode(), &Command::Ping.encode()).await?;
        self.link = Some(link);
        Some(())
    }

    async fn ask(&mut self) -> Option<()> {
        let mut stream = connect(self.from(), self.admin_addr).await?;
        exchange(&mut stream, b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200").await
    }
}

/// Opens a session, or resumes it, and pings.
async fn play(from: IpAddr, to: SocketAddr, distance: &mut Distance, player: &mut Player) -> Option<()> {
    let mut stream = connect(from, to).await?;
    distance.round_trip().await;
    player.greet(&mut stream).await?;
    distance.round_trip().await;
    player.ping(&mut stream).await
}

/// Sends something and expects an answer that begins like this.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &[u8]) -> Option<()> {
    stream.write_all(request).await.ok()?;
    let mut got = vec![0; answer.len()];
    stream.read_exact(&mut got).await.ok()?;
    (got == answer).then_some(())
}
