//! Several messages at a time.

use fastway_wire::{HEADER_BYTES, frame_bytes};

/// Messages that came together, in order, where they were received. Clones begin where the original is.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// Whole frames.
    frames: &'a [u8],
}

impl<'a> Batch<'a> {
    pub(super) fn new(frames: &'a [u8]) -> Self {
        Self { frames }
    }
}

impl<'a> Iterator for Batch<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (frame, behind) = self.frames.split_at_checked(first_frame_bytes(self.frames)?)?;
        self.frames = behind;
        frame.get(HEADER_BYTES..)
    }
}

/// Length of the first of several whole frames; their lengths were checked when they came.
#[inline]
pub(super) fn first_frame_bytes(frames: &[u8]) -> Option<usize> {
    frame_bytes(frames, u32::MAX).ok().flatten().filter(|&bytes| bytes <= frames.len())
}
