//! Half-life: what an old observation counts.

/// What an observation of an age counts, 2^(−age/half-life), in (0, 1]; both in days. It is for worlds in which the ranking
/// itself changes; elsewhere it costs regret, since it throws away what is true still.
///
/// An age below 0 counts as 0, and a weight too small for a number as the smallest one.
#[must_use]
pub fn decay(age_days: f64, half_life_days: f64) -> f64 {
    (-(age_days.max(0.0)) / half_life_days).exp2().clamp(f64::MIN_POSITIVE, 1.0)
}

#[cfg(test)]
mod tests {
    use super::decay;

    #[test]
    fn a_half_life_halves() {
        for (age, weight) in [(0.0, 1.0), (7.0, 0.5), (14.0, 0.25), (-3.0, 1.0), (70.0, 1.0 / 1_024.0)] {
            assert!((decay(age, 7.0) - weight).abs() < 1e-12, "{age}");
        }
        assert!(decay(1e9, 1.0) > 0.0);
    }
}
