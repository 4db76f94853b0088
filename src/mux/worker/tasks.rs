//! The tasks of a worker: one for each link, one for each handshake, its acceptors and its pump.
//!
//! They hold the worker's state only while they are polled. All of them end with the worker's runtime.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll};
use std::time::Instant;

use fastway_service::wake::wake_after_look;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{coop::unconstrained, spawn_local, yield_now};

use super::accept::{Acceptors, admit_forwarded, resume_forwarded};
use super::backpressure::Bottleneck;
use super::core::Core;
use super::mail::Message;
use super::shared::Shared;
use super::shared_core::SharedCore;
use crate::mux::accept::acceptor::PortListener;
use crate::mux::config::{Settings, Startup};
use crate::mux::routing::WorkerId;

/// Tasks that run before the runtime looks for new events: a turn takes all links that one look found readable.
const TASKS_PER_LOOK: u32 = 512;

/// Mail that a turn takes: what was unpacked has to be sent before more is.
const MAIL_BYTES_PER_TURN: usize = 1 << 20;

/// Runs a worker on this thread until it has been stopped and all its links are closed. Says its name to `serving` once
/// it accepts.
///
/// # Errors
/// When the system refuses what a runtime or a listener needs.
pub(crate) fn run(
    me: WorkerId,
    startup: Startup,
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    listeners: Vec<PortListener>,
    mail: UnboundedReceiver<Message>,
    serving: Sender<WorkerId>,
) -> io::Result<()> {
    let runtime =
        Builder::new_current_thread().enable_io().event_interval(TASKS_PER_LOOK).build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let core = Core::new(me, startup, settings, shared, Instant::now(), rand::rng());
        let core = Rc::new(RefCell::new(core));
        let mut acceptors = Acceptors::new(Rc::clone(&core));
        acceptors.start(listeners)?;
        spawn_local(give_turns(Rc::clone(&core)));
        let pump = spawn_local(unconstrained(pump(core, mail, acceptors)));
        let _nobody_waits = serving.send(me);
        drop(serving);
        pump.await.map_err(io::Error::other)
    })
}

/// Takes the mail and ends each turn.
async fn pump(core: SharedCore, mut mail: UnboundedReceiver<Message>, mut acceptors: Acceptors) {
    poll_fn(|cx| {
        core.borrow_mut().begin_turn(cx.waker());
        let mut unpacked = 0;
        while let Poll::Ready(Some(message)) = mail.poll_recv(cx) {
            unpacked += message.size_bytes();
            let began = message.is_upkeep().then(Instant::now);
            deliver(&core, &mut acceptors, message);
            if let Some(began) = began {
                core.borrow_mut().upkeep.took(began.elapsed());
            }
            if unpacked > MAIL_BYTES_PER_TURN {
                wake_after_look(cx.waker());
                break;
            }
        }
        finish_turn(&core, cx)
    })
    .await;
}

/// Gives handshakes their turns: one round for each look at the links that can be read, so that these come first.
async fn give_turns(core: SharedCore) {
    let due = core.borrow().acceptance.turns_due();
    loop {
        let any_given = core.borrow_mut().give_turns();
        match any_given {
            true => yield_now().await,
            false => due.notified().await,
        }
    }
}

fn finish_turn(core: &SharedCore, cx: &mut Context<'_>) -> Poll<()> {
    let mut core = core.borrow_mut();
    if core.end_turn() {
        wake_after_look(cx.waker());
    }
    if core.is_over() {
        core.publish();
        return Poll::Ready(());
    }
    Poll::Pending
}

fn deliver(core: &SharedCore, acceptors: &mut Acceptors, message: Message) {
    match message {
        Message::Admit(accepted) => admit_forwarded(core, accepted),
        Message::Batch { from, batch } => core.borrow_mut().unpack(from, batch),
        Message::Congested(server) => core.borrow_mut().forwarding.congest(Bottleneck::Server(server)),
        Message::Uncongested(key) => core.borrow_mut().uncongest(key),
        Message::Evict { server, done } => core.borrow_mut().evict(server, done),
        Message::Resume(resumption) => resume_forwarded(core, *resumption),
        Message::PushOut(link) => core.borrow_mut().push_out(link),
        Message::Sweep => core.borrow_mut().sweep(),
        Message::Deadline => core.borrow_mut().meet_deadlines(),
        Message::Settings { settings, taken } => {
            core.borrow_mut().apply(settings);
            drop(taken);
        }
        Message::Listen(listeners) => acceptors.add(listeners),
        Message::Unlisten(ports) => acceptors.close(|port, _| ports.contains(&port)),
        Message::CloseToNewcomers(sides) => acceptors.close(|_, side| sides[side]),
        Message::CloseClients(spread) => core.borrow_mut().close_clients(spread),
        Message::Stop => {
            acceptors.stop();
            core.borrow_mut().begin_stop();
        }
        Message::Quiesced => core.borrow_mut().heard_quiesced(),
        Message::Ask(question) => question.answer(&mut *core.borrow_mut()),
    }
}
