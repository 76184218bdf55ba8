//! Time that was spent.

use std::fs;
use std::time::{Duration, Instant};

/// Wall-clock time, and the processor time of the calling thread where the system tells it (Linux).
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    thread: Option<Duration>,
}

/// What a stopwatch has measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// Seconds by the clock.
    pub wall: f64,
    /// Seconds of processor time of this thread; the wall's where the system does not tell.
    pub cpu: f64,
}

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: Instant::now(), thread: thread_time() }
    }

    /// The time since the start; on the thread that started it.
    #[must_use]
    pub fn spent(&self) -> Spent {
        let wall = self.wall.elapsed().as_secs_f64();
        let cpu = self.thread.zip(thread_time()).map_or(wall, |(from, to)| to.saturating_sub(from).as_secs_f64());
        Spent { wall, cpu }
    }
}

/// Processor time of this thread since it began: the first number of its scheduler statistics, in nanoseconds.
fn thread_time() -> Option<Duration> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The middle of the values; the mean of the two middle ones of an even number. NaN of none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (n, half) if n % 2 == 1 => sorted[half],
        (_, half) => 0.5 * (sorted[half - 1] + sorted[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-15);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-15);
        assert!(median(&[]).is_nan());
    }
}
