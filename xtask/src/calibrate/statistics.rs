//! Quantiles, and the interval of a rate (Clopper and Pearson, 1934).

/// One in twenty intervals misses.
const CONFIDENCE: f64 = 0.95;

/// The least, the first hundredth, the middle, the ninety-ninth hundredth and the greatest.
pub(super) fn quantiles(values: &mut [f64]) -> Option<[f64; 5]> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    // The nearest rank: a value that was measured.
    Some([0.0, 0.01, 0.5, 0.99, 1.0].map(|part| values[(part * last as f64).round() as usize]))
}

/// The interval in which the rate lies of which `k` of `n` were seen. Where none was seen it is one-sided: from zero to the
/// rate that shows none once in twenty (about `3 / n`).
pub(super) fn interval(k: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    if k == 0 {
        return (0.0, 1.0 - (1.0 - CONFIDENCE).powf(1.0 / n as f64));
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let low = solve(|p| 1.0 - at_most(k - 1, n, p), tail);
    let high = if k == n {
        1.0
    } else {
        solve(|p| -at_most(k, n, p), -tail)
    };
    (low, high)
}

/// Where the rising `f` reaches `target`, between 0 and 1.
fn solve(f: impl Fn(f64) -> f64, target: f64) -> f64 {
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if f(middle) < target {
            low = middle
        } else {
            high = middle
        }
    }
    (low + high) / 2.0
}

/// How likely `k` or fewer of `n` are, at the rate `p`.
fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { 1.0 } else { 0.0 };
    }
    let (log, miss) = (p.ln(), (-p).ln_1p());
    let mut ways = 0.0f64;
    let mut sum = 0.0;
    for i in 0..=k {
        if i > 0 {
            ways += ((n - i + 1) as f64).ln() - (i as f64).ln();
        }
        sum += (ways + i as f64 * log + (n - i) as f64 * miss).exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: (f64, f64), b: (f64, f64)) -> bool {
        (a.0 - b.0).abs() < 5e-5 && (a.1 - b.1).abs() < 5e-5
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        // R: binom.test(k, n)$conf.int
        for (k, n, expected) in [
            (1, 10, (0.002_528_6, 0.445_016_1)),
            (5, 10, (0.187_086_0, 0.812_913_9)),
            (10, 10, (0.691_502_9, 1.0)),
            (3, 1000, (0.000_619_1, 0.008_742_4)),
        ] {
            assert!(near(interval(k, n), expected), "{k} of {n}: {:?}", interval(k, n));
        }
    }

    #[test]
    fn none_of_many_is_bounded_by_three_over_their_number() {
        let (low, high) = interval(0, 10_000);
        assert!(low == 0.0 && (high - 3.0 / 10_000.0).abs() < 1e-6, "{high}");
        assert_eq!(interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values: Vec<f64> = (0..=200).rev().map(f64::from).collect();
        assert_eq!(quantiles(&mut values), Some([0.0, 2.0, 100.0, 198.0, 200.0]));
        assert_eq!(quantiles(&mut [7.0]), Some([7.0; 5]));
        assert_eq!(quantiles(&mut []), None);
    }
}
