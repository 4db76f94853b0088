//! What a worker sends the others: frames and changes of connections, collected in batches, and what it has told them of
//! congested links.

use fastway_wire::ConnId;
use rustc_hash::FxHashSet;

use super::backpressure::{BackpressureQueues, Bottleneck};
use super::mail::{Batch, Mailboxes, Message, Outgoing};
use crate::mux::routing::{LinkAddr, RouterSync, WorkerId};

/// The way from one worker to the others.
#[derive(Debug)]
pub(super) struct CrossWorker {
    me: WorkerId,
    mailboxes: Mailboxes,
    /// What is collected for each worker.
    batches: Vec<Outgoing>,
    /// Workers that were told that the outbox of a server link of this one is congested.
    told_congested: FxHashSet<(LinkAddr, WorkerId)>,
}

impl CrossWorker {
    pub(super) fn new(me: WorkerId, mailboxes: Mailboxes) -> Self {
        let batches = mailboxes.workers().map(|_| Outgoing::default()).collect();
        Self { me, mailboxes, batches, told_congested: FxHashSet::default() }
    }

    /// Collects frames for a link of another worker.
    #[inline]
    pub(super) fn forward<'a>(
        &mut self,
        to: WorkerId,
        conn: ConnId,
        packets: usize,
        parts: impl Iterator<Item = &'a [u8]>,
        queues: &mut BackpressureQueues,
    ) {
        let Some(outgoing) = self.batches.get_mut(to.index()) else { return };
        outgoing.batch.data(conn, packets, parts);
        self.post_if_full(to, queues);
    }

    /// Collects a change of a connection for another worker's router.
    pub(super) fn sync(&mut self, to: WorkerId, sync: RouterSync, queues: &mut BackpressureQueues) {
        let Some(outgoing) = self.batches.get_mut(to.index()) else { return };
        outgoing.batch.sync(sync);
        self.post_if_full(to, queues);
    }

    #[inline]
    fn post_if_full(&mut self, to: WorkerId, queues: &mut BackpressureQueues) {
        if self.batches.get(to.index()).is_some_and(|outgoing| outgoing.batch.is_full()) {
            self.post_to(to, queues);
        }
    }

    /// Posts a batch to each worker that something was collected for. The way to a worker is congested when too much is on
    /// it then.
    pub(super) fn post(&mut self, queues: &mut BackpressureQueues) {
        for to in self.mailboxes.workers() {
            self.post_to(to, queues);
        }
    }

    fn post_to(&mut self, to: WorkerId, queues: &mut BackpressureQueues) {
        let Some(outgoing) = self.batches.get_mut(to.index()) else { return };
        if self.mailboxes.post(self.me, to, outgoing) {
            queues.congest(Bottleneck::Worker(to));
        }
    }

    /// What another worker posted was taken in.
    pub(super) fn unpacked(&self, from: WorkerId, batch: Batch) {
        if self.mailboxes.unpacked(from, self.me, batch) {
            self.mailboxes.send(from, Message::Uncongested(Bottleneck::Worker(self.me)));
        }
    }

    /// Gives up the room for batches to workers that got none since the last call.
    pub(super) fn trim(&mut self) {
        for (to, outgoing) in self.mailboxes.workers().zip(&mut self.batches) {
            self.mailboxes.trim(self.me, to, outgoing);
        }
    }

    /// Tells a worker, once, that a server's link of this one is congested.
    pub(super) fn tell_congested(&mut self, server: LinkAddr, worker: WorkerId) {
        if self.told_congested.insert((server, worker)) {
            self.mailboxes.send(worker, Message::Congested(server));
        }
    }

    /// Tells the workers that were told of a congested server's link that it has room.
    pub(super) fn tell_uncongested(&mut self, server: LinkAddr) {
        if self.told_congested.is_empty() {
            return;
        }
        let mailboxes = &self.mailboxes;
        self.told_congested.retain(|(link, worker)| {
            if *link == server {
                mailboxes.send(*worker, Message::Uncongested(Bottleneck::Server(server)));
            }
            *link != server
        });
    }

    /// Tells the others that this worker has stopped reading, after all that it had read.
    pub(super) fn tell_quiesced(&mut self, queues: &mut BackpressureQueues) {
        self.post(queues);
        for worker in self.mailboxes.workers().filter(|worker| *worker != self.me) {
            self.mailboxes.send(worker, Message::Quiesced);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::mux::routing::{LinkId, Slot};

    const ME: WorkerId = WorkerId::new(0);
    const OTHER: WorkerId = WorkerId::new(1);
    const CONN: ConnId = ConnId::new(7);

    /// Two workers: what the first one sends, what it is told to wait for, and the mail of both.
    struct Workers {
        cross: CrossWorker,
        other: CrossWorker,
        queues: BackpressureQueues,
        mail: Vec<UnboundedReceiver<Message>>,
    }

    /// The bytes that are on their way between workers are counted by loom's atomics in tests.
    fn with_two_workers(test: impl Fn(Workers) + Send + Sync + 'static) {
        loom::model(move || {
            let (mailboxes, mail) = Mailboxes::new(2);
            let cross = CrossWorker::new(ME, mailboxes.clone());
            let other = CrossWorker::new(OTHER, mailboxes);
            test(Workers { cross, other, queues: BackpressureQueues::default(), mail });
        });
    }

    impl Workers {
        fn forward(&mut self, frame: &[u8]) {
            self.cross.forward(OTHER, CONN, 1, once(frame), &mut self.queues);
        }

        fn next_mail(&mut self, worker: WorkerId) -> Option<Message> {
            self.mail[worker.index()].try_recv().ok()
        }

        fn next_batch(&mut self) -> Option<Batch> {
            match self.next_mail(OTHER) {
                Some(Message::Batch { from: ME, batch }) => Some(batch),
                None => None,
                other => panic!("{other:?}"),
            }
        }
    }

    fn server(id: u32) -> LinkAddr {
        LinkAddr { worker: ME, slot: Slot::from_index(id as usize), id: LinkId::new(id) }
    }

    #[test]
    fn the_frames_of_a_turn_travel_together_and_in_order() {
        with_two_workers(|mut workers| {
            workers.forward(b"one");
            workers.cross.sync(OTHER, RouterSync::Close { conn: CONN }, &mut workers.queues);
            workers.forward(b"two");
            assert!(workers.next_batch().is_none(), "the turn goes on");

            workers.cross.post(&mut workers.queues);
            let batch = workers.next_batch().unwrap();
            assert_eq!((batch.bytes.as_slice(), batch.items.len()), (&b"onetwo"[..], 3));
            workers.cross.post(&mut workers.queues);
            assert!(workers.next_batch().is_none(), "nothing was collected since");
        });
    }

    #[test]
    fn a_large_batch_does_not_wait_for_the_end_of_the_turn() {
        with_two_workers(|mut workers| {
            workers.forward(&[1; 64 << 10]);
            assert_eq!(workers.next_batch().unwrap().bytes.len(), 64 << 10);
        });
    }

    #[test]
    fn the_way_to_a_worker_is_congested_until_that_has_taken_half_of_what_may_be_on_it() {
        with_two_workers(|mut workers| {
            let key = Bottleneck::Worker(OTHER);
            for _ in 0..3 {
                workers.forward(&vec![1; 2 << 20]);
            }
            assert!(workers.queues.is_congested(key));
            for is_told in [false, false, true] {
                let batch = workers.next_batch().unwrap();
                workers.other.unpacked(ME, batch);
                let told = workers.next_mail(ME);
                assert_eq!(matches!(told, Some(Message::Uncongested(Bottleneck::Worker(OTHER)))), is_told, "{told:?}");
            }
        });
    }

    #[test]
    fn a_worker_is_told_once_that_a_server_is_congested_and_once_that_it_has_room() {
        with_two_workers(|mut workers| {
            for _ in 0..2 {
                workers.cross.tell_congested(server(1), OTHER);
                workers.cross.tell_congested(server(2), OTHER);
            }
            for id in [1, 2] {
                assert!(matches!(workers.next_mail(OTHER), Some(Message::Congested(told)) if told == server(id)));
            }
            for _ in 0..2 {
                workers.cross.tell_uncongested(server(1));
            }
            let told = workers.next_mail(OTHER);
            assert!(matches!(told, Some(Message::Uncongested(Bottleneck::Server(told))) if told == server(1)));
            assert!(workers.next_mail(OTHER).is_none());
        });
    }

    #[test]
    fn a_worker_that_stops_reading_says_so_after_all_that_it_has_read() {
        with_two_workers(|mut workers| {
            workers.forward(b"last");
            workers.cross.tell_quiesced(&mut workers.queues);
            assert_eq!(workers.next_batch().unwrap().bytes, b"last");
            assert!(matches!(workers.next_mail(OTHER), Some(Message::Quiesced)));
            assert!(workers.next_mail(ME).is_none());
        });
    }
}
