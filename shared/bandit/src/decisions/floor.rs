//! The least share of every variant.

use crate::{DecisionError, Space};

/// What the counts of a row with a least share add up to, at least.
const RESOLUTION: u32 = 10_000;

/// How many times that, at most, where the least share is no whole count of fewer.
const FINER: [u64; 3] = [1, 10, 100];

/// Whether every allowed variant can have the share m.
///
/// # Errors
/// [`DecisionError::BadMinimumShare`] for m below 0, above 1 over the number of allowed variants, or no number.
pub(super) fn check(space: &Space, minimum_share: f64) -> Result<(), DecisionError> {
    let allowed = space.allowed().count();
    #[expect(clippy::cast_precision_loss, reason = "variants are at most 2^31")]
    let most = 1.0 / allowed.max(1) as f64;
    // One over the number, written with a few digits, is meant to be possible.
    if (0.0..=most * (1.0 + 1e-9)).contains(&minimum_share) {
        return Ok(());
    }
    Err(DecisionError::BadMinimumShare { value: minimum_share, variants: allowed })
}

/// Counts of a row in which no allowed variant has less than the share m:
///
/// ```text
/// π'(v) = (1 − V m) π(v) + m,      V: allowed variants
/// ```
///
/// in counts that add up to T' ≥ 10,000, a multiple of what they added up to: ten or a hundred times as much where that makes m T' a whole
/// number, or a hundred times where nothing does. Every allowed variant gets m T', rounded up; what is left is given out in the shares
/// of the counts, rounded down, and the last ones to the greatest remainders, the lowest variants of equals. What is served is
/// count / T', exactly. It is within 1/T' of π' where m T' is whole, else, with T' ≥ 10⁶, within (2 + V π)/T'.
pub(super) fn raise(counts: &mut [u32], allowed: impl Fn(usize) -> bool, minimum_share: f64) {
    let total: u32 = counts.iter().sum();
    if minimum_share <= 0.0 || total == 0 {
        return;
    }
    let served: Vec<usize> = (0..counts.len()).filter(|&v| allowed(v)).collect();
    let coarse = u64::from(total) * u64::from(RESOLUTION.div_ceil(total).max(1));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let is_whole = |total: u64| {
        let floor = minimum_share * total as f64;
        floor > 0.5 && (floor - floor.round()).abs() < 1e-6
    };
    let finest = u64::from(u32::MAX) / coarse;
    let mut finer = FINER.into_iter().filter(|&times| times <= finest);
    let scaled = coarse * finer.clone().find(|times| is_whole(coarse * times)).or(finer.next_back()).unwrap_or(1);
    let most = scaled / served.len() as u64;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a count"
    )]
    let least = ((minimum_share * scaled as f64 - 1e-6).ceil().max(1.0) as u64).min(most);
    let rest = scaled - least * served.len() as u64;
    let mut given = 0;
    let mut remainders: Vec<(u64, usize)> = Vec::with_capacity(served.len());
    for &v in &served {
        let product = rest * u64::from(counts[v]);
        let whole = product / u64::from(total);
        remainders.push((product % u64::from(total), v));
        given += whole;
        counts[v] = u32::try_from(least + whole).unwrap_or(u32::MAX);
    }
    remainders.sort_by_key(|&(remainder, v)| (std::cmp::Reverse(remainder), v));
    for &(_, v) in remainders.iter().take(usize::try_from(rest - given).unwrap_or(usize::MAX)) {
        counts[v] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_a_floor_and_adds_up() {
        let mut counts = vec![7_000, 0, 3_000, 0];
        raise(&mut counts, |v| v != 3, 0.05);
        // (1 − 3 · 0.05) π + 0.05
        assert_eq!(counts, [6_450, 500, 3_050, 0]);
        // A total of 1,000 becomes 10,000, or as much more as the share needs.
        let mut counts = vec![999, 1];
        raise(&mut counts, |_| true, 0.001_3);
        assert_eq!(counts, [9_977, 23]);
        let mut counts = vec![999, 1];
        raise(&mut counts, |_| true, 0.000_13);
        assert_eq!(counts, [99_887, 113]);
        // A share that is no whole count is rounded up.
        let mut counts = vec![1_000, 0];
        raise(&mut counts, |_| true, 1e-9);
        assert_eq!(counts, [999_999, 1]);
        // One over the number of variants leaves nothing to give out but what rounding left.
        let mut counts = vec![10_000, 0, 0];
        raise(&mut counts, |_| true, 1.0 / 3.0);
        assert_eq!(counts, [333_334, 333_333, 333_333]);
        let mut counts = vec![3, 0];
        raise(&mut counts, |_| true, 0.0);
        assert_eq!(counts, [3, 0]);
    }
}
