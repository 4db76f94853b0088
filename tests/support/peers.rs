//! The two kinds of peers: clients dial servers, servers dial clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};

use fastway_wire::{CHALLENGE_BYTES, Challenge, ConnId, ServerId};

use crate::link::Link;

/// A client's link.
#[derive(Debug)]
pub struct Client {
    link: Link,
    id: Option<u32>,
}

/// A registered server's link.
#[derive(Debug)]
pub struct Server {
    link: Link,
    id: u32,
}

impl Client {
    /// Connects to the client port.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::over(Link::connect(addr))
    }

    /// A client on a link that was made in a special way.
    pub fn over(link: Link) -> Self {
        Self { link, id: None }
    }

    /// Dials `server` and expects both ends to be told.
    #[track_caller]
    pub fn open(&mut self, server: &mut Server) -> ConnId {
        self.dial(server.id);
        let conn = self.expect_accept(server.id);
        let (connected, client) = server.expect_connect();
        assert_eq!(connected, conn, "both ends know the connection by the same ID");
        self.id = Some(client);
        conn
    }

    /// Opens `count` connections to `server`.
    #[track_caller]
    pub fn open_many(&mut self, server: &mut Server, count: usize) -> Vec<ConnId> {
        (0..count).map(|_| self.open(server)).collect()
    }

    /// One message each way on `conn`.
    #[track_caller]
    pub fn exchange(&mut self, server: &mut Server, conn: ConnId, payload: &[u8]) {
        self.send(conn, payload);
        server.expect_data(conn, payload);
        server.send(conn, payload);
        self.expect_data(conn, payload);
    }

    /// Sends until the gateway has routed it: whatever is expected from this link at a server is on its way.
    #[track_caller]
    pub fn flush(&mut self) {
        self.expect_silence();
    }

    /// Ends the link by a reset.
    pub fn reset(self) {
        self.link.reset();
    }

    /// The gateway's ID of this client; known once it has opened a connection.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn id(&self) -> u32 {
        self.id.expect("a server told the client's ID: open a connection first")
    }
}

impl Server {
    /// Connects to the server port and registers as `id`; the gateway knows it when this returns.
    #[track_caller]
    pub fn register(addr: SocketAddr, key: &str, id: u32) -> Self {
        Self::register_over(Link::connect(addr), key, id)
    }

    /// Registers as `id` on a link that was made in a special way.
    #[track_caller]
    pub fn register_over(mut link: Link, key: &str, id: u32) -> Self {
        let answer = challenge_of(&mut link).respond(key.as_bytes(), ServerId::new(id));
        link.send_raw(&answer);
        link.expect_silence();
        Self { link, id }
    }

    /// A server on a link that has answered its challenge already.
    pub fn over(link: Link, id: u32) -> Self {
        Self { link, id }
    }

    /// Ends the link by a reset.
    pub fn reset(self) {
        self.link.reset();
    }

    /// What it registered as.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Dials `client` and expects both ends to be told.
    #[track_caller]
    pub fn open(&mut self, client: &mut Client) -> ConnId {
        self.dial(client.id());
        let conn = self.expect_accept(client.id());
        assert_eq!(client.expect_connect(), (conn, self.id), "the client learns the connection and the server's ID");
        conn
    }
}

/// The stream of a game server that registers as `id`, for scripts that read and write it themselves.
///
/// # Panics
/// There is no gateway at that address.
pub fn server_stream(addr: SocketAddr, key: &str, id: u32) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket can be set up");
    let mut challenge = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut challenge).expect("the gateway speaks first");
    let answer = Challenge::new(challenge).respond(key.as_bytes(), ServerId::new(id));
    stream.write_all(&answer).expect("the gateway reads");
    stream
}

/// The challenge, which the gateway sends first on the server port.
#[track_caller]
pub fn challenge_of(link: &mut Link) -> Challenge {
    Challenge::new(link.raw(CHALLENGE_BYTES).try_into().expect("as many bytes as asked for"))
}

impl Deref for Client {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl Deref for Server {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}
