//! Rows that bring their reward: observations, and cells that are already counted.

use bandit::{CellTable, RewardType};

use crate::batch::Batch;
use crate::cells::{CellCache, CellNumbers, CellSums, Sums};
use crate::cube::{Cube, CubeKey, CubeSums, Periods};
use crate::error::SnapshotError;
use crate::exposures::cut_off;
use crate::fields::{Field, Role};
use crate::file::File;
use crate::guard::Guard;
use crate::learned::{Cap, Capping, Learned, Unit};
use crate::number::{LARGEST_SQUARES, Number};
use crate::place::{At, Cell, Origin, Skip, Skipped, cell, last_mature, optimization};
use crate::plan::Immature;
use crate::report::{Example, SkipReason};
use crate::scan::{Reading, scan};
use crate::sink::Sink;
use crate::tables::TablesPlan;
use crate::time;

/// The largest count that a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What the rows of one unit come to.
#[derive(Debug, Default)]
struct Part {
    cells: Vec<(u32, Sums)>,
    observations: u64,
    rewards: u64,
    skipped: Skipped,
    /// Observations whose reward cannot be read, and the first of them.
    unreadable: (u64, Option<Example>),
    learned: Option<LearnedRows>,
}

/// What models learn from the rows of one unit.
#[derive(Debug, Default)]
struct LearnedRows {
    cube: Cube,
    capping: Option<Capping>,
    /// Whether a row of cells does not say how many of its rewards are other than 0.
    uncounted: bool,
    negative: bool,
}

/// What all rows come to.
#[derive(Debug)]
pub(crate) struct AggregatedCounts {
    pub(crate) cells: CellTable,
    pub(crate) rewards: u64,
    pub(crate) skipped: Skipped,
    /// Observations whose reward cannot be read.
    pub(crate) unreadable_rewards: u64,
    /// The first of them.
    pub(crate) unreadable: Option<Example>,
    pub(crate) guard: Guard,
    pub(crate) learned: Learned,
}

impl LearnedRows {
    /// Adds what comes later in the order (file name, row).
    fn merge(&mut self, later: Self) {
        self.cube.merge(later.cube);
        self.uncounted |= later.uncounted;
        self.negative |= later.negative;
        if let (Some(capping), Some(later)) = (&mut self.capping, &later.capping) {
            capping.merge(later);
        }
    }

    fn learned(self) -> Learned {
        Learned {
            own: Some(self.cube.cells()),
            nonzero_counted: !self.uncounted,
            negative: self.negative,
            design_effect: None,
            capped: self.capping.map(|capping| capping.capped()),
        }
    }
}

/// A row that counts.
struct Row {
    cell: Cell,
    sums: Sums,
    /// Rewards other than 0, where the row says that.
    nonzero: Option<u64>,
    null_reward: bool,
}

/// A row, or why it does not count and the observations that this costs.
type Placed = Result<Row, (Skip, u64)>;

/// The sink of rows that bring their reward.
struct AggregatedCells<'a> {
    role: Role,
    reward: RewardType,
    origin: Origin<'a>,
    /// Observations later than this are immature.
    mature: i64,
    cells: CellCache<'a>,
    sums: CellSums,
    part: Part,
    periods: Periods<'a>,
    /// The cap where there is one, which has cut nothing off yet.
    capping: Option<Capping>,
    /// Whether rows are learned by period.
    learns: bool,
}

impl AggregatedCells<'_> {
    fn observation(&self, batch: &Batch, row: usize) -> Result<Row, Skip> {
        optimization(batch, row)?;
        // Without a time an observation is mature. One that cannot be read may be any time.
        match batch.times[row] {
            time::BAD => return Err(Skip::at(SkipReason::BadValue, Field::Time)),
            time::IMPLAUSIBLE => return Err(Skip::at(SkipReason::ImplausibleTime, Field::Time)),
            _ => {}
        }
        let cell = cell(batch, row)?;
        // The join that made the row found no reward: nothing happened.
        let (value, null_reward) = match batch.values[row] {
            Number::Value(value) => (value, false),
            Number::Null => (0.0, true),
            Number::Bad => return Err(Skip::at(SkipReason::BadValue, Field::Value)),
        };
        if batch.times[row] > self.mature {
            return Err(Skip::at(SkipReason::Immature, Field::Time));
        }
        let reward = match self.reward {
            RewardType::Bool => f64::from(u8::from(value != 0.0)),
            RewardType::Numeric => value,
        };
        let sums = Sums { n: 1, sum: reward, sum_sq: reward * reward };
        Ok(Row { cell, sums, nonzero: Some(u64::from(reward != 0.0)), null_reward })
    }

    /// A row of `cells/`.
    fn cell(&self, At { object, batch, row }: At<'_>) -> Result<Placed, SnapshotError> {
        let wrong = |column, value, expected: String| Err(batch.wrong(object, row, column, value, expected));
        let bad = |field, cost| Ok(Err((Skip::at(SkipReason::BadValue, field), cost)));
        let n = match batch.n[row] {
            Number::Value(n) if n >= 0.0 => n,
            Number::Value(_) | Number::Bad | Number::Null => return bad(Field::N, 1),
        };
        if n.fract() != 0.0 || n > EXACT {
            return wrong("n", n, "a whole number up to 2^53".into());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
        let count = n as u64;
        match batch.times[row] {
            time::BAD => return bad(Field::Time, count.max(1)),
            time::IMPLAUSIBLE => return Ok(Err((Skip::at(SkipReason::ImplausibleTime, Field::Time), count.max(1)))),
            _ => {}
        }
        let cell = match cell(batch, row) {
            Ok(cell) => cell,
            Err(skip) => return Ok(Err((skip, count))),
        };
        // SUM over a join that found no reward is null: nothing happened.
        let sums_sq_known = self.reward == RewardType::Numeric && batch.sums_sq[row] != Number::Null;
        let (sum, null_reward) = match batch.sums[row] {
            Number::Value(sum) => (sum, false),
            Number::Null if !sums_sq_known => (0.0, true),
            Number::Null | Number::Bad => return bad(Field::Sum, count.max(1)),
        };
        let counts = |cell, sums, nonzero| Ok(Ok(Row { cell, sums, nonzero, null_reward }));
        if self.reward == RewardType::Bool {
            if sum.fract() != 0.0 || !(0.0..=n).contains(&sum) {
                return wrong("reward_sum", sum, format!("a whole number from 0 to n = {n}"));
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and from 0 to n")]
            let converted = sum as u64;
            return counts(cell, Sums { n: count, sum, sum_sq: sum }, Some(converted));
        }
        batch.summable(object, row, "reward_sum", sum)?;
        if count == 0 && sum != 0.0 {
            return wrong("reward_sum", sum, "0 where n is 0".into());
        }
        let sum_sq = match batch.sums_sq[row] {
            Number::Value(sum_sq) => sum_sq,
            Number::Null if null_reward => 0.0,
            Number::Null | Number::Bad => return bad(Field::SumSq, count.max(1)),
        };
        if sum_sq > LARGEST_SQUARES {
            return wrong("reward_sum_sq", sum_sq, format!("at most {LARGEST_SQUARES:e}"));
        }
        if sum_sq * n * (1.0 + 1e-9) + f64::MIN_POSITIVE < sum * sum || sum_sq < 0.0 {
            return wrong("reward_sum_sq", sum_sq, format!("at least reward_sum² / n = {}", sum * sum / n));
        }
        let nonzero = match batch.nonzero[row] {
            Number::Null => None,
            Number::Bad => return bad(Field::Nonzero, count.max(1)),
            Number::Value(z) if z.fract() != 0.0 || !(0.0..=n).contains(&z) => {
                return wrong("nonzero", z, format!("a whole number from 0 to n = {n}"));
            }
            Number::Value(0.0) if sum_sq != 0.0 => {
                return wrong("nonzero", 0.0, format!("at least 1, as reward_sum_sq is {sum_sq}"));
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and from 0 to n")]
            Number::Value(z) => Some(z as u64),
        };
        counts(cell, Sums { n: count, sum, sum_sq }, nonzero)
    }

    fn row(&mut self, at: At<'_>) -> Result<(), SnapshotError> {
        let placed = match self.role {
            Role::Cells => self.cell(at)?,
            _ => self.observation(at.batch, at.row).map_err(|skip| (skip, 1)),
        };
        let Row { cell, sums, nonzero, null_reward } = match placed {
            Ok(row) => row,
            Err((skip, observations)) => {
                self.note_unreadable(at, skip.reason);
                self.origin.skip(&mut self.part.skipped, at, skip, observations);
                return Ok(());
            }
        };
        if self.role == Role::Observations {
            at.batch.summable(at.object, at.row, "reward", sums.sum)?;
        }
        if let Some(cause) = cell.unknown {
            self.origin.unknown_context(&mut self.part.skipped, at, cause, sums.n);
        }
        if null_reward && sums.n > 0 {
            let field = if self.role == Role::Cells { Field::Sum } else { Field::Value };
            self.origin.skip(&mut self.part.skipped, at, Skip::at(SkipReason::NullReward, field), sums.n);
        }
        self.part.observations = self.part.observations.saturating_add(sums.n);
        let rewards = rewards(self.role, self.reward, sums);
        self.part.rewards = self.part.rewards.saturating_add(rewards);
        self.sums.add(self.cells.number(cell.variant, cell.context)?, sums);
        if self.learns {
            self.learn(at, &cell, sums, nonzero)?;
        }
        Ok(())
    }
}

impl AggregatedCells<'_> {
    /// Counts an observation that is skipped for its reward.
    fn note_unreadable(&mut self, at: At<'_>, reason: SkipReason) {
        if self.role == Role::Observations && reason == SkipReason::BadValue && at.batch.values[at.row] == Number::Bad {
            let (unreadable, first) = &mut self.part.unreadable;
            *unreadable += 1;
            first.get_or_insert_with(|| at.batch.example(at.object, at.row, Some(Field::Value), Some("reward")));
        }
    }

    /// Adds a row to what models learn from.
    fn learn(&mut self, at: At<'_>, cell: &Cell, sums: Sums, nonzero: Option<u64>) -> Result<(), SnapshotError> {
        let variant = u32::try_from(cell.variant).map_err(|_| SnapshotError::TooLarge { what: "variants" })?;
        let time = at.batch.times[at.row];
        // Without a time a row is of no period.
        let period = if time::is_time(time) { self.periods.of(time) } else { 0 };
        let key = CubeKey { period, held_out: false, variant, context: cell.context };
        let capping = self.capping;
        let learned = self.part.learned.get_or_insert_with(|| LearnedRows { capping, ..LearnedRows::default() });
        learned.negative |= sums.sum < 0.0;
        learned.uncounted |= nonzero.is_none() && sums.sum_sq != 0.0;
        let sums = match &mut learned.capping {
            // A cap is of single rewards.
            Some(capping) => CubeSums::of(capping.apply(sums.sum)),
            None if self.role == Role::Observations => CubeSums::of(sums.sum),
            None => CubeSums {
                n: sums.n,
                nonzero: nonzero.unwrap_or_default(),
                sum: sums.sum.into(),
                sum_sq: sums.sum_sq.into(),
            },
        };
        learned.cube.add(key, &sums);
        Ok(())
    }
}

/// The magnitudes of the rewards of observations that count: for the quantile of a cap.
struct Magnitudes<'a> {
    cells: AggregatedCells<'a>,
    found: Vec<f64>,
}

impl Sink for Magnitudes<'_> {
    type Unit = Vec<f64>;

    fn rows(&mut self, _: &str, batch: &Batch) -> Result<(), SnapshotError> {
        let rows = (0..batch.rows).filter_map(|row| self.cells.observation(batch, row).ok());
        self.found.extend(rows.map(|row| row.sums.sum.abs()).filter(|&reward| reward != 0.0));
        Ok(())
    }

    fn finish(&mut self) -> Vec<f64> {
        std::mem::take(&mut self.found)
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

impl Sink for AggregatedCells<'_> {
    type Unit = Part;

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        Origin::batch(&mut self.part.skipped, object, batch);
        (0..batch.rows).try_for_each(|row| self.row(At { object, batch, row }))
    }

    fn finish(&mut self) -> Part {
        self.part.cells = self.sums.drain();
        std::mem::take(&mut self.part)
    }
}

/// Adds up rows of observations or cells; `beside` makes another sink of the same rows, of those that are no later than its argument.
///
/// # Errors
/// What the files and the store may do wrong, cells that are impossible, and sums that overflow.
pub(crate) fn count<S: Sink>(
    reading: &Reading<'_>,
    files: &[File<'_>],
    (role, tables): (Role, Option<&TablesPlan<'_>>),
    beside: impl Fn(Role, i64) -> S + Sync,
    mut to_beside: impl FnMut(S::Unit) + Send,
) -> Result<AggregatedCounts, SnapshotError> {
    let plan = reading.plan;
    let cap = tables.and_then(|tables| tables.cap);
    if tables.is_some_and(|tables| tables.unit == Unit::User) {
        let folder = if role == Role::Cells { "cells" } else { "observations" };
        return Err(SnapshotError::NoUsers { folder });
    }
    if cap.is_some() && role == Role::Cells {
        return Err(SnapshotError::CappedSums);
    }
    let exclude = plan.immature == Immature::Exclude && role == Role::Observations;
    let mature = if exclude { last_mature(cut_off(reading, files)?, plan) } else { i64::MAX };
    let numbers = CellNumbers::new(plan.space);
    let cells = |capping| AggregatedCells {
        role,
        reward: plan.reward,
        origin: reading.origin(role),
        mature,
        cells: CellCache::new(&numbers),
        sums: CellSums::default(),
        part: Part::default(),
        periods: Periods::new(tables.map_or(&[][..], |tables| tables.instants)),
        capping,
        learns: tables.is_some(),
    };
    let capping = match cap {
        None => None,
        Some(cap) => {
            let mut found = Vec::new();
            if matches!(cap, Cap::Quantile(_)) {
                let sink = || Magnitudes { cells: cells(None), found: Vec::new() };
                scan(reading, files, role, sink, |_, part: Vec<f64>| found.extend(part))?;
            }
            Some(Capping::new(cap, || found))
        }
    };
    let sink = || (cells(capping), beside(role, mature));
    let mut learned = LearnedRows { capping, ..LearnedRows::default() };
    let mut all = Part::default();
    let mut sums = CellSums::default();
    // Both are counted in observations: a row of cells stands for as many as its n.
    let mut guard = Guard::new(if role == Role::Cells { "observations in cells" } else { "observations" });
    scan(reading, files, role, sink, |file: &File<'_>, (part, unit): (Part, S::Unit)| {
        part.cells.into_iter().for_each(|(cell, of)| sums.add(cell, of));
        guard.add(file.key, part.observations, &part.skipped.skips);
        all.rewards = all.rewards.saturating_add(part.rewards);
        all.skipped.merge(&part.skipped);
        all.unreadable.0 += part.unreadable.0;
        all.unreadable.1 = all.unreadable.1.take().or(part.unreadable.1);
        if let Some(part) = part.learned {
            learned.merge(part);
        }
        to_beside(unit);
    })?;
    let cells = sums.into_table(&numbers)?;
    let (unreadable_rewards, unreadable) = all.unreadable;
    let (rewards, skipped, learned) = (all.rewards, all.skipped, learned.learned());
    Ok(AggregatedCounts { cells, rewards, skipped, unreadable_rewards, unreadable, guard, learned })
}
