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

/// The least distance between two labels beside each other.
const GAP: f64 = 10.0;
const ROW: f64 = 18.0;

/// One gateway's lines, all of one colour.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) dashed: bool,
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
    let places = legend_places(series);
    // Further rows of the legend push the plot down.
    let rows = places.last().map_or(0.0, |(_, row)| *row);
    let mut svg = Svg::new(WIDTH, HEIGHT + rows * ROW);
    svg.text((LEFT, 22.0), "title", Anchor::Start, title);
    svg.text((RIGHT, 22.0), "note", Anchor::End, y.name);
    for (series, (x, row)) in series.iter().zip(&places) {
        let y = 42.0 + row * ROW;
        svg.line((*x, y), (x + 16.0, y), &series.class());
        svg.text((x + 22.0, y + 4.0), "label", Anchor::Start, &series.name);
    }
    let frame = Frame { top: TOP + rows * ROW, bottom: BOTTOM + rows * ROW };
    axes(&mut svg, frame, x, y);
    let at = |(across, up): (f64, f64)| {
        let (across, up) = (x.scale.place(across).clamp(0.0, 1.0), y.scale.place(up).clamp(0.0, 1.0));
        (LEFT + across * (RIGHT - LEFT), frame.bottom - up * (frame.bottom - frame.top))
    };
    for series in series {
        let weight = if series.lines.len() > 1 { " thin" } else { "" };
        for line in &series.lines {
            let points: Vec<(f64, f64)> = line.iter().map(|point| at(*point)).collect();
            svg.path(&points, &format!("{}{weight}", series.class()));
        }
    }
    svg.finish(title)
}

impl Series {
    fn class(&self) -> String {
        format!("line{} s{}", if self.dashed { " dashed" } else { "" }, self.colour % COLOURS)
    }
}

/// Where the lines are drawn, up and down.
#[derive(Clone, Copy, Debug)]
struct Frame {
    top: f64,
    bottom: f64,
}

/// Where each entry of the legend begins, and in which row.
fn legend_places(series: &[Series]) -> Vec<(f64, f64)> {
    let (mut x, mut row) = (LEFT, 0.0);
    let place = |series: &Series| {
        let width = 22.0 + width(&series.name);
        if x > LEFT && x + width > WIDTH {
            (x, row) = (LEFT, row + 1.0);
        }
        let place = (x, row);
        x += width + 18.0;
        place
    };
    series.iter().map(place).collect()
}

/// How wide a label is, about.
fn width(text: &str) -> f64 {
    LETTER * f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

/// The ticks for whose labels there is room, the last ones first: beyond the half, percentiles matter more.
fn roomy<'a>(ticks: &'a [(f64, String)], at: impl Fn(f64) -> f64) -> Vec<(f64, &'a str)> {
    let mut end = f64::INFINITY;
    let fits = |(value, text): &'a (f64, String)| {
        let (place, half) = (at(*value), width(text) / 2.0);
        if place + half + GAP > end {
            return None;
        }
        end = place - half;
        Some((place, text.as_str()))
    };
    ticks.iter().rev().filter_map(fits).collect()
}

fn axes(svg: &mut Svg, Frame { top, bottom }: Frame, x: &Axis<'_>, y: &Axis<'_>) {
    for (value, text) in &y.ticks {
        let height = bottom - y.scale.place(*value) * (bottom - top);
        svg.line((LEFT, height), (RIGHT, height), "grid");
        svg.text((LEFT - 8.0, height + 4.0), "tick", Anchor::End, text);
    }
    for (across, text) in roomy(&x.ticks, |value| LEFT + x.scale.place(value) * (RIGHT - LEFT)) {
        svg.line((across, bottom), (across, bottom + 4.0), "axis");
        svg.text((across, bottom + 18.0), "tick", Anchor::Middle, text);
    }
    svg.line((LEFT, bottom), (RIGHT, bottom), "axis");
    svg.text((RIGHT, bottom + HEIGHT - BOTTOM - 8.0), "note", Anchor::End, x.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_touch_are_left_out() {
        let ticks = [(0.0, "0 %"), (0.301, "50 %"), (1.0, "90 %"), (4.0, "99.99 %")];
        let ticks = ticks.map(|(value, text)| (value, text.to_owned()));
        let shown =
            |pixels: f64| roomy(&ticks, |value| value * pixels).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(shown(97.5), ["99.99 %", "90 %", "50 %"]);
        assert_eq!(shown(200.0), ["99.99 %", "90 %", "50 %", "0 %"]);
    }

    #[test]
    fn a_legend_that_is_too_long_goes_on_below() {
        let series = |name: &str| Series { name: name.to_owned(), colour: 0, dashed: false, lines: Vec::new() };
        let names = ["a gateway with a long name alone", "a gateway with a long name beside it", "short"];
        let rows: Vec<f64> = legend_places(&names.map(series)).into_iter().map(|(_, row)| row).collect();
        assert_eq!(rows, [0.0, 1.0, 1.0]);
    }
}
