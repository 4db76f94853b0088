//! A player with a session, without an SDK between the measurement and the wire.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use fastway_session::{Backlog, Dial, Event, Identity, LegacyConfig, Session, TransportId};
use fastway_testkit::watch;
use fastway_wire::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Bytes that a player keeps until the gateway has acknowledged them.
const UNACKED_BYTES: usize = 64 << 10;

/// More than what an acknowledgement may be put off.
const ACK_DELAY: Duration = Duration::from_secs(1);

/// The player's end of a session.
pub(crate) struct Player {
    session: Session,
    unacked: Backlog,
    transport: Option<TransportId>,
    /// Bytes that the gateway still owes: an answer to each ping.
    owed: usize,
}

/// A connection from an address of this machine.
pub(crate) async fn connect(from: IpAddr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((from, 0).into()).ok()?;
    let stream = socket.connect(to).await.ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

impl Player {
    /// With a secure session that is not open yet.
    pub(crate) fn secure() -> Self {
        Self::new(Session::secure(Identity::Anyone, watch::DEADLINE, Instant::now()))
    }

    /// With a legacy session that is not open yet.
    pub(crate) fn legacy() -> Self {
        let config = LegacyConfig { encrypt: false, replay_bytes: 32 << 10 };
        Self::new(Session::legacy(config, watch::DEADLINE, Instant::now()))
    }

    fn new(session: Session) -> Self {
        Self { session, unacked: Backlog::new(UNACKED_BYTES), transport: None, owed: 0 }
    }

    /// The first message on a new stream; none if the session is over.
    pub(crate) fn dial(&mut self) -> Option<Vec<u8>> {
        let Dial { transport, bytes } = self.session.connect(Instant::now(), &mut rand::rng()).ok()?;
        self.transport = Some(transport);
        Some(bytes)
    }

    /// Whether the session can be resumed no more.
    pub(crate) fn is_over(&self) -> bool {
        self.session.end().is_some()
    }

    /// Opens the session by a stream, or resumes it: sends the first message, and reads the answer.
    pub(crate) async fn greet(&mut self, stream: &mut TcpStream) -> Option<()> {
        let first = self.dial()?;
        stream.write_all(&first).await.ok()?;
        while !self.is_live() {
            self.receive(stream).await?;
        }
        Some(())
    }

    /// Pings by the stream of the session, with the proof that it has read the answer if that is due.
    pub(crate) async fn ping(&mut self, stream: &mut TcpStream) -> Option<()> {
        self.ping_times(1, stream).await
    }

    /// Sends so many pings at once and waits for the answers; nothing if they cannot be kept.
    pub(crate) async fn ping_times(&mut self, count: usize, stream: &mut TcpStream) -> Option<()> {
        let pings = Command::Ping.encode().repeat(count);
        (self.unacked.room() >= pings.len()).then_some(())?;
        self.owed += self.unacked.push(&pings);
        self.send(stream).await?;
        while self.owed > 0 {
            self.receive(stream).await?;
            self.send(stream).await?;
        }
        Some(())
    }

    /// Sends what there is to send; acknowledgements at once.
    async fn send(&mut self, stream: &mut TcpStream) -> Option<()> {
        let mut output = Vec::new();
        self.session.send(Instant::now() + ACK_DELAY, &mut self.unacked, &mut output, usize::MAX);
        stream.write_all(&output).await.ok()
    }

    async fn receive(&mut self, stream: &mut TcpStream) -> Option<()> {
        let transport = self.transport?;
        let mut room = vec![0; 64 << 10];
        let read = stream.read(self.session.read_into(transport, &mut room)).await;
        let count = read.ok().filter(|count| *count > 0)?;
        let received = self.session.receive_read(transport, &mut room, count, Instant::now(), &mut self.unacked);
        self.owed = self.owed.saturating_sub(received.bytes);
        received.fault.is_none().then_some(())
    }

    fn is_live(&mut self) -> bool {
        let mut events = std::iter::from_fn(|| self.session.poll_event());
        events.any(|event| matches!(event, Event::Established { .. } | Event::Resumed { .. }))
    }
}

/// Time that messages take there and back, on a loopback that takes none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Distance {
    round_trip: Duration,
    /// Time that has gone by in this way.
    waited: Duration,
}

impl Distance {
    pub(crate) const fn new(round_trip: Duration) -> Self {
        Self { round_trip, waited: Duration::ZERO }
    }

    /// Something goes to the other end, and the answer comes back.
    pub(crate) async fn round_trip(&mut self) {
        if !self.round_trip.is_zero() {
            let began = Instant::now();
            tokio::time::sleep(self.round_trip).await;
            self.waited += began.elapsed();
        }
    }

    /// The time that went by since the last call.
    pub(crate) fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}
