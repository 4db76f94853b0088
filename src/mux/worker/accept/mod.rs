//! The way in: what becomes of the streams that a worker accepts.
//!
//! ```text
//!   listener ── accepted, here or on another worker
//!      │
//!   dispatch ──┬─ client port without sessions ───────────────────────────────────▶ link, at once: no task, nothing read
//!              │
//!              ├─ server port without sessions ─▶ server ── challenge, proof ─────▶ link
//!              │
//!              └─ port with sessions ─▶ detect ──┬─ plain ────────────────────────▶ link
//!                                                ├─ open ── turn, reply, proof ───▶ link with a session; a game server
//!                                                │                                  answers the challenge inside it
//!                                                └─ resume ── turn, reply, proof ─▶ the link of its session, on whichever
//!                                                                                   worker that lives
//! ```
//!
//! Where a port takes PROXY headers, each stream is a handshake that begins with [`proxy`] and goes on as above.
//!
//! All but the first of these ways are handshakes: each has a task ([`handshake`]), a place among a bounded number, and a
//! deadline. Whatever goes wrong is one [`Rejection`](crate::mux::accept::Rejection), which [`reject`] alone counts and logs.

mod admit;
mod detect;
mod dispatch;
mod handshake;
mod listener;
mod lost_place;
mod open;
mod pre_link_stream;
mod proxy;
mod refuse;
mod reject;
mod resume;
mod server;
mod turn;

pub(super) use dispatch::admit_forwarded;
pub(super) use listener::Acceptors;
pub(super) use resume::resume_forwarded;
