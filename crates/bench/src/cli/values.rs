//! The values that flags take.

use std::str::FromStr;
use std::time::Duration;

/// Bytes: `64`, `32K`, `1M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u32);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [('K', 1 << 10), ('M', 1 << 20)];
        let unit =
            units.iter().find_map(|(name, unit)| Some((text.strip_suffix([*name, name.to_ascii_lowercase()])?, *unit)));
        let (digits, unit) = unit.unwrap_or((text, 1));
        let bytes = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| "give bytes, as in 64, 32K or 1M".to_owned())
    }
}

/// A span of time: `3s`, `500ms`, `2m`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
        let unit = units.iter().find_map(|(name, seconds)| Some((text.strip_suffix(name)?, *seconds)));
        let (number, unit) = unit.unwrap_or((text, 1.0));
        let seconds = number.parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number * unit).ok());
        seconds.map(Self).ok_or_else(|| "give a time, as in 3s, 500ms or 2m".to_owned())
    }
}

/// Messages a second: a number above 0, or `max` for as fast as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MaybeRate(pub(super) Option<f64>);

impl FromStr for MaybeRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self(None)),
            _ => text.parse().map(|Rate(rate)| Self(Some(rate))).map_err(|accepted| format!("{accepted}, or max")),
        }
    }
}

/// Something a second: a number above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(pub(super) f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
        rate.map(Self).ok_or_else(|| "give a number above 0".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, bytes) in [("64", 64), ("32K", 32 << 10), ("1m", 1 << 20)] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
        for text in ["", "K", "1G", "-1", "5000M"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units_and_are_seconds_without() {
        for (text, millis) in [("3", 3000), ("0.5", 500), ("3s", 3000), ("250ms", 250), ("2m", 120_000)] {
            assert_eq!(text.parse(), Ok(Time(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "s", "-1s", "1h", "nan"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_above_zero() {
        assert_eq!("2.5".parse(), Ok(Rate(2.5)));
        assert_eq!("max".parse(), Ok(MaybeRate(None)));
        for text in ["0", "-1", "inf", "x"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
