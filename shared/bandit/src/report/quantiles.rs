//! Means and quantiles over draws.

use super::Size;

/// The mean and the central 95 % interval of a number over equally weighted draws, in the number's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) lo: f64,
    pub(crate) hi: f64,
}

impl Spread {
    /// The spread of values, which are put into another order. All 0 where there are none.
    #[expect(clippy::cast_precision_loss, reason = "draws are far below 2^52")]
    pub(crate) fn of(values: &mut [f64]) -> Self {
        if values.is_empty() {
            return Self { mean: 0.0, lo: 0.0, hi: 0.0 };
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self { mean, lo: quantile(values, 0.025), hi: quantile(values, 0.975) }
    }

    /// The spread of center + scale · x, for a scale that is not negative.
    pub(crate) fn moved(self, center: f64, scale: f64) -> Self {
        Self { mean: center + scale * self.mean, lo: center + scale * self.lo, hi: center + scale * self.hi }
    }
}

impl Size {
    /// The size whose squares are the given values, times a scale that is not negative. The values are used up.
    pub(super) fn of_squares(mut squares: Vec<f64>, scale: f64) -> Self {
        for x in &mut squares {
            *x = scale * x.max(0.0).sqrt();
        }
        let spread = Spread::of(&mut squares);
        let quartile = |values: &mut [f64], p| if values.is_empty() { 0.0 } else { quantile(values, p) };
        Self {
            mean: spread.mean,
            q1: quartile(&mut squares, 0.25),
            q3: quartile(&mut squares, 0.75),
            lo: spread.lo,
            hi: spread.hi,
        }
    }
}

/// The p-quantile of values: linear between the order statistics around (n − 1) p, as numpy's default (Hyndman and Fan
/// 1996, definition 7). Values are put into another order; there is at least one, and none is NaN.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among the values"
)]
pub(crate) fn quantile(values: &mut [f64], p: f64) -> f64 {
    let place = (values.len() - 1) as f64 * p;
    let below = place.floor() as usize;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().reduce(f64::min).unwrap_or(low);
    low + (place - below as f64) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let mut values = vec![9.0, 1.0, 4.0, 7.0, 3.0];
        assert!((quantile(&mut values, 0.5) - 4.0).abs() < 1e-12);
        // numpy.quantile([9, 1, 4, 7, 3], [0.025, 0.975, 0.3]) = 1.2, 8.8, 3.2
        assert!((quantile(&mut values, 0.025) - 1.2).abs() < 1e-12);
        assert!((quantile(&mut values, 0.975) - 8.8).abs() < 1e-12);
        assert!((quantile(&mut values, 0.3) - 3.2).abs() < 1e-12);
        assert!((quantile(&mut [2.5], 0.975) - 2.5).abs() < 1e-12);
        let spread = Spread::of(&mut [1.0, 2.0, 3.0]).moved(10.0, 2.0);
        assert!((spread.mean - 14.0).abs() < 1e-12 && (spread.lo - 12.1).abs() < 1e-12);
    }
}
