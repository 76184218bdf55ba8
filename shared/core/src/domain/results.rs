//! What a training run measured, as it is stored beside the posterior: sums by day, from which any span of days is answered.

use bandit::RewardType;
use bandit::evaluation::{Arm, Assignment, BaselineCheck, ContextBalance, PairsAgainstMains, UserSums, WorseWhen};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::config::OnViolation;
use super::off_policy::StoredOffPolicy;
use super::time::millis;

/// The format of [`StoredResults`] that is written.
pub const RESULTS_FORMAT: &str = "fulcrum.results.v1";

/// All that results are answered from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredResults {
    /// [`RESULTS_FORMAT`].
    pub format: String,
    /// The version that the run made.
    pub posterior_version: u64,
    /// The snapshot that was read.
    pub snapshot_id: String,
    /// When the run ended.
    #[serde(with = "millis")]
    pub computed_at: DateTime<Utc>,
    /// The name of the reward.
    pub metric_name: String,
    /// What kind of reward it is.
    pub reward_type: RewardType,
    /// The share of users held out at the time of the run, in per cent.
    pub holdout_percentage: f64,
    /// Exposures by variant over the whole snapshot, whatever its shape.
    pub totals: Vec<VariantTotals>,
    /// Exposures by day, arm and variant; absent where the snapshot has no ids.
    pub exposures: Option<Vec<ExposureRow>>,
    /// Users; absent where the snapshot has no ids, or more users than are kept apart.
    pub users: Option<StoredUsers>,
    /// Exposures by outcome, where there are ids and the reward has weighted outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<StoredOutcomes>,
    /// The guardrails, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<StoredGuardrail>,
    /// Rewards that belong to no exposure, where there are ids.
    pub unattributed: Option<StoredUnattributed>,
    /// What the model believed of each variant at the end of the run.
    pub beliefs: Vec<Belief>,
    /// What it believed of policy and baseline.
    pub stats: Stats,
    /// The factors' sizes.
    pub factor_importance: Vec<FactorImportance>,
    /// Exposures that were decided again; absent where there are no ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<StoredAssignment>,
    /// What the model believes of the baseline against the holdout of the last days, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_check: Option<BaselineCheck>,
    /// Observed minus additive rates of each pair of design factors; absent where users are not told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactions: Option<Vec<StoredInteraction>>,
    /// What other policies would have earned; absent where the run was made before that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_policy: Option<StoredOffPolicy>,
}

/// A sample of exposures, decided again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredAssignment {
    /// The first and the last of the days that are sampled, days since 1970, in UTC.
    pub days: (i64, i64),
    /// Exposures of these days.
    pub of: u64,
    /// What deciding them again came to.
    pub found: Assignment,
    /// Sampled exposures at times at which nothing was served.
    pub not_served: u64,
    /// Sampled exposures of which it is no longer known what served them.
    pub not_known: u64,
    /// Since when everything is known; absent where it is for all.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub holds_from: Option<DateTime<Utc>>,
    /// The users of the sample.
    pub users: SampledUsers,
    /// The variants of each version and context against its policy: those that are the least alike, first.
    pub balance: Vec<StoredBalance>,
    /// All of them together; absent where there are too few users.
    pub balance_test: Option<BalanceTest>,
}

/// Users whose exposures were decided again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledUsers {
    /// All.
    pub users: u64,
    /// Those who saw more than one variant.
    pub several_variants: u64,
    /// Those of them with an exposure that no version in force explains.
    pub unexplained: u64,
}

/// Users of one context under one version.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredBalance {
    /// The version that decided what they saw.
    pub posterior_version: u64,
    /// The context.
    pub context: u64,
    /// Users.
    pub users: u64,
    /// The test.
    #[serde(flatten)]
    pub balance: ContextBalance,
}

/// The variants of all versions and contexts against their policies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BalanceTest {
    /// Versions and contexts with users enough.
    pub contexts: usize,
    /// Σ of χ².
    pub chi_squared: f64,
    /// Σ of degrees of freedom.
    pub degrees_of_freedom: u64,
    /// P(χ² ≥ that), in [0, 1].
    pub p_value: f64,
    /// Users who saw a variant that their policy serves to nobody.
    pub impossible: f64,
}

/// Observed minus additive rates of two design factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredInteraction {
    /// The factors, by their places in the design.
    pub factors: [usize; 2],
    /// The matrix and its test.
    #[serde(flatten)]
    pub pairs: PairsAgainstMains,
}

/// n and Σ r of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantTotals {
    /// The variant.
    pub variant: usize,
    /// Exposures.
    pub n: u64,
    /// Σ r, reward units.
    pub sum: f64,
}

/// Exposures of a day, an arm and a variant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExposureRow {
    /// Days since 1970, in UTC.
    pub day: i64,
    /// Whether the users are held out.
    pub held_out: bool,
    /// The variant.
    pub variant: usize,
    /// n.
    pub n: u64,
    /// Σ r, reward units.
    pub sum: f64,
}

/// Exposures by weighted outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredOutcomes {
    /// Key and weight of each outcome.
    pub outcomes: Vec<(String, f64)>,
    /// By day, arm, variant and outcome; what an exposure has no outcome of is counted nowhere.
    pub rows: Vec<OutcomeRow>,
}

/// Exposures of a day, an arm and a variant that were credited with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// Days since 1970, in UTC.
    pub day: i64,
    /// Whether the users are held out.
    pub held_out: bool,
    /// The variant.
    pub variant: u32,
    /// The outcome, by its place.
    pub outcome: u8,
    /// n.
    pub n: u64,
}

/// What users came to by the reward of a guardrail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredGuardrail {
    /// The name of the reward.
    pub name: String,
    /// What kind of reward it is.
    pub reward_type: RewardType,
    /// In which direction it gets worse.
    pub worse_when: WorseWhen,
    /// By how much it may be worse, per cent.
    pub margin_percent: f64,
    /// What is done once it is worse by more.
    pub on_violation: OnViolation,
    /// By day of first exposure and arm, those that have any of it; how many users there are, the rows of users say.
    pub rows: Vec<GuardrailRow>,
}

/// What the users of a day and an arm came to by the reward of a guardrail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardrailRow {
    /// Day of the first exposure, days since 1970, in UTC.
    pub day: i64,
    /// Whether they are held out.
    pub held_out: bool,
    /// Σ y, reward units of the guardrail.
    pub sum: f64,
    /// Σ y².
    pub sum_sq: f64,
}

/// The users of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredUsers {
    /// By day of first exposure, arm and variant first seen.
    pub by_variant: Vec<UserRow<usize>>,
    /// By day of first exposure, arm, and factor and level of the context first seen.
    pub by_level: Vec<UserRow<(usize, usize)>>,
    /// Exposures and rewards per user, of the optimized users and of the holdout.
    pub sums: [UserSums; 2],
    /// Exposures of one user: mean, 99 % quantile, greatest.
    pub exposures_per_user: (f64, u64, u64),
    /// Users who saw more than one variant.
    pub several_variants: u64,
}

/// Users of a day, an arm and whatever they are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserRow<K> {
    /// Day of the first exposure, days since 1970, in UTC.
    pub day: i64,
    /// Whether they are held out.
    pub held_out: bool,
    /// What they are divided by.
    pub by: K,
    /// Users credited with something other than 0.
    pub converting: u64,
    /// n, Σ y and Σ y².
    #[serde(flatten)]
    pub arm: Arm,
}

/// Rewards that belong to no exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredUnattributed {
    /// Rewards that count.
    pub rewards: u64,
    /// Of ids that have no exposure.
    pub without_exposure: u64,
    /// Before the first exposure of their id.
    pub before_exposures: u64,
    /// After an exposure, and out of every window.
    pub outside_windows: u64,
}

/// What a model believes of a variant, reward units per exposure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// Posterior mean of the expected reward.
    pub expected_reward_mean: f64,
    /// 2.5 % quantile.
    pub expected_reward_lo: f64,
    /// 97.5 % quantile.
    pub expected_reward_hi: f64,
    /// Probability of being the best.
    pub prob_best: f64,
    /// Share of users that are served it.
    pub weight: f64,
}

/// What a model believes of its policy and of the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Stats {
    /// Of the policy above what was earned, per cent.
    pub estimated_improvement_percent: Option<f64>,
    /// Its central 95 %.
    pub estimated_improvement_interval: Option<[f64; 2]>,
    /// Of the variant that is best on average above the baseline, per cent.
    pub best_vs_baseline_percent: Option<f64>,
    /// Its central 95 %.
    pub best_vs_baseline_interval: Option<[f64; 2]>,
    /// What the policy earns over the baseline as a share of what the best by context would.
    pub estimated_progress: Option<f64>,
    /// That the policy earns more than the baseline.
    pub improvement_probability: Option<f64>,
}

/// By how much the reward differs between the levels of a factor, reward units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct FactorImportance {
    /// The factor.
    pub factor: String,
    /// Mean over the draws.
    pub mean: Option<f64>,
    /// 25 % quantile.
    pub q1: Option<f64>,
    /// 75 % quantile.
    pub q3: Option<f64>,
    /// `design` or `context`.
    pub kind: bandit::FactorRole,
}
