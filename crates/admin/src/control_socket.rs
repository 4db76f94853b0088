//! The socket that `fastway ctl` asks: `NAME.sock` in the working directory.
//!
//! A connection is one command and its answer:
//!
//! ```text
//! ctl -> gateway    the command, one line
//! gateway -> ctl    a result file, see `results`; then the end of the stream
//! ```
//!
//! Only the gateway's user and root may ask. A peer that closes its side before the answer has given up: a command that
//! still waits for its turn is not run then.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::time::Duration;

use fastway_service::listen::Backoff;
use fastway_service::process::{SocketFile, SocketFileError, SpareDescriptor};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::process::geteuid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::{CallError, Caller, Outcome, Results};

/// What the log calls this module.
const TARGET: &str = "fastway::admin::control_socket";
/// Connections that are served at a time; the kernel keeps those beyond.
const CONNECTIONS: usize = 8;
/// Longest command, in bytes: as long as a command file.
const REQUEST_BYTES: u64 = 64 << 10;
/// Time in which the command has to be there.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// Time in which the peer has to take the answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The socket, bound to its file. Nobody is answered yet.
#[derive(Debug)]
pub struct ControlSocket {
    listener: StdListener,
    file: SocketFile,
    spare: SpareDescriptor,
}

/// The socket that answers. Dropping it ends that, and removes the file.
#[derive(Debug)]
pub struct ControlServer {
    _accepting: JoinSet<()>,
    _file: SocketFile,
}

impl ControlSocket {
    /// Binds the socket to its file.
    ///
    /// # Errors
    /// The file cannot be had.
    pub fn bind(path: PathBuf) -> Result<Self, SocketFileError> {
        let (listener, file) = SocketFile::listen(path)?;
        Ok(Self { listener, file, spare: SpareDescriptor::open() })
    }

    /// Answers from now on, on the runtime of the caller.
    ///
    /// # Errors
    /// The system refuses to watch the socket.
    ///
    /// # Panics
    /// Outside a tokio runtime that has I/O and time enabled.
    pub fn start(self, caller: Caller) -> io::Result<ControlServer> {
        let listener = UnixListener::from_std(self.listener)?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, self.spare, caller));
        Ok(ControlServer { _accepting: accepting, _file: self.file })
    }
}

async fn accept(listener: UnixListener, mut spare: SpareDescriptor, caller: Caller) {
    let mut connections = JoinSet::new();
    let mut backoff = Backoff::default();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => spare.keep(),
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    backoff.reset();
                    let caller = caller.clone();
                    connections.spawn(async move {
                        if let Err(error) = serve(stream, caller).await {
                            debug!(target: TARGET, %error, "the peer did not take its answer");
                        }
                    });
                }
                // Whoever asks gets an answer even now: the next one has the descriptor.
                Err(error) if spare.release_after(&error) => {}
                Err(error) => sleep(backoff.after(&error)).await,
            },
        }
    }
}

/// Answers one peer.
async fn serve(mut stream: UnixStream, caller: Caller) -> io::Result<()> {
    let results = match request(&mut stream).await {
        Ok(Some(command)) => match run(&mut stream, &caller, command).await {
            Some(results) => results,
            None => return Ok(()),
        },
        Ok(None) => return Ok(()),
        Err(refusal) => Results { failure: Some(refusal), ..Results::default() },
    };
    let text = results.text();
    let written = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    };
    timeout(ANSWER_TIME, written).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The command of a peer that may ask; `None`: it has left without one. An error is what the peer is told.
async fn request(stream: &mut UnixStream) -> Result<Option<String>, String> {
    let own = geteuid().as_raw();
    let peer = stream.peer_cred().map_err(|error| format!("it cannot see who asks: {error}"))?.uid();
    if peer != own && peer != 0 {
        warn!(target: TARGET, user = peer, "a user other than the gateway's asked for a command");
        return Err(format!("only its own user ({own}) and root may ask, and this is user {peer}"));
    }
    let mut line = Vec::new();
    let mut bounded = BufReader::new(&mut *stream).take(REQUEST_BYTES + 1);
    match timeout(REQUEST_TIME, bounded.read_until(b'\n', &mut line)).await {
        Err(_) => return Err(format!("the command was not there within {REQUEST_TIME:?}")),
        Ok(Err(error)) => return Err(format!("the command cannot be read: {error}")),
        Ok(Ok(_)) => {}
    }
    let is_beyond = !bounded.into_inner().buffer().is_empty();
    match line.strip_suffix(b"\n") {
        None if line.len() as u64 > REQUEST_BYTES => Err(format!("the command is larger than {REQUEST_BYTES} bytes")),
        // The end came before that of the line: the peer has given up.
        None => Ok(None),
        Some(_) if is_beyond => Err("a connection takes one command, and there is more behind it".to_owned()),
        Some(line) => understand(line).map(Some),
    }
}

fn understand(line: &[u8]) -> Result<String, String> {
    let text = str::from_utf8(line).map_err(|_| "the command is no UTF-8".to_owned())?;
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return Err("the command has control characters".to_owned());
    }
    match text.trim() {
        "" => Err("the line holds no command; `help` is one".to_owned()),
        command => Ok(command.to_owned()),
    }
}

/// Has a command run, as long as the peer waits for it.
async fn run(stream: &mut UnixStream, caller: &Caller, command: String) -> Option<Results> {
    // One that was stopped meanwhile finds commands whose peers are long gone.
    if has_left(stream) {
        return None;
    }
    let (answer, _wanted) = match caller.call(vec![command]) {
        Ok(call) => call,
        Err(error) => return Some(failure(error)),
    };
    tokio::select! {
        outcomes = spawn_blocking(move || answer.wait()) => Some(match outcomes {
            Ok(Ok(outcomes)) => answered(outcomes),
            Ok(Err(error)) => failure(error),
            Err(_) => failure(CallError::Ended),
        }),
        () = leaves(stream) => None,
    }
}

fn answered(outcomes: Vec<Outcome>) -> Results {
    let failure = outcomes.is_empty().then(|| "the gateway stops: the command is not run".to_owned());
    Results { outcomes, failure, ..Results::default() }
}

fn failure(error: CallError) -> Results {
    Results { failure: Some(error.to_string()), ..Results::default() }
}

/// Whether the peer has closed its side. It has nothing more to say, so anything else counts as that, too.
fn has_left(stream: &UnixStream) -> bool {
    // The runtime may not know of the end yet, so the system is asked.
    let peeked = recv(stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    !matches!(peeked, Err(Errno::AGAIN))
}

/// Waits for that.
async fn leaves(stream: &UnixStream) {
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}
