//! What the gateway sent, and whom it concerns.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use fastway_wire::{Command, ConnId};
use tokio::sync::oneshot;

use super::driver::Driver;
use super::inbox::{Delivered, Inbox};
use super::receive::{Received, Run};
use super::shared::{Answer, RawConnection};
use super::unread::Freed;
use crate::lock::lock;
use crate::{CloseReason, LinkEnd, ProtocolFault};

impl<S> Driver<S> {
    /// Hands out what a read of `bytes` has completed.
    pub(super) fn received(&mut self, bytes: usize) -> Result<(), LinkEnd> {
        self.keepalive.heard();
        self.link.counters.received_bytes.add(bytes);
        while let Some(received) = self.receiver.next()? {
            match received {
                Received::Run(run) => self.deliver(run),
                Received::Command(command) => {
                    self.command(command)?;
                    self.tell_of_first_command();
                }
            }
        }
        Ok(())
    }

    fn tell_of_first_command(&mut self) {
        if let Some(waiting) = self.first_command.take() {
            // Whoever waited may have given up.
            let _ = waiting.send(());
        }
    }

    /// Data of a connection that has ended on this side is late, and dropped.
    fn deliver(&mut self, run: Run) {
        self.link.counters.received_messages.add(run.messages);
        let (conn, bytes) = (run.conn, run.frames.len());
        let Some(inbox) = self.conns.get(&conn) else { return };
        // Counted before the reader can count it off.
        let too_much = self.link.unread.add(bytes);
        match inbox.deliver(run) {
            Delivered::Queued => {}
            Delivered::HoldLink => self.hold(),
            Delivered::Dropped => return self.link.release(Freed { bytes, hold: false }),
            Delivered::Overflow { messages, bytes: waiting } => {
                self.link.release(Freed { bytes, hold: false });
                return self.close_full(conn, messages, waiting);
            }
        }
        if too_much && !self.link.unread.seems_held() {
            self.enforce_total();
        }
    }

    pub(super) fn hold(&mut self) {
        self.link.holds.fetch_add(1, Ordering::AcqRel);
        self.ask_readers = true;
        self.link.counters.reads_held.add(1);
    }

    pub(super) fn close_full(&mut self, conn: ConnId, messages: usize, bytes: usize) {
        let Some(inbox) = self.conns.remove(&conn) else { return };
        tracing::debug!(%conn, messages, bytes, "closing a connection whose receive queue is full");
        let (first, _) = inbox.finish(CloseReason::QueueFull { messages, bytes });
        if first {
            self.link.counters.closed_queue_full.add(1);
            let task = lock(&self.link.out).close(conn, false);
            task.into_iter().for_each(Waker::wake);
        }
        self.retire(inbox);
    }

    fn command(&mut self, command: Command) -> Result<(), LinkEnd> {
        match command {
            Command::Accept { conn, remote } => self.accepted(conn, remote),
            Command::Connect { conn, remote } => self.connected(conn, remote),
            Command::Refuse { remote } => self.refused(remote),
            Command::Close { conn } => self.closed(conn),
            Command::Ping => {
                self.answered_pings += 1;
                Ok(())
            }
            Command::Dial { .. } => Err(ProtocolFault::DialFromGateway.into()),
        }
    }

    fn accepted(&mut self, conn: ConnId, remote: u32) -> Result<(), LinkEnd> {
        let asking = self.answered(remote)?;
        if !self.is_open() {
            return Ok(());
        }
        let connection = self.open(conn, remote)?;
        // A dial that was given up takes nothing: the connection comes back, and dropping it closes it.
        if asking.send(Answer::Accepted(connection)).is_err() {
            self.link.counters.late_accepts.add(1);
        }
        Ok(())
    }

    fn refused(&mut self, remote: u32) -> Result<(), LinkEnd> {
        // Whoever gave the dial up needs no answer.
        let _ = self.answered(remote)?.send(Answer::Refused);
        Ok(())
    }

    fn answered(&mut self, remote: u32) -> Result<oneshot::Sender<Answer>, LinkEnd> {
        let asking = lock(&self.link.out).answered(remote, &mut self.told);
        self.tell();
        asking.ok_or_else(|| ProtocolFault::UnexpectedAnswer { remote }.into())
    }

    fn connected(&mut self, conn: ConnId, remote: u32) -> Result<(), LinkEnd> {
        if !self.is_open() {
            return Ok(());
        }
        let connection = self.open(conn, remote)?;
        if self.link.accepts.push(connection).is_err() {
            self.link.counters.accepts_overflowed.add(1);
        }
        Ok(())
    }

    fn open(&mut self, conn: ConnId, remote: u32) -> Result<RawConnection, LinkEnd> {
        if conn.is_command() || self.conns.get(&conn).is_some_and(|known| known.end().is_none()) {
            return Err(ProtocolFault::BadConnId { conn }.into());
        }
        let inbox = Arc::new(Inbox::new(conn, self.link.config.receive_queue));
        if let Some(ended) = self.conns.insert(conn, Arc::clone(&inbox)) {
            self.retire(ended);
        }
        Ok(RawConnection::new(inbox, Arc::clone(&self.link), remote))
    }

    fn closed(&mut self, conn: ConnId) -> Result<(), LinkEnd> {
        if let Some(inbox) = self.conns.remove(&conn) {
            self.end(&inbox, CloseReason::Remote);
            self.retire(inbox);
        }
        Ok(())
    }

    pub(super) fn end(&self, inbox: &Inbox, reason: CloseReason) {
        let (_, released) = inbox.finish(reason);
        if released {
            self.link.holds.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
