//! Legacy sessions against a second implementation, in Go (`tests/interop/snet`): new, encrypted and not, cut 50 times.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fastway_session::{LegacyConfig, Limits, Reception, Request, Session, SessionStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BYTES: usize = 2_000_000;
const CUTS: usize = 50;
const BOUND: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn as_a_client_of_the_other_implementation() {
    for encrypt in [true, false] {
        let mut peer = Peer::start(&["server".to_owned()], encrypt);
        let mut line = String::new();
        BufReader::new(peer.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().to_owned();

        let session = Session::legacy(config(encrypt), PATIENCE, Instant::now());
        let (stream, mut supplier) = SessionStream::initiator(session, BOUND);
        let dials = tokio::spawn(async move {
            let mut dials = 0;
            while supplier.wanted().await.is_some() {
                // The other end leaves when it has everything.
                let Ok(transport) = TcpStream::connect(&address).await else { break };
                dials += 1;
                if supplier.dial(transport).await.is_err() {
                    break;
                }
            }
            dials
        });
        carry(stream, 1, 2).await;
        peer.assert_content();
        assert!(dials.await.unwrap() > CUTS, "it was cut so often");
    }
}

#[tokio::test]
async fn as_the_server_of_the_other_implementation() {
    for encrypt in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut peer = Peer::start(&["client".to_owned(), address], encrypt);

        let (mut transport, _) = listener.accept().await.unwrap();
        let Request::Open(open) = first_message(&mut transport).await else { panic!("the first is no reconnect") };
        let limits = Limits { handshake_time: PATIENCE, wait: PATIENCE, legacy: config(encrypt) };
        let (session, reply) = open.accept(None, &limits, Instant::now(), &mut rand::rng()).unwrap();
        let (stream, supplier) = SessionStream::acceptor(session, reply, transport, BOUND);
        let accepts = tokio::spawn(async move {
            for reconnects in 1.. {
                let (mut transport, _) = listener.accept().await.unwrap();
                let Request::Resume(resume) = first_message(&mut transport).await else { panic!("a second session") };
                if supplier.resume(resume, transport).await.is_err() || reconnects == CUTS {
                    return reconnects;
                }
            }
            0
        });
        carry(stream, 2, 1).await;
        peer.assert_content();
        assert_eq!(accepts.await.unwrap(), CUTS);
    }
}

/// Sends and reads everything, both ways at once; each end says with a byte of its own that it has read all.
async fn carry(stream: SessionStream<TcpStream>, own: u8, others: u8) {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let (all_read, told) = tokio::sync::oneshot::channel();
    let writer = tokio::spawn(async move {
        for block in (0..BYTES).collect::<Vec<_>>().chunks(7001) {
            let bytes: Vec<u8> = block.iter().map(|at| byte_at(own, *at)).collect();
            writing.write_all(&bytes).await.unwrap();
        }
        told.await.unwrap();
        writing.write_all(&[byte_at(own, BYTES)]).await.unwrap();
        writing.flush().await.unwrap();
        writing
    });
    let mut all_read = Some(all_read);
    let (mut read, mut block) = (0, vec![0; 9001]);
    while read <= BYTES {
        let bytes = reading.read(&mut block).await.unwrap();
        assert!(bytes > 0, "a legacy session has no end");
        for (at, byte) in (read..).zip(&block[..bytes]) {
            assert_eq!(*byte, byte_at(others, at), "byte {at}");
        }
        read += bytes;
        if let Some(tell) = all_read.take_if(|_| read >= BYTES) {
            tell.send(()).unwrap();
        }
    }
    // It carries what the other end lacks until that has its last byte, too.
    drop(reading.unsplit(writer.await.unwrap()));
}

fn byte_at(salt: u8, at: usize) -> u8 {
    let mixed = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    u8::try_from(mixed & 0xff).unwrap() ^ salt
}

/// Nobody acknowledges, so what may be on its way when a connection is cut must be kept.
fn config(encrypt: bool) -> LegacyConfig {
    LegacyConfig { encrypt, replay_bytes: 16 << 20 }
}

async fn first_message(transport: &mut TcpStream) -> Request {
    let mut reception = Reception::default();
    loop {
        let byte = transport.read_u8().await.unwrap();
        if let Some(request) = reception.receive(&[byte]).unwrap() {
            return request;
        }
    }
}

/// The other implementation at work.
struct Peer(Child);

impl Peer {
    fn start(role: &[String], encrypt: bool) -> Self {
        let transfer = [BYTES.to_string(), CUTS.to_string(), encrypt.to_string()];
        let mut command = Command::new(program());
        Self(command.args(role).args(transfer).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn assert_content(&mut self) {
        assert!(self.0.wait().unwrap().success(), "the other end is not content; it says why above");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped_already = self.0.wait();
    }
}

/// Built once for all tests.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("snet");
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop/snet");
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).arg(".").current_dir(module);
        let built = go.status().unwrap_or_else(|error| panic!("the tests need Go: {error}"));
        assert!(built.success(), "go build failed");
        program
    })
}
