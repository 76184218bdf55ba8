//! From the cube to the exposures of the optimized users by the version that decided them.

use std::collections::BTreeMap;

use bandit::evaluation::EventSums;
use snapshots::CubeCell;
use uuid::Uuid;

use crate::domain::{Allocation, LOG_FORMAT, LeftOut, LoggedCells, LoggedVersion, StoredLog, Timeline};
use crate::usecases::results::periods::{Periods, STALENESS_MICROS};

/// Versions × contexts × variants that are stored: the work of valuing a policy.
const MOST_PLACES: usize = 20_000_000;
/// Cells that are stored, some 25 bytes each.
const MOST_CELLS: usize = 500_000;

/// What decided the exposures of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decided {
    By(u64),
    Stale,
    NotServed,
    NotExplored,
}

/// What decided the exposures of the period that begins at an instant. Periods are cut where that changes.
fn decided(timeline: &Timeline, model: Uuid, begin: i64) -> Decided {
    let Some(time) = timeline.at(begin) else { return Decided::NotServed };
    if timeline.deciding(begin, STALENESS_MICROS).nth(1).is_some() {
        return Decided::Stale;
    }
    let served = time.served;
    if (served.model_id, served.allocation) != (Some(model), Allocation::Exploring) {
        return Decided::NotExplored;
    }
    Decided::By(served.posterior_version)
}

/// The exposures of the optimized users by version, context and variant. Those of the first moments after a change, which an older version
/// may have decided, are left out, and so are the oldest versions where there are too many cells.
pub(in crate::usecases::results) fn log(
    cube: &[CubeCell],
    periods: &Periods,
    (timeline, model): (&Timeline, Uuid),
    (variants, design_effect, modelled): (usize, f64, bool),
) -> StoredLog {
    let mut by: BTreeMap<u32, Decided> = BTreeMap::new();
    let mut left_out = LeftOut::default();
    let mut found: BTreeMap<u64, BTreeMap<u64, BTreeMap<usize, EventSums>>> = BTreeMap::new();
    for cell in cube.iter().filter(|cell| !cell.held_out) {
        let begin = periods.begin(cell.period).unwrap_or(i64::MIN);
        match by.entry(cell.period).or_insert_with(|| decided(timeline, model, begin)) {
            Decided::By(version) => {
                let sums = found.entry(*version).or_default().entry(cell.context).or_default();
                let sums = sums.entry(cell.variant).or_default();
                sums.n += cell.n;
                sums.nonzero += cell.nonzero;
                sums.sum += cell.sum;
                sums.sum_sq += cell.sum_sq;
            }
            Decided::Stale => left_out.stale += cell.n,
            Decided::NotServed => left_out.not_served += cell.n,
            Decided::NotExplored => left_out.not_explored += cell.n,
        }
    }
    let (mut versions, mut cells, mut places) = (Vec::new(), 0_usize, 0_usize);
    for (posterior_version, contexts) in found.into_iter().rev() {
        cells += contexts.values().map(BTreeMap::len).sum::<usize>();
        places += contexts.len().saturating_mul(variants);
        if cells > MOST_CELLS || places > MOST_PLACES {
            left_out.not_stored += contexts.values().flat_map(BTreeMap::values).map(|sums| sums.n).sum::<u64>();
            continue;
        }
        let of_variant = |(variant, s): (usize, EventSums)| (variant, s.n, s.nonzero, s.sum, s.sum_sq);
        let of_context = |(context, cells): (u64, BTreeMap<usize, EventSums>)| LoggedCells {
            context,
            cells: cells.into_iter().map(of_variant).collect(),
        };
        versions.push(LoggedVersion { posterior_version, contexts: contexts.into_iter().map(of_context).collect() });
    }
    versions.reverse();
    StoredLog { format: LOG_FORMAT.to_owned(), versions, left_out, design_effect, modelled }
}
