//! The loop that carries a run from its warm-up to its last frame.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastway_wire::split_frame;

use super::clock::{Clock, nanos, thread_cpu};
use super::connections::Connections;
use super::fault::Fault;
use super::link::Link;
use super::net::Net;
use super::pattern::Pattern;
use super::setup::Setup;
use super::stats::Stats;
use super::table::Key;
use super::traffic::{Sender, Traffic};
use crate::poller::Ready;

/// Longest frame taken from a gateway, as `len` of the wire.
const MAX_PACKET: u32 = 1 << 20;
/// One read brings up to this much.
const READ_BYTES: usize = 256 << 10;

/// How often the watcher is shown the state.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is asked whether it is done with a border.
const BORDER: Duration = Duration::from_millis(1);

/// How a run is conducted.
#[derive(Clone, Debug)]
pub(crate) struct Conduct {
    /// Load that is not recorded.
    pub(crate) warmup: Duration,
    /// The recorded parts, one after the other.
    pub(crate) parts: Vec<Duration>,
    /// How long frames may be under way without one that arrives.
    pub(crate) patience: Duration,
    /// What the generator's own lag may be, for all messages but one in a hundred.
    pub(crate) max_lag: Duration,
    /// Whether the generator asks for events again and again instead of sleeping until there are some.
    pub(crate) spin: bool,
    pub(crate) seed: u64,
}

/// Sees a run from outside.
pub(crate) trait Watch {
    /// Whether a border is passed: the end of the warm-up, or that of a part. Until then it is asked again, and the load
    /// goes on unrecorded.
    fn is_past_border(&mut self) -> Result<bool, Fault>;
    /// A recorded part begins.
    fn part_begins(&mut self, part: usize) -> Result<(), Fault>;
    /// A recorded part ends.
    fn part_ends(&mut self, part: usize) -> Result<(), Fault>;
    /// Called some times a second with what was counted in the part that runs.
    fn look(&mut self, stats: Option<&Stats>) -> Result<(), Fault>;
}

/// A recorded part of a run.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) stats: Stats,
    /// Share of its time that the generator had something to do.
    pub(crate) busy: f64,
}

/// Runs `traffic` over what was set up.
pub(crate) fn run(
    setup: Setup,
    traffic: Traffic,
    conduct: &Conduct,
    watch: &mut dyn Watch,
    interrupted: &AtomicBool,
) -> Result<Vec<Part>, Fault> {
    let pattern = Pattern::new(conduct.seed, traffic.longest() as usize);
    let mut net = Net::new(setup.players, setup.servers)?;
    let mut connections = Connections::new(&net, &setup.connections, pattern);
    let clock = Clock::start();
    let now = clock.now();
    let sender = Sender::start(traffic, now, &mut connections, &mut net);
    let parts = Parts::new(conduct);
    let mut run = Run { net, connections, clock, sender, parts, last_arrival: now, next_look: 0 };
    run.carry(conduct, watch, interrupted)?;
    run.finish(conduct)
}

struct Run {
    net: Net,
    connections: Connections,
    clock: Clock,
    sender: Sender,
    parts: Parts,
    /// When a frame arrived last, or none was under way.
    last_arrival: u64,
    next_look: u64,
}

impl Run {
    fn carry(&mut self, conduct: &Conduct, watch: &mut dyn Watch, interrupted: &AtomicBool) -> Result<(), Fault> {
        let mut scratch = vec![0; MAX_PACKET as usize + READ_BYTES];
        let mut ready = Vec::new();
        while !(self.sender.is_stopped() && self.connections.under_way() == 0) {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Fault::Interrupted);
            }
            let now = self.clock.now();
            self.keep_time(now, watch)?;
            self.sender.send_due(now, &mut self.connections, &mut self.net, self.parts.running());
            self.net.flush()?;
            let waiting = self.clock.now();
            let time = if conduct.spin { Duration::ZERO } else { self.time_to_wait(waiting) };
            self.net.wait(time, &mut ready)?;
            // Only if nothing waits to be read: the generator itself may have been held up.
            if ready.is_empty() {
                let now = self.clock.now();
                self.parts.idle(conduct.spin, now - waiting);
                self.lose_patience(now, conduct)?;
            }
            for event in ready.drain(..) {
                self.receive(event, &mut scratch)?;
            }
        }
        self.connections.end(&self.net)
    }

    /// Goes on to the next part, and shows the state, when the time has come.
    fn keep_time(&mut self, now: u64, watch: &mut dyn Watch) -> Result<(), Fault> {
        if now >= self.parts.until && !self.sender.is_stopped() {
            self.parts.advance(now, watch)?;
            if self.parts.over {
                self.sender.stop();
            }
        }
        if now >= self.next_look {
            self.next_look = now + nanos(LOOK);
            watch.look(self.parts.running().as_deref())?;
        }
        if self.connections.under_way() == 0 {
            self.last_arrival = now;
        }
        Ok(())
    }

    /// Nothing came in time: whatever is under way is missing.
    fn lose_patience(&self, now: u64, conduct: &Conduct) -> Result<(), Fault> {
        let idle = now.saturating_sub(self.last_arrival);
        match self.connections.under_way() > 0 && idle > nanos(conduct.patience) {
            true => self.connections.end(&self.net),
            false => Ok(()),
        }
    }

    fn time_to_wait(&self, now: u64) -> Duration {
        let next = self.sender.next_due().unwrap_or(u64::MAX).min(self.next_look);
        let next = if self.sender.is_stopped() { next } else { next.min(self.parts.until) };
        Duration::from_nanos(next.saturating_sub(now))
    }

    fn receive(&mut self, event: Ready, scratch: &mut [u8]) -> Result<(), Fault> {
        let Some(link) = self.net.readable(event)? else { return Ok(()) };
        let mut rest = self.net.fill(link, scratch)?;
        let now = self.clock.now();
        while let Some((frame, behind)) =
            split_frame(rest, MAX_PACKET).map_err(|error| Fault::Frame(self.net.name(link), error))?
        {
            self.take(now, link, frame)?;
            rest = behind;
        }
        self.net.keep(link, rest);
        Ok(())
    }

    #[inline]
    fn take(&mut self, now: u64, link: Key<Link>, frame: fastway_wire::Frame<'_>) -> Result<(), Fault> {
        if frame.conn().is_command() {
            return Connections::command(&self.net, link, frame);
        }
        let arrival = self.connections.arrived(&self.net, link, frame)?;
        self.last_arrival = now;
        if let Some(stats) = self.parts.running() {
            stats.arrived(now, frame.payload().len());
        }
        if let Some(since) = self.sender.arrived(now, arrival, &mut self.connections, &mut self.net) {
            self.parts.record(since, now);
        }
        Ok(())
    }

    fn finish(self, conduct: &Conduct) -> Result<Vec<Part>, Fault> {
        for part in &self.parts.done {
            let lag = Duration::from_nanos(part.stats.lag.value_at_quantile(0.99));
            if !part.stats.lag.is_empty() && lag > conduct.max_lag {
                return Err(Fault::Lag { lag, bound: conduct.max_lag });
            }
        }
        Ok(self.parts.done)
    }
}

/// Warm-up, then the recorded parts, then nothing is sent any more.
struct Parts {
    ahead: Vec<Duration>,
    done: Vec<Part>,
    /// The part that is recorded now, and the generator's CPU time when it began.
    current: Option<(Stats, Duration)>,
    /// Time of the current part, in nanoseconds, in which the generator asked for events and there were none.
    spun: u64,
    /// When the current part, or the warm-up, is over; at a border, when it is looked at again.
    until: u64,
    /// Whether the last border is passed.
    over: bool,
}

impl Parts {
    fn new(conduct: &Conduct) -> Self {
        let (ahead, until) = (conduct.parts.clone(), nanos(conduct.warmup));
        Self { ahead, done: Vec::new(), current: None, spun: 0, until, over: false }
    }

    fn running(&mut self) -> Option<&mut Stats> {
        self.current.as_mut().map(|(stats, _)| stats)
    }

    /// Notes a wait in which nothing came; one that slept took no CPU time.
    fn idle(&mut self, spin: bool, time: u64) {
        if spin {
            self.spun += time;
        }
    }

    fn advance(&mut self, now: u64, watch: &mut dyn Watch) -> Result<(), Fault> {
        if let Some((mut stats, cpu)) = self.current.take() {
            watch.part_ends(self.done.len())?;
            stats.span.1 = now;
            let worked = thread_cpu().saturating_sub(cpu).saturating_sub(Duration::from_nanos(self.spun));
            let busy = worked.as_secs_f64() / stats.time().as_secs_f64();
            self.done.push(Part { stats, busy });
        }
        if !watch.is_past_border()? {
            self.until = now + nanos(BORDER);
        } else if self.ahead.is_empty() {
            self.over = true;
        } else {
            let time = self.ahead.remove(0);
            self.until = now + nanos(time);
            watch.part_begins(self.done.len())?;
            self.current = Some((Stats::new(now, self.until), thread_cpu()));
            self.spun = 0;
        }
        Ok(())
    }

    /// Records a latency in the part in which the message was to be sent, though it may be over by now.
    #[inline]
    fn record(&mut self, since: u64, now: u64) {
        let current = self.current.as_mut().map(|(stats, _)| stats);
        let done = self.done.iter_mut().rev().map(|part| &mut part.stats);
        if let Some(stats) = current.into_iter().chain(done).find(|stats| stats.covers(since)) {
            stats.latency.saturating_record(now - since);
        }
    }
}
