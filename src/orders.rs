//! What commands have the process itself do: drain, take that back, read its configuration again.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use fastway_admin::observe::Observe;
use fastway_admin::{Args, CommandError, RegisterError, Registry};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cli::parse_duration;

/// How long an order waits for the one before it, which may be a reload by a signal, and for its own answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// What a command orders the process to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Drain. Then end, unless the process is to stay.
    Drain { timeout: Option<Duration>, stay: bool },
    /// Take the drain back.
    Undrain,
    /// Read the configuration again.
    Reload,
}

/// An order whose author waits for the answer.
pub(crate) struct Request {
    pub(crate) order: Order,
    answer: SyncSender<Result<String, Refusal>>,
    /// Whoever sets it first: the process, which carries the order out, or its author, who has given it up.
    is_decided: Arc<AtomicBool>,
}

/// Why an order was not carried out.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What there is to say about it, in lines.
    pub(crate) details: String,
    /// The reason, in one line.
    pub(crate) reason: String,
}

/// The orders as they come.
pub(crate) struct Orders(UnboundedReceiver<Request>);

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
    let undrain = order(orders.clone(), |args| args.none().map(|()| Order::Undrain));
    registry.register("undrain", "", "takes a drain back", undrain)?;
    let reload = order(orders, |args| args.none().map(|()| Order::Reload));
    registry.register("reload", "", "reads the configuration again, and has what changed hold", reload)?;

    let observer = Arc::clone(observer);
    registry.register("drain status", "", "shows how far a drain has come", move |args, answer| {
        args.none()?;
        Ok(writeln!(answer, "{}", observer.report().drain)?)
    })?;
    Ok(Orders(received))
}

/// A command that has the process do something, and answers with what came of it.
fn order(
    orders: UnboundedSender<Request>,
    read: impl Fn(Args<'_>) -> Result<Order, CommandError> + Send + 'static,
) -> impl FnMut(Args<'_>, &mut dyn Write) -> Result<(), CommandError> + Send + 'static {
    move |args, out| {
        let (answer, answered) = sync_channel(1);
        let is_decided = Arc::new(AtomicBool::new(false));
        let request = Request { order: read(args)?, answer, is_decided: Arc::clone(&is_decided) };
        let _it_may_have_ended = orders.send(request);
        match answered.recv_timeout(ANSWER_TIME) {
            Ok(Ok(text)) => Ok(writeln!(out, "{}", text.trim_end())?),
            Ok(Err(Refusal { details, reason })) => {
                out.write_str(&details)?;
                Err(CommandError::Failed(reason.into()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(CommandError::State("the process ends already")),
            Err(RecvTimeoutError::Timeout) if !is_decided.swap(true, Relaxed) => {
                Err(CommandError::State("the process is busy with another order: nothing was done, try again"))
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(CommandError::State("it takes longer than usual: the log will say what came of it"))
            }
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
    /// The next one that was not given up.
    pub(crate) async fn next(&mut self) -> Request {
        while let Some(request) = self.0.recv().await {
            if !request.is_decided.swap(true, Relaxed) {
                return request;
            }
        }
        std::future::pending().await
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { details: String::new(), reason }
    }
}

impl Request {
    /// Tells whoever waits what came of it.
    pub(crate) fn answer(self, outcome: Result<String, Refusal>) {
        let _nobody_waits_any_more = self.answer.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_that_was_given_up_is_not_carried_out() {
        let (orders, received) = unbounded_channel();
        let mut received = Orders(received);
        for (order, is_given_up) in [(Order::Reload, true), (Order::Undrain, false)] {
            let (answer, _answered) = sync_channel(1);
            let is_decided = Arc::new(AtomicBool::new(is_given_up));
            orders.send(Request { order, answer, is_decided }).unwrap();
        }
        let next = received.next().await;
        assert_eq!(next.order, Order::Undrain);
        assert!(next.is_decided.load(Relaxed), "its author does not give it up any more");
    }
}
