//! Draining on an operator's word: the commands `drain`, `drain status` and `undrain`, and the signals to stop.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use fastway::drain::{DrainPhase, DrainStatus, DrainTimes};
use fastway::gateway::Running;
use fastway_admin::observe::Observe;
use fastway_admin::{Args, CommandError, RegisterError, Registry};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tracing::info;

use crate::cli::parse_duration;

/// What the log calls the program.
const TARGET: &str = "fastway";

/// How long the process has for an order; it waits for nothing else meanwhile.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Time between lines about a drain in which nothing but the number of clients changes.
const PROGRESS: Duration = Duration::from_secs(10);

/// What a command orders the process to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Drain. Then end, unless the process is to stay.
    Drain { timeout: Option<Duration>, stay: bool },
    /// Take the drain back.
    Undrain,
}

/// An order whose author waits for the answer.
pub(crate) struct Request {
    pub(crate) order: Order,
    answer: SyncSender<Result<DrainStatus, String>>,
}

/// The orders as they come.
pub(crate) struct Orders(UnboundedReceiver<Request>);

/// What becomes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    Serve,
    /// It drains, and goes on running without clients.
    Stay,
    /// It drains, and ends.
    End {
        was_signalled: bool,
    },
}

/// How a process ends that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What waits is sent first.
    Graceful,
    /// An operator does not want to wait.
    AtOnce,
}

/// The drain of this process.
pub(crate) struct Drain {
    /// The times of the flags.
    times: DrainTimes,
    intent: Intent,
    shown: Option<(DrainPhase, Instant)>,
}

/// Adds the commands.
///
/// # Errors
/// One of them is there already.
pub(crate) fn register(registry: &mut Registry, observer: &Arc<dyn Observe>) -> Result<Orders, RegisterError> {
    let (orders, received) = unbounded_channel();
    let drain = order(orders.clone(), drain_order);
    registry.register(
        "drain",
        "[TIME] [--stay]",
        "drains: takes nobody new, and ends when the clients have left",
        drain,
    )?;
    let undrain = order(orders, |args| args.none().map(|()| Order::Undrain));
    registry.register("undrain", "", "takes a drain back", undrain)?;

    let observer = Arc::clone(observer);
    registry.register("drain status", "", "shows how far a drain has come", move |args, answer| {
        args.none()?;
        Ok(writeln!(answer, "{}", observer.report().drain)?)
    })?;
    Ok(Orders(received))
}

/// A command that has the process do something, and answers with how it stands then.
fn order(
    orders: UnboundedSender<Request>,
    read: impl Fn(Args<'_>) -> Result<Order, CommandError> + Send + 'static,
) -> impl FnMut(Args<'_>, &mut dyn Write) -> Result<(), CommandError> + Send + 'static {
    move |args, out| {
        let (answer, answered) = sync_channel(1);
        let _it_may_have_ended = orders.send(Request { order: read(args)?, answer });
        match answered.recv_timeout(ANSWER_TIME) {
            Ok(Ok(status)) => Ok(writeln!(out, "{status}")?),
            Ok(Err(reason)) => Err(CommandError::Failed(reason.into())),
            Err(_) => Err(CommandError::State("the process ends already")),
        }
    }
}

fn drain_order(args: Args<'_>) -> Result<Order, CommandError> {
    let (mut timeout, mut stay) = (None, false);
    for word in args.words() {
        match parse_duration(word) {
            _ if *word == "--stay" => stay = true,
            Some(time) if timeout.is_none() => timeout = Some(time),
            _ => return Err(CommandError::argument(word, "expected: drain [TIME] [--stay], for example drain 5m")),
        }
    }
    Ok(Order::Drain { timeout, stay })
}

impl Orders {
    /// The next one.
    pub(crate) async fn next(&mut self) -> Request {
        match self.0.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

impl Drain {
    /// There is none yet.
    pub(crate) fn new(times: DrainTimes) -> Self {
        Self { times, intent: Intent::Serve, shown: None }
    }

    /// A signal to stop. `None`: the process drains first.
    pub(crate) fn signalled(&mut self, running: &Running) -> Option<End> {
        match self.intent {
            Intent::End { was_signalled: true } => return Some(End::AtOnce),
            // A hook that runs before the signal may have drained already.
            Intent::End { was_signalled: false } => {}
            // All links end together, those of servers as well.
            Intent::Serve | Intent::Stay if self.times == DrainTimes::default() => return Some(End::Graceful),
            Intent::Serve | Intent::Stay => running.drain(self.times),
        }
        self.intent = Intent::End { was_signalled: true };
        None
    }

    /// Carries out an order, and answers it.
    pub(crate) fn carry_out(&mut self, request: &Request, running: &Running) {
        let done = match request.order {
            Order::Drain { timeout, stay } => {
                let timeout = timeout.unwrap_or(self.times.timeout);
                running.drain(DrainTimes { timeout, ..self.times });
                // The signal to end was given, and counts.
                if !matches!(self.intent, Intent::End { was_signalled: true }) {
                    self.intent = if stay { Intent::Stay } else { Intent::End { was_signalled: false } };
                }
                Ok(())
            }
            Order::Undrain => match self.intent {
                Intent::End { was_signalled: true } => Err("the process was told to end by a signal".to_owned()),
                _ => running.undrain().map_err(|error| error.to_string()),
            },
        };
        if done.is_ok() && request.order == Order::Undrain {
            self.intent = Intent::Serve;
            info!(target: TARGET, "the drain was taken back");
        }
        let _nobody_waits_any_more = request.answer.send(done.map(|()| running.observer().drain()));
    }

    /// Whether the process drains, or has drained and stays.
    pub(crate) fn is_under_way(&self) -> bool {
        self.intent != Intent::Serve
    }

    /// Whether the process ends when no client is left.
    pub(crate) fn ends_when_drained(&self) -> bool {
        matches!(self.intent, Intent::End { .. })
    }

    /// Logs how far it has come: each phase, and now and then the number of clients.
    pub(crate) fn show(&mut self, status: DrainStatus) {
        let now = Instant::now();
        let is_news = match self.shown {
            Some((phase, at)) => phase != status.phase || status.phase != DrainPhase::Drained && now >= at + PROGRESS,
            None => true,
        };
        if is_news && status.phase != DrainPhase::Serving {
            self.shown = Some((status.phase, now));
            let DrainStatus { phase, clients, remaining } = status;
            let remaining_ms = remaining.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            info!(target: TARGET, phase = phase.name(), clients, remaining_ms, "draining");
        }
    }
}
