//! One physical link of the generator: a non-blocking socket, what came in part, and what waits to be sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

/// Bytes at the front of the output that were sent are forgotten above this.
const FORGET: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    partial: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    /// It stands in the list of links to be flushed.
    pub(crate) dirty: bool,
    /// The socket takes no more for now.
    pub(crate) blocked: bool,
}

impl Link {
    /// Takes over a socket that was set up by blocking calls.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, partial: Vec::new(), output: Vec::new(), sent: 0, dirty: false, blocked: false })
    }

    pub(crate) const fn socket(&self) -> &TcpStream {
        &self.stream
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
        match self.stream.read(room) {
            Ok(0) => Ok(None),
            Ok(count) => {
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

    /// Writes until all is written or the socket takes no more.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.blocked = false;
        while let Some(waiting) = self.output.get(self.sent..).filter(|waiting| !waiting.is_empty()) {
            match self.stream.write(waiting) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_nothing(&error) => {
                    self.blocked = true;
                    self.forget_sent();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    fn forget_sent(&mut self) {
        if self.sent > FORGET {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
