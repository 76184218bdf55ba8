//! The log-likelihood of many draws at once: the inner loop of importance sampling.
//!
//! Sixteen draws go through a cell side by side, in loops without branches that the compiler turns into whatever vector
//! instructions the processor has ([`pulp::Arch`] picks them at run time; the choice depends on the kind of processor
//! alone).

use faer::MatRef;

use super::rows::Rows;

/// Draws side by side.
const LANES: usize = 16;
/// Cells whose η are kept before their logarithms are taken: a long plain loop is what the compiler vectorises.
const CELLS: usize = 64;

/// e^x for x ≤ 0, to about two units in the last place; 0 below −708.
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
fn exp_negative(x: f64) -> f64 {
    // e^x = 2^k e^r with |r| ≤ ½ ln 2, in two parts so that the reduction is exact; then the Taylor series of e^r.
    let x = x.max(-708.0);
    let shifted = x * std::f64::consts::LOG2_E + SHIFT;
    let k = shifted - SHIFT;
    let r = (x - k * 0.693_147_180_369_123_8) - k * 1.908_214_929_270_587_7e-10;
    let mut sum = 1.0 / 6_227_020_800.0;
    sum = sum * r + 1.0 / 479_001_600.0;
    sum = sum * r + 1.0 / 39_916_800.0;
    sum = sum * r + 1.0 / 3_628_800.0;
    sum = sum * r + 1.0 / 362_880.0;
    sum = sum * r + 1.0 / 40_320.0;
    sum = sum * r + 1.0 / 5_040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    // The low bits of `shifted` are k: they move to the exponent.
    sum * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

/// 1.5·2⁵²: adding it rounds to an integer, which is then in the low bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// ln(1 + e) for 0 ≤ e ≤ 1: 2 artanh(e/(2 + e)) by its series, to about 1e-15 of the result.
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
fn ln_one_plus(e: f64) -> f64 {
    let s = e / (2.0 + e);
    let q = s * s;
    let mut sum = 1.0 / 31.0;
    sum = sum * q + 1.0 / 29.0;
    sum = sum * q + 1.0 / 27.0;
    sum = sum * q + 1.0 / 25.0;
    sum = sum * q + 1.0 / 23.0;
    sum = sum * q + 1.0 / 21.0;
    sum = sum * q + 1.0 / 19.0;
    sum = sum * q + 1.0 / 17.0;
    sum = sum * q + 1.0 / 15.0;
    sum = sum * q + 1.0 / 13.0;
    sum = sum * q + 1.0 / 11.0;
    sum = sum * q + 1.0 / 9.0;
    sum = sum * q + 1.0 / 7.0;
    sum = sum * q + 1.0 / 5.0;
    sum = sum * q + 1.0 / 3.0;
    sum = sum * q + 1.0;
    2.0 * s * sum
}

/// Σ s η − n ln(1 + e^η) over the rows for every column of `betas` (P × draws), appended to `out`.
pub(crate) fn log_likelihoods(rows: &Rows, betas: MatRef<'_, f64>, out: &mut Vec<f64>) {
    let arch = pulp::Arch::new();
    let mut block = vec![[0.0_f64; LANES]; rows.columns];
    let (mut eta, mut softplus) = (vec![0.0; CELLS * LANES], vec![0.0; CELLS * LANES]);
    let draws = betas.ncols();
    for first in (0..draws).step_by(LANES) {
        let lanes = LANES.min(draws - first);
        for lane in 0..lanes {
            for (cell, &b) in block.iter_mut().zip(betas.col(first + lane).iter()) {
                cell[lane] = b;
            }
        }
        let sums = arch.dispatch(Sixteen { rows, block: &block, eta: &mut eta, softplus: &mut softplus });
        out.extend_from_slice(&sums[..lanes]);
    }
}

/// The log-likelihoods of sixteen draws, P × 16.
struct Sixteen<'a> {
    rows: &'a Rows,
    block: &'a [[f64; LANES]],
    /// Cells × 16, written over.
    eta: &'a mut [f64],
    softplus: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Sixteen<'_> {
    type Output = [f64; LANES];

    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn call(self) -> [f64; LANES] {
        let Self { rows, block, eta, softplus } = self;
        let mut sums = [0.0; LANES];
        for first in (0..rows.len()).step_by(CELLS) {
            let cells = CELLS.min(rows.len() - first);
            let (eta, softplus) = (&mut eta[..cells * LANES], &mut softplus[..cells * LANES]);
            for (i, out) in (first..first + cells).zip(eta.chunks_exact_mut(LANES)) {
                let mut sum = [0.0; LANES];
                for &c in rows.active(i) {
                    for (x, b) in sum.iter_mut().zip(&block[c as usize]) {
                        *x += b;
                    }
                }
                out.copy_from_slice(&sum);
            }
            for (out, &e) in softplus.iter_mut().zip(&*eta) {
                *out = e.max(0.0) + ln_one_plus(exp_negative(-e.abs()));
            }
            let both = eta.chunks_exact(LANES).zip(softplus.chunks_exact(LANES));
            for (i, (eta, softplus)) in (first..first + cells).zip(both) {
                let (s, n) = (rows.sum[i], rows.n[i]);
                for ((total, e), l) in sums.iter_mut().zip(eta).zip(softplus) {
                    *total += s * e - n * l;
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_library_functions() {
        for i in 0..=200_000 {
            let x = -800.0 * (f64::from(i) / 200_000.0).powi(3);
            let (e, l) = (exp_negative(x), ln_one_plus(exp_negative(x)));
            if x > -700.0 {
                assert!((e / x.exp() - 1.0).abs() < 1e-14, "exp({x}) = {e}");
                assert!((l / x.exp().ln_1p() - 1.0).abs() < 1e-13, "ln(1 + exp({x})) = {l}");
            } else {
                assert!((0.0..1e-300).contains(&e), "exp({x}) = {e}");
            }
        }
    }
}
