//! From an address to a TCP connection, within a time.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::{ConnectError, ConnectStep};

/// How long an address is waited for before the next one of the same name is tried as well (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The time for all steps of a connect together.
#[derive(Clone, Copy)]
pub(crate) struct TimeLimit {
    after: Duration,
    since: Instant,
}

impl TimeLimit {
    /// It runs from now on. Without a runtime, nothing can be waited for.
    pub(crate) fn start(after: Duration) -> Result<Self, ConnectError> {
        Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
        Ok(Self::begin(after))
    }

    /// The same, within a runtime.
    pub(crate) fn begin(after: Duration) -> Self {
        Self { after, since: Instant::now() }
    }

    pub(crate) async fn wait<T>(&self, step: ConnectStep, work: impl Future<Output = T>) -> Result<T, ConnectError> {
        let left = self.after.saturating_sub(self.since.elapsed());
        timeout(left, work).await.map_err(|_| ConnectError::TimedOut { after: self.after, step })
    }
}

/// Opens the TCP connection. `addr` is `host:port`, and is looked up anew each time.
pub(crate) async fn tcp(addr: String, limit: &TimeLimit) -> Result<TcpStream, ConnectError> {
    let looked_up = limit.wait(ConnectStep::LookUp, lookup_host(&addr)).await?.map(Vec::from_iter);
    let addresses = looked_up.map_err(|source| ConnectError::Address { addr: addr.clone(), source })?;
    let connected = limit.wait(ConnectStep::Tcp, first_to_answer(addresses)).await?;
    connected.and_then(without_delay).map_err(|source| ConnectError::Unreachable { addr, source })
}

/// Tries the addresses in their order, the next one as soon as one has failed or used up its head start; the first that
/// answers wins. So an address that nothing answers at costs a moment and not all of the time.
async fn first_to_answer(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        attempts.spawn(TcpStream::connect(address));
        match timeout(HEAD_START, attempts.join_next()).await.ok().flatten().map(outcome) {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(failed)) => error = failed,
            None => {}
        }
    }
    while let Some(ended) = attempts.join_next().await {
        match outcome(ended) {
            Ok(stream) => return Ok(stream),
            Err(failed) => error = failed,
        }
    }
    Err(error)
}

fn outcome(ended: Result<io::Result<TcpStream>, JoinError>) -> io::Result<TcpStream> {
    ended.unwrap_or_else(|cut_off| Err(cut_off.into()))
}

/// Games send small messages and want them there now.
fn without_delay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    /// An address of this machine that answers nobody any more, as long as what else is given lives.
    async fn black_hole() -> (SocketAddr, impl Sized) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
            waiting.push(stream.unwrap());
        }
        (addr, (listener, waiting))
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let (silent, _held) = black_hole().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let connecting = first_to_answer(vec![silent, silent, good]);
        // Far from the minutes that the system itself waits for an address.
        let stream = timeout(Duration::from_secs(10), connecting).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn an_address_that_refuses_makes_room_for_the_next_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let refusing = "127.0.0.1:1".parse().unwrap();
        let stream = first_to_answer(vec![refusing, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let error = first_to_answer(vec![refusing, refusing]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first_to_answer(Vec::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn where_nothing_answers_at_all_the_step_is_named() {
        let (silent, _held) = black_hole().await;
        let limit = TimeLimit::start(Duration::from_millis(300)).unwrap();
        let error = tcp(silent.to_string(), &limit).await.unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut { step: ConnectStep::Tcp, .. }), "{error}");
    }
}
