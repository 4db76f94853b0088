//! Spans of time as Go's `time.ParseDuration` reads them, without the negative ones.

use std::time::Duration;

/// What Go can hold, about 292 years; so that a deadline this far ahead can be counted with.
const MAX_NANOS: u64 = i64::MAX as u64;

/// Units in nanoseconds. Of those with one beginning, the longer stands first. The two signs for
/// micro look the same and both are in use.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3600 * 1_000_000_000),
];

/// Reads `1h30m`, `1.5s`, `500ms`, `0`: numbers, each with a unit; only zero may go without. A `+` may stand in front.
/// `None` if the text is anything else or longer than Go could hold.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut nanos, mut rest) = part(text)?;
    while !rest.is_empty() {
        let (more, behind) = part(rest)?;
        nanos = nanos.checked_add(more)?;
        rest = behind;
    }
    (nanos <= MAX_NANOS).then(|| Duration::from_nanos(nanos))
}

/// One number with its unit, in nanoseconds, and what stands behind it.
fn part(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = UNITS.iter().find_map(|(name, nanos)| Some((*nanos, rest.strip_prefix(name)?)))?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((whole.checked_mul(unit)?.checked_add(fraction_of(fraction, unit))?, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// `0.fraction * unit`, rounded down. Digits that weigh less than a nanosecond change nothing.
fn fraction_of(fraction: &str, unit: u64) -> u64 {
    let (mut sum, mut scale) = (0_u64, 1_u64);
    for digit in fraction.bytes().take(15) {
        sum = sum * 10 + u64::from(digit - b'0');
        scale *= 10;
    }
    let nanos = u128::from(sum) * u128::from(unit) / u128::from(scale);
    u64::try_from(nanos).unwrap_or(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("0", Duration::ZERO),
            ("0s", Duration::ZERO),
            ("+0", Duration::ZERO),
            ("+1s", Duration::from_secs(1)),
            ("30s", Duration::from_secs(30)),
            ("1m30s", Duration::from_secs(90)),
            ("500ms", Duration::from_millis(500)),
            ("1.5h", Duration::from_secs(5400)),
            ("2us", Duration::from_micros(2)),
            ("2µs", Duration::from_micros(2)),
            ("2μs", Duration::from_micros(2)),
            ("100ns", Duration::from_nanos(100)),
            (".5s", Duration::from_millis(500)),
            ("1.s", Duration::from_secs(1)),
            ("1h2m3s4ms5us6ns", Duration::from_nanos(3_723_004_005_006)),
            ("1s1s", Duration::from_secs(2)),
            ("0.9999999999999999999999ns", Duration::ZERO),
            ("1.000000001s", Duration::from_nanos(1_000_000_001)),
            ("007s", Duration::from_secs(7)),
            ("2562047h", Duration::from_secs(2_562_047 * 3600)),
            ("9223372036854775807ns", Duration::from_nanos(MAX_NANOS)),
        ];
        for (text, duration) in cases {
            assert_eq!(parse(text), Some(duration), "{text}");
        }
    }

    #[test]
    fn not_durations() {
        let cases = [
            "",
            "30",
            "00",
            "s",
            ".s",
            ".",
            "-1s",
            "+",
            "++1s",
            "+-1s",
            "-0",
            "1 s",
            " 1s",
            "1s ",
            "1S",
            "1d",
            "1w",
            "1.5.5s",
            "1e3s",
            "1sm",
            "1s30",
            "ms500",
            "１s",
            "2562048h",
            "9223372036854775808ns",
            "18446744073709551616ns",
            "9223372036854775807ns1ns",
            "99999999999999999999999999h",
            "18446744073709551615h",
        ];
        for text in cases {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_sum_of_its_parts(h in 0..1_000_000_u64, m in 0..100_000_u64, s in 0..100_000_u64, ms in 0..100_000_u64) {
            let text = format!("{h}h{m}m{s}s{ms}ms");
            let millis = ((h * 60 + m) * 60 + s) * 1000 + ms;
            prop_assert_eq!(parse(&text), Some(Duration::from_millis(millis)));
        }

        #[test]
        fn a_fraction_is_exact_to_the_nanosecond(nanos in 0..10_000_000_000_u64) {
            let text = format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000);
            prop_assert_eq!(parse(&text), Some(Duration::from_nanos(nanos)));
        }

        #[test]
        fn no_text_is_too_odd(text in any::<String>(), near in "[0-9.µmnush-]{0,40}") {
            let _ = (parse(&text), parse(&near));
        }
    }
}
