//! The known flag that was probably meant.

/// Longest name that a suggestion is looked for: the search takes the product of two lengths.
const MAX_NAME_BYTES: usize = 64;

/// The candidate nearest to `name`, if it is near enough to be what was meant.
///
/// Both sides are folded names (see `normalize`), each candidate with what it stands for.
pub(crate) fn nearest<T>(name: &str, candidates: impl Iterator<Item = (String, T)>) -> Option<T> {
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    // One slip in three letters: enough for a lost or doubled letter and for swapped ones, too
    // little to turn one word into another.
    let limit = (name.chars().count() / 3).min(3);
    candidates
        .map(|(known, meaning)| (distance(name, &known), meaning))
        .filter(|(slips, _)| *slips <= limit)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, meaning)| meaning)
}

/// How many letters must be put in, left out or replaced to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, letter_a) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, letter_b) in cells.zip(b.chars()) {
            let replaced = diagonal + usize::from(letter_a != letter_b);
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nearest_of<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
        nearest(name, known.iter().map(|known| (String::from(*known), *known)))
    }

    #[test]
    fn slips_of_the_finger_are_understood() {
        let known = ["clientaddr", "serveraddr", "workers"];
        for name in ["clientadr", "cilentaddr", "clientaddrs", "clientaddress"] {
            assert_eq!(nearest_of(name, &known), Some("clientaddr"), "{name}");
        }
        assert_eq!(nearest_of("worker", &known), Some("workers"));
    }

    #[test]
    fn other_words_are_not() {
        let known = ["clientaddr", "name", "workers"];
        for name in ["", "x", "port", "verbose", "addr"] {
            assert_eq!(nearest_of(name, &known), None, "{name}");
        }
        assert_eq!(nearest_of(&"workers".repeat(100_000), &known), None);
    }

    #[test]
    fn distances() {
        for (a, b, slips) in [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(distance(a, b), slips, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_for_equals(a in "[a-d]{0,8}", b in "[a-d]{0,8}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
        }
    }
}
