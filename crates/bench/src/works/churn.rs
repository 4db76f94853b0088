//! `churn`: players connect, dial, and leave, as many as the gateway can take.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastway_wire::{Command, ConnId, split_frame};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::load::{BlockingLink, Fault, GatewayAddrs, Link, LinkName, server_id, thread_cpu};
use crate::load::{Stats, nanos};
use crate::outcome::{Generator, Plots, Process};
use crate::poller::{Interest, Poller};
use crate::session::{Findings, Session};
use crate::target::Allocations;

/// The server's events; players' are their slots.
const SERVER: u64 = 1 << 32;

/// Links that are gone here may still be known to the gateway for so long.
const FAREWELL: Duration = Duration::from_secs(5);

/// Cycles of connect, Dial, Accept, and an end of the link that its server hears of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Churn {
    /// Players that come and go at the same time.
    pub(crate) at_once: u32,
}

impl Churn {
    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        let mut cycler = Cycler::open(&session)?;
        let descriptors = session.gateway.descriptors();
        for slot in 0..self.at_once {
            cycler.enter(slot)?;
        }
        let warm = cycler.now() + nanos(session.settings.warmup);
        cycler.turn_until(warm, &session)?;
        let mut allocations = session.allocations();
        cycler.turn_until_read(&mut allocations, &session)?;
        let usage = session.gateway.usage()?;
        let (begin, cpu) = (cycler.now(), thread_cpu());
        cycler.stats = Some(Stats::new(begin, begin + nanos(session.settings.time)));
        cycler.turn_until(begin + nanos(session.settings.time), &session)?;
        let process = usage.zip(session.gateway.usage()?).map(|(before, after)| Process::between(&before, &after));
        let stats = cycler.stats.take().unwrap_or_else(|| Stats::new(0, 0));
        let busy = (thread_cpu() - cpu).as_secs_f64() / stats.time().as_secs_f64();
        cycler.turn_until_read(&mut allocations, &session)?;
        cycler.close(&session)?;
        Ok(Findings {
            seconds: stats.time().as_secs_f64(),
            frames: stats.frames,
            process,
            allocated_bytes: allocations.by_part().first().copied(),
            generator: Generator { busy: (busy * 1e3).round() / 1e3, ..Generator::default() },
            details: details(&cycler, leaked(&session, descriptors)),
            plots: Plots { latency: Some(stats.latency), timeline: stats.timeline, ..Plots::default() },
            ..Findings::default()
        })
    }
}

fn details(cycler: &Cycler, leaked: Option<usize>) -> Map<String, Value> {
    let details = [("cycles", json!(cycler.cycles)), ("descriptors_leaked", json!(leaked))];
    details.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

/// Descriptors that the gateway still has open for players that are long gone.
fn leaked(session: &Session<'_>, before: Option<usize>) -> Option<usize> {
    let (before, until) = (before?, Instant::now() + FAREWELL);
    loop {
        let more = session.gateway.descriptors()?.saturating_sub(before);
        if more == 0 || Instant::now() > until {
            return Some(more);
        }
        sleep(Duration::from_millis(5));
    }
}

/// Where players go in and out, and the server that sees it.
struct Cycler {
    started: Instant,
    addrs: GatewayAddrs,
    poller: Poller,
    server: Link,
    inside: Vec<Option<Visit>>,
    /// Who left and whose end the server has not heard of.
    leaving: Vec<Leaving>,
    idle: VecDeque<u32>,
    /// Players that came so far.
    turn: u32,
    closing: bool,
    cycles: u64,
    last: u64,
    stats: Option<Stats>,
}

/// A player that went. A gateway may give its ConnID to the next one before its server has heard of the end, so the
/// first of several is the one that is meant.
struct Leaving {
    conn: ConnId,
    slot: u32,
    since: u64,
}

/// A player that waits to be let in.
struct Visit {
    link: Link,
    since: u64,
}

impl Cycler {
    fn open(session: &Session<'_>) -> Result<Self, Fault> {
        let addrs = &session.gateway.addrs;
        let server = BlockingLink::register(addrs.server, &addrs.key, server_id(0));
        let server =
            server.and_then(BlockingLink::into_link).map_err(|error| Fault::Open(LinkName::Server(0), error))?;
        let poller = Poller::new()?;
        poller.add(server.socket(), SERVER, Interest::READ)?;
        Ok(Self {
            started: Instant::now(),
            addrs: addrs.clone(),
            poller,
            server,
            inside: Vec::new(),
            leaving: Vec::new(),
            idle: VecDeque::new(),
            turn: 0,
            closing: false,
            cycles: 0,
            last: 0,
            stats: None,
        })
    }

    fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }

    /// A new player connects and dials.
    fn enter(&mut self, slot: u32) -> Result<(), Fault> {
        let (name, since) = (LinkName::Player(slot), self.now());
        self.turn = self.turn.wrapping_add(1);
        let mut link = BlockingLink::enter_from(self.turn, &self.addrs).map_err(|error| Fault::Open(name, error))?;
        let dial = Command::Dial { remote: server_id(0).get() };
        link.say(dial).map_err(|error| Fault::Link(name, error))?;
        let link = link.into_link()?;
        self.poller.add(link.socket(), slot.into(), Interest::READ)?;
        if self.inside.len() <= slot as usize {
            self.inside.resize_with(slot as usize + 1, || None);
        }
        if let Some(place) = self.inside.get_mut(slot as usize) {
            *place = Some(Visit { link, since });
        }
        Ok(())
    }

    fn turn_until(&mut self, until: u64, session: &Session<'_>) -> Result<(), Fault> {
        let (mut ready, mut scratch) = (Vec::new(), vec![0; 256 << 10]);
        while self.now() < until && !(self.closing && self.is_empty()) {
            if session.interrupted.load(Ordering::Relaxed) {
                return Err(Fault::Interrupted);
            }
            self.poller.wait(Some(Duration::from_millis(20)), &mut ready)?;
            for event in ready.drain(..) {
                match u32::try_from(event.token) {
                    Ok(slot) => self.leave(slot, &mut scratch)?,
                    Err(_) => self.hear(&mut scratch)?,
                }
            }
            self.refill()?;
            if self.now().saturating_sub(self.last) > nanos(session.settings.patience) {
                let waiting = self.leaving.len() + self.inside.iter().flatten().count();
                return Err(Fault::Other(format!(
                    "{waiting} players got no answer, or their server did not hear of their end"
                )));
            }
        }
        Ok(())
    }

    /// Goes on until it is known what the gateway has allocated.
    fn turn_until_read(&mut self, allocations: &mut Allocations<'_>, session: &Session<'_>) -> Result<(), Fault> {
        while !allocations.are_read()? {
            self.turn_until(self.now() + nanos(Duration::from_millis(1)), session)?;
        }
        Ok(())
    }

    /// Those whose cycle is over come again.
    fn refill(&mut self) -> Result<(), Fault> {
        while let Some(slot) = self.idle.pop_front().filter(|_| !self.closing) {
            self.enter(slot)?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.leaving.is_empty() && self.inside.iter().all(Option::is_none)
    }

    /// A player that was let in goes.
    fn leave(&mut self, slot: u32, scratch: &mut [u8]) -> Result<(), Fault> {
        let name = LinkName::Player(slot);
        let Some(place) = self.inside.get_mut(slot as usize) else { return Ok(()) };
        let Some(mut visit) = place.take() else { return Ok(()) };
        match commands(&mut visit.link, name, scratch)?.first() {
            None => *place = Some(visit),
            Some(Command::Accept { conn, .. }) => {
                self.leaving.push(Leaving { conn: *conn, slot, since: visit.since });
            }
            Some(Command::Refuse { remote }) => return Err(Fault::Refused(name, *remote)),
            Some(other) => return Err(Fault::Command(name, *other)),
        }
        Ok(())
    }

    /// The server hears of players that came and went.
    fn hear(&mut self, scratch: &mut [u8]) -> Result<(), Fault> {
        let name = LinkName::Server(0);
        for command in commands(&mut self.server, name, scratch)? {
            match command {
                Command::Connect { .. } => {}
                Command::Close { conn } => self.gone(conn),
                other => return Err(Fault::Command(name, other)),
            }
        }
        Ok(())
    }

    fn gone(&mut self, conn: ConnId) {
        let Some(at) = self.leaving.iter().position(|leaving| leaving.conn == conn) else { return };
        let Leaving { slot, since, .. } = self.leaving.remove(at);
        let now = self.now();
        self.last = now;
        self.cycles += 1;
        self.idle.push_back(slot);
        if let Some(stats) = &mut self.stats {
            stats.arrived(now, 0);
            stats.latency.saturating_record(now.saturating_sub(since));
        }
    }

    /// Lets everybody out and nobody in.
    fn close(&mut self, session: &Session<'_>) -> Result<(), Fault> {
        self.closing = true;
        self.idle.clear();
        self.turn_until(u64::MAX, session)
    }
}

/// One read; gives the commands that are whole then.
fn commands(link: &mut Link, name: LinkName, scratch: &mut [u8]) -> Result<Vec<Command>, Fault> {
    let count = link.fill(scratch).map_err(|error| Fault::Link(name, error))?.ok_or(Fault::Ended(name))?;
    let mut rest = scratch.get(..count).unwrap_or_default();
    let mut commands = Vec::new();
    while let Some((frame, behind)) = split_frame(rest, 1 << 20).map_err(|error| Fault::Frame(name, error))? {
        commands.push(Command::decode(frame.payload()).map_err(|error| Fault::Garbled(name, error))?);
        rest = behind;
    }
    link.keep(rest);
    Ok(commands)
}
