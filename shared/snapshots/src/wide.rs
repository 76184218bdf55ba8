//! Sums of twice the digits of a double, so that squares of rewards of 10⁶ ± 1 still tell the ± 1.

/// A number as a double and what a double does not hold of it (Dekker 1971): about 32 digits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Wide {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl Wide {
    /// The square of a double.
    pub(crate) fn square(value: f64) -> Self {
        Self::product(value, value)
    }

    /// The product of two doubles; what passes the greatest double is infinite.
    pub(crate) fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self { high, low: if high.is_finite() { a.mul_add(b, -high) } else { 0.0 } }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let high = self.high + other.high;
        if !high.is_finite() {
            return Self { high, low: 0.0 };
        }
        // Knuth's sum: what of both parts the rounding lost.
        let of_other = high - self.high;
        let lost = (self.high - (high - of_other)) + (other.high - of_other);
        let low = lost + self.low + other.low;
        let sum = high + low;
        Self { high: sum, low: low - (sum - high) }
    }

    pub(crate) fn times(self, factor: f64) -> Self {
        Self::product(self.high, factor).plus(Self { high: self.low * factor, low: 0.0 })
    }
}

impl From<f64> for Wide {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_of_one_about_a_billion_is_kept() {
        let (mut sum, mut squares) = (Wide::default(), Wide::default());
        for k in 0..3_000 {
            let value = 1e9 + f64::from(k % 3) - 1.0;
            sum = sum.plus(value.into());
            squares = squares.plus(Wide::square(value));
        }
        // Σ (r − 10⁹)² = 2,000.
        let about = squares.plus(sum.times(-2e9)).plus(Wide::square(1e9).times(3_000.0));
        assert!((about.high - 2_000.0).abs() < 1e-9, "{about:?}");
        assert_eq!(sum.high.to_bits(), 3e12_f64.to_bits());
    }

    #[test]
    fn what_overflows_is_infinite_and_no_nan() {
        let most = Wide::from(f64::MAX);
        assert!(most.plus(most).high.is_infinite());
        assert!(Wide::square(1e200).high.is_infinite());
        assert!(Wide::square(1e200).plus(1.0.into()).high.is_infinite());
    }
}
