//! What a version expects of its cells, for the runs that value policies on what it will decide.

use std::cmp::Reverse;

use bandit::{CellTable, Posterior, Space, expected_rewards};

use crate::error::ApiError;

/// Cells of which it is kept: of the most frequented contexts.
const MOST_CELLS: usize = 50_000;

/// Posterior mean rewards, contexts × variants, reward units.
pub(super) struct Expected {
    /// Ascending.
    pub(super) contexts: Vec<u64>,
    pub(super) means: Vec<f64>,
}

impl Expected {
    /// What a posterior expects in the contexts that were seen most.
    ///
    /// # Errors
    /// [`ApiError::Internal`] for a posterior that is not of this space.
    pub(super) fn of(
        space: &Space,
        posterior: &Posterior,
        cells: &CellTable,
        threads: usize,
    ) -> Result<Self, ApiError> {
        let mut seen: Vec<(u64, u64)> = Vec::new();
        // Cells are in the order of contexts.
        for cell in cells.cells() {
            match seen.last_mut() {
                Some((context, n)) if *context == cell.context => *n += cell.n,
                _ => seen.push((cell.context, cell.n)),
            }
        }
        seen.sort_by_key(|&(context, n)| (Reverse(n), context));
        seen.truncate(MOST_CELLS / space.variants().max(1));
        let mut contexts: Vec<u64> = seen.into_iter().map(|(context, _)| context).collect();
        contexts.sort_unstable();
        let means = expected_rewards(space, posterior, &contexts, threads).map_err(ApiError::internal)?;
        Ok(Self { contexts, means })
    }
}
