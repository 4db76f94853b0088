//! What the tour shows while it runs, and at its end.

use std::convert::Infallible;
use std::fmt;
use std::io::{IsTerminal, Write, stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::interval_at;

/// How often the line on a terminal is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// How often a line is printed where there is no terminal, and what the rate is measured over.
const SECOND: Duration = Duration::from_secs(1);

/// What was opened, and what was compared so far. Links and connections all stay until the last message was compared.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) links: Count,
    pub(crate) connections: Count,
    pub(crate) messages: Count,
    pub(crate) bytes: Count,
    /// How often a player whose connection was gone came back.
    pub(crate) resumes: Count,
    /// How long a player waited for a message, at most.
    pub(crate) longest_wait: Longest,
}

/// One count.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The longest of some times.
#[derive(Debug, Default)]
pub(crate) struct Longest(AtomicU64);

impl Longest {
    pub(crate) fn reach(&self, time: Duration) {
        self.0.fetch_max(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// The live line: drawn over and over on a terminal, printed once a second elsewhere.
#[derive(Debug)]
pub(crate) struct Display<'a> {
    counts: &'a Counts,
    terminal: bool,
    /// When the rate was last measured, and the messages then.
    measured: (Instant, u64),
    rate: u64,
}

impl<'a> Display<'a> {
    pub(crate) fn new(counts: &'a Counts) -> Self {
        Self { counts, terminal: stdout().is_terminal(), measured: (Instant::now(), 0), rate: 0 }
    }

    /// Shows the counts until it is dropped.
    pub(crate) async fn run(&mut self) -> Infallible {
        let period = if self.terminal { REDRAW } else { SECOND };
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        loop {
            ticks.tick().await;
            self.measure(SECOND);
            self.draw();
        }
    }

    /// Shows the last counts and leaves the line.
    pub(crate) fn finish(&mut self) {
        if self.rate == 0 {
            self.measure(Duration::ZERO);
        }
        self.draw();
        if self.terminal {
            print_now("\n");
        }
    }

    /// Takes the rate anew if the last time was `period` ago.
    fn measure(&mut self, period: Duration) {
        let (since, before) = self.measured;
        let (now, messages) = (Instant::now(), self.counts.messages.get());
        // A tick comes a little early now and then.
        if now - since + REDRAW / 2 >= period {
            self.rate = per_second(messages - before, now - since);
            self.measured = (now, messages);
        }
    }

    fn draw(&self) {
        let Counts { links, connections, messages, .. } = self.counts;
        let [links, connections, messages] = [links, connections, messages].map(|count| Grouped(count.get()));
        let mut line =
            format!("{links} links  {connections} connections  {messages} messages  {}/s", Grouped(self.rate));
        match self.counts.resumes.get() {
            0 => {}
            resumes => line += &format!("  {} resumed", Grouped(resumes)),
        }
        match self.terminal {
            true => print_now(&format!("\r\x1b[K{line}")),
            false => print_now(&format!("{line}\n")),
        }
    }
}

/// Prints to stdout; nothing is lost when nobody reads it.
pub(crate) fn print_now(text: &str) {
    let mut stdout = stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// How many there were in a second.
pub(crate) fn per_second(count: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(count) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// A number with commas, as in 1,000.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 1000 {
            0 => write!(f, "{}", self.0),
            thousands => write!(f, "{},{:03}", Self(thousands), self.0 % 1000),
        }
    }
}
