//! Systematic resampling: weighted draws become equally weighted ones.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

/// Indices of `count` equally weighted draws by systematic resampling (Kitagawa 1996): with the draws in some order and
/// cumulative weights C, those at which C passes (u + i)/count, i = 0…count − 1, for one uniform u.
///
/// Each draw is taken ⌊count·w⌋ or ⌈count·w⌉ times. The order makes neighbours alike, which spreads the draws that are
/// taken evenly (Gerber, Chopin & Whiteley 2019): strata of the first key, strata of the second within them, then the
/// third, back and forth. `keys` holds up to three numbers for each draw, the most telling first; keys × draws.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn systematic(weights: &[f64], keys: &[Vec<f64>], count: usize, rng: &mut ChaCha12Rng) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let offset: f64 = rng.random();
    let mut taken = Vec::with_capacity(count);
    let mut running = 0.0;
    let order = order(weights, keys);
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

/// Strata of the first and of the second key.
const STRATA: usize = 21;

fn order(weights: &[f64], keys: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let Some((first, rest)) = keys.split_first() else { return order };
    sort(&mut order, first, false);
    let mut reversed = [false, false];
    for outer in strata(&order, weights) {
        let Some((second, rest)) = rest.split_first() else { break };
        let outer = &mut order[outer];
        sort(outer, second, reversed[0]);
        reversed[0] = !reversed[0];
        for inner in strata(outer, weights) {
            let Some(third) = rest.first() else { break };
            sort(&mut outer[inner], third, reversed[1]);
            reversed[1] = !reversed[1];
        }
    }
    order
}

fn sort(draws: &mut [usize], key: &[f64], reversed: bool) {
    draws.sort_by(|&a, &b| {
        let by_key = if reversed { key[b].total_cmp(&key[a]) } else { key[a].total_cmp(&key[b]) };
        by_key.then(a.cmp(&b))
    });
}

/// Ranges of about equal weight that cover `draws`.
#[expect(clippy::cast_precision_loss, reason = "a small count")]
fn strata(draws: &[usize], weights: &[f64]) -> Vec<std::ops::Range<usize>> {
    let total: f64 = draws.iter().map(|&i| weights[i]).sum();
    let mut ranges = Vec::with_capacity(STRATA);
    let (mut start, mut running) = (0, 0.0);
    for (place, &i) in draws.iter().enumerate() {
        running += weights[i];
        if running * STRATA as f64 >= (ranges.len() + 1) as f64 * total && ranges.len() + 1 < STRATA {
            ranges.push(start..place + 1);
            start = place + 1;
        }
    }
    ranges.push(start..draws.len());
    ranges
}
