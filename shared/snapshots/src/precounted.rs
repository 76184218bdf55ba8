//! Rows that bring their reward: observations, and cells that are already counted.

use bandit::{CellTable, RewardType};

use crate::batch::{Batch, Claim};
use crate::error::SnapshotError;
use crate::exposures::{Place, cut_off, last_mature, place};
use crate::fields::Role;
use crate::layout::File;
use crate::number::{LARGEST_SQUARES, Number};
use crate::plan::{Immature, Plan};
use crate::report::{SkipReason, Skips};
use crate::scan::{Count, scan};
use crate::source::Source;
use crate::tally::{CellCache, CellNumbers, Sums, Tally};
use crate::time;

/// The largest count that a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What the rows of one unit come to.
#[derive(Debug, Default)]
pub(crate) struct Part {
    cells: Vec<(u32, Sums)>,
    rewards: u64,
    skips: Skips,
}

/// What all rows come to.
#[derive(Debug)]
pub(crate) struct Summed {
    pub(crate) cells: CellTable,
    pub(crate) rewards: u64,
    pub(crate) skips: Skips,
}

/// A row of `cells/`, or why it does not count and the observations that this costs.
type Cell = Result<(Place, Sums), (SkipReason, u64)>;

struct Counter<'a> {
    role: Role,
    reward: RewardType,
    /// Observations later than this are immature.
    mature: i64,
    cells: CellCache<'a>,
    tally: Tally,
    part: Part,
}

impl Counter<'_> {
    fn observation(&self, batch: &Batch, row: usize) -> Result<(Place, Sums), SkipReason> {
        if batch.optimizations[row] == Claim::Other {
            return Err(SkipReason::OtherOptimization);
        }
        // Without a time an observation is mature. One that cannot be read may be any time.
        match batch.times[row] {
            time::BAD => return Err(SkipReason::BadValue),
            time::IMPLAUSIBLE => return Err(SkipReason::ImplausibleTime),
            _ => {}
        }
        let place = place(batch, row)?;
        let Number::Value(value) = batch.values[row] else { return Err(SkipReason::BadValue) };
        if batch.times[row] > self.mature {
            return Err(SkipReason::Immature);
        }
        let reward = match self.reward {
            RewardType::Bool => f64::from(u8::from(value != 0.0)),
            RewardType::Numeric => value,
        };
        Ok((place, Sums { n: 1, sum: reward, sum_sq: reward * reward }))
    }

    /// A row of `cells/`.
    fn cell(&self, object: &str, batch: &Batch, row: usize) -> Result<Cell, SnapshotError> {
        let wrong = |column, value, expected: String| Err(batch.wrong(object, row, column, value, expected));
        let n = match batch.n[row] {
            Number::Value(n) if n >= 0.0 => n,
            Number::Value(_) | Number::Bad | Number::Null => return Ok(Err((SkipReason::BadValue, 1))),
        };
        if n.fract() != 0.0 || n > EXACT {
            return wrong("n", n, "a whole number up to 2^53".into());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
        let count = n as u64;
        let place = match place(batch, row) {
            Ok(place) => place,
            Err(reason) => return Ok(Err((reason, count))),
        };
        let Number::Value(sum) = batch.sums[row] else { return Ok(Err((SkipReason::BadValue, count.max(1)))) };
        if self.reward == RewardType::Bool {
            if sum.fract() != 0.0 || !(0.0..=n).contains(&sum) {
                return wrong("reward_sum", sum, format!("a whole number from 0 to n = {n}"));
            }
            return Ok(Ok((place, Sums { n: count, sum, sum_sq: sum })));
        }
        batch.summable(object, row, "reward_sum", sum)?;
        let Number::Value(sum_sq) = batch.sums_sq[row] else { return Ok(Err((SkipReason::BadValue, count.max(1)))) };
        if sum_sq > LARGEST_SQUARES {
            return wrong("reward_sum_sq", sum_sq, format!("at most {LARGEST_SQUARES:e}"));
        }
        if sum_sq * n * (1.0 + 1e-9) + f64::MIN_POSITIVE < sum * sum || sum_sq < 0.0 {
            return wrong("reward_sum_sq", sum_sq, format!("at least reward_sum² / n = {}", sum * sum / n));
        }
        Ok(Ok((place, Sums { n: count, sum, sum_sq })))
    }

    fn row(&mut self, object: &str, batch: &Batch, row: usize) -> Result<(), SnapshotError> {
        let counted = match self.role {
            Role::Cells => self.cell(object, batch, row)?,
            _ => self.observation(batch, row).map_err(|reason| (reason, 1)),
        };
        if let (Ok((_, sums)), Role::Observations) = (&counted, self.role) {
            batch.summable(object, row, "reward", sums.sum)?;
        }
        match counted {
            Err((reason, observations)) => self.part.skips.add(reason, observations),
            Ok((place, sums)) => {
                if place.unknown {
                    self.part.skips.add(SkipReason::UnknownContextLevel, sums.n);
                }
                self.part.rewards += rewards(self.role, self.reward, sums);
                self.tally.add(self.cells.number(place.variant, place.context)?, sums);
            }
        }
        Ok(())
    }
}

/// The rewards of a row: for one observation whether it has one, for a cell the conversions, which only a bool reward tells.
fn rewards(role: Role, reward: RewardType, sums: Sums) -> u64 {
    match (role, reward) {
        (Role::Cells, RewardType::Numeric) => 0,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and from 0 to n")]
        (Role::Cells, RewardType::Bool) => sums.sum as u64,
        _ => u64::from(sums.sum != 0.0),
    }
}

impl Count for Counter<'_> {
    type Unit = Part;

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        self.part.skips.add(SkipReason::BadJson, batch.bad_records);
        (0..batch.rows).try_for_each(|row| self.row(object, batch, row))
    }

    fn finish(&mut self) -> Part {
        self.part.cells = self.tally.drain();
        std::mem::take(&mut self.part)
    }
}

/// Adds up rows of observations or cells.
///
/// # Errors
/// What the files and the store may do wrong, cells that are impossible, and sums that overflow.
pub(crate) fn count(
    source: &dyn Source,
    files: &[File<'_>],
    role: Role,
    plan: &Plan<'_>,
) -> Result<Summed, SnapshotError> {
    let exclude = plan.immature == Immature::Exclude && role == Role::Observations;
    let mature = if exclude { last_mature(cut_off(source, files, plan)?, plan) } else { i64::MAX };
    let numbers = CellNumbers::new(plan.space);
    let counter = || Counter {
        role,
        reward: plan.reward,
        mature,
        cells: CellCache::new(&numbers),
        tally: Tally::default(),
        part: Part::default(),
    };
    let mut summed = Part::default();
    let mut tally = Tally::default();
    scan(source, files, role, plan, counter, |part| {
        part.cells.into_iter().for_each(|(cell, sums)| tally.add(cell, sums));
        summed.rewards += part.rewards;
        summed.skips.merge(&part.skips);
    })?;
    Ok(Summed { cells: tally.into_table(&numbers)?, rewards: summed.rewards, skips: summed.skips })
}
