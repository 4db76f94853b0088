//! The way to a gateway with a socket: one command, one answer, the end of the stream.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fastway_admin::{Outcome, Results};
use fastway_service::process::{Files, connect_socket_file};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout_at};

use super::error::{CtlError, Whom};

/// Time between tries to connect where too many wait already.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest answer that is read: lines are indented, so that it may be a few times as long as what is kept of it.
const ANSWER_BYTES: u64 = 4 * Outcome::MAX_ANSWER_BYTES as u64;

/// A gateway that listens on its socket.
pub(super) struct Listening {
    stream: UnixStream,
    /// Its process; `None` where that cannot be seen from here, as from another container.
    pub(super) pid: Option<u32>,
    pub(super) files: Files,
}

/// The gateways that listen on `NAME.sock`, and on `NAME.PID.sock` where several share their ports.
///
/// # Errors
/// This user may not ask the only one that there is.
pub(super) async fn listening(files: &Files) -> Result<Vec<Listening>, CtlError> {
    let beside = files.of_processes("sock").into_iter().map(|(_, files)| files);
    let (mut found, mut refused) = (Vec::new(), None);
    for files in std::iter::once(files.clone()).chain(beside) {
        let path = files.path("sock");
        match connect(&path).await {
            Ok(Some(stream)) => {
                let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok());
                found.push(Listening { stream, pid: pid.filter(|pid| *pid > 0), files });
            }
            Ok(None) => {}
            // Where there is a pid file, it says whose the gateway is.
            Err(_) if files.path("pid").exists() => {}
            Err(source) => refused = Some(CtlError::Socket { path, source }),
        }
    }
    refused.filter(|_| found.is_empty()).map_or(Ok(found), Err)
}

/// Connects to a socket; `None`: there is none, or nobody listens on it.
async fn connect(path: &Path) -> io::Result<Option<UnixStream>> {
    if !fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return Ok(None);
    }
    loop {
        match connect_socket_file(path) {
            Ok(stream) => return UnixStream::from_std(stream).map(Some),
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(PAUSE).await,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
}

impl Listening {
    /// Has a command run, and waits for what comes of it.
    pub(super) async fn ask(self, command: &str, until: Instant, limit: Duration) -> Result<Results, CtlError> {
        let gateway = Whom(self.pid);
        let answer = timeout_at(until.into(), exchange(self.stream, command)).await;
        let answer = answer.map_err(|_| CtlError::NoAnswer { gateway, limit, hint: "" })?;
        if !is_whole(&answer) {
            return Err(CtlError::Ended(gateway));
        }
        Results::parse(&answer).ok_or(CtlError::Nonsense(gateway))
    }
}

/// All that the gateway says before it closes, or ends.
async fn exchange(mut stream: UnixStream, command: &str) -> String {
    // What was refused before it was read to its end has an answer all the same.
    let _written = stream.write_all(format!("{command}\n").as_bytes()).await;
    let mut answer = Vec::new();
    let _read = stream.take(ANSWER_BYTES).read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether an answer has come to its end: what the command says is indented, so that its outcome cannot be taken for that.
fn is_whole(answer: &str) -> bool {
    answer.ends_with('\n') && answer.lines().last().is_some_and(|line| line == "ok" || line.starts_with("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_is_not_whole() {
        let answer = "# pid 1\n$ links\n  ok\n  error: x\nok\n";
        let whole: Vec<usize> = (0..=answer.len()).filter(|end| is_whole(&answer[..*end])).collect();
        assert_eq!(whole, [answer.len()]);
        assert!(is_whole("# pid 1\nerror: no\n"));
    }
}
