//! The signals that a gateway answers to.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;

use futures_core::Stream;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

/// What a signal asks of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: stop, gracefully the first time, at once the second time.
    Stop,
    /// SIGUSR1: run the commands of the command file.
    RunCommands,
}

/// The signals as they come. Several of one kind that come before they are taken may count as one.
pub struct Signals {
    arriving: signal_hook_tokio::Signals,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGUSR1 from their default, which is to end the process. So it belongs before
    /// the pid file, which invites others to send them.
    ///
    /// # Errors
    /// When the system has no descriptors left for it.
    ///
    /// # Panics
    /// Outside a tokio runtime that has I/O enabled.
    pub fn listen() -> io::Result<Self> {
        signal_hook_tokio::Signals::new([SIGTERM, SIGINT, SIGUSR1]).map(|arriving| Self { arriving })
    }

    /// Waits for the next signal. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Signal {
        loop {
            let number = poll_fn(|cx| Pin::new(&mut self.arriving).poll_next(cx)).await;
            match number {
                Some(SIGTERM | SIGINT) => return Signal::Stop,
                Some(SIGUSR1) => return Signal::RunCommands,
                // No other number is asked for, and nothing else holds the handle that ends the stream.
                Some(_) => {}
                None => pending().await,
            }
        }
    }

    /// Waits until `shutdown` is done, but not beyond the next [`Signal::Stop`]: then it is given up, and the answer is
    /// `None`.
    pub async fn unless_stopped<T>(&mut self, shutdown: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = shutdown => Some(done),
            () = self.stop() => None,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Raised, getpid, kill_process};

    use super::*;

    // One test, since signals reach every listener of the process.
    #[test]
    fn each_signal_has_its_meaning_and_the_second_stop_is_final() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            for (raised, meant) in [
                (Raised::TERM, Signal::Stop),
                (Raised::USR1, Signal::RunCommands),
                (Raised::INT, Signal::Stop),
                (Raised::USR1, Signal::RunCommands),
            ] {
                kill_process(getpid(), raised).unwrap();
                assert_eq!(signals.next().await, meant);
            }

            assert_eq!(signals.unless_stopped(async { "clean" }).await, Some("clean"));
            kill_process(getpid(), Raised::USR1).unwrap();
            kill_process(getpid(), Raised::TERM).unwrap();
            assert_eq!(signals.unless_stopped(pending::<()>()).await, None);
        });
    }
}
