//! Byte entropy of a span, from a bounded sample.

/// Bytes counted of every [`PERIOD`] bytes; a span of at most this length is counted whole.
const SAMPLE: u64 = 64 << 10;
/// The distance between samples.
const PERIOD: u64 = 1 << 20;

/// A running byte histogram over the first 64 KiB of every MiB.
#[derive(Clone)]
pub struct HistogramSink {
    counts: Box<[u64; 256]>,
    position: u64,
}

impl Default for HistogramSink {
    fn default() -> Self {
        Self {
            counts: Box::new([0; 256]),
            position: 0,
        }
    }
}

impl HistogramSink {
    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let inside = self.position.checked_rem(PERIOD).unwrap_or(0);
            let (counted, until) = if inside < SAMPLE {
                (true, SAMPLE)
            } else {
                (false, PERIOD)
            };
            let n = usize::try_from(until.saturating_sub(inside))
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let (now, rest) = bytes.split_at_checked(n).unwrap_or((bytes, &[]));
            if counted {
                for byte in now {
                    if let Some(count) = self.counts.get_mut(usize::from(*byte)) {
                        *count = count.saturating_add(1);
                    }
                }
            }
            self.position = self.position.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
            bytes = rest;
        }
    }

    /// Shannon entropy in bits per byte, 0 to 8; 0 for no bytes.
    #[expect(
        clippy::as_conversions,
        reason = "counts are far below 2^52, where u64 to f64 is exact"
    )]
    pub fn finish(self) -> f64 {
        let total = self.counts.iter().fold(0u64, |n, c| n.saturating_add(*c)) as f64;
        if total == 0.0 {
            return 0.0;
        }
        self.counts
            .iter()
            .filter(|c| **c > 0)
            .map(|c| *c as f64 / total)
            .map(|p| -p * p.log2())
            .sum()
    }
}
