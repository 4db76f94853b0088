//! What workers send each other: batches of frames, and the rare events around them.
//!
//! Frames for links of another worker are collected during a turn and posted as a [`Batch`], or several if they are many,
//! so that the other worker is woken once a turn.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use fastway_transport::DetachedStream;
use fastway_wire::ConnId;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::backpressure::Bottleneck;
use super::question::Question;
use super::transit::{self, Transit};
use crate::mux::accept::acceptor::{PortId, PortListener};
use crate::mux::accept::stream::{AcceptedStream, Resumption};
use crate::mux::config::Settings;
use crate::mux::routing::{LinkAddr, PerSide, RouterSync, WorkerId};

/// Mail that a question counts as: few of them are answered in a turn.
const QUESTION_BYTES: usize = 256 << 10;

/// A batch of this size is posted before the turn ends: small ones are easier to use again.
const FULL_BYTES: usize = 64 << 10;
/// Emptied batches that wait for their sender to fill them again: as many as it posts while the receiver's thread is off
/// the processor.
const EMPTIED_BATCHES: usize = transit::BOUND_BYTES / FULL_BYTES;
/// Room that they may have, all together. Each has up to twice the room that it needs.
const EMPTIED_BYTES: usize = 2 * transit::BOUND_BYTES;

/// A message to a worker.
#[derive(Debug)]
pub(crate) enum Message {
    /// A stream that another worker's acceptor took in.
    Admit(AcceptedStream<DetachedStream>),
    /// Frames and changes of virtual connections.
    Batch {
        /// The sender.
        from: WorkerId,
        /// What it sends.
        batch: Batch,
    },
    /// The outbox of the server link there is congested: pause those who feed it.
    Congested(LinkAddr),
    /// There is room again for what waited for this.
    Uncongested(Bottleneck),
    /// Close this server link: another one registers its ID.
    Evict {
        /// The link.
        server: LinkAddr,
        /// Told when it is gone.
        done: oneshot::Sender<()>,
    },
    /// A resume that another worker's acceptor took in, of a session that lives here.
    Resume(Box<Resumption<DetachedStream>>),
    /// End this session, which waits, to make room for others.
    PushOut(LinkAddr),
    /// Look at every link: it is time to.
    Sweep,
    /// Do what is due: the time has come for which the worker wanted to be woken.
    Deadline,
    /// These settings hold from now on.
    Settings {
        /// The settings.
        settings: Arc<Settings>,
        /// Dropped once they hold.
        taken: UnboundedSender<Infallible>,
    },
    /// Accept from these listeners, too.
    Listen(Vec<PortListener>),
    /// Accept no longer from these ports.
    Unlisten(Arc<[PortId]>),
    /// Take nobody new, and close the ports of these sides: a drain has come so far.
    CloseToNewcomers(PerSide<bool>),
    /// Close the links of all clients, one after the other within this time.
    CloseClients(Duration),
    /// Stop reading; when every worker has, close all links in good order.
    Stop,
    /// The sender has stopped reading and posted its last batch.
    Quiesced,
    /// Something to answer, for whoever looks at the gateway.
    Ask(Question),
}

impl Message {
    /// Whether it has a worker do something else than forward.
    pub(super) fn is_upkeep(&self) -> bool {
        match self {
            Self::Sweep | Self::Deadline | Self::Settings { .. } | Self::Ask(_) | Self::CloseClients(_) => true,
            Self::Admit(_)
            | Self::Batch { .. }
            | Self::Congested(_)
            | Self::Uncongested(_)
            | Self::Evict { .. }
            | Self::Resume(_)
            | Self::PushOut(_)
            | Self::Listen(_)
            | Self::Unlisten(_)
            | Self::CloseToNewcomers(_)
            | Self::Stop
            | Self::Quiesced => false,
        }
    }

    /// Memory that the message takes, or work that is worth as much.
    pub(super) fn size_bytes(&self) -> usize {
        let further = match self {
            Self::Batch { batch, .. } => batch.size_bytes(),
            Self::Ask(_) => QUESTION_BYTES,
            _ => 0,
        };
        size_of::<Self>() + further
    }
}

/// What one worker sends another in one turn, in order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Changes and data; the bytes of the data stand in `bytes` one after the other.
    pub(super) items: Vec<Item>,
    /// Whole frames.
    pub(super) bytes: Vec<u8>,
}

/// One item of a batch.
#[derive(Debug)]
pub(super) enum Item {
    /// A run of frames of one connection.
    Data { conn: ConnId, bytes: usize, packets: usize },
    /// A change of a connection.
    RouterSync(RouterSync),
}

impl Batch {
    /// Adds a run of frames.
    pub(super) fn data<'a>(&mut self, conn: ConnId, packets: usize, parts: impl Iterator<Item = &'a [u8]>) {
        let before = self.bytes.len();
        parts.for_each(|part| self.bytes.extend_from_slice(part));
        self.items.push(Item::Data { conn, bytes: self.bytes.len() - before, packets });
    }

    /// Adds a change of a connection.
    pub(super) fn sync(&mut self, sync: RouterSync) {
        self.items.push(Item::RouterSync(sync));
    }

    /// Whether there is enough in it to post it.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.size_bytes() >= FULL_BYTES
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(self.items.as_slice())
    }

    fn room_bytes(&self) -> usize {
        self.bytes.capacity() + self.items.capacity() * size_of::<Item>()
    }

    /// Keeps nothing but its room.
    fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// What a worker collects for another one.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// What is to be posted when it is full or the turn ends.
    pub(super) batch: Batch,
    /// Whether something was posted since the last sweep.
    posted: bool,
}

/// The addresses of all workers.
#[derive(Clone, Debug)]
pub(crate) struct Mailboxes {
    senders: Arc<[UnboundedSender<Message>]>,
    /// By sender and receiver.
    channels: Arc<[WorkerChannel]>,
}

/// What goes from one worker to another.
#[derive(Debug)]
struct WorkerChannel {
    /// Bytes that are on their way.
    transit: Transit,
    /// Batches that the receiver has emptied, so that the sender need not allocate one each turn.
    emptied: ArrayQueue<Batch>,
    /// The room that they have.
    emptied_bytes: AtomicUsize,
}

impl Mailboxes {
    /// A mailbox for each of `workers`, and their receiving ends.
    pub(crate) fn new(workers: usize) -> (Self, Vec<UnboundedReceiver<Message>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        (
            Self { senders: senders.into(), channels: (0..workers * workers).map(|_| WorkerChannel::new()).collect() },
            receivers,
        )
    }

    /// All workers.
    pub(crate) fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0u16..).take(self.senders.len()).map(WorkerId::new)
    }

    /// Sends a message. A worker that is gone needs none.
    pub(crate) fn send(&self, to: WorkerId, message: Message) {
        let _worker_is_gone = self.try_send(to, message);
    }

    /// Sends a message to a worker, or gives it back if that is gone.
    pub(super) fn try_send(&self, to: WorkerId, message: Message) -> Result<(), Message> {
        match self.senders.get(to.index()) {
            Some(sender) => sender.send(message).map_err(|unsent| unsent.0),
            None => Err(message),
        }
    }

    /// Whether a worker is gone.
    pub(super) fn has_ended(&self, worker: WorkerId) -> bool {
        self.senders.get(worker.index()).is_none_or(UnboundedSender::is_closed)
    }

    /// Whether all workers are gone.
    pub(super) fn is_deserted(&self) -> bool {
        self.senders.iter().all(UnboundedSender::is_closed)
    }

    /// Sends what was collected, if anything, and says whether too many bytes are on their way now.
    pub(super) fn post(&self, from: WorkerId, to: WorkerId, outgoing: &mut Outgoing) -> bool {
        let Some(channel) = self.channel_to(from, to).filter(|_| !outgoing.batch.is_empty()) else { return false };
        let batch = std::mem::replace(&mut outgoing.batch, channel.take_emptied().unwrap_or_default());
        outgoing.posted = true;
        let too_many = channel.transit.add(batch.size_bytes());
        self.send(to, Message::Batch { from, batch });
        too_many
    }

    /// Notes that a batch was unpacked and says whether this made room for its sender, who gets it back.
    pub(super) fn unpacked(&self, from: WorkerId, to: WorkerId, batch: Batch) -> bool {
        let Some(channel) = self.channel_to(from, to) else { return false };
        let makes_room = channel.transit.take(batch.size_bytes());
        channel.give_emptied(batch);
        makes_room
    }

    /// Keeps no batch for a channel that was not used since the last call.
    pub(super) fn trim(&self, from: WorkerId, to: WorkerId, outgoing: &mut Outgoing) {
        let Some(channel) = self.channel_to(from, to) else { return };
        if !std::mem::take(&mut outgoing.posted) && outgoing.batch.is_empty() {
            outgoing.batch = Batch::default();
            while channel.take_emptied().is_some() {}
        }
    }

    fn channel_to(&self, from: WorkerId, to: WorkerId) -> Option<&WorkerChannel> {
        self.channels.get(from.index() * self.senders.len() + to.index())
    }
}

impl WorkerChannel {
    fn new() -> Self {
        let emptied = ArrayQueue::new(EMPTIED_BATCHES);
        Self { transit: Transit::new(), emptied, emptied_bytes: AtomicUsize::new(0) }
    }

    /// Keeps the room of a batch, unless there is enough.
    fn give_emptied(&self, mut batch: Batch) {
        let room = batch.room_bytes();
        batch.clear();
        let before = self.emptied_bytes.fetch_add(room, Relaxed);
        if before + room > EMPTIED_BYTES || self.emptied.push(batch).is_err() {
            self.emptied_bytes.fetch_sub(room, Relaxed);
        }
    }

    fn take_emptied(&self) -> Option<Batch> {
        let batch = self.emptied.pop()?;
        self.emptied_bytes.fetch_sub(batch.room_bytes(), Relaxed);
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::routing::{LinkId, Slot};

    #[test]
    fn a_message_to_a_worker_that_ended_is_dropped() {
        loom::model(|| {
            let (mailboxes, receivers) = Mailboxes::new(1);
            drop(receivers);
            assert!(mailboxes.is_deserted());
            let server = LinkAddr { worker: WorkerId::new(0), slot: Slot::from_index(0), id: LinkId::new(1) };
            let (done, mut dropped) = oneshot::channel();
            mailboxes.send(WorkerId::new(0), Message::Evict { server, done });
            assert_eq!(dropped.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        });
    }

    const SENDER: WorkerId = WorkerId::new(0);
    const RECEIVER: WorkerId = WorkerId::new(1);

    /// Posts a frame of `bytes`, has it unpacked, and says where the batch had it.
    fn send(mailboxes: &Mailboxes, mail: &mut UnboundedReceiver<Message>, out: &mut Outgoing, bytes: usize) -> usize {
        out.batch.data(ConnId::new(1), 1, std::iter::once(&*vec![7; bytes]));
        mailboxes.post(SENDER, RECEIVER, out);
        let Ok(Message::Batch { batch, .. }) = mail.try_recv() else { panic!("no batch") };
        let place = batch.bytes.as_ptr().addr();
        mailboxes.unpacked(SENDER, RECEIVER, batch);
        place
    }

    #[test]
    fn emptied_parcels_are_filled_again_until_the_way_is_quiet() {
        loom::model(|| {
            let (mailboxes, mut mail) = Mailboxes::new(2);
            let (mail, mut out) = (&mut mail[1], Outgoing::default());
            let places: Vec<usize> = (0..6).map(|_| send(&mailboxes, mail, &mut out, 100)).collect();
            assert!(places[0] == places[2] && places[1] == places[5], "two take turns: {places:?}");
            let kept = || mailboxes.channel_to(SENDER, RECEIVER).unwrap().emptied.len();
            mailboxes.trim(SENDER, RECEIVER, &mut out);
            assert_eq!(kept(), 1, "something was posted before");
            mailboxes.trim(SENDER, RECEIVER, &mut out);
            assert_eq!((kept(), out.batch.room_bytes()), (0, 0));
        });
    }

    #[test]
    fn emptied_parcels_have_no_more_room_than_their_bound() {
        loom::model(|| {
            let channel = WorkerChannel::new();
            let batch = || Batch { items: Vec::new(), bytes: Vec::with_capacity(EMPTIED_BYTES / 2) };
            (0..3).for_each(|_| channel.give_emptied(batch()));
            assert_eq!(channel.emptied.len(), 2);
            channel.take_emptied().unwrap();
            channel.give_emptied(batch());
            assert_eq!(channel.emptied.len(), 2);
        });
    }
}
