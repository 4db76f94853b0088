//! Acts on received frames: data to its connection, commands to the link (`docs/protocol.md` §1.2).

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
    /// Handles everything that a read of `bytes` bytes has completed.
    pub(super) fn received(&mut self, bytes: usize) -> Result<(), LinkEnd> {
        self.keepalive.heard();
        self.link.counters.received_bytes.add(bytes);

        while let Some(received) = self.receiver.next()? {
            match received {
                Received::Run(run) => self.deliver(run),
                Received::Command(command) => {
                    self.command(command)?;
                    self.report_first_command();
                }
            }
        }
        Ok(())
    }

    fn report_first_command(&mut self) {
        if let Some(waiting) = self.first_command.take() {
            // The receiver may have given up.
            let _ = waiting.send(());
        }
    }

    /// Delivers data. Data of a connection that this side has closed is late, and dropped.
    fn deliver(&mut self, run: Run) {
        self.link.counters.received_messages.add(run.messages);
        let (conn, bytes) = (run.conn, run.frames.len());
        let Some(inbox) = self.conns.get(&conn) else { return };
        // Counted before the reader can count it as freed.
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

    /// A receive queue stops the reading of the link.
    pub(super) fn hold(&mut self) {
        self.link.holds.fetch_add(1, Ordering::AcqRel);
        self.ask_readers = true;
        self.link.counters.reads_held.add(1);
    }

    /// Closes a connection whose receive queue is full.
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
        let dialer = self.answered_dial(remote)?;

        if !self.is_open() {
            return Ok(());
        }
        let connection = self.open(conn, remote)?;
        // If the dial was given up, the connection is returned, and dropping it closes it.
        if dialer.send(Answer::Accepted(connection)).is_err() {
            self.link.counters.late_accepts.add(1);
        }
        Ok(())
    }

    fn refused(&mut self, remote: u32) -> Result<(), LinkEnd> {
        // The dial may have been given up.
        let _ = self.answered_dial(remote)?.send(Answer::Refused);
        Ok(())
    }

    /// The dial that the gateway has answered.
    fn answered_dial(&mut self, remote: u32) -> Result<oneshot::Sender<Answer>, LinkEnd> {
        let dialer = lock(&self.link.out).answered(remote, &mut self.to_notify);
        self.notify_waiters();
        dialer.ok_or_else(|| ProtocolFault::UnexpectedAnswer { remote }.into())
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
