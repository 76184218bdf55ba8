//! The probabilities of a policy that is asked about.

use std::collections::BTreeMap;

use bandit::{Policy, Space};

/// A policy that is asked about.
pub(super) enum Target<'a> {
    /// That of a version.
    Compiled(&'a Policy),
    /// One that is written down.
    Written(Rows),
}

/// Probabilities above 0 by variant, in some contexts and in all others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) any: Option<Vec<(usize, f64)>>,
    pub(super) of: BTreeMap<u64, Vec<(usize, f64)>>,
}

impl Rows {
    /// Every allowed variant alike.
    pub(super) fn uniform(space: &Space) -> Self {
        let allowed: Vec<usize> = space.allowed().collect();
        #[expect(clippy::cast_precision_loss, reason = "there are at most 1,000 variants")]
        let share = 1.0 / allowed.len() as f64;
        Self { any: Some(allowed.into_iter().map(|variant| (variant, share)).collect()), of: BTreeMap::new() }
    }

    /// One variant alone.
    pub(super) fn variant(variant: usize) -> Self {
        Self { any: Some(vec![(variant, 1.0)]), of: BTreeMap::new() }
    }
}

impl Target<'_> {
    /// Writes π(·|c) into `row`, one number per variant, and says whether it is known.
    pub(super) fn row(&self, context: u64, row: &mut [f64]) -> bool {
        row.fill(0.0);
        let mut put = |variant: usize, probability: f64| {
            if let Some(place) = row.get_mut(variant) {
                *place = probability;
            }
        };
        match self {
            Self::Compiled(policy) => {
                let Some(found) = policy.row(context) else { return false };
                found.iter().for_each(|(variant, count)| put(variant, f64::from(count) / f64::from(found.total())));
            }
            Self::Written(rows) => {
                let Some(found) = rows.of.get(&context).or(rows.any.as_ref()) else { return false };
                for &(variant, probability) in found {
                    put(variant, probability);
                }
            }
        }
        true
    }
}
