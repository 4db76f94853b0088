//! Where a test gateway gets at what is forwarded.

/// Sees every run of whole frames between two links on its way into the receiver's outbox.
pub trait Tap {
    /// Appends to `out` what the receiver is to get for `frames`.
    fn pass(&mut self, frames: &[u8], out: &mut Vec<u8>);
}

/// Changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Straight;

impl Tap for Straight {
    #[inline]
    fn pass(&mut self, frames: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(frames);
    }
}
