//! A link that is spoken to step by step, before the load begins.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use fastway_wire::{CHALLENGE_BYTES, Challenge, Command, HEADER_BYTES, LEN_BYTES, ServerId, frame_bytes, header_conn};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

/// A gateway that says nothing for this long fails the run.
const DEADLINE: Duration = Duration::from_secs(10);

/// Commands are shorter, whatever tail they have.
const LONGEST_COMMAND: u32 = 1024;

/// A blocking link.
#[derive(Debug)]
pub(crate) struct Dialog(TcpStream);

impl Dialog {
    /// A player's link.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        // A port of the range that is handed out for outgoing connections can be connected to itself.
        if stream.local_addr()? == stream.peer_addr()? {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self(stream))
    }

    /// A player's link; where the gateway is on this machine, too, from another of its addresses than the last one's.
    ///
    /// A port stays taken for a while after its link: from one address, players could not come and go for long.
    pub(crate) fn connect_from(turn: u32, address: SocketAddr) -> io::Result<Self> {
        let SocketAddr::V4(gateway) = address else { return Self::connect(address) };
        if !gateway.ip().is_loopback() {
            return Self::connect(address);
        }
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let [low, high] = [turn % 250, turn / 250 % 250].map(|part| u8::try_from(part + 1).unwrap_or(1));
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, high, low), 0))?;
        connect(&socket, &gateway)?;
        Self::over(socket.into())
    }

    /// A server's link; registered when this returns.
    pub(crate) fn register(address: SocketAddr, key: &str, server: ServerId) -> io::Result<Self> {
        let mut link = Self::connect(address)?;
        let mut challenge = [0; CHALLENGE_BYTES];
        link.read(&mut challenge)?;
        link.0.write_all(&Challenge::new(challenge).respond(key.as_bytes(), server))?;
        link.say(Command::Ping)?;
        match link.hear()? {
            Command::Ping => Ok(link),
            other => Err(io::Error::other(format!("the gateway answered a Ping by {other:?}"))),
        }
    }

    pub(crate) fn say(&mut self, command: Command) -> io::Result<()> {
        self.send(&command.encode())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// The next command; data is an error, since nobody sends any yet.
    pub(crate) fn hear(&mut self) -> io::Result<Command> {
        let mut header = [0; HEADER_BYTES];
        self.read(&mut header)?;
        let whole = frame_bytes(&header, LONGEST_COMMAND).map_err(io::Error::other)?.unwrap_or(LEN_BYTES);
        let mut payload = vec![0; whole.saturating_sub(HEADER_BYTES)];
        self.read(&mut payload)?;
        match header_conn(header).is_command() {
            true => Command::decode(&payload).map_err(io::Error::other),
            false => Err(io::Error::other("data came before anybody sent any")),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, format!("no answer within {DEADLINE:?}")),
            ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the gateway closed the link (a wrong --key?)"),
            _ => error,
        })
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.0
    }
}
