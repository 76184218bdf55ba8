//! Main effects, interactions and Sobol indices: how the variance of the reward over cells splits up.

use super::contexts::{Point, context_slots};
use crate::decisions::{LANES, Layout, Outcomes};

/// One double for each draw of a block.
pub(super) type Wide = [f64; LANES];

const ZERO: Wide = [0.0; LANES];

#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
fn add(sum: &mut Wide, term: &Wide, weight: f64) {
    for (sum, term) in sum.iter_mut().zip(term) {
        *sum += weight * term;
    }
}

#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
fn plus(sum: &mut Wide, term: &Wide) {
    for (sum, term) in sum.iter_mut().zip(term) {
        *sum += term;
    }
}

/// Variances of the reward over cells in every draw, squared units of the location for an identity link.
///
/// With weights 1/V · `n_c`/N on cells, mean μ and the levels' means `m_f(a)` = E[r | factor f at a], for each draw:
///
/// ```text
/// total      Var r = E[r²] − μ²
/// first f    Var_a m_f(a)
/// pair f g   Var of m_fg(a, b) − m_f(a) − m_g(b) + μ over the levels' weights
/// ```
///
/// Of their means over the draws, first/total is the first-order Sobol index (Sobol 1993), pair/total the second-order
/// one. Design factors are independent of all others under these weights. Context factors are among themselves as they
/// are in the data: where they go together, first/total is still the share of the variance that knowing one explains.
pub(super) struct Variances {
    pub(super) total: Vec<f64>,
    pub(super) design: Vec<Vec<f64>>,
    pub(super) context: Vec<Vec<f64>>,
    /// D × D; above the diagonal.
    pub(super) design_pairs: Vec<Vec<Vec<f64>>>,
    /// D × K.
    pub(super) context_pairs: Vec<Vec<Vec<f64>>>,
}

impl Variances {
    pub(super) fn new(design: usize, context: usize) -> Self {
        Self {
            total: Vec::new(),
            design: vec![Vec::new(); design],
            context: vec![Vec::new(); context],
            design_pairs: vec![vec![Vec::new(); design]; design],
            context_pairs: vec![vec![Vec::new(); context]; design],
        }
    }
}

/// Sums over cells for one block of draws.
pub(super) struct Marginals {
    context_slots: Vec<usize>,
    /// `p_kl`: share of the trials at each context level.
    shares: Vec<f64>,
    /// `R(v)`, variants.
    pub(super) variants: Vec<Wide>,
    /// E[r²].
    pub(super) square: Wide,
    /// Σ over contexts at a context level of share · mean reward.
    pub(super) levels: Vec<Wide>,
    /// Context slots × design slots: Σ over contexts at the context level of share · mean reward at the design level.
    pub(super) pairs: Vec<Wide>,
    /// Mean reward with the context level put in place of what was observed.
    pub(super) replaced: Vec<Wide>,
    /// Mean reward at each design level in the present context.
    in_context: Vec<Wide>,
}

impl Marginals {
    /// Bytes that the sums of one block take, about, with so many context slots.
    pub(super) fn bytes(layout: &Layout, context_slots: usize) -> usize {
        let places = layout.variants + (context_slots + 1) * (layout.slot_count + 2);
        places * size_of::<Wide>()
    }

    pub(super) fn new(layout: &Layout, shares: Vec<f64>) -> Self {
        let slots = shares.len();
        Self {
            context_slots: context_slots(&layout.context),
            variants: vec![ZERO; layout.variants],
            square: ZERO,
            levels: vec![ZERO; slots],
            pairs: vec![ZERO; slots * layout.slot_count],
            replaced: vec![ZERO; slots],
            in_context: vec![ZERO; layout.slot_count],
            shares,
        }
    }

    pub(super) fn clear(&mut self) {
        self.square = ZERO;
        for sums in [&mut self.variants, &mut self.levels, &mut self.pairs, &mut self.replaced] {
            sums.fill(ZERO);
        }
    }

    /// Adds the context that `outcomes` is at, an observed one, of these levels. Returns the mean reward over the variants.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(super) fn add_context(
        &mut self,
        layout: &Layout,
        point: &Point,
        levels: &[u32],
        outcomes: &Outcomes<'_>,
    ) -> Wide {
        let Self { variants, in_context, .. } = self;
        let factors = layout.design.len();
        in_context.fill(ZERO);
        let (mut sum, mut square) = (ZERO, ZERO);
        outcomes.for_each_reward(
            &point.strata,
            #[inline(always)]
            |v, reward| {
                let mut wide = ZERO;
                for i in 0..LANES {
                    wide[i] = f64::from(reward[i]);
                    sum[i] += wide[i];
                    square[i] += wide[i] * wide[i];
                }
                add(&mut variants[v], &wide, point.share);
                if !levels.is_empty() {
                    for &slot in &layout.variant_slots[v * factors..(v + 1) * factors] {
                        plus(&mut in_context[slot as usize], &wide);
                    }
                }
            },
        );
        let weight = point.share / count(layout.variants);
        add(&mut self.square, &square, weight);
        // What is added at every level of the context is weighed once.
        let (mut weighed, mut mean) = (ZERO, ZERO);
        for i in 0..LANES {
            weighed[i] = weight * sum[i];
            mean[i] = sum[i] / count(layout.variants);
        }
        for (&start, &levels) in layout.slots.iter().zip(&layout.design) {
            let weight = weight * count(levels);
            for sum in self.in_context[start..start + levels].iter_mut().flatten() {
                *sum *= weight;
            }
        }
        for (&start, &level) in self.context_slots.iter().zip(levels) {
            let slot = start + level as usize;
            plus(&mut self.levels[slot], &weighed);
            let pairs = &mut self.pairs[slot * layout.slot_count..(slot + 1) * layout.slot_count];
            for (pair, in_context) in pairs.iter_mut().zip(&self.in_context) {
                plus(pair, in_context);
            }
        }
        mean
    }

    /// Adds a context's mean reward to the context levels it stands for.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(super) fn add_replaced(&mut self, point: &Point, mean: &Wide) {
        for &(slot, weight) in &point.replaced {
            add(&mut self.replaced[slot], mean, weight);
        }
    }

    /// `R_s(v)` for every variant.
    pub(super) fn variants(&self) -> &[Wide] {
        &self.variants
    }

    /// E[r | `v_d` = a] for every design slot.
    fn design_levels(&self, layout: &Layout) -> Vec<Wide> {
        let mut means = vec![ZERO; layout.slot_count];
        let factors = layout.design.len();
        for (reward, slots) in self.variants.iter().zip(layout.variant_slots.chunks_exact(factors)) {
            for (d, &slot) in slots.iter().enumerate() {
                add(&mut means[slot as usize], reward, count(layout.design[d]) / count(layout.variants));
            }
        }
        means
    }

    /// The effects of design levels and of context levels: a level's mean less the mean of the factor's levels, all with
    /// the same weight. `None` for unknown levels, which are no levels of the configuration.
    pub(super) fn effects(&self, layout: &Layout) -> (Vec<Wide>, Vec<Option<Wide>>) {
        let mut design = self.design_levels(layout);
        for (&start, &levels) in layout.slots.iter().zip(&layout.design) {
            centre(&mut design[start..start + levels]);
        }
        let mut context = Vec::with_capacity(self.replaced.len());
        for (&start, &levels) in self.context_slots.iter().zip(&layout.context) {
            let mut means = self.replaced[start..start + levels].to_vec();
            centre(&mut means);
            context.extend(means.into_iter().map(Some).chain([None]));
        }
        (design, context)
    }

    /// Adds the variances of the first `width` draws.
    pub(super) fn add_variances(&self, layout: &Layout, width: usize, variances: &mut Variances) {
        let design = self.design_levels(layout);
        let mut mean = ZERO;
        self.variants.iter().for_each(|reward| add(&mut mean, reward, 1.0 / count(layout.variants)));
        let deviation = |at: &Wide| -> Wide { std::array::from_fn(|i| (at[i] - mean[i]).powi(2)) };

        variances.total.extend((0..width).map(|i| (self.square[i] - mean[i] * mean[i]).max(0.0)));
        for (d, kept) in variances.design.iter_mut().enumerate() {
            let mut sum = ZERO;
            for at in &design[layout.slots[d]..layout.slots[d] + layout.design[d]] {
                add(&mut sum, &deviation(at), 1.0 / count(layout.design[d]));
            }
            kept.extend(&sum[..width]);
        }
        let known = |slot: usize| -> Option<Wide> {
            Some(self.shares[slot]).filter(|&p| p > 0.0).map(|p| self.levels[slot].map(|sum| sum / p))
        };
        for (k, kept) in variances.context.iter_mut().enumerate() {
            let mut sum = ZERO;
            for slot in self.context_slots[k]..=self.context_slots[k] + layout.context[k] {
                if let Some(at) = known(slot) {
                    add(&mut sum, &deviation(&at), self.shares[slot]);
                }
            }
            kept.extend(&sum[..width]);
        }
        let interaction = |pair: &Wide, a: &Wide, b: &Wide| -> Wide {
            std::array::from_fn(|i| (pair[i] - a[i] - b[i] + mean[i]).powi(2))
        };
        for (d, pairs) in variances.design_pairs.iter_mut().enumerate() {
            for (e, kept) in pairs.iter_mut().enumerate().skip(d + 1) {
                let pairs = self.design_pair(layout, d, e);
                let (first, second) = (&design[layout.slots[d]..], &design[layout.slots[e]..]);
                let mut sum = ZERO;
                for (at, pair) in pairs.iter().enumerate() {
                    let (a, b) = (at / layout.design[e], at % layout.design[e]);
                    add(&mut sum, &interaction(pair, &first[a], &second[b]), 1.0 / count(pairs.len()));
                }
                kept.extend(&sum[..width]);
            }
        }
        for (d, pairs) in variances.context_pairs.iter_mut().enumerate() {
            for (k, kept) in pairs.iter_mut().enumerate() {
                let mut sum = ZERO;
                for slot in self.context_slots[k]..=self.context_slots[k] + layout.context[k] {
                    let Some(level) = known(slot) else { continue };
                    let p = self.shares[slot];
                    let of_factor = layout.slots[d]..layout.slots[d] + layout.design[d];
                    let pairs = &self.pairs[slot * layout.slot_count..][of_factor.clone()];
                    for (pair, at) in pairs.iter().zip(&design[of_factor]) {
                        let pair = pair.map(|sum| sum / p);
                        add(&mut sum, &interaction(&pair, at, &level), p / count(layout.design[d]));
                    }
                }
                kept.extend(&sum[..width]);
            }
        }
    }

    /// E[r | `v_d` = a, `v_e` = b], a-major.
    fn design_pair(&self, layout: &Layout, d: usize, e: usize) -> Vec<Wide> {
        let levels = layout.design[d] * layout.design[e];
        let mut means = vec![ZERO; levels];
        for (reward, slots) in self.variants.iter().zip(layout.variant_slots.chunks_exact(layout.design.len())) {
            let (a, b) = (slots[d] as usize - layout.slots[d], slots[e] as usize - layout.slots[e]);
            add(&mut means[a * layout.design[e] + b], reward, count(levels) / count(layout.variants));
        }
        means
    }
}

/// Takes the mean away.
fn centre(means: &mut [Wide]) {
    let mut mean = ZERO;
    for at in means.iter() {
        add(&mut mean, at, 1.0 / count(means.len()));
    }
    for at in means {
        add(at, &mean, -1.0);
    }
}

#[expect(clippy::cast_precision_loss, reason = "levels and variants are far below 2^52")]
pub(super) fn count(n: usize) -> f64 {
    n as f64
}
