//! Compares two measurements that alternate.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Effort;

/// How much longer one side takes than the other.
pub(crate) struct Ratio {
    /// The median over all rounds of the ratio of a round's medians.
    pub(crate) median: f64,
    /// The quartiles over all rounds.
    quartiles: (f64, f64),
    /// The medians of both sides.
    pub(crate) base: Duration,
    pub(crate) other: Duration,
    /// The 99th percentiles of both sides.
    pub(crate) slow: (Duration, Duration),
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} ({:.3} to {:.3}): {:.0} us against {:.0} us",
            self.median,
            self.quartiles.0,
            self.quartiles.1,
            micros(self.other),
            micros(self.base)
        )
    }
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Runs `work` and returns its result and duration.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let result = work.await;
    (result, start.elapsed())
}

/// Measures `other` against `base`. Both measure their own time, because each has a setup; the order changes with every
/// pair.
pub(crate) async fn compare(
    effort: Effort,
    mut base: impl AsyncFnMut() -> Duration,
    mut other: impl AsyncFnMut() -> Duration,
) -> Ratio {
    for _ in 0..effort.pairs_a_round {
        base().await;
        other().await;
    }
    let (mut all_base, mut all_other, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let (mut of_base, mut of_other) = (Vec::new(), Vec::new());
        for pair in 0..effort.pairs_a_round {
            if pair % 2 == 0 {
                of_base.push(base().await);
                of_other.push(other().await);
            } else {
                of_other.push(other().await);
                of_base.push(base().await);
            }
        }
        let ratio = at(&mut of_other, 0.5).as_secs_f64() / at(&mut of_base, 0.5).as_secs_f64();
        ratios.push(ratio);
        all_base.append(&mut of_base);
        all_other.append(&mut of_other);
    }
    Ratio {
        median: at(&mut ratios, 0.5),
        quartiles: (at(&mut ratios, 0.25), at(&mut ratios, 0.75)),
        base: at(&mut all_base, 0.5),
        other: at(&mut all_other, 0.5),
        slow: (at(&mut all_base, 0.99), at(&mut all_other, 0.99)),
    }
}

/// The quantile `part` of the values.
pub(crate) fn at<T: PartialOrd + Copy>(values: &mut [T], part: f64) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[((values.len() - 1) as f64 * part) as usize]
}
