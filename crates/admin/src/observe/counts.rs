//! Counts with their labels, and distributions.

/// Counts by label, in the order of their display.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedCounts(Vec<(&'static str, u64)>);

/// A distribution of sizes, as cumulative counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Each bound, with the number of sizes up to it.
    pub cumulative: Vec<(u64, u64)>,
    /// Number of sizes.
    pub count: u64,
    /// Sum of all sizes.
    pub sum: u64,
}

impl NamedCounts {
    /// Each label and its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }

    /// The count of a label; 0 if there is none.
    pub fn of(&self, label: &str) -> u64 {
        self.iter().find(|(known, _)| *known == label).map_or(0, |(_, count)| count)
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// Adds `times` to the count of a label.
    pub fn add(&mut self, label: &'static str, times: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += times,
            None => self.0.push((label, times)),
        }
    }
}

impl FromIterator<(&'static str, u64)> for NamedCounts {
    fn from_iter<T: IntoIterator<Item = (&'static str, u64)>>(counts: T) -> Self {
        Self(counts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_the_order_in_which_they_are_shown() {
        let mut counts: NamedCounts = [("kicked", 2), ("bad_bytes", 0)].into_iter().collect();
        counts.add("bad_bytes", 3);
        counts.add("idle", 1);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [("kicked", 2), ("bad_bytes", 3), ("idle", 1)]);
        assert_eq!((counts.of("bad_bytes"), counts.of("unknown"), counts.total()), (3, 0, 6));
    }
}
