//! Measurements against figures of scipy, statsmodels and the open bandit pipeline, by properties, and by simulation.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "small numbers of tests, and exact ones"
)]

mod assignment;
mod figures;
mod lift;
mod off_policy;
mod pairs;
mod quality;
mod random;

/// Holds a number against another, relatively.
fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let bound = tolerance * expected.abs().max(1e-300);
    assert!((found - expected).abs() <= bound, "{what}: {found} against {expected}");
}
