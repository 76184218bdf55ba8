//! One pass over draws and contexts: everything that averages expected rewards over variants.

use super::contexts::{Point, Points, context_slots};
use super::effects::{Marginals, Variances, count};
use crate::decisions::{LANES, Layout, Outcomes, Tile, Walk};
use crate::{Posterior, Space};

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
    pub(super) fn compute(space: &Space, layout: &Layout, posterior: &Posterior, points: &Points) -> Self {
        let draws: Vec<usize> = (0..posterior.len()).step_by(points.stride).collect();
        let slots = context_slots(&layout.context);
        let context_slot_count: usize = layout.context.iter().map(|l| l + 1).sum();
        let walk = Walk::new(space, layout, points.all.iter().map(|point| point.context));
        let mut shares = vec![0.0; context_slot_count];
        for (i, point) in points.all.iter().enumerate() {
            for (k, &level) in walk.step(i).levels.iter().enumerate() {
                shares[slots[k] + level as usize] += point.share;
            }
        }
        let mut all = Self::empty(layout, draws.len());
        let beside = Marginals::bytes(layout, context_slot_count);
        let mut tile = Tile::new(layout, posterior, None, draws.len(), beside);
        let new = || Marginals::new(layout, shares.clone());
        let mut marginals: Vec<Marginals> = (0..tile.capacity() / LANES).map(|_| new()).collect();
        let arch = pulp::Arch::new();
        for draws in draws.chunks(tile.capacity()) {
            tile.load(draws);
            marginals.iter_mut().for_each(Marginals::clear);
            arch.dispatch(Adding {
                layout,
                blocks: tile.blocks(),
                walk: &walk,
                points: &points.all,
                marginals: &mut marginals,
            });
            for (block, marginals) in tile.blocks().iter().zip(&marginals) {
                all.keep(layout, marginals, block.width());
            }
        }
        all
    }

    /// For so many draws, without any yet.
    pub(super) fn empty(layout: &Layout, draws: usize) -> Self {
        let context_slots: usize = layout.context.iter().map(|l| l + 1).sum();
        Self {
            draws,
            variants: vec![Vec::with_capacity(draws); layout.variants],
            design_effects: vec![Vec::with_capacity(draws); layout.slot_count],
            context_effects: vec![Vec::with_capacity(draws); context_slots],
            variances: Variances::new(layout.design.len(), layout.context.len()),
        }
    }

    /// Takes over what the first `width` draws of a block came to.
    pub(super) fn keep(&mut self, layout: &Layout, marginals: &Marginals, width: usize) {
        for (kept, lanes) in self.variants.iter_mut().zip(marginals.variants()) {
            kept.extend(&lanes[..width]);
        }
        let (design, context) = marginals.effects(layout);
        for (kept, lanes) in self.design_effects.iter_mut().zip(&design) {
            kept.extend(&lanes[..width]);
        }
        for (kept, lanes) in self.context_effects.iter_mut().zip(&context) {
            kept.extend(lanes.iter().flat_map(|lanes| &lanes[..width]));
        }
        marginals.add_variances(layout, width, &mut self.variances);
    }
}

/// Adds up the rewards of all points in the draws at hand.
struct Adding<'a, 'b> {
    layout: &'a Layout,
    blocks: &'a mut [Outcomes<'b>],
    walk: &'a Walk,
    points: &'a [Point],
    /// Those of each block.
    marginals: &'a mut [Marginals],
}

impl pulp::NullaryFnOnce for Adding<'_, '_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn call(self) {
        let Self { layout, blocks, walk, points, marginals } = self;
        for (i, point) in points.iter().enumerate() {
            let step = walk.step(i);
            for (block, marginals) in blocks.iter_mut().zip(&mut *marginals) {
                block.context(step);
                let mean = if point.observed {
                    marginals.add_context(layout, point, step.levels, block)
                } else {
                    let mut sum = [0.0; LANES];
                    block.for_each_reward(
                        &point.strata,
                        #[inline(always)]
                        |_, reward| {
                            for i in 0..LANES {
                                sum[i] += f64::from(reward[i]);
                            }
                        },
                    );
                    for sum in &mut sum {
                        *sum /= count(layout.variants);
                    }
                    sum
                };
                marginals.add_replaced(point, &mean);
            }
        }
    }
}
