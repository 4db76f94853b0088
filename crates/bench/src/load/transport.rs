//! How the bytes of a link travel: as they are, or in a secure session.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::time::{Duration, Instant};

use fastway_session::{AbortReason, Backlog, Event, Fault, Identity, MIN_READ_BYTES, Session, Status, TransportId};

/// How players come to the gateway. Servers always come by plain links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LinkKind {
    #[default]
    Plain,
    /// Secure sessions that pin no key: after the handshake it makes no difference.
    Secure,
}

impl FromStr for LinkKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "plain" => Ok(Self::Plain),
            "secure" => Ok(Self::Secure),
            _ => Err("give plain or secure".to_owned()),
        }
    }
}

/// A socket, blocking or not, and the session over it, if there is one.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: TcpStream,
    session: Option<Box<Sealed>>,
}

/// A session that lives as long as its socket.
#[derive(Debug)]
struct Sealed {
    session: Session,
    transport: TransportId,
    backlog: Backlog,
    /// Sealed bytes, of which the first `written` are on their way.
    out: Vec<u8>,
    written: usize,
}

/// Bytes that may be under way without the gateway's acknowledgement.
const BACKLOG: usize = 1 << 20;
/// Sealed at a time.
const ROOM: usize = 256 << 10;

impl Transport {
    /// Takes a socket over; a blocking one, where there is a session to be opened.
    pub(crate) fn open(stream: TcpStream, kind: LinkKind, patience: Duration) -> io::Result<Self> {
        let session = match kind {
            LinkKind::Plain => None,
            LinkKind::Secure => Some(Box::new(Sealed::open(&stream, patience)?)),
        };
        Ok(Self { stream, session })
    }

    pub(crate) const fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// One read to the front of `room`; gives the bytes of the mux protocol that came, which may be none, or `None` at
    /// the end.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        match &mut self.session {
            None => Ok(Some(uninterrupted(|| (&self.stream).read(room))?).filter(|count| *count > 0)),
            Some(sealed) => sealed.read(&self.stream, room),
        }
    }

    /// Gives how many bytes were taken. They may have to be flushed.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => uninterrupted(|| (&self.stream).write(bytes)),
            Some(sealed) => sealed.write(&self.stream, bytes),
        }
    }

    /// Writes what was taken and has not left yet.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.session {
            None => Ok(()),
            Some(sealed) => sealed.seal_and_flush(&self.stream),
        }
    }

    /// Whether [`Self::flush`] has something to do: the session has something of its own to say.
    pub(crate) fn has_output(&self) -> bool {
        self.session.as_ref().is_some_and(|sealed| sealed.has_output())
    }
}

impl Sealed {
    fn open(mut stream: &TcpStream, patience: Duration) -> io::Result<Self> {
        let mut session = Session::secure(Identity::Anyone, patience, Instant::now());
        let dial = session.connect(Instant::now(), &mut rand::rng()).map_err(io::Error::other)?;
        stream.write_all(&dial.bytes)?;
        let backlog = Backlog::new(BACKLOG);
        let mut sealed = Self { session, transport: dial.transport, backlog, out: Vec::new(), written: 0 };
        let mut reply = vec![0; MIN_READ_BYTES];
        while !sealed.is_established()? {
            if sealed.read(stream, &mut reply)?.is_none() {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the gateway admits no secure session"));
            }
        }
        sealed.seal_and_flush(stream)?;
        Ok(sealed)
    }

    fn is_established(&mut self) -> io::Result<bool> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Established { .. } => return Ok(true),
                Event::Ended(end) => return Err(io::Error::other(format!("the gateway ended the session: {end}"))),
                _ => {}
            }
        }
        Ok(false)
    }

    fn read(&mut self, stream: &TcpStream, room: &mut [u8]) -> io::Result<Option<usize>> {
        let space = self.session.read_into(self.transport, room);
        if space.is_empty() {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let count = uninterrupted(|| (&*stream).read(space))?;
        if count == 0 {
            return Ok(None);
        }
        let received = self.session.receive_read(self.transport, room, count, Instant::now(), &mut self.backlog);
        match received.fault {
            None => Ok(Some(received.bytes)),
            Some(Fault::Refused(status)) => Err(refused(status)),
            Some(fault) => Err(io::Error::other(fault)),
        }
    }

    fn write(&mut self, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.seal_and_flush(stream)?;
        match self.backlog.push(bytes) {
            0 => Err(ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    fn seal_and_flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.has_output() {
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
                self.session.send(Instant::now(), &mut self.backlog, &mut self.out, ROOM);
            }
            self.flush(stream)?;
        }
        Ok(())
    }

    fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        let waiting = self.out.get(self.written..).unwrap_or_default();
        self.written += uninterrupted(|| (&*stream).write(waiting))?;
        Ok(())
    }

    fn has_output(&self) -> bool {
        self.written < self.out.len() || self.session.has_output(Instant::now(), &self.backlog)
    }
}

/// A signal is somebody else's business.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn refused(status: Status) -> io::Error {
    let kind = if status == Status::Overloaded { ErrorKind::ResourceBusy } else { ErrorKind::Other };
    io::Error::new(kind, format!("the gateway refuses a session: {status}"))
}

/// A player that leaves says so; otherwise the gateway would wait for it.
impl Drop for Transport {
    fn drop(&mut self) {
        if let Some(sealed) = &mut self.session {
            sealed.session.abort(AbortReason::Unspecified);
            // Whoever does not take it has no use for it.
            let _ = sealed.seal_and_flush(&self.stream);
        }
    }
}
