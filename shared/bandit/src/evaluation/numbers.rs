//! What the evaluations count with.

/// Of the standard error, either side of an estimate: a central 95 % interval. Two decimals, as the published estimator has
/// it.
pub(super) const NORMAL_95: f64 = 1.96;

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts of users and exposures are far below 2^52")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
