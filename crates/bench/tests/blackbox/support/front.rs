//! Secure sessions in front of a gateway that knows only plain links.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastway_session::{LegacyConfig, Limits, Reception, Request, SessionStream};
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Takes sessions, and carries what is in them to a port and back; ends when it is dropped.
pub(crate) struct SecureFront {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl SecureFront {
    pub(crate) fn start(behind: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((transport, _)) = listener.accept().await {
                tokio::spawn(carry(transport, behind));
            }
        });
        Self { address, _runtime: runtime }
    }
}

/// Ends with either of its ends.
async fn carry(transport: TcpStream, behind: SocketAddr) {
    let mut plain = TcpStream::connect(behind).await.unwrap();
    plain.set_nodelay(true).unwrap();
    let _ = copy_bidirectional(&mut open(transport).await, &mut plain).await;
}

async fn open(mut transport: TcpStream) -> SessionStream<TcpStream> {
    transport.set_nodelay(true).unwrap();
    let (mut reception, mut bytes) = (Reception::default(), [0; 1024]);
    let open = loop {
        let count = transport.read(&mut bytes).await.unwrap();
        match reception.receive(&bytes[..count]).unwrap() {
            Some(Request::Open(open)) => break open,
            Some(Request::Resume(_)) => panic!("nothing was cut"),
            None => assert_ne!(count, 0, "it ends with its first message"),
        }
    };
    let time = Duration::from_mins(1);
    let legacy = LegacyConfig { encrypt: false, replay_bytes: 0 };
    let limits = Limits { handshake_time: time, wait: time, legacy };
    let (session, reply) = open.accept(None, &limits, Instant::now(), &mut rand::rng()).unwrap();
    SessionStream::acceptor(session, reply, transport, 1 << 20).0
}
