//! `idle`: what a link costs that does nothing.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastway_wire::Command;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::load::{Fault, LinkName, Setup};
use crate::outcome::{Process, float};
use crate::session::{Findings, Session};
use crate::target::Usage;

/// How long the gateway's memory has to stay as it is to be taken for settled.
const CALM: Duration = Duration::from_millis(200);
/// How long that may take.
const SETTLE: Duration = Duration::from_secs(5);

/// Resident bytes of the gateway for each link that is opened and then left alone.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) links: u32,
    /// On each link; with none, the links never send a byte.
    pub(crate) connections: u32,
}

impl Idle {
    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        let addrs = &session.gateway.addrs;
        let mut setup = Setup::default();
        if self.connections > 0 {
            setup.add_server(addrs, 0)?;
        }
        // What the first link costs once is not a link's cost.
        let first = self.open_one(&mut setup, &session)?;
        served(&mut setup, first)?;
        let started = Instant::now();
        let before = settled(&session)?;
        let mut last = first;
        for _ in 0..self.links {
            if session.interrupted.load(Ordering::Relaxed) {
                return Err(Fault::Interrupted);
            }
            last = self.open_one(&mut setup, &session)?;
            session.progress.show(None);
        }
        served(&mut setup, last)?;
        let after = settled(&session)?;
        Ok(Findings {
            seconds: started.elapsed().as_secs_f64(),
            process: Some(Process::between(&before, &after)),
            details: self.details(&before, &after),
            ..Findings::default()
        })
    }

    fn open_one(&self, setup: &mut Setup, session: &Session<'_>) -> Result<u32, Fault> {
        let player = setup.add_player(&session.gateway.addrs)?;
        for _ in 0..self.connections {
            setup.dial(player)?;
        }
        Ok(player)
    }

    fn details(&self, before: &Usage, after: &Usage) -> Map<String, Value> {
        let grown = float(after.resident_bytes) - float(before.resident_bytes);
        let per_link = (grown / f64::from(self.links)).round();
        let details = [
            ("resident_bytes_before", json!(before.resident_bytes)),
            ("resident_bytes_after", json!(after.resident_bytes)),
            ("bytes_per_link", json!(per_link)),
        ];
        details.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
    }
}

/// Links are accepted in order, so when the newest is answered, all are in.
fn served(setup: &mut Setup, player: u32) -> Result<(), Fault> {
    let name = LinkName::Player(player);
    let link = setup.players.get_mut(player as usize).ok_or(Fault::Ended(name))?;
    let answer = link.say(Command::Ping).and_then(|()| link.hear()).map_err(|error| Fault::Link(name, error))?;
    match answer {
        Command::Ping => Ok(()),
        other => Err(Fault::Command(name, other)),
    }
}

/// The gateway's process once its memory does not change any more.
fn settled(session: &Session<'_>) -> Result<Usage, Fault> {
    let usage = || {
        let usage = session.gateway.usage()?;
        usage
            .ok_or_else(|| Fault::Other("idle measures the gateway's process: give its --pid, or --gateway".to_owned()))
    };
    let until = Instant::now() + SETTLE;
    let mut last = (usage()?, Instant::now());
    while last.1.elapsed() < CALM && Instant::now() < until {
        sleep(Duration::from_millis(10));
        let now = usage()?;
        if now.resident_bytes != last.0.resident_bytes {
            last = (now, Instant::now());
        }
    }
    usage()
}
