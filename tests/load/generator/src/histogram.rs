//! Latencies in microseconds, counted in buckets that are about 3 % wide.

/// Linear buckets below this; above, this many for each doubling.
const STEPS: u64 = 32;
/// 2^32 µs is over an hour: more than any run.
const BUCKETS: usize = (STEPS as usize) * 29;

/// Counts of values by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    largest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, largest: 0 }
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let doublings = u64::from(value.ilog2()) - u64::from(STEPS.ilog2());
    ((doublings * STEPS + (value >> doublings)) as usize).min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket - doublings * STEPS + 1) << doublings) - 1
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
        self.largest = self.largest.max(value);
    }

    /// Values counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Nearest rank of a share, 0 to 1, at most 3 % too large; 0 without values.
    pub fn percentile(&self, share: f64) -> u64 {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(index).min(self.largest);
            }
        }
        self.largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_join_without_gaps() {
        for value in (0..5000).chain([1 << 20, (1 << 31) - 1, 1 << 31]) {
            let upper = upper(bucket(value));
            assert!(upper >= value && upper <= value + value / 31, "{value} → {upper}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), 0);
        (1..=1000).for_each(|value| histogram.record(value * 10));
        assert!((5000..=5160).contains(&histogram.percentile(0.5)));
        assert!((9900..=10_000).contains(&histogram.percentile(0.99)));
        assert_eq!(histogram.percentile(1.0), 10_000);
        assert_eq!(histogram.total(), 1000);
    }
}
