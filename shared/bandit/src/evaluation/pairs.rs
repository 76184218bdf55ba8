//! Whether a pair of levels earns more or less than its two levels would together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::error::EvaluationError;
use super::numbers::number;
use super::regression::{Design, Fit, Row};
use super::tails::chi_squared;
use crate::RewardType;

/// Users that a pair of levels needs to be shown.
pub const LEAST_PAIR_USERS: u64 = 1_000;

/// A pair of which less of the information than this is left beside its levels is determined by them.
const DETERMINED: f64 = 1e-9;

/// The users who first saw a pair of levels on a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairSums {
    /// The day, any number.
    pub day: u32,
    /// Level of the first factor.
    pub first: usize,
    /// Level of the second factor.
    pub second: usize,
    /// Their sums.
    pub users: Arm,
}

/// One pair of levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairCell {
    /// Users.
    pub n: u64,
    /// Observed less additive rate per user: percentage points for a bool reward, reward units for a numeric one. `None` below
    /// [`LEAST_PAIR_USERS`] users.
    pub points: Option<f64>,
    /// The same over its standard error where there is no interaction (the score test of this pair alone). `None` also where the
    /// levels' effects determine the pair.
    pub z: Option<f64>,
}

/// The likelihood-ratio test of all pairs together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairTest {
    /// 2 ln of the ratio of the likelihoods.
    pub statistic: f64,
    /// Effects that pairs add to days and levels.
    pub degrees_of_freedom: u64,
    /// P(χ² ≥ statistic).
    pub p_value: f64,
}

/// A pair of factors: what was observed less what their levels add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairsAgainstMains {
    /// Levels of the first factor × levels of the second.
    pub cells: Vec<Vec<PairCell>>,
    /// `None` where no pair can be told from its levels, or nothing varies.
    pub test: Option<PairTest>,
}

/// Observed minus additive rates for two design factors, and the test of pairs against mains:
///
/// ```text
/// mains   g(rate) = day + a + b             pairs   g(rate) = day + ab          g: log-odds (bool), identity (numeric)
/// points  (1/n_ab) Σ_days (Σ y − n · fitted mean of the mains)
/// test    bool: deviance(mains) − deviance(pairs); numeric: N ln(RSS(mains)/RSS(pairs));  ~ χ²(rank(pairs) − rank(mains))
/// z       Σ (y − fitted) of the pair over its standard error, the levels' and days' effects being fitted
/// ```
///
/// - day: of the user's first exposure, an effect of its own, so that traffic that moves between variants while rates move makes
///   no interaction; a, b: the levels first seen; y: the user's reward; n: users; N of all;
/// - RSS: residual sums of squares over users, their spread within a day and pair included.
///
/// Days and levels on which nobody or everybody converted tell nothing of pairs: they are left out, and count for no degree of
/// freedom. Effects that the data do not tell apart are left out likewise. Source of tests and deviance: McCullagh and Nelder,
/// "Generalized Linear Models" (1989), chapters 2 and 4. The χ² needs several rewards for each pair. The z of a pair are correlated,
/// and the greatest of many is above 2 by chance: read the test first.
///
/// Cost: days × (levels)² for the mains, pairs × days² for the pairs, a few times over.
///
/// # Errors
/// [`EvaluationError`]: levels that are not those of the factors, impossible sums, a fit that does not converge.
pub fn pairs_against_mains(
    levels: (usize, usize),
    reward: RewardType,
    sums: &[PairSums],
) -> Result<PairsAgainstMains, EvaluationError> {
    let mut counted = vec![vec![Arm::default(); levels.1]; levels.0];
    for sums in sums {
        if sums.first >= levels.0 || sums.second >= levels.1 {
            return Err(EvaluationError::UnknownLevel { first: sums.first, second: sums.second, levels });
        }
        sums.users.check(&format!("day {}, levels ({}, {})", sums.day, sums.first, sums.second), reward)?;
        let cell = &mut counted[sums.first][sums.second];
        *cell = cell.plus(sums.users);
    }
    let used = informative(sums, reward);
    let mut found = PairsAgainstMains {
        cells: counted
            .iter()
            .map(|row| {
                // Where nothing is left to explain, observed and fitted rates are both 0, or both 1.
                let points = |n: u64| (n >= LEAST_PAIR_USERS).then_some(0.0);
                row.iter().map(|arm| PairCell { n: arm.users, points: points(arm.users), z: None }).collect()
            })
            .collect(),
        test: None,
    };
    if used.is_empty() {
        return Ok(found);
    }
    let days = number_of(used.iter().map(|s| u64::from(s.day)));
    let rows: Vec<Row> =
        used.iter().map(|s| row(days.of(u64::from(s.day)), vec![s.first, levels.0 + s.second], s)).collect();
    let mains = Design { rows: &rows, blocks: days.len(), columns: levels.0 + levels.1 };
    let fit = mains.fit("mains", reward)?;
    let pair = |s: &PairSums| (s.first * levels.1 + s.second) as u64;
    let blocks = number_of(used.iter().map(pair));
    let in_pairs = |s: &PairSums| row(blocks.of(pair(s)), vec![days.of(u64::from(s.day))], s);
    let pair_rows: Vec<Row> = used.iter().map(in_pairs).collect();
    let pairs = Design { rows: &pair_rows, blocks: blocks.len(), columns: days.len() };
    let df = pairs.rank().saturating_sub(mains.rank()) as u64;
    let within: f64 = used.iter().map(|s| within(&s.users)).sum();
    let users: f64 = rows.iter().map(|row| row.n).sum();
    #[expect(clippy::cast_precision_loss, reason = "effects are far below 2^52")]
    let dispersion = match reward {
        RewardType::Bool => 1.0,
        RewardType::Numeric => (within + fit.deviance) / (users - mains.rank() as f64),
    };
    if df > 0 {
        let statistic = match reward {
            RewardType::Bool => fit.deviance - deviance_of_pairs(&used, &days, levels)?,
            RewardType::Numeric => {
                users * ((within + fit.deviance) / (within + pairs.fit("pairs", reward)?.deviance)).ln()
            }
        };
        if statistic.is_finite() {
            let statistic = statistic.max(0.0);
            found.test = Some(PairTest { statistic, degrees_of_freedom: df, p_value: chi_squared(statistic, df) });
        }
    }
    for (first, row) in found.cells.iter_mut().enumerate() {
        for (second, cell) in row.iter_mut().enumerate().filter(|(_, cell)| cell.n >= LEAST_PAIR_USERS) {
            let is_in = |r: usize| used[r].first == first && used[r].second == second;
            if (0..used.len()).any(is_in) {
                show(cell, &mains, &fit, reward, dispersion, is_in);
            }
        }
    }
    Ok(found)
}

fn show(
    cell: &mut PairCell,
    mains: &Design<'_>,
    fit: &Fit,
    reward: RewardType,
    dispersion: f64,
    is_in: impl Fn(usize) -> bool + Copy,
) {
    let excess: f64 =
        (0..mains.rows.len()).filter(|&r| is_in(r)).map(|r| mains.rows[r].sum - mains.rows[r].n * fit.means[r]).sum();
    let unit = if reward == RewardType::Bool { 100.0 } else { 1.0 };
    cell.points = Some(unit * excess / number(cell.n));
    let (own, left) = mains.excess_variance(fit, reward, is_in);
    // What the levels determine has no variance but for rounding.
    cell.z = (left > DETERMINED * own && dispersion > 0.0).then(|| excess / (dispersion * left).sqrt());
}

fn row(block: usize, columns: Vec<usize>, sums: &PairSums) -> Row {
    Row { block, columns, n: number(sums.users.users), sum: sums.users.sum }
}

/// Σ (y − ȳ)² of the users of one day and pair.
fn within(users: &Arm) -> f64 {
    (users.sum_sq - users.sum * users.sum / number(users.users)).max(0.0)
}

/// The deviance of the pairs' model. A pair in which nobody or everybody converted is fitted exactly and adds nothing.
fn deviance_of_pairs(used: &[PairSums], days: &Numbers, levels: (usize, usize)) -> Result<f64, EvaluationError> {
    let pair = |s: &PairSums| s.first * levels.1 + s.second;
    let mut totals = vec![Arm::default(); levels.0 * levels.1];
    for s in used {
        totals[pair(s)] = totals[pair(s)].plus(s.users);
    }
    let rest: Vec<&PairSums> = used.iter().filter(|s| varies(&totals[pair(s)])).collect();
    if rest.is_empty() {
        return Ok(0.0);
    }
    let blocks = number_of(rest.iter().map(|s| pair(s) as u64));
    let rows: Vec<Row> =
        rest.iter().map(|s| row(blocks.of(pair(s) as u64), vec![days.of(u64::from(s.day))], s)).collect();
    let design = Design { rows: &rows, blocks: blocks.len(), columns: days.len() };
    Ok(design.fit("pairs", RewardType::Bool)?.deviance)
}

/// Whether some converted and some did not.
fn varies(arm: &Arm) -> bool {
    arm.sum > 0.0 && arm.sum < number(arm.users)
}

/// The sums that tell something of pairs: for a bool reward without the days and levels on which nobody or everybody converted.
fn informative(sums: &[PairSums], reward: RewardType) -> Vec<PairSums> {
    let mut used: Vec<PairSums> = sums.iter().copied().filter(|s| s.users.users > 0).collect();
    if reward == RewardType::Numeric {
        return used;
    }
    loop {
        let keys = |s: &PairSums| [(0, u64::from(s.day)), (1, s.first as u64), (2, s.second as u64)];
        let mut totals: BTreeMap<(u8, u64), Arm> = BTreeMap::new();
        for s in &used {
            for key in keys(s) {
                let total = totals.entry(key).or_default();
                *total = total.plus(s.users);
            }
        }
        let before = used.len();
        used.retain(|s| keys(s).iter().all(|key| totals.get(key).is_some_and(varies)));
        if used.len() == before {
            break;
        }
    }
    used
}

/// Numbers that occur, ascending: each has its place.
struct Numbers(Vec<u64>);

fn number_of(all: impl Iterator<Item = u64>) -> Numbers {
    let mut numbers: Vec<u64> = all.collect();
    numbers.sort_unstable();
    numbers.dedup();
    Numbers(numbers)
}

impl Numbers {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn of(&self, number: u64) -> usize {
        self.0.partition_point(|&other| other < number)
    }
}
