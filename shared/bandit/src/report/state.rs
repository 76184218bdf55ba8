//! The state of a model as JSON: types whose fields are in the order of the contract.

use serde::{Deserialize, Serialize};

use super::{Assignment, LevelValue, StateDiagnostics};
use crate::ModelType;

/// One variant. Expectations of a cmab average over the contexts of the training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct VariantState {
    /// The variant's number.
    pub index: usize,
    /// Its levels.
    pub variant: Assignment,
    /// Trials.
    pub n: u64,
    /// Σ r, reward units.
    pub reward_sum: f64,
    /// Measured mean reward, Σ r / n; `None` without a trial.
    pub rate: Option<f64>,
    /// Posterior mean of `R_s(v)` = `Σ_c` (`n_c`/N) E[r | v, c, `β_s`], reward units.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub expected_reward_mean: f64,
    /// 2.5 % quantile of `R_s(v)` over the draws, reward units.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub expected_reward_lo: f64,
    /// 97.5 % quantile of `R_s(v)` over the draws, reward units.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub expected_reward_hi: f64,
    /// `Σ_c` (`n_c`/N) P(v is the best allowed variant in c), in [0, 1]: belief, untouched by exploration and bias. 0 if
    /// excluded. P(v is the best in c) is the share of the draws in which v has the greatest location η of the allowed
    /// variants; over a user of the data, whose context is c with probability `n_c`/N, it is the probability that v is the
    /// best for them. Adds up to 1 over the variants.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub prob_best: f64,
    /// E max_v' `R_s(v')` − `R_s(v)` over the draws, the maximum over allowed variants, reward units: what serving this one to all
    /// is expected to cost against serving the one that is the best, were it known (the expected loss of decision theory).
    /// Stopping on the variant with the least of it costs so much on average. At least 0 for an allowed variant. `None` in
    /// objects of earlier versions.
    #[serde(default)]
    pub expected_loss: Option<f64>,
    /// (1 − h) `Σ_c` (`n_c`/N) π(v|c), and h more for the baseline, in [0, 1]: the share of users of these contexts that is
    /// served v by the compiled policy π, with exploration, bias and the holdout share h. A user is in the holdout with
    /// probability h, whatever their context, and then sees the baseline; else they are served v with probability π(v|c).
    /// With h = 0, exploration 1 and no bias, π(v|c) = P(v is the best in c) (Scott 2010), and the weight is `prob_best`.
    pub weight: f64,
}

/// One context of the training data: for whom is what the best?
///
/// From the row of counts of the plain policy (exploration 1, no bias), P(v is the best in c) = #{s : v =
/// argmax η(v', c; `β_s`)} / S over the S draws, see [`crate::Policy::compile`]: the best variant is argmax over v, the
/// probability its maximum. It is at least 1/(allowed variants), has no unit, and is the chance of being right if the
/// variant were served to everybody in c, not the share that is served: that is in the policy. Its Monte-Carlo error is
/// √(p(1−p)/n) with n effective draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ContextState {
    /// Its levels; `null` for unknown.
    pub context: Assignment,
    /// Trials.
    pub n: u64,
    /// The variant that is the best with the greatest probability, the lowest of several.
    pub best_variant_index: usize,
    /// That probability: belief, untouched by exploration and bias.
    pub prob_best: f64,
}

/// What a factor describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FactorRole {
    /// What is varied.
    Design,
    /// What is known of the visitor.
    Context,
}

/// One level of a factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LevelState {
    /// The level.
    pub level: LevelValue,
    /// Posterior mean of the effect, reward units: the mean reward with the factor at this level, less the mean of that
    /// over the factor's levels. All other factors are averaged: design factors over the full design, each combination
    /// alike; context factors as they occur in the training data, whichever level this is.
    pub effect_mean: f64,
    /// 2.5 % quantile.
    pub effect_lo: f64,
    /// 97.5 % quantile.
    pub effect_hi: f64,
}

/// The size of an effect: a standard deviation of the reward over levels, which is itself uncertain. Reward units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Size {
    /// Mean over the draws.
    pub mean: f64,
    /// 25 % quantile.
    pub q1: f64,
    /// 75 % quantile.
    pub q3: f64,
    /// 2.5 % quantile.
    pub lo: f64,
    /// 97.5 % quantile.
    pub hi: f64,
}

/// One factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct FactorState {
    /// Its name.
    pub name: String,
    /// Design or context.
    pub role: FactorRole,
    /// First-order Sobol index, in [0, 1]: the posterior mean of the variance between the factor's levels over the posterior
    /// mean of the variance of the expected reward over cells, each variant alike and contexts by their share of the
    /// trials. 0 where no cell differs from another.
    pub importance: f64,
    /// √(`Var_a` `m_s(a)`) over the draws s, with `m_s(a)` the mean reward with the factor at level a, all else averaged: by how much
    /// the reward differs between the factor's levels, typically. Levels of a design factor count alike, those of a context
    /// factor by their share of the trials. Unlike the importance it has a unit, and it is near 0 where the factor does nothing
    /// and the data are many; it is never 0, being a root of squares. `None` in objects of earlier versions.
    #[serde(default)]
    pub size: Option<Size>,
    /// The levels of the configuration, in its order.
    pub levels: Vec<LevelState>,
}

/// Two factors, at least one of the design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct InteractionState {
    /// Their names, a design factor first.
    pub factors: [String; 2],
    /// Reward units: the root of the posterior mean of the variance over cells of that part of the expected reward which
    /// the pair of levels adds to what each level adds alone. Its square over the variance of all is the second-order
    /// Sobol index.
    pub scale: f64,
    /// The root of that variance in every draw, where `scale` is the root of the mean. `None` in objects of earlier versions.
    #[serde(default)]
    pub size: Option<Size>,
}

/// One stratum: a span of time with an intercept of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct StratumState {
    /// Its first second, since 1970-01-01T00:00:00Z.
    pub from: i64,
    /// The first second after it.
    pub to: i64,
    /// Trials.
    pub observations: u64,
}

/// All of the state that a posterior and its data determine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Report {
    /// Trials in the training data.
    pub observations: u64,
    /// Every variant, excluded ones included.
    pub variants: Vec<VariantState>,
    /// The contexts of the training data in the order of their numbers; the 10,000 with the most trials where there are
    /// more. One without levels for a mab.
    pub contexts: Vec<ContextState>,
    /// Design factors, then context factors; the latter not for a mab.
    pub factors: Vec<FactorState>,
    /// Pairs of design factors, then pairs of a design and a context factor.
    pub interactions: Vec<InteractionState>,
    /// 100 (V − r̄) / |r̄|, with V the mean value of the Thompson policy and r̄ = Σ r / Σ n over the contexts that V averages
    /// over: what its allocation is expected to earn above what was earned in the training data. V is an average over the
    /// contexts of the data, at their shares; r̄ must be of the same contexts for the difference to be the allocation's.
    /// r̄ = S/N but where variants × contexts are above 10⁶, see [`StateDiagnostics::covered_share`]. `None` where r̄ is 0.
    pub estimated_improvement_percent: Option<f64>,
    /// The central 95 % of 100 (`V_s` − r̄) / |r̄| over the draws s. r̄ is what was earned, a measured number: the interval is that of
    /// the policy's value alone. `None` where r̄ is 0, and in objects of earlier versions.
    #[serde(default)]
    pub estimated_improvement_interval: Option<[f64; 2]>,
    /// 100 (`max_v` R(v) − R(0)) / |R(0)| over allowed variants, with R the posterior means of the expected rewards: what
    /// the variant that is best on average is expected to earn above the baseline. Both are averages over the same
    /// contexts, so that the difference is the variants' alone; one variant is served to all, so that it is what a rollout
    /// of the winner would bring, and no policy that looks at the context. `None` where R(0) is 0.
    pub best_vs_baseline_percent: Option<f64>,
    /// The central 95 % of 100 (`R_s(v*)` − `R_s(0)`) / |`R_s(0)`| over the draws s, with v* the variant of the greatest mean. v* is
    /// chosen for being the greatest; that this makes it look better than it is, is in the prior, not in the interval. `None`
    /// where 0 is within the central 95 % of `R_s(0)`, and in objects of earlier versions.
    #[serde(default)]
    pub best_vs_baseline_interval: Option<[f64; 2]>,
    /// P(V > B): the share of the draws in which the Thompson policy earns more than the baseline would if everybody saw it,
    /// `B_s` = `R_s(0)`. In [0, 1]. `None` in objects of earlier versions.
    #[serde(default)]
    pub improvement_probability: Option<f64>,
    /// (E V − E B) / (E O − E B), with `O_s` = `Σ_c` (`n_c`/N) `max_v` E[r | v, c, `β_s`] over allowed variants: of all that the best
    /// variant in every context would earn above the baseline, the share that the Thompson policy is expected to earn. At most
    /// 1, and below 0 where the policy earns less than the baseline. `None` where the baseline is the best everywhere, and in
    /// objects of earlier versions.
    #[serde(default)]
    pub estimated_progress: Option<f64>,
    /// The spans of constant allocation that have intercepts of their own. Absent where nothing is known of when observations
    /// were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<StratumState>,
    /// How far these numbers can be trusted. `None` in objects of earlier versions, which do not have it.
    #[serde(default)]
    pub diagnostics: Option<StateDiagnostics>,
}

/// The state of a model, as `GET …/state` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The model.
    pub model_id: String,
    /// mab or cmab.
    pub model_type: ModelType,
    /// Version of the posterior.
    pub posterior_version: u64,
    /// RFC 3339, UTC; `None` before the first training.
    pub trained_at: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub report: Report,
}
