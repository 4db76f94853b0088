//! Both ends of legacy sessions, for tests of what brings them their transports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_session::{LegacyConfig, Limits, Reception, Request, Session, SessionStream, Supplier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// More than a test takes.
pub(super) const LONG: Duration = Duration::from_secs(60);

const LEGACY: LegacyConfig = LegacyConfig { encrypt: false, replay_bytes: 1 << 16 };

/// A gateway's port.
pub(super) async fn port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// A client's session that is not open yet; the task runs its stream.
pub(super) fn session() -> (Supplier<TcpStream>, JoinSet<()>) {
    let session = Session::legacy(LEGACY, LONG, Instant::now());
    let (mut stream, supplier) = SessionStream::initiator(session, 1 << 16);
    let mut task = JoinSet::new();
    task.spawn(async move { while stream.read(&mut [0; 100]).await.is_ok_and(|count| count > 0) {} });
    (supplier, task)
}

/// Takes the next connection and answers the open on it.
pub(super) async fn answer_open(port: &TcpListener) -> TcpStream {
    let (mut transport, _) = port.accept().await.unwrap();
    let mut bytes = [0; 100];
    let count = transport.read(&mut bytes).await.unwrap();
    let Some(Request::Open(open)) = Reception::default().receive(&bytes[..count]).unwrap() else { panic!("no open") };
    let limits = Limits { handshake_time: LONG, wait: LONG, legacy: LEGACY };
    let (_session, reply) = open.accept(None, &limits, Instant::now(), &mut rand::rng()).unwrap();
    transport.write_all(&reply.bytes).await.unwrap();
    transport
}

/// Refuses every resume, as a gateway does that knows no session.
pub(super) async fn refuse_all(port: TcpListener) {
    loop {
        let (mut transport, _) = port.accept().await.unwrap();
        if transport.read(&mut [0; 100]).await.is_ok() {
            let _ = transport.write_all(&[0; 24]).await;
        }
    }
}
