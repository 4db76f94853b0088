//! A link that is spoken to step by step, before the load begins.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fastway_session::MIN_READ_BYTES;
use fastway_wire::{CHALLENGE_BYTES, Challenge, Command, HEADER_BYTES, LEN_BYTES, ServerId, frame_bytes, header_conn};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::addrs::GatewayAddrs;
use super::link::Link;
use super::transport::{LinkKind, Transport};

/// A gateway that says nothing for this long fails the run.
const DEADLINE: Duration = Duration::from_secs(10);

/// Before an overloaded gateway is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Commands are shorter, whatever tail they have.
const LONGEST_COMMAND: u32 = 1024;

/// A blocking link.
#[derive(Debug)]
pub(crate) struct BlockingLink {
    transport: Transport,
    /// What came and was not asked for yet.
    unread: Vec<u8>,
}

impl BlockingLink {
    /// A player's link.
    pub(crate) fn enter(addrs: &GatewayAddrs) -> io::Result<Self> {
        patiently(|| Self::over(socket_to(addrs.client)?, addrs.players))
    }

    /// A plain link.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::over(socket_to(address)?, LinkKind::Plain)
    }

    fn over(stream: TcpStream, kind: LinkKind) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self { transport: Transport::open(stream, kind, DEADLINE)?, unread: Vec::new() })
    }

    /// A player's link; where the gateway is on this machine, too, from another of its addresses than the last one's.
    ///
    /// A port stays taken for a while after its link: from one address, players could not come and go for long.
    pub(crate) fn enter_from(turn: u32, addrs: &GatewayAddrs) -> io::Result<Self> {
        let SocketAddr::V4(gateway) = addrs.client else { return Self::enter(addrs) };
        if !gateway.ip().is_loopback() {
            return Self::enter(addrs);
        }
        let [low, high] = [turn % 250, turn / 250 % 250].map(|part| u8::try_from(part + 1).unwrap_or(1));
        patiently(|| {
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, high, low), 0))?;
            connect(&socket, &gateway).map_err(|error| explained(error.into(), addrs.client))?;
            Self::over(socket.into(), addrs.players)
        })
    }

    /// A server's link; registered when this returns.
    pub(crate) fn register(address: SocketAddr, key: &str, server: ServerId) -> io::Result<Self> {
        let mut link = Self::connect(address)?;
        let mut challenge = [0; CHALLENGE_BYTES];
        link.read(&mut challenge)?;
        link.send(&Challenge::new(challenge).respond(key.as_bytes(), server))?;
        link.say(Command::Ping)?;
        match link.hear()? {
            Command::Ping => Ok(link),
            other => Err(io::Error::other(format!("the gateway answered a Ping by {other:?}"))),
        }
    }

    pub(crate) fn say(&mut self, command: Command) -> io::Result<()> {
        self.send(&command.encode())
    }

    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.transport.write(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        self.transport.flush()
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
        while self.unread.len() < buffer.len() {
            self.read_more()?;
        }
        let rest = self.unread.split_off(buffer.len());
        buffer.copy_from_slice(&self.unread);
        self.unread = rest;
        Ok(())
    }

    fn read_more(&mut self) -> io::Result<()> {
        let before = self.unread.len();
        self.unread.resize(before + MIN_READ_BYTES, 0);
        let read = self.transport.read(self.unread.get_mut(before..).unwrap_or_default());
        self.unread.truncate(before + read.as_ref().map_or(0, |count| count.unwrap_or(0)));
        match read {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the gateway closed the link (a wrong --key? no plain links?)",
            )),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(io::Error::new(ErrorKind::TimedOut, format!("no answer within {DEADLINE:?}")))
            }
            Err(error) => Err(error),
        }
    }

    /// The link for a load, with what it has received and nobody has asked for.
    pub(crate) fn into_link(self) -> io::Result<Link> {
        Link::new(self.transport, self.unread)
    }

    /// For bytes of any kind, which pass by a session.
    pub(crate) const fn socket(&self) -> &TcpStream {
        self.transport.socket()
    }
}

/// A gateway that takes so many sessions a second and no more is asked again.
fn patiently(enter: impl Fn() -> io::Result<BlockingLink>) -> io::Result<BlockingLink> {
    let until = Instant::now() + DEADLINE;
    loop {
        match enter() {
            Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < until => thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn socket_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).map_err(|error| explained(error, address))?;
    // A port of the range that is handed out for outgoing connections can be connected to itself.
    match stream.local_addr()? == stream.peer_addr()? {
        true => Err(ErrorKind::ConnectionRefused.into()),
        false => Ok(stream),
    }
}

/// Says what it means that an address is not available: the system's own words do not.
fn explained(error: io::Error, address: SocketAddr) -> io::Error {
    if error.kind() != ErrorKind::AddrNotAvailable {
        return error;
    }
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let range = range.split_whitespace().collect::<Vec<_>>().join(" to ");
    let text = format!(
        "no source port is left for links to {address}. Each link needs one of the ports {range} \
         (net.ipv4.ip_local_port_range), and a port stays taken for a minute after its link. Give fewer --links, wait a \
         minute, or widen that range ({error})"
    );
    io::Error::new(ErrorKind::AddrNotAvailable, text)
}
