//! The connections of a run: sending on them, and judging what arrives.

use fastway_wire::{Command, ConnId, Frame, data_header};
use rustc_hash::FxHashMap;

use super::fault::{Fault, Place};
use super::link::Link;
use super::net::Net;
use super::pattern::Pattern;
use super::setup::Joined;
use super::stream::{Flying, Stream};
use super::table::{Key, Table};

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the player to the server.
    Up,
    /// From the server to the player.
    Down,
}

/// A virtual connection with both of its ends here.
#[derive(Debug)]
pub(crate) struct Connection {
    conn: ConnId,
    player: Key<Link>,
    server: Key<Link>,
    up: Stream,
    down: Stream,
}

/// A frame that was right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) connection: Key<Connection>,
    pub(crate) direction: Direction,
    pub(crate) frame: Flying,
}

#[derive(Debug)]
pub(crate) struct Connections {
    connections: Table<Connection>,
    by_id: FxHashMap<ConnId, Key<Connection>>,
    pattern: Pattern,
    /// Frames on their way, and those that never came.
    under_way: u64,
}

impl Connections {
    pub(crate) fn new(net: &Net, joined: &[Joined], pattern: Pattern) -> Self {
        let mut connections = Self { connections: Table::new(), by_id: FxHashMap::default(), pattern, under_way: 0 };
        for joined in joined {
            connections.add(net, *joined);
        }
        connections
    }

    fn add(&mut self, net: &Net, joined: Joined) {
        let (Some(player), Some(server)) = (net.player(joined.player), net.server(joined.server)) else { return };
        let id = u32::try_from(self.connections.len() * 2).unwrap_or(u32::MAX);
        let (up, down) = (Stream::new(id), Stream::new(id + 1));
        let key = self.connections.push(Connection { conn: joined.conn, player, server, up, down });
        self.by_id.insert(joined.conn, key);
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key<Connection>> + use<> {
        self.connections.keys()
    }

    /// The connection whose turn it is.
    pub(crate) fn in_turn(&self, turn: u64) -> Option<Key<Connection>> {
        self.connections.key(turn % self.connections.len().max(1) as u64)
    }

    pub(crate) const fn under_way(&self) -> u64 {
        self.under_way
    }

    /// Queues a frame.
    #[inline]
    pub(crate) fn send(&mut self, net: &mut Net, connection: Key<Connection>, direction: Direction, frame: Flying) {
        let connection = self.connections.at_mut(connection);
        let (stream, link) = match direction {
            Direction::Up => (&mut connection.up, connection.player),
            Direction::Down => (&mut connection.down, connection.server),
        };
        let tag = stream.send(frame);
        let Ok(header) = data_header(connection.conn, frame.bytes) else { return };
        let out = net.output(link);
        out.extend_from_slice(&header);
        self.pattern.write(tag, frame.bytes as usize, out);
        self.under_way += 1;
    }

    /// Judges a frame with data.
    #[inline]
    pub(crate) fn arrived(&mut self, net: &Net, link: Key<Link>, frame: Frame<'_>) -> Result<Arrival, Fault> {
        let place = || Place { link: net.name(link), conn: frame.conn() };
        let key = *self.by_id.get(&frame.conn()).ok_or_else(|| Fault::UnknownConnection(place()))?;
        let connection = self.connections.at_mut(key);
        let (direction, end) = match net.is_player(link) {
            true => (Direction::Down, connection.player),
            false => (Direction::Up, connection.server),
        };
        if end != link {
            return Err(Fault::UnknownConnection(place()));
        }
        let stream = match direction {
            Direction::Up => &mut connection.up,
            Direction::Down => &mut connection.down,
        };
        let frame = stream.receive(&self.pattern, frame.payload()).map_err(|wrong| Fault::Payload(place(), wrong))?;
        self.under_way -= 1;
        Ok(Arrival { connection: key, direction, frame })
    }

    /// Judges a command: once the load runs, nothing but the answer to a Ping is in place.
    pub(crate) fn command(net: &Net, link: Key<Link>, frame: Frame<'_>) -> Result<(), Fault> {
        let name = net.name(link);
        match Command::decode(frame.payload()).map_err(|error| Fault::Garbled(name, error))? {
            Command::Ping => Ok(()),
            Command::Close { conn } => Err(Fault::Closed(Place { link: name, conn })),
            other => Err(Fault::Command(name, other)),
        }
    }

    /// What is missing now that nothing is expected to come any more.
    pub(crate) fn end(&self, net: &Net) -> Result<(), Fault> {
        for connection in self.connections.iter() {
            for (stream, link) in [(&connection.up, connection.server), (&connection.down, connection.player)] {
                let place = Place { link: net.name(link), conn: connection.conn };
                stream.end().map_err(|wrong| Fault::Payload(place, wrong))?;
            }
        }
        Ok(())
    }
}
