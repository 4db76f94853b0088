//! From values to places on an axis, and the values that the axis shows.

/// An axis from its beginning (0) to its end (1).
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    Linear {
        from: f64,
        to: f64,
    },
    /// Equal ratios are equally far.
    Log {
        from: f64,
        to: f64,
    },
}

impl Scale {
    /// From 0 to a round number not below `most`.
    pub(super) fn from_zero(most: f64) -> Self {
        let step = step(most);
        Self::Linear { from: 0.0, to: ((most / step).ceil() * step).max(step) }
    }

    /// From a round number not above `least` to one not below `most`; both above 0.
    pub(super) fn log(least: f64, most: f64) -> Self {
        let ticks = || (-9..12).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)));
        let from = ticks().rfind(|tick| *tick <= least).unwrap_or(least);
        let to = ticks().find(|tick| *tick >= most && *tick > from).unwrap_or(most);
        Self::Log { from, to }
    }

    /// Where `value` stands, from 0 to 1 as long as it is on the axis.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear { from, to } => (value - from) / (to - from),
            Self::Log { from, to } => (value.max(from) / from).log10() / (to / from).log10(),
        }
    }

    /// Round values along the axis.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { from, to } => {
                let step = step(to - from);
                (0..=20)
                    .map(|count| from + f64::from(count) * step)
                    .take_while(|tick| *tick <= to * 1.000_001)
                    .collect()
            }
            Self::Log { from, to } => {
                let digits: &[f64] = if to / from > 1e3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
                let ticks = (-9..12).flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)));
                ticks.filter(|tick| (from * 0.999..=to * 1.001).contains(tick)).collect()
            }
        }
    }
}

/// The round distance that divides a span into some five parts.
fn step(span: f64) -> f64 {
    if span <= 0.0 || !span.is_finite() {
        return 1.0;
    }
    let rough = span / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * power >= rough).unwrap_or(10.0);
    digit * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_from_zero_ends_at_a_round_number() {
        let scale = Scale::from_zero(94_513.0);
        assert_eq!(scale.ticks(), [0.0, 20_000.0, 40_000.0, 60_000.0, 80_000.0, 100_000.0]);
        assert!((scale.place(50_000.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn equal_ratios_are_equally_far() {
        let scale = Scale::log(12.0, 900.0);
        assert_eq!(scale.ticks(), [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
        assert!((scale.place(100.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn nothing_breaks_where_there_is_nothing_to_show() {
        assert!(!Scale::from_zero(0.0).ticks().is_empty());
        assert!(Scale::log(5.0, 5.0).place(5.0).is_finite());
    }
}
