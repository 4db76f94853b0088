//! The gateway's end of a link in memory, played by the test.
#![allow(unreachable_pub, reason = "what the tests use of the kit is `pub`")]

pub(crate) mod acceptor;

use fastway_client::{Client, ClientConfig, Connection, ServerId};
use fastway_wire::{Challenge, Command, ConnId, RESPONSE_BYTES, encode_data, split_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Longest message that the test takes.
const MAX_PACKET: u32 = 16 << 20;

/// A message from the endpoint under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A command.
    Command(Command),
    /// Data of a connection.
    Data(ConnId, Vec<u8>),
}

/// What the endpoint under test takes for a gateway.
#[derive(Debug)]
pub struct FakeGateway {
    stream: DuplexStream,
    input: Vec<u8>,
}

/// A client, and the test as its gateway, over a pipe that holds `pipe_bytes` in each direction.
pub fn client_over(pipe_bytes: usize, config: ClientConfig) -> (Client, FakeGateway) {
    let (ours, theirs) = duplex(pipe_bytes);
    (Client::over(ours, config).unwrap(), FakeGateway::new(theirs))
}

/// The defaults without pings, which a slow machine would find between the messages of a script.
pub fn quiet() -> ClientConfig {
    let mut config = ClientConfig::default();
    config.link.ping_interval = None;
    config
}

/// A quiet client with one open connection.
pub async fn connected() -> (Client, FakeGateway, Connection<ServerId>) {
    let (client, mut gateway) = client_over(1 << 20, quiet());
    let connection = gateway.open(&client, 1).await;
    (client, gateway, connection)
}

/// The gateway's yes to a dial.
pub fn accept(conn: u32, remote: u32) -> Command {
    Command::Accept { conn: ConnId::new(conn), remote }
}

/// A connection that server 7 opens.
pub fn connect(conn: u32) -> Command {
    Command::Connect { conn: ConnId::new(conn), remote: 7 }
}

/// The end of a connection, from either side.
pub fn close(conn: u32) -> Command {
    Command::Close { conn: ConnId::new(conn) }
}

impl FakeGateway {
    /// The gateway's end of `stream`.
    pub fn new(stream: DuplexStream) -> Self {
        Self { stream, input: Vec::new() }
    }

    /// Plays the gateway's part of a server's handshake; gives the answer.
    pub async fn challenge(&mut self, challenge: Challenge) -> [u8; RESPONSE_BYTES] {
        self.stream.write_all(challenge.as_bytes()).await.unwrap();
        let mut answer = [0; RESPONSE_BYTES];
        self.stream.read_exact(&mut answer).await.unwrap();
        answer
    }

    /// Lets `client` dial a server, and says yes with this ID.
    pub async fn open(&mut self, client: &Client, conn: u32) -> Connection<ServerId> {
        let answering = async {
            self.expect(Command::Dial { remote: 7 }).await;
            self.command(accept(conn, 7)).await;
        };
        tokio::join!(client.dial(ServerId::new(7)), answering).0.unwrap()
    }

    /// Sends bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends nothing more.
    pub async fn end_of_stream(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Sends a command.
    pub async fn command(&mut self, command: Command) {
        self.raw(&command.encode()).await;
    }

    /// Sends data.
    pub async fn data(&mut self, conn: u32, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_data(ConnId::new(conn), payload, &mut frame).unwrap();
        self.raw(&frame).await;
    }

    /// The next message, pings included; `None` at the end of the link.
    pub async fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some((frame, rest)) = split_frame(&self.input, MAX_PACKET).unwrap() {
                let message = match frame.conn().is_command() {
                    true => Message::Command(Command::decode(frame.payload()).unwrap()),
                    false => Message::Data(frame.conn(), frame.payload().to_vec()),
                };
                let left = rest.len();
                self.input.drain(..self.input.len() - left);
                return Some(message);
            }
            if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                assert!(self.input.is_empty(), "the link ended inside a message");
                return None;
            }
        }
    }

    /// Expects a command next.
    #[track_caller]
    pub fn expect(&mut self, command: Command) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let got = self.receive().await;
            assert_eq!(got, Some(Message::Command(command)), "at {caller}");
        }
    }

    /// Expects data next.
    #[track_caller]
    pub fn expect_data(&mut self, conn: u32, payload: &[u8]) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let got = self.receive().await;
            assert_eq!(got, Some(Message::Data(ConnId::new(conn), payload.to_vec())), "at {caller}");
        }
    }

    /// Answers the next `count` messages, which have to be pings.
    pub async fn answer_pings(&mut self, count: usize) {
        for _ in 0..count {
            self.expect(Command::Ping).await;
            self.command(Command::Ping).await;
        }
    }

    /// Expects a close of the link next, answers its ping, and ends the link as well.
    #[track_caller]
    pub fn agree_to_close(mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            assert_eq!(self.receive().await, Some(Message::Command(Command::Ping)), "at {caller}");
            self.command(Command::Ping).await;
            assert_eq!(self.receive().await, None, "at {caller}");
        }
    }

    /// Expects the end of the link next.
    #[track_caller]
    pub fn expect_end(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move { assert_eq!(self.receive().await, None, "at {caller}") }
    }
}
