//! What workers send each other: parcels of frames, and the rare events around them.
//!
//! Frames for links of another worker are collected during a turn and posted as one [`Parcel`], so that the other
//! worker is woken once a turn.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use fastway_wire::ConnId;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::gates::GateKey;
use super::question::Question;
use super::transit::{self, Transit};
use crate::admission::Permit;
use crate::routing::{LinkAddr, Relay, Side, WorkerId};

/// Mail that a question counts as: few of them are answered in a turn.
const QUESTION_BYTES: usize = 256 << 10;

/// A message to a worker.
#[derive(Debug)]
pub enum Message {
    /// A stream that another worker's acceptor took in.
    Admit(Newcomer<TcpStream>),
    /// Frames and changes of virtual connections.
    Parcel {
        /// The sender.
        from: WorkerId,
        /// What it sends.
        parcel: Parcel,
    },
    /// The server link there is full: hold those who feed it.
    Full(LinkAddr),
    /// There is room again behind this gate.
    Room(GateKey),
    /// Close this server link: another one registers its ID.
    Evict {
        /// The link.
        server: LinkAddr,
        /// Told when it is gone.
        done: oneshot::Sender<()>,
    },
    /// Look at every link: it is time to.
    Sweep,
    /// Stop reading; when every worker has, close all links in good order.
    Stop,
    /// The sender has stopped reading and posted its last parcel.
    Quiet,
    /// Something to answer, for whoever looks at the gateway.
    Ask(Question),
}

impl Message {
    /// Memory that the message takes, or work that is worth as much.
    pub(super) fn size_bytes(&self) -> usize {
        let further = match self {
            Self::Parcel { parcel, .. } => parcel.size_bytes(),
            Self::Ask(_) => QUESTION_BYTES,
            _ => 0,
        };
        size_of::<Self>() + further
    }
}

/// A stream that was accepted and is no link yet.
#[derive(Debug)]
pub struct Newcomer<Stream> {
    /// The port it came in by.
    pub(super) side: Side,
    /// The stream, in non-blocking mode.
    pub(super) stream: Stream,
    /// The peer's address.
    pub(super) peer: SocketAddr,
    /// Its place among the links.
    pub(super) permit: Permit,
}

/// What one worker sends another in one turn, in order.
#[derive(Debug, Default)]
pub struct Parcel {
    /// Changes and data; the bytes of the data stand in `bytes` one after the other.
    pub(super) items: Vec<Item>,
    /// Whole frames.
    pub(super) bytes: Vec<u8>,
}

/// One item of a parcel.
#[derive(Debug)]
pub(super) enum Item {
    /// A run of frames of one connection.
    Data { conn: ConnId, bytes: usize, packets: usize },
    /// A change of a connection.
    Relay(Relay),
}

impl Parcel {
    /// Adds a run of frames.
    pub(super) fn data<'a>(&mut self, conn: ConnId, packets: usize, parts: impl Iterator<Item = &'a [u8]>) {
        let before = self.bytes.len();
        parts.for_each(|part| self.bytes.extend_from_slice(part));
        self.items.push(Item::Data { conn, bytes: self.bytes.len() - before, packets });
    }

    /// Adds a change of a connection.
    pub(super) fn relay(&mut self, relay: Relay) {
        self.items.push(Item::Relay(relay));
    }

    /// Whether it has grown so large that those who feed it are to be held.
    pub(super) fn is_large(&self) -> bool {
        self.size_bytes() > transit::BOUND_BYTES
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(self.items.as_slice())
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// The addresses of all workers.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    senders: Arc<[UnboundedSender<Message>]>,
    /// Bytes on their way, by sender and receiver.
    transit: Arc<[Transit]>,
}

impl Mailboxes {
    /// A mailbox for each of `workers`, and their receiving ends.
    pub fn new(workers: usize) -> (Self, Vec<UnboundedReceiver<Message>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        let transit = (0..workers * workers).map(|_| Transit::new()).collect();
        (Self { senders: senders.into(), transit }, receivers)
    }

    /// All workers.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0u16..).take(self.senders.len()).map(WorkerId::new)
    }

    /// Sends a message. A worker that is gone needs none.
    pub fn send(&self, to: WorkerId, message: Message) {
        if let Some(sender) = self.senders.get(to.index()) {
            let _receiver_is_gone = sender.send(message);
        }
    }

    /// Whether all workers are gone.
    pub(super) fn is_deserted(&self) -> bool {
        self.senders.iter().all(UnboundedSender::is_closed)
    }

    /// Sends a parcel and says whether too many bytes are on their way now.
    pub(super) fn post(&self, from: WorkerId, to: WorkerId, parcel: Parcel) -> bool {
        let too_many = self.between(from, to).is_some_and(|transit| transit.add(parcel.size_bytes()));
        self.send(to, Message::Parcel { from, parcel });
        too_many
    }

    /// Notes that a parcel arrived and says whether this made room for its sender.
    pub(super) fn arrived(&self, from: WorkerId, to: WorkerId, parcel: &Parcel) -> bool {
        self.between(from, to).is_some_and(|transit| transit.take(parcel.size_bytes()))
    }

    fn between(&self, from: WorkerId, to: WorkerId) -> Option<&Transit> {
        self.transit.get(from.index() * self.senders.len() + to.index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_to_a_worker_that_ended_is_dropped() {
        loom::model(|| {
            let (mailboxes, receivers) = Mailboxes::new(1);
            drop(receivers);
            mailboxes.send(WorkerId::new(0), Message::Stop);
        });
    }
}
