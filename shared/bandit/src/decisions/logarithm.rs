//! A natural logarithm that is the same bits on every machine and in every language.
//!
//! A platform's `ln` may differ from another's in the last place, and a tie between two variants could then go either
//! way. This one uses only addition, subtraction, multiplication and division of IEEE 754 doubles in a fixed order, which
//! every conforming machine rounds alike (no fused operations).

/// ln 2 in two parts: the last 21 bits of the first are zero, so that its product with an exponent is exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// ln u for a normal positive double.
///
/// u = m · 2^e with √½ ≤ m < √2 in effect (m > 1.4142135623730951 is halved); with s = (m − 1)/(m + 1) and t = s²,
/// ln m = 2 (s + s³/3 + s⁵/5 + … + s²³/23). As |s| ≤ 0.1716, what is cut off is below 2⁻⁶⁰ of ln m.
/// ln u = e · ln 2 + ln m, with ln 2 in two parts.
#[must_use]
pub fn unit_ln(u: f64) -> f64 {
    let bits = u.to_bits();
    let mut exponent = f64::from(i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0) - 1023);
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let mut sum = 1.0 / 23.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * t + 1.0 / odd;
    }
    exponent * LN2_HIGH + (exponent * LN2_LOW + 2.0 * s * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_logarithm() {
        let mut u = 1.0_f64;
        while u > 1e-16 {
            for step in 0..64 {
                let x = u * (1.0 - f64::from(step) / 128.0);
                let (ours, theirs) = (unit_ln(x), x.ln());
                assert!((ours - theirs).abs() <= 1e-15 * theirs.abs(), "ln {x}: {ours} against {theirs}");
            }
            u *= 0.5;
        }
        assert_eq!(unit_ln(1.0).to_bits(), 0.0_f64.to_bits());
        let near = 1.0 - f64::EPSILON / 2.0;
        assert!((unit_ln(near) / near.ln() - 1.0).abs() < 1e-15);
    }
}
