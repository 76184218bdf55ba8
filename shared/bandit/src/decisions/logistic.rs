//! The logistic and the exponential function, lane by lane in single precision.

use super::{LANES, Lanes};

/// 2²³ · 1.5: adding and taking away this number rounds a small single-precision number to the nearest whole.
const ROUND: f32 = 12_582_912.0;
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// 1/(1+e^(−η)), with an error of at most 4e-7 of the result down to η = −80 (beyond ±80 the location is taken as ±80).
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
pub(crate) fn logistic(location: &Lanes) -> Lanes {
    let mut result = [0.0; LANES];
    for i in 0..LANES {
        result[i] = logistic_of(location[i]);
    }
    result
}

/// The same of one number.
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
pub(crate) fn logistic_of(location: f32) -> f32 {
    1.0 / (1.0 + exponential_of(-location))
}

/// e^x, with an error of at most 4e-7 of the result between −80 and 80; beyond, x is taken as ±80.
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
pub(crate) fn exponential(exponent: &Lanes) -> Lanes {
    let mut result = [0.0; LANES];
    for i in 0..LANES {
        result[i] = exponential_of(exponent[i]);
    }
    result
}

/// The same of one number.
///
/// e^x = 2^n e^r with whole n and |r| ≤ ½ ln 2; e^r is its series to the seventh power. Without branches and table
/// look-ups, so that the compiler turns lanes into vector instructions.
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
pub(crate) fn exponential_of(x: f32) -> f32 {
    let x = x.clamp(-80.0, 80.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    // The low bits of `shifted` are n; moved into the place of the exponent, they are 2^n.
    series * f32::from_bits(shifted.to_bits().wrapping_add(127).wrapping_shl(23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_logistic_function() {
        for i in -8_000..=8_000_i16 {
            let x = f32::from(i) / 100.0;
            let exact = f64::from(x).exp();
            assert!(exponential(&[x; LANES]).iter().all(|&e| (f64::from(e) - exact).abs() <= 4e-7 * exact), "{x}");
        }
        for i in -8_000..=8_000_i16 {
            let eta = f32::from(i) / 100.0;
            let exact = 1.0 / (1.0 + (-f64::from(eta)).exp());
            for found in logistic(&[eta; LANES]) {
                assert!((f64::from(found) - exact).abs() <= 4e-7 * exact, "{eta}: {found} against {exact}");
            }
        }
        assert!(logistic(&[1e30; LANES])[0] > 0.999_999 && logistic(&[-1e30; LANES])[0] > 0.0);
    }
}
