//! From one link's socket into the outbox of another.

use std::io;

use fastway_wire::{Command, ConnId, Frame, RESPONSE_BYTES, ServerId, split_frame};
use rustc_hash::FxHashMap;

use super::link::{Gone, Link, Side, Stage};
use super::outgoing::Outgoing;
use super::routes::{Ends, LinkKey, Routes};
use super::tap::Tap;
use crate::poller::{Interest, Poller, Ready};

/// Longest frame that is taken, as `len` of the wire.
pub(super) const MAX_PACKET: u32 = 512 << 10;

pub(super) struct Forwarder<T> {
    key: String,
    tap: T,
    links: Vec<Option<Link>>,
    free: Vec<LinkKey>,
    /// Closed in this turn: their keys are used again when no event can mean them any more.
    leaving: Vec<LinkKey>,
    servers: FxHashMap<ServerId, LinkKey>,
    routes: Routes,
    outgoing: Outgoing,
}

/// Consecutive frames for one link, copied together.
struct Run<'a> {
    to: Option<LinkKey>,
    /// Begins with the run, and goes on behind it.
    input: &'a [u8],
    bytes: usize,
}

impl<T: Tap> Forwarder<T> {
    pub(super) fn new(key: &str, tap: T) -> Self {
        Self {
            key: key.to_owned(),
            tap,
            links: Vec::new(),
            free: Vec::new(),
            leaving: Vec::new(),
            servers: FxHashMap::default(),
            routes: Routes::new(),
            outgoing: Outgoing::default(),
        }
    }

    pub(super) fn welcome(&mut self, poller: &Poller, mut link: Link) {
        let key = self.free.pop().unwrap_or_else(|| {
            self.links.push(None);
            u32::try_from(self.links.len() - 1).unwrap_or(LinkKey::MAX)
        });
        if poller.add(&link.socket, u64::from(key), Interest::READ).is_err() || link.flush().is_err() {
            self.free.push(key);
            return;
        }
        if let Some(slot) = self.links.get_mut(key as usize) {
            *slot = Some(link);
        }
    }

    /// Does what a ready socket allows.
    pub(super) fn serve(&mut self, poller: &Poller, event: Ready, scratch: &mut [u8]) {
        let Ok(key) = LinkKey::try_from(event.token) else { return };
        if event.write {
            self.flush(poller, key);
        }
        if event.read && self.receive(key, scratch).is_err() {
            self.close(key);
        }
    }

    pub(super) fn finish_turn(&mut self, poller: &Poller) {
        let mut at = 0;
        // Closing a link feeds others, so the list may grow meanwhile.
        while let Some(&key) = self.outgoing.dirty.get(at) {
            at += 1;
            let Some(link) = link_at(&mut self.links, key) else { continue };
            link.dirty = false;
            if !link.blocked {
                self.flush(poller, key);
            }
        }
        self.outgoing.dirty.clear();
        self.free.append(&mut self.leaving);
    }

    #[inline]
    fn receive(&mut self, key: LinkKey, scratch: &mut [u8]) -> Result<(), Gone> {
        let Some(link) = link_at(&mut self.links, key) else { return Ok(()) };
        let filled = link.fill(scratch)?;
        self.outgoing.release(link);
        let mut input = scratch.get(..filled).ok_or(Gone)?;
        if let Stage::Challenged(challenge) = link.stage {
            let Some((response, behind)) = input.split_first_chunk::<RESPONSE_BYTES>() else {
                self.outgoing.hold(link, input);
                return Ok(());
            };
            let server = challenge.verify(self.key.as_bytes(), response).map_err(|_wrong_key| Gone)?;
            link.stage = Stage::Server(server);
            self.servers.insert(server, key);
            input = behind;
        }
        let side = link.side();
        let rest = self.route(key, side, input)?;
        if let Some(link) = link_at(&mut self.links, key).filter(|_| !rest.is_empty()) {
            self.outgoing.hold(link, rest);
        }
        Ok(())
    }

    /// Forwards all whole frames of `input`; gives what is behind them.
    #[inline]
    fn route<'a>(&mut self, from: LinkKey, side: Side, input: &'a [u8]) -> Result<&'a [u8], Gone> {
        let mut rest = input;
        let mut run = Run { to: None, input, bytes: 0 };
        while let Some((frame, behind)) = split_frame(rest, MAX_PACKET).map_err(|_broken| Gone)? {
            let to = self.routes.across(frame.conn(), from, side);
            if to != run.to || to.is_none() {
                self.feed(&run);
                run = Run { to, input: rest, bytes: 0 };
            }
            run.bytes += frame.as_bytes().len();
            if to.is_none() {
                self.command(from, side, frame);
            }
            rest = behind;
        }
        self.feed(&run);
        Ok(rest)
    }

    #[inline]
    fn feed(&mut self, run: &Run<'_>) {
        let Some(to) = run.to else { return };
        let Some(link) = link_at(&mut self.links, to) else { return };
        if let Some(frames) = run.input.get(..run.bytes) {
            self.tap.pass(frames, self.outgoing.outbox(to, link));
        }
    }

    /// Data for a connection that is not there is dropped, as is what is no command.
    fn command(&mut self, from: LinkKey, side: Side, frame: Frame<'_>) {
        match Command::decode(frame.payload()).ok().filter(|_| frame.conn().is_command()) {
            Some(Command::Dial { remote }) if side == Side::Client => self.dial(from, remote),
            Some(Command::Close { conn }) => self.close_connection(from, side, conn),
            Some(Command::Ping) => self.say(from, Command::Ping),
            _ => {}
        }
    }

    fn dial(&mut self, client: LinkKey, remote: u32) {
        let Some(&server) = self.servers.get(&ServerId::new(remote)) else {
            return self.say(client, Command::Refuse { remote });
        };
        let conn = self.routes.open(Ends { client, server });
        for end in [client, server] {
            if let Some(link) = link_at(&mut self.links, end) {
                link.connections.push(conn);
            }
        }
        self.say(client, Command::Accept { conn, remote });
        self.say(server, Command::Connect { conn, remote: client + 1 });
    }

    /// Only the end that did not ask for it hears of it.
    fn close_connection(&mut self, from: LinkKey, side: Side, conn: ConnId) {
        if let Some(other) = self.routes.across(conn, from, side) {
            self.routes.close(conn);
            self.say(other, Command::Close { conn });
        }
    }

    fn say(&mut self, to: LinkKey, command: Command) {
        if let Some(link) = link_at(&mut self.links, to) {
            self.outgoing.outbox(to, link).extend_from_slice(&command.encode());
        }
    }

    fn flush(&mut self, poller: &Poller, key: LinkKey) {
        let Some(link) = link_at(&mut self.links, key) else { return };
        let was_blocked = link.blocked;
        let flushed = link.flush();
        let watched = if link.blocked == was_blocked { Ok(()) } else { watch(poller, key, link) };
        match flushed.is_ok() && watched.is_ok() {
            true => self.outgoing.reclaim(link),
            false => self.close(key),
        }
    }

    fn close(&mut self, key: LinkKey) {
        let Some(link) = self.links.get_mut(key as usize).and_then(Option::take) else { return };
        self.leaving.push(key);
        if let Stage::Server(id) = link.stage
            && self.servers.get(&id) == Some(&key)
        {
            self.servers.remove(&id);
        }
        for &conn in &link.connections {
            self.close_connection(key, link.side(), conn);
        }
    }
}

fn watch(poller: &Poller, key: LinkKey, link: &Link) -> io::Result<()> {
    poller.modify(&link.socket, u64::from(key), Interest { read: true, write: link.blocked })
}

#[inline]
fn link_at(links: &mut [Option<Link>], key: LinkKey) -> Option<&mut Link> {
    links.get_mut(key as usize)?.as_mut()
}
