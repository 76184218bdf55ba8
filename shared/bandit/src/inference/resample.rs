//! Weighted draws become equally weighted ones.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

/// Indices of `count` equally weighted draws by systematic resampling (Kitagawa 1996): with the draws in ascending
/// order of `key` and cumulative weights C, those at which C passes (u + i)/count, i = 0…count − 1, for one uniform u.
///
/// Each draw is taken ⌊count·w⌋ or ⌈count·w⌉ times, and because the order is that of `key`, its distribution among the
/// draws taken differs from the weighted one by less than one draw in any interval. Draws come out in that order.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn systematic(weights: &[f64], key: &[f64], count: usize, rng: &mut ChaCha12Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| key[a].total_cmp(&key[b]).then(a.cmp(&b)));
    let total: f64 = weights.iter().sum();
    let offset: f64 = rng.random();
    let mut taken = Vec::with_capacity(count);
    let mut running = 0.0;
    for &i in &order {
        running += weights[i] / total;
        while taken.len() < count && (taken.len() as f64 + offset) < running * count as f64 {
            taken.push(i);
        }
    }
    // Rounding of the running sum can leave the very last place open.
    if let Some(&last) = order.last() {
        taken.resize(count, last);
    }
    taken
}
