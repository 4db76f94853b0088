//! Lines over two axes: latency by percentile, throughput over time.

use super::scale::Scale;
use super::svg::{Anchor, COLOURS, Svg};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 26.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = HEIGHT - 44.0;

/// Width of a letter of a label, on average; for what has no layout of its own.
const LETTER: f64 = 6.8;

/// One gateway's lines, all of one colour.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) lines: Vec<Vec<(f64, f64)>>,
}

/// An axis with what it is called and how its values are written.
pub(super) struct Axis<'a> {
    pub(super) scale: Scale,
    pub(super) name: &'a str,
    pub(super) ticks: Vec<(f64, String)>,
}

impl<'a> Axis<'a> {
    pub(super) fn new(scale: Scale, name: &'a str, write: impl Fn(f64) -> String) -> Self {
        Self { scale, name, ticks: scale.ticks().into_iter().map(|tick| (tick, write(tick))).collect() }
    }
}

/// Draws all series over one pair of axes.
pub(super) fn draw(title: &str, x: &Axis<'_>, y: &Axis<'_>, series: &[Series]) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    svg.text((LEFT, 22.0), "title", Anchor::Start, title);
    legend(&mut svg, series);
    axes(&mut svg, x, y);
    let at = |(across, up): (f64, f64)| {
        let (across, up) = (x.scale.place(across).clamp(0.0, 1.0), y.scale.place(up).clamp(0.0, 1.0));
        (LEFT + across * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP))
    };
    for (index, series) in series.iter().enumerate() {
        let weight = if series.lines.len() > 1 { "thin" } else { "" };
        for line in &series.lines {
            let points: Vec<(f64, f64)> = line.iter().map(|point| at(*point)).collect();
            svg.path(&points, &format!("line {weight} s{}", index % COLOURS));
        }
    }
    svg.finish(title)
}

fn legend(svg: &mut Svg, series: &[Series]) {
    let mut x = LEFT;
    for (index, series) in series.iter().enumerate() {
        svg.line((x, 42.0), (x + 16.0, 42.0), &format!("line s{}", index % COLOURS));
        svg.text((x + 22.0, 46.0), "label", Anchor::Start, &series.name);
        let letters = u32::try_from(series.name.chars().count()).unwrap_or(u32::MAX);
        x += 22.0 + 18.0 + LETTER * f64::from(letters);
    }
}

fn axes(svg: &mut Svg, x: &Axis<'_>, y: &Axis<'_>) {
    for (value, text) in &y.ticks {
        let height = BOTTOM - y.scale.place(*value) * (BOTTOM - TOP);
        svg.line((LEFT, height), (RIGHT, height), "grid");
        svg.text((LEFT - 8.0, height + 4.0), "tick", Anchor::End, text);
    }
    for (value, text) in &x.ticks {
        let across = LEFT + x.scale.place(*value) * (RIGHT - LEFT);
        svg.line((across, BOTTOM), (across, BOTTOM + 4.0), "axis");
        svg.text((across, BOTTOM + 18.0), "tick", Anchor::Middle, text);
    }
    svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis");
    svg.text((RIGHT, HEIGHT - 8.0), "note", Anchor::End, x.name);
    svg.text((RIGHT, 22.0), "note", Anchor::End, y.name);
}
