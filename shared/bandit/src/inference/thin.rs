//! Thinning draws (kernel thinning): halving a set so that what is left says the same of every cell.

use super::family::Family;
use super::rows::Rows;

/// Cells that are watched, at most.
pub(crate) const CELLS: usize = 128;
/// Numbers watched for each: η, η², p and the two tails.
const FEATURES: usize = 5;

/// Halves `draws` (indices of rows of `pool`, neighbours alike) `times` times.
///
/// Neighbours are paired, and of each pair the draw is kept that brings the running sum of feature differences
/// w ← w ± (f(a) − f(b)) nearer to 0. Where a random half would leave sums of order √S, these stay of order √d: the
/// greedy form of the self-balancing walk behind kernel thinning (Dwivedi & Mackey 2021; Alweiss, Liu & Sawhney 2021).
/// The features of a draw are, for each of up to 128 cells, standardised η and η², the mean that η stands for, and whether η is below the 2.5 %
/// or above the 97.5 % point of all draws: what the cell's mean, spread and interval are made of.
pub(crate) fn halve(rows: &Rows, pool: &[f32], mut draws: Vec<usize>, times: usize) -> Vec<usize> {
    if times == 0 {
        return draws;
    }
    let stride = rows.len().div_ceil(CELLS);
    let cells: Vec<usize> = (0..rows.len()).step_by(stride).collect();
    let width = cells.len() * FEATURES;
    let mut features = vec![0.0_f32; draws.len() * width];
    for (k, &cell) in cells.iter().enumerate() {
        let eta: Vec<f32> = draws
            .iter()
            .map(|&s| {
                let beta = &pool[s * rows.columns..(s + 1) * rows.columns];
                rows.active(cell).iter().map(|&c| beta[c as usize]).sum()
            })
            .collect();
        describe(rows.family, &eta, |s, f| features[s * width + k * FEATURES..][..FEATURES].copy_from_slice(&f));
    }
    // Which row of `features` belongs to each draw that is left.
    let mut place: Vec<usize> = (0..draws.len()).collect();
    for _ in 0..times {
        let mut sum = vec![0.0_f32; width];
        let mut kept = Vec::with_capacity(place.len() / 2);
        for pair in place.chunks_exact(2) {
            let (a, b) = (&features[pair[0] * width..][..width], &features[pair[1] * width..][..width]);
            let along: f32 = sum.iter().zip(a.iter().zip(b)).map(|(w, (a, b))| w * (a - b)).sum();
            let sign = if along > 0.0 { -1.0 } else { 1.0 };
            for (w, (a, b)) in sum.iter_mut().zip(a.iter().zip(b)) {
                *w += sign * (a - b);
            }
            kept.push(if sign > 0.0 { pair[0] } else { pair[1] });
        }
        place = kept;
    }
    draws = place.into_iter().map(|i| draws[i]).collect();
    draws
}

/// The features of one cell for every draw, each of about unit variance.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "features need no precision")]
fn describe(family: Family, eta: &[f32], mut put: impl FnMut(usize, [f32; FEATURES])) {
    let count = eta.len() as f64;
    let moments = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, squares) = values.fold((0.0, 0.0), |(a, b), v| (a + v, b + v * v));
        let mean = sum / count;
        (mean, (squares / count - mean * mean).max(1e-300).sqrt())
    };
    let (mean, sd) = moments(&mut eta.iter().map(|&e| f64::from(e)));
    let (mean_p, sd_p) = moments(&mut eta.iter().map(|&e| family.mean(f64::from(e))));
    let mut sorted = eta.to_vec();
    let tail = eta.len() / 40;
    let low = *sorted.select_nth_unstable_by(tail, f32::total_cmp).1;
    let high = *sorted.select_nth_unstable_by(eta.len() - 1 - tail, f32::total_cmp).1;
    // A share of 1/40 has standard deviation 0.156.
    let flag = |on: bool| if on { 6.4 } else { 0.0 };
    for (s, &e) in eta.iter().enumerate() {
        let z = ((f64::from(e) - mean) / sd) as f32;
        let p = ((family.mean(f64::from(e)) - mean_p) / sd_p) as f32;
        put(s, [z, 0.7 * z * z, p, flag(e < low), flag(e > high)]);
    }
}
