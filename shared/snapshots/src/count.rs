//! One pass over a snapshot.

use bandit::CellTable;

use crate::error::SnapshotError;
use crate::fields::Role;
use crate::layout::{Shape, shape};
use crate::plan::Plan;
use crate::report::{Observations, Skips};
use crate::source::{Object, Source};
use crate::{exposures, precounted, rewards};

/// What a snapshot comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// n, Σ r and Σ r² by variant and context.
    pub cells: CellTable,
    /// What was seen and what was skipped.
    pub observations: Observations,
}

/// Counts a snapshot: `objects` are all its objects, with keys relative to its prefix; those that are not in one of its folders, and hidden
/// ones, are left aside.
///
/// # Errors
/// [`SnapshotError`], whose kind tells a snapshot that is wrong from one that is empty and from a store that failed.
pub fn count(source: &dyn Source, objects: &[Object], plan: &Plan<'_>) -> Result<Counted, SnapshotError> {
    match shape(objects)? {
        Shape::Exposures { exposures, rewards } => {
            let rewards = rewards::read(source, &rewards, plan)?;
            let joined = exposures::count(source, &exposures, &rewards, plan)?;
            let counted = rewards.counted.len() as u64;
            finish(joined.cells, counted, joined.attributed, joined.skips, &rewards.skips)
        }
        Shape::Observations(files) => {
            let summed = precounted::count(source, &files, Role::Observations, plan)?;
            finish(summed.cells, summed.rewards, summed.rewards, summed.skips, &Skips::default())
        }
        Shape::Cells(files) => {
            let summed = precounted::count(source, &files, Role::Cells, plan)?;
            finish(summed.cells, summed.rewards, summed.rewards, summed.skips, &Skips::default())
        }
    }
}

fn finish(
    cells: CellTable,
    rewards: u64,
    attributed_rewards: u64,
    exposure_skips: Skips,
    reward_skips: &Skips,
) -> Result<Counted, SnapshotError> {
    let exposures = cells.trials();
    let skipped = exposure_skips.faults();
    let all = exposures + skipped + exposure_skips.immature();
    let mut skips = exposure_skips;
    skips.merge(reward_skips);
    let observations = Observations { exposures, rewards, attributed_rewards, skipped: skips.into_map() };
    if exposures == 0 {
        return Err(SnapshotError::NoObservations(observations));
    }
    if skipped > all - skipped {
        return Err(SnapshotError::TooManySkipped { skipped, exposures: all, observations });
    }
    Ok(Counted { cells, observations })
}
