//! From the first bytes of a stream to a header.

use crate::header::{Beginning, HeaderError};
use crate::{v1, v2};

/// Whether a stream begins with one of the signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It does not, whatever follows.
    Absent,
    /// It may: all that has come is the beginning of a signature.
    Part,
    /// It does, with that of version 1.
    V1,
    /// It does, with that of version 2.
    V2,
}

/// Reads a header at the beginning of `bytes`, which are all that has come so far. More than
/// [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES) are never needed.
///
/// # Errors
/// The bytes begin with a signature, and with no header, whatever follows.
pub fn read(bytes: &[u8]) -> Result<Beginning, HeaderError> {
    match signature(bytes) {
        Signature::Absent => Ok(Beginning::Other),
        Signature::Part => Ok(Beginning::Part),
        Signature::V1 => v1::read(bytes),
        Signature::V2 => v2::read(bytes),
    }
}

/// Whether `bytes`, the first ones of a stream, are a signature. Nothing else that peers of a gateway say begins like one.
pub fn signature(bytes: &[u8]) -> Signature {
    if bytes.starts_with(v1::SIGNATURE) {
        Signature::V1
    } else if bytes.starts_with(v2::SIGNATURE) {
        Signature::V2
    } else if v1::SIGNATURE.starts_with(bytes) || v2::SIGNATURE.starts_with(bytes) {
        Signature::Part
    } else {
        Signature::Absent
    }
}
