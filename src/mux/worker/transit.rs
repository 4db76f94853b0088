//! How much one worker has on its way to another, which bounds it without a lock.

// The tests run every interleaving of two workers, which takes atomics that can be stopped anywhere.
#[cfg(test)]
use loom::sync::atomic::{AtomicUsize, Ordering::AcqRel};
#[cfg(not(test))]
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

/// Bytes on their way from one worker to one other at which those who feed it are held.
pub(super) const BOUND_BYTES: usize = 4 << 20;
/// Bytes below which they go on.
const LOW_BYTES: usize = BOUND_BYTES / 2;

/// Bytes on their way. One worker adds, the other takes away.
#[derive(Debug)]
pub(super) struct Transit {
    bytes: AtomicUsize,
}

impl Transit {
    pub(super) fn new() -> Self {
        Self { bytes: AtomicUsize::new(0) }
    }

    /// Adds what is about to be posted; says whether the sender has to be held until it hears of room.
    pub(super) fn add(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, AcqRel) + bytes > BOUND_BYTES
    }

    /// Takes away what has arrived; says whether the sender has to hear of room.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_sub(bytes, AcqRel);
        before >= LOW_BYTES && before - bytes < LOW_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::sync::{Arc, mpsc};
    use loom::{model, thread};

    #[test]
    fn who_fed_too_much_hears_of_room_exactly_once() {
        model(|| {
            let (transit, batch) = (Transit::new(), BOUND_BYTES / 4);
            let held = (0..6).map(|_| transit.add(batch));
            assert_eq!(held.collect::<Vec<_>>(), [false, false, false, false, true, true]);
            let room = (0..6).map(|_| transit.take(batch));
            assert_eq!(room.collect::<Vec<_>>(), [false, false, false, false, true, false]);
        });
    }

    /// A sender that is held although all has arrived would wait for ever. It notes the congestion after it has posted, so
    /// the word of room may be there before.
    #[test]
    fn no_interleaving_leaves_a_sender_held_when_all_has_arrived() {
        const BATCHES: [usize; 3] = [BOUND_BYTES / 2, BOUND_BYTES / 2 + 1, 1];
        model(|| {
            let transit = Arc::new(Transit::new());
            let (post, mail) = mpsc::channel::<usize>();
            let (tell_uncongested, room) = mpsc::channel::<()>();
            let receiving = Arc::clone(&transit);
            let receiver = thread::spawn(move || {
                for _ in BATCHES {
                    if receiving.take(mail.recv().unwrap()) {
                        tell_uncongested.send(()).unwrap();
                    }
                }
            });
            let mut held = false;
            for bytes in BATCHES {
                let is_over = transit.add(bytes);
                post.send(bytes).unwrap();
                held |= is_over;
                while room.try_recv().is_ok() {
                    held = false;
                }
            }
            receiver.join().unwrap();
            while room.try_recv().is_ok() {
                held = false;
            }
            assert!(!held, "held for ever");
        });
    }
}
