//! The log-likelihood of many draws at once: the inner loop of importance sampling.
//!
//! Sixteen draws go through a cell side by side, in loops without branches that the compiler turns into whatever vector
//! instructions the processor has ([`pulp::Arch`] picks them at run time; the choice depends on the kind of processor
//! alone).

use faer::MatRef;

use super::family::Family;
use super::rows::Rows;
use super::traversal::{Shared, WINDOW};

/// Draws side by side.
const LANES: usize = 16;

/// e^x for x ≤ 709, to about two units in the last place; 0 below −708.
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
fn exponential(x: f64) -> f64 {
    // e^x = 2^k e^r with |r| ≤ ½ ln 2, in two parts so that the reduction is exact; then the Taylor series of e^r.
    let x = x.max(-708.0);
    let shifted = x.mul_add(std::f64::consts::LOG2_E, SHIFT);
    let k = shifted - SHIFT;
    let r = (-k).mul_add(1.908_214_929_270_587_7e-10, (-k).mul_add(0.693_147_180_369_123_8, x));
    let mut sum: f64 = 1.0 / 6_227_020_800.0;
    sum = sum.mul_add(r, 1.0 / 479_001_600.0);
    sum = sum.mul_add(r, 1.0 / 39_916_800.0);
    sum = sum.mul_add(r, 1.0 / 3_628_800.0);
    sum = sum.mul_add(r, 1.0 / 362_880.0);
    sum = sum.mul_add(r, 1.0 / 40_320.0);
    sum = sum.mul_add(r, 1.0 / 5_040.0);
    sum = sum.mul_add(r, 1.0 / 720.0);
    sum = sum.mul_add(r, 1.0 / 120.0);
    sum = sum.mul_add(r, 1.0 / 24.0);
    sum = sum.mul_add(r, 1.0 / 6.0);
    sum = sum.mul_add(r, 0.5);
    sum = sum.mul_add(r, 1.0);
    sum = sum.mul_add(r, 1.0);
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
    let mut sum: f64 = 1.0 / 31.0;
    sum = sum.mul_add(q, 1.0 / 29.0);
    sum = sum.mul_add(q, 1.0 / 27.0);
    sum = sum.mul_add(q, 1.0 / 25.0);
    sum = sum.mul_add(q, 1.0 / 23.0);
    sum = sum.mul_add(q, 1.0 / 21.0);
    sum = sum.mul_add(q, 1.0 / 19.0);
    sum = sum.mul_add(q, 1.0 / 17.0);
    sum = sum.mul_add(q, 1.0 / 15.0);
    sum = sum.mul_add(q, 1.0 / 13.0);
    sum = sum.mul_add(q, 1.0 / 11.0);
    sum = sum.mul_add(q, 1.0 / 9.0);
    sum = sum.mul_add(q, 1.0 / 7.0);
    sum = sum.mul_add(q, 1.0 / 5.0);
    sum = sum.mul_add(q, 1.0 / 3.0);
    sum = sum.mul_add(q, 1.0);
    2.0 * s * sum
}

/// Σ s η − n ln(1 + e^η), or −Σ n η + s e^(−η) by the rows' family, over the rows for every column of `betas` (P × draws), appended to `out`.
pub(crate) fn log_likelihoods(rows: &Rows, betas: MatRef<'_, f64>, out: &mut Vec<f64>) {
    let arch = pulp::Arch::new();
    let mut block = vec![[0.0_f64; LANES]; rows.columns];
    let (mut eta, mut work) = (vec![0.0; WINDOW * LANES], vec![0.0; WINDOW * LANES]);
    let mut shared = Shared::new(&rows.traversal);
    let mut observed = vec![0.0; rows.columns];
    rows.add_transposed(&rows.drives(), &mut observed);
    let draws = betas.ncols();
    for first in (0..draws).step_by(LANES) {
        let lanes = LANES.min(draws - first);
        for lane in 0..lanes {
            for (cell, &b) in block.iter_mut().zip(betas.col(first + lane).iter()) {
                cell[lane] = b;
            }
        }
        let sixteen =
            Sixteen { rows, observed: &observed, block: &block, shared: &mut shared, eta: &mut eta, work: &mut work };
        let sums = arch.dispatch(sixteen);
        out.extend_from_slice(&sums[..lanes]);
    }
}

/// The log-likelihoods of sixteen draws, P × 16.
struct Sixteen<'a> {
    rows: &'a Rows,
    /// Φᵀdrive: the part of the log-likelihood that is linear in η is its product with β.
    observed: &'a [f64],
    block: &'a [[f64; LANES]],
    shared: &'a mut Shared<LANES>,
    /// Rows of a window × 16, written over.
    eta: &'a mut [f64],
    work: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Sixteen<'_> {
    type Output = [f64; LANES];

    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn call(self) -> [f64; LANES] {
        let Self { rows, observed, block, shared, eta, work } = self;
        let mut sums = [0.0; LANES];
        for (&o, b) in observed.iter().zip(block) {
            for (total, b) in sums.iter_mut().zip(b) {
                *total = o.mul_add(*b, *total);
            }
        }
        shared.clear();
        for window in rows.traversal.windows() {
            let n = &rows.traversal.n[window.rows.clone()];
            let (eta, work) = (&mut eta[..n.len() * LANES], &mut work[..n.len() * LANES]);
            shared.predict(&rows.traversal, window, block, eta);
            if rows.family == Family::Gamma {
                let s = &rows.traversal.sum[window.rows.clone()];
                for (eta, &s) in eta.chunks_exact(LANES).zip(s) {
                    for lane in 0..LANES {
                        // Beyond ±700 the draw has no weight whatever the number is.
                        sums[lane] -= s * exponential((-eta[lane]).clamp(-700.0, 700.0));
                    }
                }
                continue;
            }
            for (out, &e) in work.iter_mut().zip(&*eta) {
                *out = exponential(-e.abs());
            }
            let lanes = |of: &[f64], row: u32| -> [f64; LANES] {
                let mut values = [0.0; LANES];
                values.copy_from_slice(&of[row as usize * LANES..][..LANES]);
                values
            };
            for run in &window.runs {
                let (mut product, mut positive) = ([1.0; LANES], [0.0; LANES]);
                for &row in &window.order[run.clone()] {
                    let (eta, e) = (lanes(eta, row), lanes(work, row));
                    for lane in 0..LANES {
                        product[lane] = e[lane].mul_add(product[lane], product[lane]);
                        positive[lane] += eta[lane].max(0.0);
                    }
                }
                let n = n[window.order[run.start] as usize];
                for lane in 0..LANES {
                    sums[lane] -= n * (positive[lane] + product[lane].ln());
                }
            }
            for &row in &window.order[window.single..] {
                let (eta, e, n) = (lanes(eta, row), lanes(work, row), n[row as usize]);
                for lane in 0..LANES {
                    sums[lane] -= n * (eta[lane].max(0.0) + ln_one_plus(e[lane]));
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small counts")]

    use super::*;
    use crate::inference::family::Family;
    use crate::inference::testing::rows;
    use crate::{Cell, CellTable, Dtype, Factor, Space, Stratum, StratumCell};
    use faer::Mat;

    #[test]
    fn agrees_with_the_library_functions() {
        for i in 0..=200_000 {
            let x = -800.0 * (f64::from(i) / 200_000.0).powi(3);
            let (e, l) = (exponential(x), ln_one_plus(exponential(x)));
            assert!(x < -700.0 || (exponential(-x) / (-x).exp() - 1.0).abs() < 1e-14, "exp({})", -x);
            if x > -700.0 {
                assert!((e / x.exp() - 1.0).abs() < 1e-14, "exp({x}) = {e}");
                assert!((l / x.exp().ln_1p() - 1.0).abs() < 1e-13, "ln(1 + exp({x})) = {l}");
            } else {
                assert!((0.0..1e-300).contains(&e), "exp({x}) = {e}");
            }
        }
    }

    /// Rows with few and with many trials, alone and together, against the plain sum.
    #[test]
    fn sums_over_rows_are_those_of_the_plain_formula() {
        let factors = |name: &str, levels: usize| {
            vec![Factor::new(name, Dtype::Str, (0..levels).map(|l| l.to_string()).collect()).unwrap()]
        };
        let space = Space::new(factors("a", 30), factors("b", 20)).unwrap();
        let cells = (0..30).flat_map(|variant| (0..21_u64).map(move |context| (variant, context)));
        let table = CellTable::new(cells.map(|(variant, context)| {
            let n = [1, 1, 2, 3, 1, 70, 1_000_000_000][(variant * 5 + context as usize) % 7] + (variant as u64 % 9) / 8;
            let sum = (n / 5) as f64;
            Cell { variant, context, n, sum, sum_sq: sum }
        }))
        .unwrap();
        let (mut rows, _) = rows(&space, &table);
        let windows = rows.traversal.windows();
        assert!(windows.len() == 3 && windows.iter().all(|w| w.runs.len() > 2 && w.single < w.order.len()));
        let betas = Mat::from_fn(rows.columns, 19, |j, s| 4.0 * ((j * 7 + s * 13) as f64).sin());
        for family in [Family::Binomial, Family::Gamma] {
            rows.family = family;
            let mut found = Vec::new();
            log_likelihoods(&rows, betas.as_ref(), &mut found);
            for (s, found) in found.iter().enumerate() {
                let mut eta = Vec::new();
                rows.predict(betas.col_as_slice(s), &mut eta);
                let plain = rows.log_likelihood(&eta);
                assert!((found / plain - 1.0).abs() < 1e-12, "{family:?}, draw {s}: {found} for {plain}");
            }
        }
    }

    /// The same with strata and unknown levels, each of which has a column.
    #[test]
    fn strata_and_unknown_levels_are_in_the_sums() {
        let factor = |name: &str| Factor::new(name, Dtype::Str, vec!["x".to_owned(), "y".to_owned()]).unwrap();
        let space = Space::new(vec![factor("a"), factor("b")], vec![factor("c"), factor("d")]).unwrap();
        let spans = (0..3).map(|g| Stratum { from: g, to: g + 1 }).collect();
        let cells =
            (0..3).flat_map(|stratum| (0..4).flat_map(move |variant| (0..9_u64).map(move |c| (stratum, variant, c))));
        let table = CellTable::stratified(
            spans,
            0.0,
            cells.map(|(stratum, variant, context)| {
                let sum = (1 + variant + stratum) as f64;
                StratumCell { stratum, ..Cell { variant, context, n: 9 + context, sum, sum_sq: sum }.into() }
            }),
        )
        .unwrap();
        let (rows, layout) = rows(&space, &table);
        assert_eq!((layout.strata, rows.columns), (3, space.columns() + 3));
        let betas = Mat::from_fn(rows.columns, 5, |j, s| ((j * 7 + s * 13) as f64).sin());
        let mut found = Vec::new();
        log_likelihoods(&rows, betas.as_ref(), &mut found);
        for (s, found) in found.iter().enumerate() {
            let mut eta = Vec::new();
            rows.predict(betas.col_as_slice(s), &mut eta);
            assert!((found / rows.log_likelihood(&eta) - 1.0).abs() < 1e-12);
        }
    }
}
