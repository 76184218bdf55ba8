//! What happened on the site so far, counted by who sees the truth.

use std::collections::VecDeque;

use super::site::{self, Visit};

/// Visitors who count as now: a minute of the site's own time.
const NOW: usize = 2_000;

/// Visitors and sign-ups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) visitors: u32,
    pub(super) signed_up: u32,
}

impl Count {
    fn add(&mut self, visit: &Visit) {
        self.visitors += 1;
        self.signed_up += u32::from(visit.signs_up_after.is_some());
    }

    /// Sign-ups per visitor; NaN where there is none.
    pub(super) fn rate(self) -> f64 {
        f64::from(self.signed_up) / f64::from(self.visitors)
    }

    /// The standard error of that.
    pub(super) fn error(self) -> f64 {
        let rate = self.rate();
        (rate * (1.0 - rate) / f64::from(self.visitors)).sqrt()
    }
}

/// Everything so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By variant, without the holdout.
    pub(super) variants: [Count; site::variants()],
    /// Who was served by the model.
    pub(super) optimized: Count,
    /// Who always sees the page as it was.
    pub(super) holdout: Count,
    /// What those served by the model would have earned more with the best variant.
    pub(super) regret: f64,
    recent: VecDeque<f64>,
}

impl Tally {
    /// One more visitor.
    pub(super) fn add(&mut self, visit: &Visit) {
        if visit.holdout {
            self.holdout.add(visit);
            return;
        }
        self.optimized.add(visit);
        if let Some(count) = self.variants.get_mut(visit.variant) {
            count.add(visit);
        }
        let regret = site::rate(site::best()) - site::rate(visit.variant);
        self.regret += regret;
        if self.recent.len() == NOW {
            self.recent.pop_front();
        }
        self.recent.push_back(regret);
    }

    /// The regret of a visitor of the last minute.
    pub(super) fn regret_now(&self) -> f64 {
        let visitors = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        self.recent.iter().sum::<f64>() / f64::from(visitors)
    }

    /// What the regret would be, had every variant been served alike.
    pub(super) fn regret_of_uniform(&self) -> f64 {
        f64::from(self.optimized.visitors) * (site::rate(site::best()) - site::uniform())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_holdout_has_no_regret_and_the_best_variant_neither() {
        let mut tally = Tally::default();
        let visit = |variant, holdout, signs_up| Visit {
            variant,
            holdout,
            signs_up_after: if signs_up { Some(TimeDelta::seconds(1)) } else { None },
        };
        tally.add(&visit(0, true, false));
        assert!(tally.regret.abs() < 1e-12 && tally.regret_now().is_nan(), "{tally:?}");
        tally.add(&visit(site::best(), false, true));
        assert!(tally.regret.abs() < 1e-12, "{tally:?}");
        for _ in 0..NOW {
            tally.add(&visit(0, false, false));
        }
        let each = site::rate(site::best()) - site::rate(0);
        assert!((tally.regret_now() - each).abs() < 1e-9, "the first visitor is more than a minute ago");
        assert!((tally.regret - 2_000.0 * each).abs() < 1e-6);
        assert_eq!((tally.optimized.visitors, tally.optimized.signed_up, tally.holdout.visitors), (2_001, 1, 1));
        assert!(tally.regret_of_uniform() < tally.regret);
    }
}
