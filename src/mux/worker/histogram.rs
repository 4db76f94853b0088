//! Distributions: how often something had which size.

/// Frames of one read or one flush.
pub type Batches = Histogram<BatchSizes>;
/// Round-trip times, in microseconds.
pub type RoundTrips = Histogram<RoundTripTimes>;

/// Where one bucket of a histogram ends and the next begins.
pub trait Bounds {
    /// Most that counts in each bucket but the last, in rising order.
    const BOUNDS: [u64; BOUNDS];
}

/// Bounds of a histogram; there is a bucket more.
const BOUNDS: usize = 7;

/// The bounds of [`Batches`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchSizes;

/// The bounds of [`RoundTrips`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTripTimes;

impl Bounds for BatchSizes {
    const BOUNDS: [u64; BOUNDS] = [0, 1, 4, 16, 64, 256, 1024];
}

impl Bounds for RoundTripTimes {
    const BOUNDS: [u64; BOUNDS] = [1_000, 5_000, 20_000, 50_000, 100_000, 250_000, 1_000_000];
}

/// Counts sizes in few buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram<B> {
    counts: [u64; BOUNDS + 1],
    sum: u64,
    bounds: std::marker::PhantomData<B>,
}

impl<B: Bounds> Histogram<B> {
    /// Counts one more.
    #[inline]
    pub(super) fn observe(&mut self, size: u64) {
        let bucket = B::BOUNDS.iter().take_while(|bound| **bound < size).count();
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(size);
    }

    /// Adds what another one has counted.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All sizes together.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// For each bound how many were not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        B::BOUNDS.into_iter().zip(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_counts_up_to_its_bound() {
        let mut batches = Batches::default();
        [0, 1, 1, 2, 4, 5, 1024, 1025, 9999].into_iter().for_each(|size| batches.observe(size));
        let expected = [(0, 1), (1, 3), (4, 5), (16, 6), (64, 6), (256, 6), (1024, 7)];
        assert_eq!(batches.cumulative().collect::<Vec<_>>(), expected);
        assert_eq!((batches.count(), batches.sum()), (9, 12_061));
        let mut both = batches;
        both.add(&batches);
        assert_eq!((both.count(), both.sum()), (18, 24_122));
    }

    #[test]
    fn no_size_is_too_large() {
        let mut times = RoundTrips::default();
        times.observe(u64::MAX);
        times.observe(u64::MAX);
        assert_eq!((times.count(), times.sum()), (2, u64::MAX));
    }
}
