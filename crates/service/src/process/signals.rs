//! The signals that a gateway answers to.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::process;
use std::time::{Duration, Instant};

use futures_core::Stream;
use rustix::process::{WaitOptions, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// Signals to stop that come within this time of the first one repeat it: `timeout` signals its child and the child's
/// group, a terminal and a supervisor may both pass on a Ctrl-C. Nobody decides anew that quickly.
const REPEATS: Duration = Duration::from_secs(1);

/// What a signal asks of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: stop, gracefully the first time, at once when one comes more than a second later.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: run the commands of the command file.
    RunCommands,
}

/// The signals as they come. Several of one kind that come before they are taken may count as one.
pub struct Signals {
    arriving: signal_hook_tokio::Signals,
    stops: Stops,
}

/// Tells a signal that was sent anew from one that came twice at once.
#[derive(Debug, Default)]
struct Stops {
    first: Option<Instant>,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT, SIGHUP and SIGUSR1 from their default, which is to end the process. So it belongs
    /// before the pid file, which invites others to send them. As process 1, of a container, it also reaps the orphans that become its children.
    ///
    /// # Errors
    /// When the system has no descriptors left for it.
    ///
    /// # Panics
    /// Outside a tokio runtime that has I/O enabled.
    pub fn listen() -> io::Result<Self> {
        let child = (process::id() == 1).then_some(SIGCHLD);
        let wanted = [SIGTERM, SIGINT, SIGHUP, SIGUSR1].into_iter().chain(child);
        signal_hook_tokio::Signals::new(wanted).map(|arriving| Self { arriving, stops: Stops::default() })
    }

    /// Waits for the next signal; a repeated [`Signal::Stop`] is none. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Signal {
        loop {
            let number = poll_fn(|cx| Pin::new(&mut self.arriving).poll_next(cx)).await;
            match number {
                Some(SIGTERM | SIGINT) if self.stops.is_new(Instant::now()) => return Signal::Stop,
                Some(SIGHUP) => return Signal::Reload,
                Some(SIGUSR1) => return Signal::RunCommands,
                Some(SIGCHLD) => reap(),
                // A repetition: no other number is asked for.
                Some(_) => {}
                // Nothing else holds the handle that ends the stream.
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

impl Stops {
    /// Whether a signal to stop that comes at `now` is more than a repetition.
    fn is_new(&mut self, now: Instant) -> bool {
        match self.first {
            Some(first) => now.saturating_duration_since(first) >= REPEATS,
            None => {
                self.first = Some(now);
                true
            }
        }
    }
}

/// Takes the exit codes of ended children, which nobody else wants: this process starts none.
fn reap() {
    while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal as Raised, getpid, kill_process};

    use super::*;

    // One test, since signals reach every listener of the process.
    #[test]
    fn each_signal_has_its_meaning_and_stops_in_a_row_count_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            for stop in [Raised::TERM, Raised::INT] {
                let mut signals = Signals::listen().unwrap();
                let meanings =
                    [(Raised::USR1, Signal::RunCommands), (Raised::HUP, Signal::Reload), (stop, Signal::Stop)];
                for (raised, meant) in meanings {
                    kill_process(getpid(), raised).unwrap();
                    assert_eq!(signals.next().await, meant);
                }
                for raised in [Raised::TERM, Raised::INT, Raised::USR1] {
                    kill_process(getpid(), raised).unwrap();
                }
                assert_eq!(signals.next().await, Signal::RunCommands);
            }
        });
    }

    #[test]
    fn a_shutdown_is_waited_for_until_a_new_stop_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            assert_eq!(signals.unless_stopped(async { "clean" }).await, Some("clean"));
        });
    }

    #[test]
    fn a_stop_within_a_second_of_the_first_is_a_repetition_and_a_later_one_is_not() {
        let first = Instant::now();
        let mut stops = Stops::default();
        let at = |millis| first + Duration::from_millis(millis);
        assert!(stops.is_new(first));
        assert!(!stops.is_new(first) && !stops.is_new(at(20)) && !stops.is_new(at(999)));
        assert!(stops.is_new(at(1000)) && stops.is_new(at(1001)));
    }
}
