//! Pairs of design levels: what was observed of them less what their levels add up to.

use std::collections::BTreeMap;

use bandit::evaluation::{Arm, PairSums, pairs_against_mains};
use bandit::{RewardType, Space};
use snapshots::UserTable;

use crate::domain::StoredInteraction;

/// Pairs of factors that are looked at, in the order of the design.
const MOST_PAIRS: usize = 100;
/// Pairs of levels times days squared up to which a pair of factors is fitted: some tenths of a second.
const MOST_WORK: usize = 100_000_000;

/// The matrix and the test of each pair of design factors, over all users of a snapshot, holdout and optimized. A pair that is too large, or
/// whose fit does not converge, is left out.
pub(super) fn interactions(space: &Space, reward: RewardType, users: &UserTable) -> Vec<StoredInteraction> {
    let design = space.design();
    let pairs = (0..design.len()).flat_map(|first| (first + 1..design.len()).map(move |second| [first, second]));
    let first_day = users.groups.iter().map(|group| group.day).min().unwrap_or(0);
    let mut by_variant: BTreeMap<(i64, usize), Arm> = BTreeMap::new();
    for group in &users.groups {
        let arm = by_variant.entry((group.day, group.variant)).or_default();
        *arm = arm.plus(Arm { users: group.users, sum: group.sum, sum_sq: group.sum_sq });
    }
    let of_pair = |factors: [usize; 2]| {
        let [first, second] = factors;
        let mut sums: BTreeMap<(i64, usize, usize), Arm> = BTreeMap::new();
        for (&(day, variant), of) in &by_variant {
            let levels = space.decode_variant(variant);
            let arm = sums.entry((day, levels[first], levels[second])).or_default();
            *arm = arm.plus(*of);
        }
        let mut days: Vec<i64> = sums.keys().map(|(day, ..)| *day).collect();
        days.dedup();
        let levels = (design[first].levels().len(), design[second].levels().len());
        if (levels.0 * levels.1).saturating_mul(days.len()).saturating_mul(days.len()) > MOST_WORK {
            return None;
        }
        let row = |((day, first, second), users): ((i64, usize, usize), Arm)| PairSums {
            day: u32::try_from(day - first_day).unwrap_or(u32::MAX),
            first,
            second,
            users,
        };
        let sums: Vec<PairSums> = sums.into_iter().map(row).collect();
        let pairs = pairs_against_mains(levels, reward, &sums).ok()?;
        Some(StoredInteraction { factors, pairs })
    };
    pairs.take(MOST_PAIRS).filter_map(of_pair).collect()
}
