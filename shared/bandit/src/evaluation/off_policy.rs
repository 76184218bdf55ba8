//! What another policy would have earned, from what was logged.

use serde::{Deserialize, Serialize};

use super::error::EvaluationError;
use super::numbers::{NORMAL_95, number};

/// Above this share of the policy's probability on what was never shown, nothing is estimated.
const MOST_UNSUPPORTED: f64 = 0.01;

/// Effective rewards below which no interval is given: the normal approximation has nothing to stand on.
const LEAST_REWARDS: f64 = 10.0;

/// The exposures of one variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventSums {
    /// Exposures.
    pub n: u64,
    /// Those with a reward other than 0.
    pub nonzero: u64,
    /// Σ r, reward units.
    pub sum: f64,
    /// Σ r².
    pub sum_sq: f64,
}

/// The exposures of one context that one version decided, with all that is known of the decision. Each list has one number
/// per variant.
#[derive(Clone, Copy, Debug)]
pub struct LoggedContext<'a> {
    /// π(v|c): the policy that is asked about.
    pub policy: &'a [f64],
    /// p(v|c): the policy of the version that decided.
    pub logged: &'a [f64],
    /// q̂(v, c): the mean reward that a model which has not seen these exposures expects, reward units. `None` where that is not
    /// known: it is 0 then, and the doubly robust terms of these exposures are those of IPS.
    pub expected: Option<&'a [f64]>,
    /// The exposures.
    pub events: &'a [EventSums],
}

/// Why there is no estimate, or no interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Withheld {
    /// More than 1 % of the policy's probability is on variants that were never shown to such users: no estimate.
    Unsupported {
        /// That share.
        share: f64,
    },
    /// Too few rewards carry the estimate: no interval.
    FewRewards {
        /// Their effective number.
        effective: f64,
    },
    /// There is no exposure: no estimate.
    NoEvents,
}

/// A value with its interval, reward units per exposure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error, the design effect of users included.
    pub error: f64,
    /// value ± 1.96 error; `None` where too few rewards carry it.
    pub ci: Option<[f64; 2]>,
}

/// What a policy would have earned, by three estimators.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct OffPolicy {
    /// Inverse propensity scoring.
    pub ips: Option<Estimate>,
    /// The self-normalized form.
    pub snips: Option<Estimate>,
    /// Doubly robust; `None` also where no exposure came with a model.
    pub dr: Option<Estimate>,
    /// N: exposures that are used.
    pub events: u64,
    /// Those of them that came with a model.
    pub modelled_events: u64,
    /// Exposures of variants that their version never serves, left out: their weight is not defined. A log whose decisions are
    /// those of its versions has none.
    pub impossible_events: u64,
    /// (Σ w)²/Σ w² over exposures: how many equally weighted ones they are worth.
    pub effective_events: f64,
    /// The same over the exposures with a reward other than 0.
    pub effective_rewards: f64,
    /// The greatest weight of an exposure.
    pub largest_weight: f64,
    /// Σ w/N, which is 1 on average where the propensities are right.
    pub mean_weight: f64,
    /// Share of the policy's probability on variants that the version in force never served, `support` by its name in answers:
    /// Σ over contexts of n/N · Σ π(v|c) over v with p(v|c) = 0.
    #[serde(rename = "support")]
    pub unsupported: f64,
    /// Why something is missing.
    pub withheld: Option<Withheld>,
}

/// Sums over the exposures i.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    n: f64,
    weight: f64,
    weight_sq: f64,
    weight_reward: f64,
    weight_sq_reward: f64,
    weight_sq_reward_sq: f64,
    weight_nonzero: f64,
    weight_sq_nonzero: f64,
    /// Σ m and Σ m², m the doubly robust term.
    robust: f64,
    robust_sq: f64,
}

/// Exposures taken in one context after the other, for the values of one policy: what [`off_policy`] is made of, for logs that are not in
/// memory as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct OffPolicySums {
    sums: Sums,
    contexts: usize,
    events: u64,
    modelled_events: u64,
    impossible_events: u64,
    /// Σ n · Σ π(v|c) over v with p(v|c) = 0.
    unsupported: f64,
    largest_weight: f64,
}

/// Off-policy values of a policy π from exposures with known propensities:
///
/// ```text
/// w_i   = π(v_i|c_i) / p(v_i|c_i)
/// IPS   = (1/N) Σ w_i r_i                                         se² = Σ (w_i r_i − IPS)² / (N (N − 1))
/// SNIPS = Σ w_i r_i / Σ w_i                                       se² = Σ w_i² (r_i − SNIPS)² / (Σ w_i)²
/// DR    = (1/N) Σ m_i,   m_i = q̂(π, c_i) + w_i (r_i − q̂(v_i, c_i))    se² = Σ (m_i − DR)² / (N (N − 1))
/// ```
///
/// - i: an exposure of N, with variant `v_i`, context `c_i` and reward `r_i`; p: the policy in force when it was decided, which
///   differs between the contexts given: a context is given once per version;
/// - q̂(π, c) = `Σ_v` π(v|c) q̂(v, c): what the model in force expects. It has not seen the exposures that it is used on, so that
///   DR is right on average whatever the model, and narrower the better the model is;
/// - every se² is multiplied by `design_effect`, see [`super::UserSums::design_effect`]; at least 1;
/// - the optimized arm alone: with its propensities (not those with the holdout). Exposures of the first moments of a version,
///   which an older one may have decided, must be left out by the caller.
///
/// IPS: Horvitz and Thompson 1952. SNIPS: Swaminathan and Joachims 2015. DR: Dudík, Langford and Li 2011. Values as those of the
/// open bandit pipeline (Saito et al. 2021). Given the past, each term is unbiased under its own version's propensities, so that
/// a policy that changed while the data were made changes nothing. Works on sums alone: the cost is that of the cells.
///
/// # Errors
/// [`EvaluationError`]: lists of different lengths, π or p that are no probabilities, a `design_effect` below 1, sums that no
/// exposures have.
pub fn off_policy<'a>(
    log: impl IntoIterator<Item = LoggedContext<'a>>,
    design_effect: f64,
) -> Result<OffPolicy, EvaluationError> {
    let mut sums = OffPolicySums::default();
    for context in log {
        sums.add(&context)?;
    }
    sums.values(design_effect)
}

impl OffPolicySums {
    /// Takes in the exposures of one context that one version decided.
    ///
    /// # Errors
    /// As [`off_policy`], but for the design effect.
    pub fn add(&mut self, context: &LoggedContext<'_>) -> Result<(), EvaluationError> {
        check(self.contexts, context)?;
        self.contexts += 1;
        let decided: u64 = context.events.iter().zip(context.logged).filter(|&(_, &p)| p > 0.0).map(|(e, _)| e.n).sum();
        self.events += decided;
        self.impossible_events += context.events.iter().map(|e| e.n).sum::<u64>() - decided;
        let lost: f64 = context.policy.iter().zip(context.logged).filter(|&(_, &p)| p == 0.0).map(|(pi, _)| pi).sum();
        self.unsupported += number(decided) * lost;
        self.modelled_events += if context.expected.is_some() { decided } else { 0 };
        let expected = |v: usize| context.expected.map_or(0.0, |all| all[v]);
        let direct: f64 = context.policy.iter().enumerate().map(|(v, pi)| pi * expected(v)).sum();
        for (v, event) in context.events.iter().enumerate() {
            let p = context.logged[v];
            if event.n == 0 || p == 0.0 {
                continue;
            }
            let w = context.policy[v] / p;
            self.largest_weight = self.largest_weight.max(w);
            self.sums.add(event, w, direct - w * expected(v));
        }
        Ok(())
    }

    /// The values.
    ///
    /// # Errors
    /// [`EvaluationError`]: a `design_effect` below 1.
    pub fn values(&self, design_effect: f64) -> Result<OffPolicy, EvaluationError> {
        if !(design_effect.is_finite() && design_effect >= 1.0) {
            let wanted = "it must be at least 1";
            return Err(EvaluationError::BadNumber { what: "design_effect", value: design_effect, wanted });
        }
        let sums = &self.sums;
        let mut found = OffPolicy {
            ips: None,
            snips: None,
            dr: None,
            events: self.events,
            modelled_events: self.modelled_events,
            impossible_events: self.impossible_events,
            effective_events: ratio(sums.weight * sums.weight, sums.weight_sq),
            effective_rewards: ratio(sums.weight_nonzero * sums.weight_nonzero, sums.weight_sq_nonzero),
            largest_weight: self.largest_weight,
            mean_weight: ratio(sums.weight, sums.n),
            unsupported: ratio(self.unsupported, sums.n),
            withheld: None,
        };
        if self.events == 0 {
            found.withheld = Some(Withheld::NoEvents);
        } else if found.unsupported > MOST_UNSUPPORTED {
            found.withheld = Some(Withheld::Unsupported { share: found.unsupported });
        } else {
            let enough = found.effective_rewards >= LEAST_REWARDS;
            let estimate = |value: f64, variance: f64| {
                let error = (variance.max(0.0) * design_effect).sqrt();
                Estimate { value, error, ci: enough.then_some([value - NORMAL_95 * error, value + NORMAL_95 * error]) }
            };
            let mean = |sum: f64, sum_sq: f64| {
                let mean = sum / sums.n;
                estimate(mean, (sum_sq - sums.n * mean * mean) / (sums.n * (sums.n - 1.0).max(1.0)))
            };
            found.ips = Some(mean(sums.weight_reward, sums.weight_sq_reward_sq));
            found.dr = (self.modelled_events > 0).then(|| mean(sums.robust, sums.robust_sq));
            found.snips = (sums.weight > 0.0).then(|| {
                let value = sums.weight_reward / sums.weight;
                let squares =
                    sums.weight_sq_reward_sq - 2.0 * value * sums.weight_sq_reward + value * value * sums.weight_sq;
                estimate(value, squares / (sums.weight * sums.weight))
            });
            if !enough {
                found.withheld = Some(Withheld::FewRewards { effective: found.effective_rewards });
            }
        }
        Ok(found)
    }
}

impl Sums {
    /// Takes in exposures of weight w, whose doubly robust term is b + w r.
    fn add(&mut self, event: &EventSums, w: f64, b: f64) {
        let (n, z) = (number(event.n), number(event.nonzero));
        self.n += n;
        self.weight += w * n;
        self.weight_sq += w * w * n;
        self.weight_reward += w * event.sum;
        self.weight_sq_reward += w * w * event.sum;
        self.weight_sq_reward_sq += w * w * event.sum_sq;
        self.weight_nonzero += w * z;
        self.weight_sq_nonzero += w * w * z;
        self.robust += n * b + w * event.sum;
        self.robust_sq += n * b * b + 2.0 * w * b * event.sum + w * w * event.sum_sq;
    }
}

/// x/y, 0 where y is.
fn ratio(x: f64, y: f64) -> f64 {
    if y > 0.0 { x / y } else { 0.0 }
}

fn check(place: usize, context: &LoggedContext<'_>) -> Result<(), EvaluationError> {
    let variants = context.events.len();
    let expected = context.expected.map_or(variants, <[f64]>::len);
    for (what, found) in [("policy", context.policy.len()), ("logged", context.logged.len()), ("expected", expected)] {
        if found != variants {
            return Err(EvaluationError::Length { context: place, what, found, expected: variants });
        }
    }
    for (what, all) in [("policy", context.policy), ("logged", context.logged)] {
        let sum: f64 = all.iter().sum();
        if all.iter().any(|p| p.is_nan() || *p < 0.0) || (sum - 1.0).abs() > 1e-6 {
            return Err(EvaluationError::NotProbabilities { context: place, what, sum });
        }
    }
    if let Some(value) = context.expected.unwrap_or(&[]).iter().copied().find(|q| !q.is_finite()) {
        return Err(EvaluationError::BadNumber { what: "expected", value, wanted: "it must be finite" });
    }
    for event in context.events {
        let EventSums { n, nonzero, sum, sum_sq } = *event;
        let squares = sum_sq * number(nonzero) * (1.0 + 1e-9) + f64::MIN_POSITIVE >= sum * sum;
        if nonzero > n || !(sum.is_finite() && sum_sq.is_finite() && squares) {
            let what = format!("context {place} of the log");
            return Err(EvaluationError::ImpossibleSums { what, users: n, sum, sum_sq });
        }
    }
    Ok(())
}
