//! Contexts that reported averages go over, and how many draws the work allows.

use std::collections::{BTreeMap, HashMap};

use crate::decisions::{Layout, OBSERVED_CELLS, StratumShare, most_frequented};
use crate::{Cell, CellTable, Posterior, Predictor, Space};

/// Evaluations (cell × draw) that are made, at most, as long as [`LEAST_DRAWS`] remain.
const MOST_EVALUATIONS: usize = 500_000_000;

/// Draws that are used at least, where there are so many. The ends of a 95 % interval of 1,000 draws have a standard
/// error of about √(.025 · .975 / 1,000) / .058 = 0.085 posterior standard deviations.
const LEAST_DRAWS: usize = 1_000;

/// A context that rewards are computed for.
pub(super) struct Point {
    /// Its number.
    pub(super) context: u64,
    /// `n_c/N`; 0 where the data have no trial here and the point only serves the context factors' effects.
    pub(super) share: f64,
    /// Whether the point is one of [`Points::observed`].
    pub(super) observed: bool,
    /// Share of each stratum in what was observed here, adding up to 1; in all data where nothing was. Empty for one stratum.
    pub(super) strata: Vec<StratumShare>,
    /// (context level slot, weight): what the point's mean reward adds to a context level's effect.
    pub(super) replaced: Vec<(usize, f64)>,
}

/// The contexts of one report.
pub(super) struct Points {
    /// All points, in ascending order of their contexts.
    pub(super) all: Vec<Point>,
    /// The contexts of the training data that are used, with their trials, ascending.
    pub(super) observed: Vec<(u64, u64)>,
    /// Their trials together.
    pub(super) trials: u64,
    /// Σ r over them, reward units.
    pub(super) reward_sum: f64,
    /// Every so many draws is used for all but the policy's value, see [`super::value`].
    pub(super) stride: usize,
}

/// n/N.
#[expect(clippy::cast_precision_loss, reason = "counts of observations are far below 2^52")]
pub(super) fn share(n: u64, trials: u64) -> f64 {
    n as f64 / trials as f64
}

/// The first slot of each context factor; a slot is one of its levels, `unknown` last.
pub(super) fn context_slots(levels: &[usize]) -> Vec<usize> {
    levels
        .iter()
        .scan(0, |next, &l| {
            let start = *next;
            *next += l + 1;
            Some(start)
        })
        .collect()
}

impl Points {
    /// The contexts of the data with their shares, and those that context factors' effects need besides.
    ///
    /// The effect of level l of context factor k is over all observed contexts c with `c_k` replaced by l, at the share
    /// of c: the other factors stay as they are in the data whatever l is, so that nothing of theirs is counted as k's.
    ///
    /// Work is bounded, whatever the data: the most frequented contexts are used as long as variants × contexts are at
    /// most 10⁶ (their shares add up to 1 again), replaced ones as long as that holds with them; and every k-th draw, with
    /// the least k for which cells × draws are at most 5 · 10⁸, but never fewer than 1,000 of the draws. Up to 50,000 cells
    /// and 10,000 draws that is everything.
    #[expect(clippy::cast_precision_loss, reason = "counts of observations are far below 2^52")]
    ///
    /// With several strata a reward in c is averaged over those of c's own traffic, `n_{c,g}`/`n_c`, so that what is expected and
    /// what was earned are of the same calendar. That counts as so many evaluations.
    pub(super) fn of(space: &Space, cells: &CellTable, layout: &Layout, posterior: &Posterior) -> Self {
        let (predictor, draws) = (posterior.predictor, posterior.len());
        let strata = Strata::of(cells, predictor, posterior.has_strata());
        let most = usize::try_from(OBSERVED_CELLS).unwrap_or(usize::MAX) / space.variants();
        let most = most.max(1);
        let observed = match predictor {
            Predictor::Arms => vec![(0, cells.trials())],
            Predictor::Columns => most_frequented(cells, most),
        };
        let trials: u64 = observed.iter().map(|&(_, n)| n).sum();
        let used = |cell: &&Cell| {
            predictor == Predictor::Arms
                || observed.binary_search_by_key(&cell.context, |&(context, _)| context).is_ok()
        };
        let reward_sum = cells.cells().iter().filter(used).map(|cell| cell.sum).sum();
        let mut places = Places::new(space, most);
        let mut points: Vec<Point> = Vec::with_capacity(observed.len());
        for &(context, n) in &observed {
            places.insert(context, points.len());
            let (share, strata) = (share(n, trials), strata.at(context));
            points.push(Point { context, share, observed: true, strata, replaced: Vec::new() });
        }
        let mut by_trials = observed.clone();
        by_trials.sort_by_key(|&(context, n)| (std::cmp::Reverse(n), context));
        let slots = context_slots(&layout.context);
        let mut neighbours = Vec::new();
        for &(context, n) in &by_trials {
            neighbours_of(context, layout, &slots, &mut neighbours);
            let new = neighbours.iter().filter(|&&(number, _)| places.get(number).is_none()).count();
            if points.len() + new > most && context != by_trials[0].0 {
                break;
            }
            for &(number, slot) in &neighbours {
                let place = places.get(number).unwrap_or_else(|| {
                    places.insert(number, points.len());
                    let strata = strata.pooled.clone();
                    points.push(Point { context: number, share: 0.0, observed: false, strata, replaced: Vec::new() });
                    points.len() - 1
                });
                let replaced = &mut points[place].replaced;
                match replaced.iter_mut().find(|(s, _)| *s == slot) {
                    Some((_, weight)) => *weight += n as f64,
                    None => replaced.push((slot, n as f64)),
                }
            }
        }
        points.sort_unstable_by_key(|point| point.context);
        let mut sums = vec![0.0; layout.context.iter().map(|l| l + 1).sum()];
        points.iter().flat_map(|p| &p.replaced).for_each(|&(slot, weight)| sums[slot] += weight);
        points.iter_mut().flat_map(|p| &mut p.replaced).for_each(|(slot, weight)| *weight /= sums[*slot]);

        let places: usize = points.iter().map(|point| point.strata.len().max(1)).sum();
        let evaluations = places.saturating_mul(space.variants()).saturating_mul(draws);
        let stride = evaluations.div_ceil(MOST_EVALUATIONS).min(draws / LEAST_DRAWS).max(1);
        Self { all: points, observed, trials, reward_sum, stride }
    }
}

/// The contexts that differ from one in a single factor, and itself, by every known level of every factor: their numbers,
/// with the slot of the level. None for arms.
fn neighbours_of(context: u64, layout: &Layout, slots: &[usize], neighbours: &mut Vec<(u64, usize)>) {
    neighbours.clear();
    // The last factor runs fastest, see [`Space::encode_context`].
    let mut stride = 1;
    for (&levels, &slot) in layout.context.iter().zip(slots).rev() {
        let radix = levels as u64 + 1;
        let without = context - context / stride % radix * stride;
        neighbours.extend((0..levels).map(|level| (without + level as u64 * stride, slot + level)));
        stride *= radix;
    }
}

/// Where points are, by the numbers of their contexts.
enum Places {
    /// At their own numbers, in spaces that are not much larger than what is used of them; 0 for none, else the place and 1.
    Dense(Vec<u32>),
    Sparse(HashMap<u64, usize>),
}

impl Places {
    /// For up to `most` points of a space.
    fn new(space: &Space, most: usize) -> Self {
        match usize::try_from(space.contexts()) {
            Ok(contexts) if contexts <= 8 * most => Self::Dense(vec![0; contexts]),
            _ => Self::Sparse(HashMap::new()),
        }
    }

    fn get(&self, context: u64) -> Option<usize> {
        match self {
            Self::Dense(places) => (places[usize::try_from(context).ok()?] as usize).checked_sub(1),
            Self::Sparse(places) => places.get(&context).copied(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "points are at most a million")]
    fn insert(&mut self, context: u64, place: usize) {
        match self {
            Self::Dense(places) => places[context as usize] = place as u32 + 1,
            Self::Sparse(places) => {
                places.insert(context, place);
            }
        }
    }
}

/// How the observations of each context are spread over strata.
pub(super) struct Strata {
    by_context: BTreeMap<u64, Vec<StratumShare>>,
    /// Of all contexts together.
    pub(super) pooled: Vec<StratumShare>,
}

impl Strata {
    /// Empty where `several` is false. Arms know one context, 0.
    fn of(cells: &CellTable, predictor: Predictor, several: bool) -> Self {
        let mut counts: BTreeMap<u64, BTreeMap<usize, u64>> = BTreeMap::new();
        let mut pooled: BTreeMap<usize, u64> = BTreeMap::new();
        for cell in cells.weighted().iter().filter(|_| several) {
            let context = if predictor == Predictor::Arms { 0 } else { cell.context };
            *counts.entry(context).or_default().entry(cell.stratum).or_default() += cell.trials;
            *pooled.entry(cell.stratum).or_default() += cell.trials;
        }
        let shares = |counts: BTreeMap<usize, u64>| -> Vec<StratumShare> {
            let trials = counts.values().sum();
            #[expect(clippy::cast_possible_truncation, reason = "rewards are single precision too")]
            let of = |(g, n)| (g, share(n, trials) as f32);
            counts.into_iter().map(of).collect()
        };
        Self { by_context: counts.into_iter().map(|(c, n)| (c, shares(n))).collect(), pooled: shares(pooled) }
    }

    fn at(&self, context: u64) -> Vec<StratumShare> {
        self.by_context.get(&context).unwrap_or(&self.pooled).clone()
    }
}
