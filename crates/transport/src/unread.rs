//! Bytes that were read from a socket for a look at them, and are still to be received.

use std::cmp::min;

/// Bytes to be received before those of the socket. Most streams have none, at the cost of a pointer.
#[derive(Debug, Default)]
pub(crate) struct Unread(Option<Box<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    bytes: Vec<u8>,
    /// How many of them were received.
    taken: usize,
}

impl Unread {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.0.as_deref().and_then(|unread| unread.bytes.get(unread.taken..)).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().bytes.extend_from_slice(bytes);
        }
    }

    /// Moves as many bytes as fit into `space`.
    pub(crate) fn take(&mut self, space: &mut [u8]) -> usize {
        let unread = self.as_slice();
        let count = min(unread.len(), space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..count), unread.get(..count)) {
            to.copy_from_slice(from);
        }

        self.skip(count);
        count
    }

    /// Drops some of the bytes, which are there.
    pub(crate) fn skip(&mut self, count: usize) {
        if let Some(unread) = &mut self.0 {
            unread.taken += count;
            if unread.taken >= unread.bytes.len() {
                self.0 = None;
            }
        }
    }
}
