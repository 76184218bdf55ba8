//! Expected rewards of all variants in a context, and scores that rank them, for a block of draws: links, both parts of
//! two-part rewards, and strata.

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
    pub(crate) fn context(&mut self, levels: &[usize]) {
        self.main.context(levels);
        if let Some(block) = &mut self.amount {
            block.context(levels);
            block.for_each_variant(|v, location| self.amounts[v] = *location);
        }
    }

    /// Calls `visit` for every variant in ascending order with what orders variants in the current context: the location
    /// without what all have in common, or where there are amounts the expected reward in some unit. No strata: a common
    /// intercept ranks no variant.
    #[inline]
    pub(crate) fn for_each_score(&self, mut visit: impl FnMut(usize, &Lanes)) {
        if self.amount.is_none() {
            return self.main.for_each_variant(visit);
        }
        self.main.for_each_variant(|v, location| visit(v, &self.product(v, location)));
    }

    /// The product of both parts, without what all amounts have in common.
    #[inline]
    fn product(&self, variant: usize, location: &Lanes) -> Lanes {
        let mut product = logistic(&sum(location, self.main.offset()));
        product.iter_mut().zip(exponential(&self.amounts[variant])).for_each(|(p, amount)| *p *= amount);
        product
    }

    /// The expected reward of variant 0 in the current context, as in [`Outcomes::for_each_reward`].
    pub(crate) fn baseline(&self, strata: &[StratumShare]) -> Lanes {
        self.reward(&self.main.baseline(), self.amounts.first(), strata)
    }

    /// The expected reward of that of the allowed variants which has the greatest score, draw by draw.
    pub(crate) fn best(&self, allowed: &[bool], strata: &[StratumShare]) -> Lanes {
        let mut greatest = [f32::NEG_INFINITY; LANES];
        let mut winner = ([0.0; LANES], [0.0; LANES]);
        self.main.for_each_variant(|v, location| {
            if allowed[v] {
                let score = if self.amount.is_some() { self.product(v, location) } else { *location };
                for i in 0..LANES {
                    if score[i] > greatest[i] {
                        greatest[i] = score[i];
                        winner.0[i] = location[i];
                        winner.1[i] = self.amounts.get(v).map_or(0.0, |amount| amount[i]);
                    }
                }
            }
        });
        self.reward(&winner.0, Some(&winner.1), strata)
    }

    /// All strata alike; empty where there is one.
    pub(crate) fn even_strata(&self) -> Vec<StratumShare> {
        let count = if self.posterior.has_strata() { self.posterior.strata_count() } else { 0 };
        #[expect(clippy::cast_precision_loss, reason = "strata are at most 200")]
        let share = 1.0 / count.max(1) as f32;
        (0..count).map(|g| (g, share)).collect()
    }

    /// Calls `visit` for every variant in ascending order with its expected reward in the current context, averaged over
    /// `strata`, whose shares add up to 1; they are not looked at where there is one. Rewards of an identity link are in units
    /// of its scale about its center.
    #[inline]
    pub(crate) fn for_each_reward(&self, strata: &[StratumShare], visit: impl FnMut(usize, &Lanes)) {
        self.for_each_reward_where(|_| true, strata, visit);
    }

    /// The same of the variants that are wanted.
    #[inline]
    pub(crate) fn for_each_reward_where(
        &self,
        wanted: impl Fn(usize) -> bool,
        strata: &[StratumShare],
        mut visit: impl FnMut(usize, &Lanes),
    ) {
        self.main.for_each_variant(|v, location| {
            if wanted(v) {
                visit(v, &self.reward(location, self.amounts.get(v), strata));
            }
        });
    }

    /// Of a variant's locations in the current context, those of its amount with them where there are amounts.
    #[inline]
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

    #[inline]
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

#[inline]
fn sum(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|i| a[i] + b[i])
}

fn load_strata(strata: &mut Vec<Lanes>, posterior: &Posterior, draws: &[usize]) {
    let count = if posterior.strata.is_empty() { 0 } else { posterior.strata_count() };
    strata.resize(count, [0.0; LANES]);
    for lane in 0..LANES {
        let row = posterior.stratum_draw(draws[lane.min(draws.len() - 1)]);
        strata.iter_mut().zip(row).for_each(|(stratum, &alpha)| stratum[lane] = alpha);
    }
}
