//! Expected rewards of all variants in a context, and scores that rank them, for a block of draws: links, both parts of
//! two-part rewards, and strata.

use super::blocks::{Step, sum};
use super::logistic::{exponential, logistic};
use super::{Block, LANES, Lanes, Layout};
use crate::{Link, Posterior};

/// A stratum and its share of what an average goes over.
pub(crate) type StratumShare = (usize, f32);

/// The blocks of both parts, and the draws' strata.
pub(crate) struct Outcomes<'a> {
    link: Link,
    main: Block<'a>,
    amount: Option<Block<'a>>,
    posterior: &'a Posterior,
    /// `α_g` of the draws at hand; empty where there is one stratum.
    strata: Vec<Lanes>,
    amount_strata: Vec<Lanes>,
    /// η' − offset of every variant in the current context.
    amounts: Vec<Lanes>,
}

impl<'a> Outcomes<'a> {
    /// Without draws yet. `multipliers`: one per column, of both parts alike.
    pub(crate) fn new(layout: &'a Layout, posterior: &'a Posterior, multipliers: Option<&'a [f64]>) -> Self {
        let amount = posterior.amount.as_deref();
        Self {
            link: posterior.link,
            main: Block::new(layout, posterior, multipliers),
            amount: amount.map(|amount| Block::new(layout, amount, multipliers)),
            posterior,
            strata: Vec::new(),
            amount_strata: Vec::new(),
            amounts: vec![[0.0; LANES]; if amount.is_some() { layout.variants } else { 0 }],
        }
    }

    /// Draws in the block.
    pub(crate) fn width(&self) -> usize {
        self.main.width()
    }

    /// Takes up the draws of the given numbers, at least 1 and at most [`LANES`].
    pub(crate) fn load(&mut self, draws: &[usize]) {
        self.main.load(draws);
        load_strata(&mut self.strata, self.posterior, draws);
        if let Some((block, amount)) = self.amount.as_mut().zip(self.posterior.amount.as_deref()) {
            block.load(draws);
            load_strata(&mut self.amount_strata, amount, draws);
        }
    }

    /// Goes to a context, see [`Block::context`].
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn context(&mut self, step: Step<'_>) {
        self.main.context(step);
        if let Some(block) = &mut self.amount {
            block.context(step);
            block.for_each_variant(|v, location| self.amounts[v] = *location);
        }
    }

    /// Calls `visit` for every variant in ascending order with what orders variants in the current context: the location
    /// without what all have in common, or where there are amounts the expected reward in some unit. No strata: a common
    /// intercept ranks no variant.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn for_each_score(&self, mut visit: impl FnMut(usize, &Lanes)) {
        if self.amount.is_none() {
            return self.main.for_each_variant(visit);
        }
        self.main.for_each_variant(
            #[inline(always)]
            |v, location| visit(v, &self.product(v, location)),
        );
    }

    /// The product of both parts, without what all amounts have in common.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn product(&self, variant: usize, location: &Lanes) -> Lanes {
        let mut product = logistic(&sum(location, self.main.offset()));
        product.iter_mut().zip(exponential(&self.amounts[variant])).for_each(|(p, amount)| *p *= amount);
        product
    }

    /// The expected reward of variant 0 in the current context, as in [`Outcomes::for_each_reward`].
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn baseline(&self, strata: &[StratumShare]) -> Lanes {
        self.reward(&self.main.baseline(), self.amounts.first(), strata)
    }

    /// What three policies earn in the current context, draw by draw: the one with these probabilities, variant 0 for
    /// everybody, and of the `allowed` variants the one with the greatest score. No reward is worked out twice: where
    /// `all_served`, that is every allowed variant has a probability, the reward of the best is one of those that are added up.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn compare(
        &self,
        (policy, all_served): (&[f32], bool),
        allowed: &[bool],
        strata: &[StratumShare],
    ) -> [Lanes; 3] {
        let (mut served, mut baseline) = ([0.0; LANES], None);
        let mut greatest = [f32::NEG_INFINITY; LANES];
        // Its reward, or what its reward is worked out from.
        let mut best = ([0.0; LANES], [0.0; LANES]);
        self.main.for_each_variant(
            #[inline(always)]
            |v, location| {
                let mut reward = [0.0; LANES];
                if policy[v] > 0.0 {
                    reward = self.reward(location, self.amounts.get(v), strata);
                    for i in 0..LANES {
                        served[i] += policy[v] * reward[i];
                    }
                    if v == 0 {
                        baseline = Some(reward);
                    }
                }
                if !allowed[v] {
                    return;
                }
                let score = if self.amount.is_some() { self.product(v, location) } else { *location };
                let kept = if all_served { &reward } else { location };
                let amount = self.amounts.get(v).filter(|_| !all_served);
                for i in 0..LANES {
                    let better = score[i] > greatest[i];
                    greatest[i] = if better { score[i] } else { greatest[i] };
                    best.0[i] = if better { kept[i] } else { best.0[i] };
                    if let Some(amount) = amount {
                        best.1[i] = if better { amount[i] } else { best.1[i] };
                    }
                }
            },
        );
        let baseline = baseline.unwrap_or_else(|| self.baseline(strata));
        let best = if all_served { best.0 } else { self.reward(&best.0, Some(&best.1), strata) };
        [served, baseline, best]
    }

    /// All strata alike; empty where there is one.
    pub(crate) fn even_strata(posterior: &Posterior) -> Vec<StratumShare> {
        let count = if posterior.has_strata() { posterior.strata_count() } else { 0 };
        #[expect(clippy::cast_precision_loss, reason = "strata are at most 200")]
        let share = 1.0 / count.max(1) as f32;
        (0..count).map(|g| (g, share)).collect()
    }

    /// Calls `visit` for every variant in ascending order with its expected reward in the current context, averaged over
    /// `strata`, whose shares add up to 1; they are not looked at where there is one. Rewards of an identity link are in units
    /// of its scale about its center.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn for_each_reward(&self, strata: &[StratumShare], mut visit: impl FnMut(usize, &Lanes)) {
        self.main.for_each_variant(
            #[inline(always)]
            |v, location| visit(v, &self.reward(location, self.amounts.get(v), strata)),
        );
    }

    /// Of a variant's locations in the current context, those of its amount with them where there are amounts.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn reward(&self, location: &Lanes, amount: Option<&Lanes>, strata: &[StratumShare]) -> Lanes {
        let eta = sum(location, self.main.offset());
        let amount = self.amount.as_ref().zip(amount).map(|(block, amount)| sum(amount, block.offset()));
        if self.strata.is_empty() && self.amount_strata.is_empty() {
            return self.at(&eta, amount.as_ref());
        }
        let mut mean = [0.0; LANES];
        for &(g, share) in strata {
            let moved = |eta: &Lanes, of: &[Lanes]| of.get(g).map_or(*eta, |alpha| sum(eta, alpha));
            let amount = amount.as_ref().map(|eta| moved(eta, &self.amount_strata));
            let reward = self.at(&moved(&eta, &self.strata), amount.as_ref());
            mean.iter_mut().zip(reward).for_each(|(mean, reward)| *mean += share * reward);
        }
        mean
    }

    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn at(&self, eta: &Lanes, amount: Option<&Lanes>) -> Lanes {
        let mut reward = match self.link {
            Link::Logit => logistic(eta),
            Link::Identity { .. } => *eta,
            Link::Log => exponential(eta),
        };
        if let Some(amount) = amount {
            reward.iter_mut().zip(exponential(amount)).for_each(|(p, amount)| *p *= amount);
        }
        reward
    }
}

fn load_strata(strata: &mut Vec<Lanes>, posterior: &Posterior, draws: &[usize]) {
    let count = if posterior.strata.is_empty() { 0 } else { posterior.strata_count() };
    strata.resize(count, [0.0; LANES]);
    for lane in 0..LANES {
        let row = posterior.stratum_draw(draws[lane.min(draws.len() - 1)]);
        strata.iter_mut().zip(row).for_each(|(stratum, &alpha)| stratum[lane] = alpha);
    }
}
