//! One physical link to the gateway, as a script sees it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use fastway_wire::{Command, ConnId, encode_data, split_frame};
use socket2::{Domain, SockRef, Socket, Type};

use crate::watch::DEADLINE;

/// Longest message that a link of the suites takes from the gateway, counted as `len` of the wire.
const MAX_PACKET: u32 = 16 << 20;

/// A message from the gateway.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// A command.
    Command(Command),
    /// Data of a virtual connection.
    Data(ConnId, Vec<u8>),
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Data(conn, data) if data.len() <= 64 => {
                write!(f, "Data({conn}, {:?})", data.escape_ascii().to_string())
            }
            Self::Data(conn, data) => write!(f, "Data({conn}, {} bytes)", data.len()),
        }
    }
}

/// The sending half of a link, for a thread of its own.
#[derive(Debug)]
pub struct Sender(TcpStream);

impl Sender {
    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the gateway does not take them within the deadline, or has closed the link.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).unwrap_or_else(|error| panic!("{} bytes were not taken: {error}", bytes.len()));
    }

    /// Sends bytes to a gateway that may well have closed the link by now.
    ///
    /// # Errors
    /// As the socket says.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Sends a command.
    #[track_caller]
    pub fn command(&mut self, command: Command) {
        self.send_raw(&command.encode());
    }

    /// Sends data on a virtual connection.
    #[track_caller]
    pub fn send(&mut self, conn: ConnId, payload: &[u8]) {
        self.send_raw(&data(conn, payload));
    }
}

/// A link: what the script sends, and what it expects to come next.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    sender: Sender,
    input: Vec<u8>,
    /// Bytes at the front of `input` that were given out already.
    taken: usize,
}

impl Link {
    /// Connects to `addr`.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).expect("the gateway listens"))
    }

    /// Connects to `addr` with small buffers, so that little is under way when one side stops reading.
    pub fn connect_narrow(addr: SocketAddr) -> Self {
        Self::new(connect_narrow(addr))
    }

    /// Connects to `addr` from another address of this machine.
    pub fn connect_from(from: SocketAddr, addr: SocketAddr) -> Self {
        Self::new(connect_from(from, addr))
    }

    /// A link over a connection that is there already.
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write deadline");
        let sender = Sender(stream.try_clone().expect("a second handle"));
        Self { stream, sender, input: Vec::new(), taken: 0 }
    }

    /// Lets more be under way to the gateway, though not as much as the system would by itself.
    ///
    /// What a gateway does not read is acknowledged 40 ms late, so that a narrow link fills its buffers slowly.
    pub fn widen_sending(&self) {
        SockRef::from(&self.stream).set_send_buffer_size(128 << 10).expect("a socket has a send buffer");
    }

    /// A second handle to send with, for another thread.
    pub fn sender(&self) -> Sender {
        Sender(self.stream.try_clone().expect("a second handle"))
    }

    /// Sends bytes as they are; see [`Sender::send_raw`].
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.sender.send_raw(bytes);
    }

    /// Sends bytes to a gateway that may well have closed the link by now.
    ///
    /// # Errors
    /// As the socket says.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sender.try_send_raw(bytes)
    }

    /// Sends data on a virtual connection.
    #[track_caller]
    pub fn send(&mut self, conn: ConnId, payload: &[u8]) {
        self.sender.send(conn, payload);
    }

    /// Asks for a virtual connection to `remote`.
    #[track_caller]
    pub fn dial(&mut self, remote: u32) {
        self.sender.command(Command::Dial { remote });
    }

    /// Closes a virtual connection.
    #[track_caller]
    pub fn close(&mut self, conn: ConnId) {
        self.sender.command(Command::Close { conn });
    }

    /// Sends a ping.
    #[track_caller]
    pub fn ping(&mut self) {
        self.sender.command(Command::Ping);
    }

    /// Sends no more, but goes on reading.
    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the link is open");
    }

    /// Ends the link as a crashed machine does: by a reset, with whatever was under way lost.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    }

    /// The next message; `None` when the gateway has closed the link.
    ///
    /// # Panics
    /// When nothing comes within the deadline, or a part of a message followed by the end.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.take_message() {
                return Some(message);
            }
            if self.fill() == 0 {
                assert!(
                    self.waiting().is_empty(),
                    "the link ended inside a message: {}",
                    self.waiting().escape_ascii()
                );
                return None;
            }
        }
    }

    /// Whether the gateway has closed the link and all that came before has been read.
    pub fn is_closed(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket can be asked");
        let seen = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket can be asked");
        seen.map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |count| count == 0)
    }

    /// Exactly `count` bytes as they come.
    #[track_caller]
    pub fn raw(&mut self, count: usize) -> Vec<u8> {
        while self.waiting().len() < count {
            assert!(self.fill() > 0, "the link ended after {:?}", self.waiting().escape_ascii().to_string());
        }
        let bytes = self.waiting()[..count].to_vec();
        self.taken += count;
        bytes
    }

    /// All bytes that come before the gateway closes the link.
    #[track_caller]
    pub fn raw_until_eof(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        let bytes = self.waiting().to_vec();
        self.taken += bytes.len();
        bytes
    }

    /// Expects these bytes.
    #[track_caller]
    pub fn expect_raw(&mut self, bytes: &[u8]) {
        let got = self.raw(bytes.len());
        assert!(got == bytes, "expected {}, got {}", bytes.escape_ascii(), got.escape_ascii());
    }

    /// Expects this message next.
    #[track_caller]
    pub fn expect(&mut self, expected: &Message) {
        let got = self.receive();
        assert!(got.as_ref() == Some(expected), "expected {expected:?}, got {got:?}");
    }

    /// Expects data of `conn` next.
    #[track_caller]
    pub fn expect_data(&mut self, conn: ConnId, payload: &[u8]) {
        self.expect(&Message::Data(conn, payload.to_vec()));
    }

    /// Expects the end of `conn` next.
    #[track_caller]
    pub fn expect_close(&mut self, conn: ConnId) {
        self.expect(&Message::Command(Command::Close { conn }));
    }

    /// Expects the ends of all of `conns` next, in any order.
    #[track_caller]
    pub fn expect_closes(&mut self, conns: &[ConnId]) {
        let mut left = conns.to_vec();
        while !left.is_empty() {
            let got = self.receive();
            let Some(Message::Command(Command::Close { conn })) = got else { panic!("expected Close, got {got:?}") };
            let index = left.iter().position(|&each| each == conn).unwrap_or_else(|| panic!("{conn} not in {left:?}"));
            left.swap_remove(index);
        }
    }

    /// Expects the gateway's "yes" to a dial of `remote` next; gives the new connection.
    #[track_caller]
    pub fn expect_accept(&mut self, remote: u32) -> ConnId {
        match self.receive() {
            Some(Message::Command(Command::Accept { conn, remote: got })) if got == remote => conn,
            got => panic!("expected Accept of {remote}, got {got:?}"),
        }
    }

    /// Expects to be dialed next; gives the new connection and who dialed.
    #[track_caller]
    pub fn expect_connect(&mut self) -> (ConnId, u32) {
        match self.receive() {
            Some(Message::Command(Command::Connect { conn, remote })) => (conn, remote),
            got => panic!("expected Connect, got {got:?}"),
        }
    }

    /// Expects the gateway's "no" to a dial of `remote` next.
    #[track_caller]
    pub fn expect_refuse(&mut self, remote: u32) {
        self.expect(&Message::Command(Command::Refuse { remote }));
    }

    /// Expects the answer to a ping next.
    #[track_caller]
    pub fn expect_pong(&mut self) {
        self.expect(&Message::Command(Command::Ping));
    }

    /// Pings and expects the answer next: nothing else was on its way, and all that was sent before has been read.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        self.ping();
        self.expect_pong();
    }

    /// Expects that the gateway closes the link next.
    #[track_caller]
    pub fn expect_eof(&mut self) {
        let got = self.receive();
        assert!(got.is_none(), "expected the end of the link, got {got:?}");
    }

    /// Everything that still comes before the gateway closes the link. A message cut by the end is left out.
    #[track_caller]
    pub fn until_eof(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            messages.extend(std::iter::from_fn(|| self.take_message()));
            if self.fill() == 0 {
                return messages;
            }
        }
    }

    /// The number of bytes that still come before the link ends.
    #[track_caller]
    pub fn bytes_until_eof(&mut self) -> usize {
        let mut count = 0;
        loop {
            count += self.waiting().len();
            self.taken = self.input.len();
            if self.fill() == 0 {
                return count;
            }
        }
    }

    fn take_message(&mut self) -> Option<Message> {
        let whole = split_frame(self.waiting(), MAX_PACKET).expect("the gateway sends whole frames");
        let (frame, _) = whole?;
        let message = match frame.conn().is_command() {
            true => Message::Command(Command::decode(frame.payload()).expect("the gateway sends known commands")),
            false => Message::Data(frame.conn(), frame.payload().to_vec()),
        };
        self.taken += frame.as_bytes().len();
        Some(message)
    }

    fn waiting(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// Reads what is there, or waits for it; 0 at the end of the link, which a reset is too.
    #[track_caller]
    fn fill(&mut self) -> usize {
        let mut chunk = [0; 64 << 10];
        match read(&mut self.stream, &mut chunk) {
            Ok(count) => {
                self.input.drain(..std::mem::take(&mut self.taken));
                self.input.extend_from_slice(&chunk[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!(
                "nothing came within {DEADLINE:?}, after {:?}: {error}",
                self.waiting().escape_ascii().to_string()
            ),
        }
    }
}

/// Reads what is there, or waits for it. A process that is stopped and goes on, as in a debugger, has its wait cut short,
/// which is no reason to fail a test.
pub(crate) fn read(stream: &mut TcpStream, block: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(block) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Connects to `addr` with small buffers.
///
/// # Panics
/// When nobody listens there.
pub fn connect_narrow(addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(16 << 10).expect("a socket has a receive buffer");
    socket.set_send_buffer_size(16 << 10).expect("a socket has a send buffer");
    socket.connect(&addr.into()).expect("the gateway listens");
    socket.into()
}

/// Connects to `addr` from another address of this machine.
pub fn connect_from(from: SocketAddr, addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
    socket.bind(&from.into()).expect("an address of this machine");
    socket.connect(&addr.into()).expect("the gateway listens");
    socket.into()
}

/// A data frame.
pub fn data(conn: ConnId, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_data(conn, payload, &mut frame).expect("payloads of the suites fit");
    frame
}
