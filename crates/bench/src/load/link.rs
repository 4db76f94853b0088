//! One physical link of the generator: a non-blocking transport, what came in part, and what waits to be sent.

use std::io::{self, ErrorKind};
use std::net::TcpStream;

use super::transport::Transport;

/// Bytes at the front of the output that were sent are forgotten above this.
const FORGET: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Link {
    transport: Transport,
    partial: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    /// It stands in the list of links to be flushed.
    pub(crate) dirty: bool,
    /// The socket takes no more for now.
    pub(crate) blocked: bool,
}

impl Link {
    /// Takes over a transport that was set up by blocking calls, and what came by it and was not looked at.
    pub(crate) fn new(transport: Transport, partial: Vec<u8>) -> io::Result<Self> {
        transport.socket().set_nonblocking(true)?;
        Ok(Self { transport, partial, output: Vec::new(), sent: 0, dirty: false, blocked: false })
    }

    pub(crate) const fn socket(&self) -> &TcpStream {
        self.transport.socket()
    }

    /// What is to be sent next is appended here.
    pub(crate) const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// One read behind what was kept; gives the bytes of `scratch` that are filled then, or `None` at the end.
    pub(crate) fn fill(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        let before = self.partial.len();
        let Some((kept, room)) = scratch.split_at_mut_checked(before) else {
            return Err(ErrorKind::FileTooLarge.into());
        };
        kept.copy_from_slice(&self.partial);
        match self.transport.read(room) {
            Ok(None) => Ok(None),
            Ok(Some(count)) => {
                self.partial.clear();
                Ok(Some(before + count))
            }
            // What was kept is still in place.
            Err(error) if is_nothing(&error) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Keeps the frame that a read ended in.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }

    /// Whether a read has left something to be sent.
    pub(crate) fn has_answer(&self) -> bool {
        self.transport.has_output()
    }

    /// Writes until all is written or the socket takes no more.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.blocked = false;
        while let Some(waiting) = self.output.get(self.sent..).filter(|waiting| !waiting.is_empty()) {
            match self.transport.write(waiting) {
                Ok(count) => self.sent += count,
                Err(error) => return self.held_up(error),
            }
        }
        self.output.clear();
        self.sent = 0;
        self.transport.flush().or_else(|error| self.held_up(error))
    }

    fn held_up(&mut self, error: io::Error) -> io::Result<()> {
        match is_nothing(&error) {
            true => {
                self.blocked = true;
                self.forget_sent();
                Ok(())
            }
            false => Err(error),
        }
    }

    fn forget_sent(&mut self) {
        if self.sent > FORGET {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}

fn is_nothing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}
