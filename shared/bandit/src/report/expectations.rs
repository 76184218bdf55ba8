//! One pass over draws and contexts: everything that averages expected rewards over variants.

use super::contexts::{Points, context_slots};
use super::effects::{Marginals, Variances, Wide, count};
use crate::Posterior;
use crate::decisions::{LANES, Layout, Outcomes};

/// Numbers of every draw that was used. Rewards of an identity link are in units of its scale about its center.
pub(super) struct Expectations {
    /// Draws that were used.
    pub(super) draws: usize,
    /// Variants × draws: `R_s(v)` = `Σ_c` (`n_c`/N) E[r | v, c, `β_s`].
    pub(super) variants: Vec<Vec<f64>>,
    /// Design slots × draws: the level's effect.
    pub(super) design_effects: Vec<Vec<f64>>,
    /// Context slots × draws: the level's effect. The slots of unknown levels are empty.
    pub(super) context_effects: Vec<Vec<f64>>,
    /// Variances over cells, in every draw.
    pub(super) variances: Variances,
}

impl Expectations {
    /// Computes all of it for every `stride`-th draw.
    ///
    /// The weight of a cell is (1/V) (`n_c`/N) over the full design, excluded combinations included: factors are then
    /// balanced against each other, so that a level's mean is not that of the levels it happens to be allowed with.
    pub(super) fn compute(layout: &Layout, posterior: &Posterior, points: &Points) -> Self {
        let draws: Vec<usize> = (0..posterior.len()).step_by(points.stride).collect();
        let variants = layout.variants;
        let slots = context_slots(&layout.context);
        let context_slot_count: usize = layout.context.iter().map(|l| l + 1).sum();
        let mut shares = vec![0.0; context_slot_count];
        for point in &points.all {
            for (k, &level) in point.levels.iter().enumerate() {
                shares[slots[k] + level] += point.share;
            }
        }
        let mut all = Self {
            draws: draws.len(),
            variants: vec![Vec::with_capacity(draws.len()); variants],
            design_effects: vec![Vec::with_capacity(draws.len()); layout.slot_count],
            context_effects: vec![Vec::with_capacity(draws.len()); context_slot_count],
            variances: Variances::new(layout.design.len(), layout.context.len()),
        };
        let mut outcomes = Outcomes::new(layout, posterior, None);
        let mut marginals = Marginals::new(layout, shares);
        for draws in draws.chunks(LANES) {
            outcomes.load(draws);
            marginals.clear();
            for point in &points.all {
                outcomes.context(&point.levels);
                let mean = if point.observed {
                    marginals.add_context(layout, point, &outcomes)
                } else {
                    let mut sum: Wide = [0.0; LANES];
                    outcomes.for_each_reward(&point.strata, |_, reward| {
                        for i in 0..LANES {
                            sum[i] += f64::from(reward[i]);
                        }
                    });
                    sum.map(|sum| sum / count(variants))
                };
                marginals.add_replaced(point, &mean);
            }
            let width = outcomes.width();
            for (kept, lanes) in all.variants.iter_mut().zip(marginals.variants()) {
                kept.extend(&lanes[..width]);
            }
            let (design, context) = marginals.effects(layout);
            for (kept, lanes) in all.design_effects.iter_mut().zip(&design) {
                kept.extend(&lanes[..width]);
            }
            for (kept, lanes) in all.context_effects.iter_mut().zip(&context) {
                kept.extend(lanes.iter().flat_map(|lanes| &lanes[..width]));
            }
            marginals.add_variances(layout, width, &mut all.variances);
        }
        all
    }
}
