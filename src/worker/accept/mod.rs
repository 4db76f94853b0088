//! The way in: what becomes of the streams that a worker accepts.

pub(super) mod admit;
pub(super) mod handshake;
pub(super) mod listener;
pub(super) mod pre_link_stream;
