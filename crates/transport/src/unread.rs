//! Bytes that were read from a socket for a look at them, and are still to be received.

use std::cmp::min;
use std::io;

/// What is to be received before anything of the socket. Most streams have nothing, at the cost of a pointer.
#[derive(Debug, Default)]
pub(crate) struct Unread(Option<Box<Looked>>);

/// What a look has brought.
#[derive(Debug, Default)]
struct Looked {
    bytes: Vec<u8>,
    /// How many of them were received.
    taken: usize,
    /// The error that the look has met behind the bytes. A socket reports an error once, and then ends like one that was
    /// closed in good order, so it is kept for whoever receives.
    failure: Option<io::Error>,
}

impl Unread {
    /// Whether the next bytes are the socket's.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.0.as_deref().and_then(|looked| looked.bytes.get(looked.taken..)).unwrap_or_default()
    }

    /// The error behind the bytes.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.0.as_deref()?.failure.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().bytes.extend_from_slice(bytes);
        }
    }

    /// The socket has failed behind the bytes.
    pub(crate) fn fail(&mut self, failure: io::Error) {
        self.0.get_or_insert_default().failure = Some(failure);
    }

    /// Moves as many bytes as fit into `space`.
    ///
    /// # Errors
    /// The one that stands behind the bytes, once all of them were taken.
    pub(crate) fn take(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let unread = self.as_slice();
        if unread.is_empty() {
            let failure = self.0.take().and_then(|looked| looked.failure);
            return failure.map_or(Ok(0), Err);
        }

        let count = min(unread.len(), space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..count), unread.get(..count)) {
            to.copy_from_slice(from);
        }
        self.skip(count);
        Ok(count)
    }

    /// Drops some of the bytes, which are there.
    pub(crate) fn skip(&mut self, count: usize) {
        if let Some(looked) = &mut self.0 {
            looked.taken += count;
        }
        self.0.take_if(|looked| looked.taken >= looked.bytes.len() && looked.failure.is_none());
    }
}
