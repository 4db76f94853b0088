//! The links and connections of a run, opened one after the other.

use std::sync::atomic::{AtomicBool, Ordering};

use fastway_wire::{Command, ConnId, ServerId};

use super::addrs::GatewayAddrs;
use super::blocking_link::BlockingLink;
use super::fault::{Fault, LinkName};

/// Far from what a game would choose, so that a run never takes the place of a real server.
const FIRST_SERVER: u32 = 0xBE4C_0000;

/// How many links and connections; connections are spread over the servers in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) players: u32,
    /// On each player's link.
    pub(crate) connections: u32,
    pub(crate) servers: u32,
}

/// A connection with the numbers of its two links.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    pub(crate) conn: ConnId,
    pub(crate) player: u32,
    pub(crate) server: u32,
}

/// Everything is open, and nothing is under way.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    pub(crate) players: Vec<BlockingLink>,
    pub(crate) servers: Vec<BlockingLink>,
    pub(crate) connections: Vec<Joined>,
}

/// The ID that server number `number` of a run registers as.
pub(crate) const fn server_id(number: u32) -> ServerId {
    ServerId::new(FIRST_SERVER.wrapping_add(number))
}

impl Setup {
    pub(crate) fn open(addrs: &GatewayAddrs, layout: Layout, interrupted: &AtomicBool) -> Result<Self, Fault> {
        let mut setup = Self::default();
        for number in 0..layout.servers {
            setup.add_server(addrs, number)?;
        }
        for _ in 0..layout.players {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Fault::Interrupted);
            }
            let player = setup.add_player(addrs)?;
            for _ in 0..layout.connections {
                setup.dial(player)?;
            }
        }
        Ok(setup)
    }

    pub(crate) fn add_server(&mut self, addrs: &GatewayAddrs, number: u32) -> Result<(), Fault> {
        let server = BlockingLink::register(addrs.server, &addrs.key, server_id(number));
        self.servers.push(server.map_err(|error| Fault::Open(LinkName::Server(number), error))?);
        Ok(())
    }

    /// A new player's link; gives its number.
    pub(crate) fn add_player(&mut self, addrs: &GatewayAddrs) -> Result<u32, Fault> {
        let number = u32::try_from(self.players.len()).unwrap_or(u32::MAX);
        let player = BlockingLink::enter(addrs).map_err(|error| Fault::Open(LinkName::Player(number), error))?;
        self.players.push(player);
        Ok(number)
    }

    /// A connection from a player to the server whose turn it is.
    pub(crate) fn dial(&mut self, player: u32) -> Result<(), Fault> {
        let server = u32::try_from(self.connections.len() % self.servers.len().max(1)).unwrap_or(0);
        let (near, far) = (LinkName::Player(player), LinkName::Server(server));
        let remote = server_id(server).get();
        let link = self.players.get_mut(player as usize).ok_or(Fault::Ended(near))?;
        link.say(Command::Dial { remote }).map_err(|error| Fault::Link(near, error))?;
        let conn = match link.hear().map_err(|error| Fault::Link(near, error))? {
            Command::Accept { conn, .. } => conn,
            Command::Refuse { remote } => return Err(Fault::Refused(near, remote)),
            other => return Err(Fault::Command(near, other)),
        };
        let link = self.servers.get_mut(server as usize).ok_or(Fault::Ended(far))?;
        match link.hear().map_err(|error| Fault::Link(far, error))? {
            Command::Connect { conn: same, .. } if same == conn => {}
            other => return Err(Fault::Command(far, other)),
        }
        self.connections.push(Joined { conn, player, server });
        Ok(())
    }
}
