//! Whether what was logged is what was served: exposures that were decided again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::numbers::number;

/// The share of exposures that match below which the log is suspect.
pub const LEAST_MATCH: f64 = 0.99;

/// Exposures below which no share is suspect.
pub const LEAST_CHECKED: u64 = 100;

/// Mismatches of a level below which nothing concentrates in it.
const LEAST_CONCENTRATED: u64 = 20;

/// What deciding an exposure again came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// A version that was in force serves what was logged.
    Match,
    /// A user of the holdout saw another variant than the baseline.
    HoldoutSawOther,
    /// The variant is one that is never served.
    ExcludedVariant,
    /// No version in force serves it.
    NotInForce {
        /// Where an older one does: how many seconds before the exposure it was in force for the last time.
        age: Option<u64>,
        /// The probability that an older one serves the variant to a user to whom none in force does, whoever that is: in [0, 1].
        by_chance: f64,
    },
}

/// Exposures of one context that came to one verdict.
#[derive(Clone, Copy, Debug)]
pub struct RecheckedExposures<'a> {
    /// What they came to.
    pub verdict: Verdict,
    /// The level of each context factor.
    pub levels: &'a [usize],
    /// How many.
    pub exposures: u64,
}

/// Exposures that match no version that was in force, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatches {
    /// The holdout saw another variant than the baseline.
    pub holdout_saw_other: u64,
    /// An older version serves it, and not by chance.
    pub older_version: u64,
    /// The variant is never served.
    pub excluded_variant: u64,
    /// No version explains it.
    pub other: u64,
}

impl Mismatches {
    /// All together.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.holdout_saw_other + self.older_version + self.excluded_variant + self.other
    }
}

/// A level of a context factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concentration {
    /// The factor, by its place.
    pub factor: usize,
    /// The level, by its place.
    pub level: usize,
    /// Share of the level's exposures that match, in [0, 1].
    pub matching: f64,
    /// Share of all other exposures that match, in [0, 1].
    pub elsewhere: f64,
}

/// Logged exposures against the versions that were in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Exposures that were decided again.
    pub exposures: u64,
    /// Share of them that show what a version in force serves, in [0, 1]; `None` without an exposure.
    pub matching: Option<f64>,
    /// The others.
    pub mismatches: Mismatches,
    /// Median age of the older versions that serve what was logged, seconds; `None` where nothing is explained by them.
    pub age_seconds: Option<u64>,
    /// Where mismatches concentrate; `None` where they are spread.
    pub concentrates_in: Option<Concentration>,
    /// Whether fewer than [`LEAST_MATCH`] of at least [`LEAST_CHECKED`] exposures match.
    pub suspect: bool,
}

/// Puts together what deciding exposures again came to.
///
/// ```text
/// matching = Σ_{verdict is match} n / Σ n
/// older    = M τ,     τ = Σ n (h − c)(1 − c) / Σ n (1 − c)²  within [0, 1]
/// ```
///
/// - M: exposures that no version in force explains; h: 1 where an older version serves what was logged, else 0; c: `by_chance`.
///
/// An id of another space is decided by another hash, and an older version then serves what was logged by chance, with probability c; of a
/// client that is behind it does so always. τ is the share of the latter, by least squares of h on E h = τ + (1 − τ) c. Where c is 1
/// everywhere nothing tells the two apart, and τ is the mean of h.
///
/// Mismatches concentrate in a level where its mismatches above the rate of all other levels of its factor are at least half of
/// all, and its rate is at least twice that of the others: m_l − n_l (M − m_l)/(N − n_l) ≥ M/2, with m of n exposures of the level and M
/// of N in all. Of several levels it is the one with the most such mismatches, the first of equals; none below 20 mismatches.
///
/// - `levels`: how many levels each context factor has, the unknown one included; the levels of `checked` are below these.
///
/// Ids of another space agree with what was logged by chance too, with probability Σ_v π(v|c)²: their share is greater than that of the
/// mismatches.
pub fn assignment<'a>(levels: &[usize], checked: impl IntoIterator<Item = RecheckedExposures<'a>>) -> Assignment {
    let mut found = Assignment::default();
    let mut ages: BTreeMap<u64, u64> = BTreeMap::new();
    let mut behind = Behind::default();
    // Exposures and mismatches by factor and level.
    let mut by_level: Vec<Vec<(u64, u64)>> = levels.iter().map(|&levels| vec![(0, 0); levels]).collect();
    for RecheckedExposures { verdict, levels, exposures } in checked {
        found.exposures += exposures;
        let Mismatches { holdout_saw_other, excluded_variant, other, .. } = &mut found.mismatches;
        let reason = match verdict {
            Verdict::Match => None,
            Verdict::HoldoutSawOther => Some(holdout_saw_other),
            Verdict::ExcludedVariant => Some(excluded_variant),
            Verdict::NotInForce { age, by_chance } => {
                behind.add(exposures, age.is_some(), by_chance);
                if let Some(age) = age {
                    *ages.entry(age).or_default() += exposures;
                }
                Some(other)
            }
        };
        let mismatches = if reason.is_some() { exposures } else { 0 };
        if let Some(count) = reason {
            *count += exposures;
        }
        for (of, &level) in by_level.iter_mut().zip(levels) {
            if let Some((n, m)) = of.get_mut(level) {
                (*n, *m) = (*n + exposures, *m + mismatches);
            }
        }
    }
    let older = behind.exposures().min(found.mismatches.other);
    found.mismatches.older_version = older;
    found.mismatches.other -= older;
    let (all, wrong) = (found.exposures, found.mismatches.all());
    found.matching = (all > 0).then(|| 1.0 - number(wrong) / number(all));
    found.age_seconds = median(&ages).filter(|_| older > 0);
    found.concentrates_in = concentration(all, wrong, &by_level);
    found.suspect = all >= LEAST_CHECKED && found.matching.is_some_and(|matching| matching < LEAST_MATCH);
    found
}

/// The sums of the least squares of whether an older version serves what was logged.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    n: f64,
    hits: f64,
    product: f64,
    square: f64,
}

impl Behind {
    fn add(&mut self, exposures: u64, hit: bool, by_chance: f64) {
        let (n, hit, not) = (number(exposures), f64::from(u8::from(hit)), 1.0 - by_chance);
        self.n += n;
        self.hits += n * hit;
        self.product += n * (hit - by_chance) * not;
        self.square += n * not * not;
    }

    /// M τ, to the next whole number.
    fn exposures(&self) -> u64 {
        let share = if self.square > 0.0 { self.product / self.square } else { self.hits / self.n.max(1.0) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let exposures = (self.n * share.clamp(0.0, 1.0)).round() as u64;
        exposures
    }
}

/// The least age that half of the exposures do not exceed.
fn median(ages: &BTreeMap<u64, u64>) -> Option<u64> {
    let all: u64 = ages.values().sum();
    let mut below = 0;
    ages.iter().find_map(|(&age, &n)| {
        below += n;
        (2 * below >= all).then_some(age)
    })
}

fn concentration(all: u64, wrong: u64, by_level: &[Vec<(u64, u64)>]) -> Option<Concentration> {
    let mut best: Option<(f64, Concentration)> = None;
    for (factor, levels) in by_level.iter().enumerate() {
        for (level, &(n, m)) in levels.iter().enumerate() {
            let (others, wrong_others) = (all - n, wrong - m);
            if m < LEAST_CONCENTRATED || others == 0 {
                continue;
            }
            let (rate, elsewhere) = (number(m) / number(n), number(wrong_others) / number(others));
            let above = number(m) - number(n) * elsewhere;
            if 2.0 * above >= number(wrong) && rate >= 2.0 * elsewhere && best.is_none_or(|(most, _)| above > most) {
                let concentration = Concentration { factor, level, matching: 1.0 - rate, elsewhere: 1.0 - elsewhere };
                best = Some((above, concentration));
            }
        }
    }
    best.map(|(_, concentration)| concentration)
}
