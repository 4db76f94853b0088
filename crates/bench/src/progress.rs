//! The line that shows a run while it goes on, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::load::Stats;
use crate::outcome::{float, micros};

/// The line is not drawn more often.
const REDRAW: Duration = Duration::from_millis(200);

/// Drawn on stderr, so that stdout holds results alone.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    label: String,
    begun: Instant,
    drawn: Option<Drawn>,
}

/// What the rate is measured from.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    at: Instant,
    frames: u64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        Self { terminal, label: String::new(), begun: Instant::now(), drawn: None }
    }

    pub(crate) fn begin(&mut self, work: &str, gateway: &str) {
        self.label = format!("{work} · {gateway}");
        self.begun = Instant::now();
        self.drawn = None;
    }

    /// Draws the state, if it is time to.
    pub(crate) fn show(&mut self, stats: Option<&Stats>) {
        let now = Instant::now();
        if !self.terminal || self.drawn.is_some_and(|drawn| now - drawn.at < REDRAW) {
            return;
        }
        let frames = stats.map_or(0, |stats| stats.frames);
        let elapsed = self.begun.elapsed().as_secs_f64();
        let line = match (stats, self.drawn) {
            (Some(stats), Some(before)) if before.frames > 0 && frames >= before.frames => {
                let rate = float(frames - before.frames) / (now - before.at).as_secs_f64();
                let at = |quantile| micros(stats.latency.value_at_quantile(quantile));
                format!("{elapsed:.1} s  {rate:.0} frames/s  p50 {:.0} µs  p99 {:.0} µs", at(0.5), at(0.99))
            }
            (Some(_), _) => format!("{elapsed:.1} s  recording"),
            (None, _) => format!("{elapsed:.1} s"),
        };
        self.drawn = Some(Drawn { at: now, frames });
        draw(&format!("\r\x1b[K{}  {line}", self.label));
    }

    /// Takes the line away.
    pub(crate) fn end(&mut self) {
        if self.terminal && self.drawn.take().is_some() {
            draw("\r\x1b[K");
        }
    }
}

/// Nothing is lost when nobody reads it.
fn draw(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
