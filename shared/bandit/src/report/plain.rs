//! What is worked out for tiles of draws side by side, by plain loops over draws, contexts and variants: the same bits.

#![expect(clippy::cast_possible_truncation, reason = "rewards are single precision")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::contexts::{Points, context_slots};
use super::effects::{Marginals, count};
use super::expectations::Expectations;
use super::value::values;
use crate::decisions::{LANES, Layout, StratumShare, exponential_of, logistic_of};
use crate::{
    Cell, CellTable, Columns, CompileLimits, Diagnostics, Dtype, Factor, Link, Policy, PolicyOptions, Posterior,
    Predictor, Space, Step, Stratum, StratumCell,
};

/// One draw at a time, each cell's location from its columns.
struct Plain<'a> {
    space: &'a Space,
    posterior: &'a Posterior,
    columns: Columns,
}

impl Plain<'_> {
    /// η − offset and offset of a cell in draw s, of one part.
    fn location(&self, part: &Posterior, s: usize, v: usize, c: u64) -> (f32, f32) {
        let draw = part.draw(s);
        if part.predictor == Predictor::Arms {
            return (draw[v], 0.0);
        }
        let (variant, context) = (self.space.decode_variant(v), self.space.decode_context(c));
        let own = self.columns.of_variant(&variant).iter().fold(0.0, |sum, &j| sum + draw[j]);
        let of_level = |(d, &level): (usize, &usize)| {
            let pairs = context.iter().enumerate().map(|(k, &at)| self.columns.context_pair((d, level), (k, at)));
            pairs.fold(0.0, |sum, j| sum + draw[j])
        };
        let parts: Vec<f32> = variant.iter().enumerate().map(of_level).collect();
        let base = parts[..parts.len() - 1].iter().fold(0.0, |sum, part| sum + part);
        let mains = context.iter().enumerate().map(|(k, &at)| self.columns.context(k, at));
        (own + (base + parts[parts.len() - 1]), mains.fold(draw[0], |sum, j| sum + draw[j]))
    }

    fn score(&self, s: usize, v: usize, c: u64) -> f32 {
        let (location, offset) = self.location(self.posterior, s, v, c);
        match self.posterior.amount.as_deref() {
            None => location,
            Some(amount) => logistic_of(location + offset) * exponential_of(self.location(amount, s, v, c).0),
        }
    }

    /// The allowed variant with the greatest score, the lowest of equals.
    fn best(&self, s: usize, c: u64) -> usize {
        let better = |best: usize, v: usize| if self.score(s, v, c) > self.score(s, best, c) { v } else { best };
        self.space.allowed().reduce(better).unwrap()
    }

    fn reward(&self, s: usize, v: usize, c: u64, strata: &[StratumShare]) -> f32 {
        let amount = self.posterior.amount.as_deref();
        let eta = |part: &Posterior, g: Option<usize>| {
            let (location, offset) = self.location(part, s, v, c);
            let alpha = g.and_then(|g| part.stratum_draw(s).get(g));
            alpha.map_or(location + offset, |alpha| (location + offset) + alpha)
        };
        let at = |g: Option<usize>| {
            let location = eta(self.posterior, g);
            let reward = match self.posterior.link {
                Link::Logit => logistic_of(location),
                Link::Identity { .. } => location,
                Link::Log => exponential_of(location),
            };
            amount.map_or(reward, |amount| reward * exponential_of(eta(amount, g)))
        };
        if self.posterior.strata.is_empty() && amount.is_none_or(|amount| amount.strata.is_empty()) {
            return at(None);
        }
        strata.iter().fold(0.0, |mean, &(g, share)| mean + share * at(Some(g)))
    }

    /// What draw s adds up to over all points, put in place of lane `lane`.
    fn add(&self, layout: &Layout, points: &Points, s: usize, lane: usize, sums: &mut Marginals) {
        let slots = context_slots(&layout.context);
        for point in &points.all {
            let rewards: Vec<f64> = (0..self.space.variants())
                .map(|v| f64::from(self.reward(s, v, point.context, &point.strata)))
                .collect();
            let sum = rewards.iter().fold(0.0, |sum, r| sum + r);
            if point.observed {
                let weight = point.share / count(layout.variants);
                let levels = layout.context_levels(self.space, point.context);
                for (v, r) in rewards.iter().enumerate() {
                    sums.variants[v][lane] += point.share * r;
                }
                sums.square[lane] += weight * rewards.iter().fold(0.0, |sum, r| sum + r * r);
                for (k, &level) in levels.iter().enumerate() {
                    let slot = slots[k] + level;
                    sums.levels[slot][lane] += weight * sum;
                    for (d, &start) in layout.slots.iter().enumerate() {
                        for l in 0..layout.design[d] {
                            let has = |v: &usize| self.space.decode_variant(*v)[d] == l;
                            let of_level = (0..rewards.len()).filter(has).fold(0.0, |sum, v| sum + rewards[v]);
                            let pair = &mut sums.pairs[slot * layout.slot_count + start + l][lane];
                            *pair += weight * count(layout.design[d]) * of_level;
                        }
                    }
                }
            }
            for &(slot, weight) in &point.replaced {
                sums.replaced[slot][lane] += weight * (sum / count(layout.variants));
            }
        }
    }
}

/// Level counts of design and context factors, strata, whether rewards have two parts, and a seed.
type Shape = (Vec<usize>, Vec<usize>, usize, bool, u64);

fn shapes() -> impl Strategy<Value = Shape> {
    let levels = |factors| prop::collection::vec(2_usize..4, factors);
    (levels(1..4), levels(0..3), 1_usize..4, any::<bool>(), any::<u64>())
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

fn posterior(
    columns: usize,
    link: Link,
    (draws, strata): (usize, usize),
    arms: bool,
    rng: &mut ChaCha8Rng,
) -> Posterior {
    let predictor = if arms { Predictor::Arms } else { Predictor::Columns };
    let of = (0..draws * columns).map(|_| 0.7 * normal(rng)).collect();
    let mut posterior = Posterior::of_draws(predictor, link, columns, of, Diagnostics::new(Step::Exact));
    if strata > 1 {
        posterior.strata = (0..draws * strata).map(|_| normal(rng)).collect();
    }
    posterior
}

/// A space of this shape in which some variants may be excluded, cells of some of its contexts, and a posterior.
fn case(shape: &Shape) -> (Space, CellTable, Posterior) {
    let (design, context, strata, two_part, seed) = shape;
    let mut rng = ChaCha8Rng::seed_from_u64(*seed);
    let factors = |prefix: &str, levels: &[usize]| {
        let factor = |(i, &l): (usize, &usize)| {
            Factor::new(format!("{prefix}{i}"), Dtype::Str, (0..l).map(|l| l.to_string()).collect()).unwrap()
        };
        levels.iter().enumerate().map(factor).collect::<Vec<_>>()
    };
    let mut space = Space::new(factors("d", design), factors("c", context)).unwrap();
    if space.variants() > 1 && rng.random() {
        let excluded = space.decode_variant(rng.random_range(0..space.variants()));
        space = space.excluding(&[excluded.into_iter().enumerate().collect()]);
    }
    let observed: Vec<u64> = (0..space.contexts()).filter(|_| rng.random::<f64>() < 0.6).collect();
    let spans: Vec<Stratum> = (0..i64::try_from(*strata).unwrap()).map(|g| Stratum { from: g, to: g + 1 }).collect();
    let mut cells = vec![StratumCell::from(Cell { variant: 0, context: 0, n: 1, sum: 1.0, sum_sq: 1.0 })];
    for &context in &observed {
        for variant in 0..space.variants() {
            let (stratum, n) = (rng.random_range(0..*strata), rng.random_range(0..30));
            cells.push(StratumCell { stratum, ..Cell { variant, context, n, sum: 0.0, sum_sq: 0.0 }.into() });
        }
    }
    let cells = CellTable::stratified(spans, 0.0, cells).unwrap();
    let arms = context.is_empty() && rng.random();
    let columns = if arms { space.variants() } else { space.columns() };
    // Not always whole blocks, and more than one tile.
    let size = ([3, 16, 61, 150][rng.random_range(0..4)], *strata);
    let link = if *two_part || rng.random() { Link::Logit } else { Link::Identity { center: 2.0, scale: 3.0 } };
    let mut found = posterior(columns, link, size, arms, &mut rng);
    if *two_part {
        found.amount = Some(Box::new(posterior(columns, Link::Log, size, arms, &mut rng)));
    }
    (space, cells, found)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn all_bits(values: &[Vec<f64>]) -> Vec<Vec<u64>> {
    values.iter().map(|of| bits(of)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tiles_come_to_the_bits_of_plain_loops(shape in shapes(), threads in 1_usize..4) {
        let (space, cells, posterior) = case(&shape);
        let plain = Plain { space: &space, posterior: &posterior, columns: Columns::of(&space) };
        let layout = Layout::new(&space, &posterior).unwrap();
        let none = BTreeMap::new();
        let limits = CompileLimits::default();
        let options = PolicyOptions { bias: &none, exploration: 1.0, minimum_share: 0.0, limits, threads };

        let policy = Policy::compile(&space, &cells, &posterior, &options).unwrap();
        for (context, row) in policy.iter() {
            let mut counts = vec![0; space.variants()];
            (0..posterior.len()).for_each(|s| counts[plain.best(s, context.unwrap_or(0))] += 1);
            let found: Vec<u32> = (0..space.variants()).map(|v| row.count(v)).collect();
            prop_assert_eq!(found, counts, "context {:?}", context);
        }

        let points = Points::of(&space, &cells, &layout, &posterior);
        let found = values(&space, &layout, &posterior, &points, &policy, threads);
        for s in 0..posterior.len() {
            let mut sums = [0.0; 3];
            let observed = points.all.iter().filter(|point| point.observed);
            for (point, &(context, _)) in observed.zip(&points.observed) {
                prop_assert_eq!(point.context, context);
                let row = policy.row(context).unwrap();
                let reward = |v| plain.reward(s, v, context, &point.strata);
                let served = row.iter().fold(0.0, |sum, (v, _)| sum + row.probability(v) as f32 * reward(v));
                for (sum, reward) in sums.iter_mut().zip([served, reward(0), reward(plain.best(s, context))]) {
                    *sum += point.share * f64::from(reward);
                }
            }
            let found = [found.policy[s], found.baseline[s], found.best[s]];
            prop_assert_eq!(bits(&found), bits(&sums), "draw {}", s);
        }

        let found = Expectations::compute(&space, &layout, &posterior, &points);
        prop_assert_eq!((points.stride, found.draws), (1, posterior.len()));
        let mut expected = Expectations::empty(&layout, posterior.len());
        let mut shares = vec![0.0; layout.context.iter().map(|l| l + 1).sum()];
        for point in &points.all {
            for (slot, level) in context_slots(&layout.context).iter().zip(layout.context_levels(&space, point.context)) {
                shares[slot + level] += point.share;
            }
        }
        let mut sums = Marginals::new(&layout, shares);
        for first in (0..posterior.len()).step_by(LANES) {
            let width = LANES.min(posterior.len() - first);
            sums.clear();
            (0..width).for_each(|lane| plain.add(&layout, &points, first + lane, lane, &mut sums));
            expected.keep(&layout, &sums, width);
        }
        prop_assert_eq!(all_bits(&found.variants), all_bits(&expected.variants));
        prop_assert_eq!(all_bits(&found.design_effects), all_bits(&expected.design_effects));
        prop_assert_eq!(all_bits(&found.context_effects), all_bits(&expected.context_effects));
        let (found, expected) = (&found.variances, &expected.variances);
        prop_assert_eq!(bits(&found.total), bits(&expected.total));
        prop_assert_eq!(all_bits(&found.design), all_bits(&expected.design));
        prop_assert_eq!(all_bits(&found.context), all_bits(&expected.context));
        prop_assert_eq!(all_bits(&found.design_pairs.concat()), all_bits(&expected.design_pairs.concat()));
        prop_assert_eq!(all_bits(&found.context_pairs.concat()), all_bits(&expected.context_pairs.concat()));
    }
}
