//! Exposures counted by cell, with their rewards.

use bandit::{CellTable, RewardType};

use crate::assign::{Context, Variant};
use crate::attribution::{Exposure, LEFT_OUT, credit};
use crate::batch::{Batch, Claim, Id};
use crate::error::SnapshotError;
use crate::fields::Role;
use crate::ids::Users;
use crate::layout::File;
use crate::plan::{Immature, Plan};
use crate::report::{SkipReason, Skips};
use crate::rewards::{Rewards, latest, timestamp};
use crate::scan::{Count, scan};
use crate::source::Source;
use crate::tally::{CellCache, CellNumbers, Sums, Tally};

/// What one unit of exposures comes to.
#[derive(Debug, Default)]
pub(crate) struct Part {
    kept: Vec<Exposure>,
    cells: Vec<(u32, Sums)>,
    skips: Skips,
}

/// The variant and context of a usable row.
pub(crate) struct Place {
    pub(crate) variant: usize,
    pub(crate) context: u64,
    /// A context factor has its unknown level.
    pub(crate) unknown: bool,
}

/// The cell of a row, or why it has none.
pub(crate) fn place(batch: &Batch, row: usize) -> Result<Place, SkipReason> {
    let variant = match batch.variants[row] {
        Variant::Index(variant) => variant,
        Variant::Unknown => return Err(SkipReason::UnknownVariant),
        Variant::BadJson => return Err(SkipReason::BadJson),
    };
    match batch.contexts[row] {
        Context::Index { index: context, unknown } => Ok(Place { variant, context, unknown }),
        Context::BadJson => Err(SkipReason::BadJson),
    }
}

/// The id, time and cell of a row, or why it does not count.
fn usable(batch: &Batch, row: usize) -> Result<(&[u8], i64, Place), SkipReason> {
    if batch.optimizations[row] == Claim::Other {
        return Err(SkipReason::OtherOptimization);
    }
    let id = match batch.ids.get(row) {
        Id::Null => return Err(SkipReason::NullId),
        Id::Bad => return Err(SkipReason::BadValue),
        Id::Text(id) => id,
    };
    Ok((id, timestamp(batch, row)?, place(batch, row)?))
}

struct Counter<'a> {
    users: &'a Users,
    /// Exposures later than this are immature.
    mature: i64,
    cells: CellCache<'a>,
    tally: Tally,
    part: Part,
    candidates: Vec<Candidate>,
}

/// A counted exposure whose user may have a reward.
struct Candidate {
    row: usize,
    time: i64,
    cell: u32,
    hash: u64,
}

impl Counter<'_> {
    fn row(&mut self, batch: &Batch, row: usize) -> Result<(), SnapshotError> {
        match usable(batch, row) {
            Ok((id, time, place)) => {
                let cell = self.count(time, &place)?;
                self.candidates.push(Candidate { row, time, cell, hash: self.users.hash(id) });
            }
            Err(reason) => self.part.skips.add(reason, 1),
        }
        Ok(())
    }

    /// Counts an exposure; its cell, or [`LEFT_OUT`].
    fn count(&mut self, time: i64, place: &Place) -> Result<u32, SnapshotError> {
        if time > self.mature {
            self.part.skips.add(SkipReason::Immature, 1);
            return Ok(LEFT_OUT);
        }
        if place.unknown {
            self.part.skips.add(SkipReason::UnknownContextLevel, 1);
        }
        let cell = self.cells.number(place.variant, place.context)?;
        self.tally.at(cell).n += 1;
        Ok(cell)
    }
}

impl Count for Counter<'_> {
    type Unit = Part;

    fn rows(&mut self, _: &str, batch: &Batch) -> Result<(), SnapshotError> {
        self.part.skips.add(SkipReason::BadJson, batch.bad_records);
        self.candidates.clear();
        (0..batch.rows).try_for_each(|row| self.row(batch, row))?;
        // One thing at a time for all rows, so that the processor waits for many places of memory at once.
        self.candidates.retain(|candidate| self.users.may_have(candidate.hash));
        for &Candidate { row, time, cell, hash } in &self.candidates {
            let Id::Text(id) = batch.ids.get(row) else { continue };
            self.part.kept.extend(self.users.find(hash, id).map(|user| Exposure { time, user, cell }));
        }
        Ok(())
    }

    fn finish(&mut self) -> Part {
        self.part.cells = self.tally.drain();
        std::mem::take(&mut self.part)
    }
}

/// Finds the greatest timestamp.
struct Latest(Option<i64>);

impl Count for Latest {
    type Unit = Option<i64>;

    fn rows(&mut self, _: &str, batch: &Batch) -> Result<(), SnapshotError> {
        self.0 = self.0.max(latest(batch));
        Ok(())
    }

    fn finish(&mut self) -> Option<i64> {
        self.0.take()
    }
}

/// The greatest timestamp of some files.
///
/// # Errors
/// What the files and the store may do wrong.
pub(crate) fn cut_off(source: &dyn Source, files: &[File<'_>], plan: &Plan<'_>) -> Result<Option<i64>, SnapshotError> {
    let mut greatest = None;
    scan(source, files, Role::Times, plan, || Latest(None), |part| greatest = greatest.max(part))?;
    Ok(greatest)
}

/// The latest time of a mature exposure, all times where none is immature.
pub(crate) fn last_mature(cut_off: Option<i64>, plan: &Plan<'_>) -> i64 {
    cut_off.map_or(i64::MAX, |cut_off| cut_off.saturating_sub(plan.window()))
}

/// What exposures and rewards come to.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) cells: CellTable,
    pub(crate) attributed: u64,
    pub(crate) skips: Skips,
}

/// Counts the exposures and credits the rewards.
///
/// # Errors
/// What the files and the store may do wrong, and sums that overflow.
pub(crate) fn count(
    source: &dyn Source,
    files: &[File<'_>],
    rewards: &Rewards,
    plan: &Plan<'_>,
) -> Result<Joined, SnapshotError> {
    let mature = match plan.immature {
        Immature::Include => i64::MAX,
        Immature::Exclude => last_mature(cut_off(source, files, plan)?.max(rewards.latest), plan),
    };
    let numbers = CellNumbers::new(plan.space);
    let counter = || Counter {
        users: &rewards.users,
        mature,
        cells: CellCache::new(&numbers),
        tally: Tally::default(),
        part: Part::default(),
        candidates: Vec::new(),
    };
    let mut kept = Vec::new();
    let mut tally = Tally::default();
    let mut skips = Skips::default();
    scan(source, files, Role::Exposures, plan, counter, |part| {
        kept.extend(part.kept);
        part.cells.into_iter().for_each(|(cell, sums)| tally.add(cell, sums));
        skips.merge(&part.skips);
    })?;
    let credits = credit(&kept, &rewards.counted, rewards.users.len(), plan.window(), plan.attribution)?;
    // In the order (file name, row), so that the sums have the same bits in every run.
    for (exposure, credit) in kept.iter().zip(&credits.exposures) {
        if credit.rewards == 0 || exposure.cell == LEFT_OUT {
            continue;
        }
        let reward = match plan.reward {
            RewardType::Bool => 1.0,
            RewardType::Numeric => credit.sum,
        };
        tally.add(exposure.cell, Sums { n: 0, sum: reward, sum_sq: reward * reward });
    }
    Ok(Joined { cells: tally.into_table(&numbers)?, attributed: credits.attributed, skips })
}
