//! All links of a run under one poller.

use std::io;
use std::time::Duration;

use super::blocking_link::BlockingLink;
use super::fault::{Fault, LinkName};
use super::link::Link;
use super::table::{Key, Table};
use crate::poller::{Interest, Poller, Ready};

pub(crate) struct Net {
    poller: Poller,
    links: Table<Link>,
    /// The first so many links are the players'.
    players: u32,
    dirty: Vec<Key<Link>>,
}

impl Net {
    pub(crate) fn new(players: Vec<BlockingLink>, servers: Vec<BlockingLink>) -> Result<Self, Fault> {
        let count = u32::try_from(players.len()).unwrap_or(u32::MAX);
        let mut net = Self { poller: Poller::new()?, links: Table::new(), players: count, dirty: Vec::new() };
        for link in players.into_iter().chain(servers) {
            net.add(link.into_link()?)?;
        }
        Ok(net)
    }

    fn add(&mut self, link: Link) -> io::Result<()> {
        let key = self.links.push(link);
        self.poller.add(self.links.at(key).socket(), key.index().into(), Interest::READ)
    }

    pub(crate) fn player(&self, number: u32) -> Option<Key<Link>> {
        self.links.key(number.into())
    }

    pub(crate) fn server(&self, number: u32) -> Option<Key<Link>> {
        self.links.key(u64::from(self.players) + u64::from(number))
    }

    pub(crate) fn name(&self, key: Key<Link>) -> LinkName {
        match key.index().checked_sub(self.players) {
            None => LinkName::Player(key.index()),
            Some(number) => LinkName::Server(number),
        }
    }

    #[inline]
    pub(crate) fn is_player(&self, key: Key<Link>) -> bool {
        key.index() < self.players
    }

    /// Where to append what a link is to send; it leaves with [`Net::flush`].
    #[inline]
    pub(crate) fn output(&mut self, key: Key<Link>) -> &mut Vec<u8> {
        self.soil(key);
        self.links.at_mut(key).output()
    }

    #[inline]
    fn soil(&mut self, key: Key<Link>) {
        let link = self.links.at_mut(key);
        if !link.dirty {
            link.dirty = true;
            self.dirty.push(key);
        }
    }

    /// One write for each link that has something to send and can.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            let link = self.links.at_mut(key);
            link.dirty = false;
            if !link.blocked {
                self.flush_link(key)?;
            }
        }
        self.dirty = dirty;
        Ok(())
    }

    fn flush_link(&mut self, key: Key<Link>) -> Result<(), Fault> {
        let link = self.links.at_mut(key);
        let was_blocked = link.blocked;
        let flushed = link.flush();
        if link.blocked != was_blocked {
            let interest = Interest { read: true, write: link.blocked };
            self.poller.modify(link.socket(), key.index().into(), interest)?;
        }
        flushed.map_err(|error| Fault::Link(self.name(key), error))
    }

    pub(crate) fn wait(&mut self, time: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.poller.wait(Some(time), ready)
    }

    /// The link that is ready to be read; one that can be written again is flushed on the way.
    #[inline]
    pub(crate) fn readable(&mut self, event: Ready) -> Result<Option<Key<Link>>, Fault> {
        let Some(key) = self.links.key(event.token) else { return Ok(None) };
        if event.write {
            self.flush_link(key)?;
        }
        Ok(event.read.then_some(key))
    }

    /// One read; gives the bytes of `scratch` to be looked at.
    #[inline]
    pub(crate) fn fill<'a>(&mut self, key: Key<Link>, scratch: &'a mut [u8]) -> Result<&'a [u8], Fault> {
        let link = self.links.at_mut(key);
        let filled = link.fill(scratch);
        if link.has_answer() {
            self.soil(key);
        }
        match filled {
            Ok(Some(count)) => Ok(scratch.get(..count).unwrap_or_default()),
            Ok(None) => Err(Fault::Ended(self.name(key))),
            Err(error) => Err(Fault::Link(self.name(key), error)),
        }
    }

    /// Keeps the frame that the last read ended in.
    #[inline]
    pub(crate) fn keep(&mut self, key: Key<Link>, rest: &[u8]) {
        self.links.at_mut(key).keep(rest);
    }
}
