//! Sizes of keys and names.

/// Bytes of a key, public, private or shared.
pub const KEY_BYTES: usize = 32;
/// Bytes of a session's id.
pub const SESSION_ID_BYTES: usize = 16;
