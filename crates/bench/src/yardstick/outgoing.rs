//! The links that were fed in this turn, and buffers for their outboxes.

use super::link::Link;
use super::routes::LinkKey;

/// Larger buffers go back to the allocator.
const LARGEST_KEPT: usize = 1 << 20;
const MOST_KEPT: usize = 256;

#[derive(Default)]
pub(super) struct Outgoing {
    /// In the order in which they were fed.
    pub(super) dirty: Vec<LinkKey>,
    buffers: Vec<Vec<u8>>,
}

impl Outgoing {
    /// The outbox of `link`, to be flushed at the end of this turn.
    #[inline]
    pub(super) fn outbox<'a>(&mut self, key: LinkKey, link: &'a mut Link) -> &'a mut Vec<u8> {
        if link.outbox.capacity() == 0 {
            link.outbox = self.buffers.pop().unwrap_or_default();
        }
        if !link.dirty {
            link.dirty = true;
            self.dirty.push(key);
        }
        &mut link.outbox
    }

    /// Takes the buffer of a link that has nothing to send any more.
    #[inline]
    pub(super) fn reclaim(&mut self, link: &mut Link) {
        if link.outbox.is_empty() {
            self.keep(std::mem::take(&mut link.outbox));
        }
    }

    /// Keeps bytes for the next read; small ones in the link's own buffer, which stays with it.
    pub(super) fn hold(&mut self, link: &mut Link, bytes: &[u8]) {
        if bytes.len() > 4096 && link.partial.capacity() == 0 {
            link.partial = self.buffers.pop().unwrap_or_default();
        }
        link.partial.extend_from_slice(bytes);
    }

    /// Empties a link's part of a frame, which has moved on.
    #[inline]
    pub(super) fn release(&mut self, link: &mut Link) {
        link.partial.clear();
        if link.partial.capacity() > 4096 {
            self.keep(std::mem::take(&mut link.partial));
        }
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= LARGEST_KEPT && self.buffers.len() < MOST_KEPT {
            self.buffers.push(buffer);
        }
    }
}
