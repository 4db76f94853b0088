//! One bar for each gateway, with a dot for each round.

use super::scale::Scale;
use super::svg::{Anchor, COLOURS, Svg};
use crate::report::table::number;

const WIDTH: f64 = 480.0;
const LEFT: f64 = 20.0;
/// Right of the longest bar there is room for its figure.
const RIGHT: f64 = WIDTH - 110.0;
const TOP: f64 = 40.0;
const ROW: f64 = 52.0;
const THICK: f64 = 20.0;

/// A gateway's median and the rounds that it comes from.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) median: f64,
    pub(super) rounds: Vec<f64>,
    /// To the first bar.
    pub(super) ratio: Option<f64>,
}

/// Draws the bars; less is better. `note` says what a bar and a dot are.
pub(super) fn draw(title: &str, unit: &str, note: &str, bars: &[Bar]) -> String {
    let rows = u32::try_from(bars.len()).unwrap_or(u32::MAX);
    let mut svg = Svg::new(WIDTH, TOP + ROW * f64::from(rows) + 22.0);
    svg.text((LEFT, 22.0), "title", Anchor::Start, title);
    svg.text((WIDTH - 16.0, 22.0), "note", Anchor::End, &format!("{unit}, less is better"));
    let most = bars.iter().flat_map(|bar| bar.rounds.iter().chain([&bar.median])).copied().fold(0.0, f64::max);
    let scale = Scale::from_zero(most);
    let at = |value: f64| LEFT + scale.place(value).max(0.0) * (RIGHT - LEFT);
    let mut y = TOP;
    for bar in bars {
        svg.text((LEFT, y + 14.0), "label", Anchor::Start, &bar.name);
        let (top, middle) = (y + 20.0, y + 20.0 + THICK / 2.0);
        let figure = format!("{} {unit}", number(bar.median));
        let class = format!("f{}", bar.colour % COLOURS);
        svg.bar((LEFT, top), ((at(bar.median) - LEFT).max(1.0), THICK), &class, &format!("{}: {figure}", bar.name));
        bar.rounds.iter().for_each(|round| svg.dot((at(*round), middle), "dot"));
        let end = bar.rounds.iter().copied().fold(bar.median, f64::max);
        let ratio = bar.ratio.map(|ratio| format!("  ×{ratio:.2}")).unwrap_or_default();
        svg.text((at(end) + 10.0, middle + 4.0), "label", Anchor::Start, &format!("{}{ratio}", number(bar.median)));
        y += ROW;
    }
    svg.text((LEFT, y + 12.0), "note", Anchor::Start, note);
    svg.finish(title)
}
