//! Answers that are put together as free JSON: what their fields are. A test of `e2e` holds them against real answers.

use std::collections::BTreeMap;

use bandit::evaluation::{GuardrailStatus, Heterogeneity, Lift, SampleRatio, WorseWhen};
use bandit::{Assignment, LevelValue, ModelType, Report};
use schemars::JsonSchema;
use serde::Serialize;
use snapshots::Warning;
use uuid::Uuid;

use super::checks::{
    AssignmentCheck, BaselineCheck, ContextBalanceCheck, OffPolicyValues, PairsOfLevels, UnexplainedVariants,
};
use crate::domain::{BalanceTest, FactorImportance, OnViolation, Stats};

/// What a model believes. Before the first training there is no belief: it is null then, and every allowed variant is served
/// alike.
#[derive(Serialize, JsonSchema)]
pub(super) struct ModelState {
    /// The model.
    model_id: Uuid,
    /// mab or cmab.
    model_type: ModelType,
    /// The posterior in force, counted from 1; 0 before the first training.
    posterior_version: u64,
    /// When its run ended: RFC 3339, UTC; null before the first training.
    #[schemars(extend("format" = "date-time"))]
    trained_at: Option<String>,
    /// Rows of the snapshot that were skipped, by reason; null before the first training.
    skipped: Option<BTreeMap<String, u64>>,
    /// What the run left out or changed in a way that its reader should know.
    warnings: Vec<Warning>,
    #[serde(flatten)]
    report: Report,
}

/// On what results are counted.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is described, and never made")]
enum Basis {
    /// Users.
    Users,
    /// Exposures: the snapshot cannot tell users apart, so that there is no measured lift, and what needs users is null.
    Exposures,
}

/// What happened, as the latest training run measured it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Results {
    /// On what they are counted.
    basis: Basis,
    /// The snapshot that was read.
    snapshot_id: String,
    /// The posterior that the same run made.
    posterior_version: u64,
    /// When the run ended: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    computed_at: String,
    /// The measured lift of the optimized users over the holdout; null where users cannot be told apart.
    primary_metric_vs_holdout: Option<PrimaryMetric>,
    /// For each context factor the lift at each level; null where users cannot be told apart.
    by_context: Option<Vec<ContextFactorResults>>,
    /// Every guardrail of the configuration, in its order.
    guardrails: Vec<GuardrailResults>,
    /// Every variant, in the order of their numbers.
    variants: Vec<VariantResults>,
    /// What the model believed of its policy and of the baseline at the end of the run.
    stats: Stats,
    /// By how much the reward differs between the levels of each factor, as the model believed.
    factor_importance: Vec<FactorImportance>,
    /// Day by day; null where users cannot be told apart.
    time_series: Option<Vec<DayResults>>,
    /// The model's idea of the baseline against the holdout of the last seven days; null where there is no holdout.
    baseline_check: Option<BaselineCheck>,
    /// Observed minus additive rates of each pair of design factors, of the whole snapshot; null where users cannot be told apart.
    interactions: Option<Vec<PairsOfLevels>>,
    /// What other policies would have earned, of the whole snapshot.
    off_policy: OffPolicyValues,
    /// Whether the data are what they are taken for.
    quality: Quality,
    /// What follows from the other fields, in sentences.
    findings: Findings,
}

/// What the results come to. Measured first; nothing is claimed of data that fail a check.
#[derive(Serialize, JsonSchema)]
struct Findings {
    /// What was measured, in one sentence.
    sentence: String,
    /// What the model expects, labelled; null where the holdout contradicts it or has not checked it.
    modelled: Option<String>,
    /// The days of first exposure of the users that this is about.
    window: Window,
    /// What a rate is a rate of: `per user` or `per exposure`.
    basis: String,
    /// What to do.
    verdict: FindingsVerdict,
    /// What is wrong with the data.
    problems: Vec<FindingsProblem>,
    /// What else is worth knowing before anybody decides.
    notes: Vec<String>,
}

/// Days, UTC.
#[derive(Serialize, JsonSchema)]
struct Window {
    /// The first; null where there is none.
    #[schemars(extend("format" = "date"))]
    from: Option<String>,
    /// The last; null where there is none.
    #[schemars(extend("format" = "date"))]
    to: Option<String>,
}

/// What to do.
#[derive(Serialize, JsonSchema)]
struct FindingsVerdict {
    /// `fix_data`, `do_not_ship`, `measure_first`, `ship`, `drop_level` or `keep_running`.
    kind: String,
    /// The same for people.
    title: String,
    /// Why.
    why: String,
    /// How many users more are needed, where that can be said; else null.
    more_users: Option<u64>,
}

/// Something that is wrong with the data.
#[derive(Serialize, JsonSchema)]
struct FindingsProblem {
    /// The stable name of the kind.
    code: String,
    /// What is wrong.
    message: String,
}

/// The measured lift of the model's reward.
#[derive(Serialize, JsonSchema)]
struct PrimaryMetric {
    #[serde(flatten)]
    lift: Lift,
    /// The name of the reward.
    metric_name: String,
    /// Exposures of the holdout.
    holdout_exposures: u64,
    /// Exposures of the optimized users.
    optimization_exposures: u64,
}

/// What a guardrail has come to: the lift of its reward, and whether that is worse than it may be.
#[derive(Serialize, JsonSchema)]
struct GuardrailResults {
    #[serde(flatten)]
    lift: MeasuredArms,
    /// The name of its reward.
    name: String,
    /// What kind of reward it is.
    #[serde(rename = "type")]
    reward_type: bandit::RewardType,
    /// In which direction it gets worse.
    worse_when: WorseWhen,
    /// By how many per cent of the holdout's rate it may be worse.
    margin_percent: f64,
    /// What is done once it is violated.
    on_violation: OnViolation,
    /// Exposures of the holdout.
    holdout_exposures: u64,
    /// Exposures of the optimized users.
    optimization_exposures: u64,
    /// By `lift_ci_anytime`, which holds at every look.
    status: GuardrailStatus,
}

/// The figures of a lift.
#[derive(Serialize, JsonSchema)]
struct MeasuredArms {
    /// Of the holdout, units of the reward per user; null without a user.
    holdout_rate: Option<f64>,
    /// Users of the holdout.
    holdout_users: u64,
    /// Of the optimized users, units of the reward per user; null without a user.
    optimization_rate: Option<f64>,
    /// Optimized users.
    optimization_users: u64,
    /// By how many per cent of the holdout's rate the optimized users' is above it.
    lift_percent: Option<f64>,
    /// Its 95 % interval, for one look.
    lift_ci: Option<[f64; 2]>,
    /// Its 95 % interval that holds at every look.
    lift_ci_anytime: Option<[f64; 2]>,
    /// Two-sided, of a lift of 0, for one look.
    p_value: Option<f64>,
}

/// The lift at each level of a context factor.
#[derive(Serialize, JsonSchema)]
struct ContextFactorResults {
    /// The factor.
    factor: String,
    /// Its levels that were seen.
    levels: Vec<LevelResults>,
    /// Whether the levels differ by more than chance; null where fewer than two have a lift.
    heterogeneity: Option<Heterogeneity>,
}

/// The lift at a level.
#[derive(Serialize, JsonSchema)]
struct LevelResults {
    #[serde(flatten)]
    lift: Lift,
    /// The level; null is the unknown one.
    level: LevelValue,
}

/// What was measured of a variant, and what the model believed of it at the end of the run.
#[derive(Serialize, JsonSchema)]
struct VariantResults {
    /// Its number, counted from 0; 0 is the baseline.
    number: usize,
    /// Its levels.
    variant: Assignment,
    /// Its levels as one text: `factor=level|factor=level`.
    variant_key: String,
    /// Users who saw it first; null where users cannot be told apart.
    users: Option<u64>,
    /// Those of them who were credited with something other than 0.
    converting_users: Option<u64>,
    /// Reward per user, reward units; null without a user.
    user_rate: Option<f64>,
    /// Exposures.
    exposures: u64,
    /// Reward per exposure, reward units; null without an exposure.
    rate: Option<f64>,
    /// Posterior mean of the expected reward per exposure, reward units.
    expected_reward_mean: Option<f64>,
    /// 2.5 % quantile, reward units.
    expected_reward_lo: Option<f64>,
    /// 97.5 % quantile, reward units.
    expected_reward_hi: Option<f64>,
    /// Probability of being the best, in [0, 1].
    prob_best: Option<f64>,
    /// Share of users that are served it, in [0, 1].
    weight: Option<f64>,
}

/// A day. The lift is of all users up to it.
#[derive(Serialize, JsonSchema)]
struct DayResults {
    /// The day, UTC.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// Optimized users whose first exposure was on the day.
    optimized: ArmOfDay,
    /// Users of the holdout whose first exposure was on the day.
    holdout: ArmOfDay,
    /// Lift of all users up to the day, per cent.
    lift_percent: Option<f64>,
    /// Its 95 % interval for one look, per cent.
    lift_ci: Option<[f64; 2]>,
    /// Its 95 % interval that holds at every look, per cent.
    lift_ci_anytime: Option<[f64; 2]>,
    /// The variants that were seen on the day; null above 10,000 days times variants.
    variants: Option<Vec<VariantOfDay>>,
}

/// One arm on a day.
#[derive(Serialize, JsonSchema)]
struct ArmOfDay {
    /// Users.
    users: u64,
    /// Reward per user, reward units; null without a user.
    rate: Option<f64>,
}

/// A variant on a day.
#[derive(Serialize, JsonSchema)]
struct VariantOfDay {
    /// Its number.
    number: usize,
    /// Users who saw it first, whose first exposure was on the day.
    users: u64,
    /// Exposures.
    exposures: u64,
    /// Reward per exposure, reward units; null without an exposure.
    rate: Option<f64>,
}

/// Whether the data are what they are taken for. What needs users is null where they cannot be told apart.
#[derive(Serialize, JsonSchema)]
struct Quality {
    /// Users of the holdout against its percentage.
    sample_ratio: Option<SampleRatioByDay>,
    /// Rewards that belong to no exposure.
    unattributed_rewards: Option<UnattributedRewards>,
    /// How many exposures users have.
    exposures_per_user: Option<ExposuresPerUser>,
    /// Users who saw more than one variant.
    multiple_variants: Option<MultipleVariants>,
    /// Exposures of the last seven days, decided again; null where none of them could be.
    assignment: Option<AssignmentCheck>,
    /// The variants that these users saw, for each version and context with enough of them: the 100 that are the least like the policy,
    /// those first.
    balance: Option<Vec<ContextBalanceCheck>>,
    /// All versions and contexts together; null where there are too few users.
    balance_test: Option<BalanceTest>,
    /// Exposures of the holdout; those of another variant than the baseline should be none.
    holdout_saw_other: Option<HoldoutSawOther>,
    /// How much less exposures say than as many independent ones would. Absent where users cannot be told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    design_effect: Option<DesignEffect>,
}

/// The holdout against its percentage, in all and by day.
#[derive(Serialize, JsonSchema)]
struct SampleRatioByDay {
    #[serde(flatten)]
    all: SampleRatio,
    /// Day by day, by the users' first exposure.
    by_day: Vec<SampleRatioOfDay>,
}

/// The holdout against its percentage on a day.
#[derive(Serialize, JsonSchema)]
struct SampleRatioOfDay {
    /// The day, UTC.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// All users.
    users: u64,
    /// Those of the holdout.
    held_out: u64,
    /// Of the exact binomial test, in [0, 1].
    p_value: f64,
    /// Whether it is below 0.001.
    suspect: bool,
}

/// Rewards that belong to no exposure.
#[derive(Serialize, JsonSchema)]
struct UnattributedRewards {
    /// Rewards that count, attributed or not.
    rewards: u64,
    /// Of ids that have no exposure.
    without_exposure: u64,
    /// Before the first exposure of their id.
    before_exposures: u64,
    /// After an exposure, and out of every window.
    outside_windows: u64,
}

/// How many exposures users have.
#[derive(Serialize, JsonSchema)]
struct ExposuresPerUser {
    /// Mean.
    mean: f64,
    /// 99 % quantile.
    p99: u64,
    /// Greatest.
    max: u64,
}

/// Users who saw more than one variant.
#[derive(Serialize, JsonSchema)]
struct MultipleVariants {
    /// How many.
    users: u64,
    /// Of all users, in [0, 1]; null without users.
    share: Option<f64>,
    /// Those of the sample whose versions and contexts do not explain it; null where no sample was decided again.
    unexplained: Option<UnexplainedVariants>,
}

/// What the holdout saw.
#[derive(Serialize, JsonSchema)]
struct HoldoutSawOther {
    /// Its exposures.
    exposures: u64,
    /// Those that show another variant than the baseline: logging or serving is not what it is taken for.
    of_other_variants: u64,
}

/// The variance of the mean reward with users as what is independent, over that of as many independent exposures. No unit.
#[derive(Serialize, JsonSchema)]
struct DesignEffect {
    /// Of the optimized users; null for fewer than two users or rewards that are all equal.
    optimized: Option<f64>,
    /// Of the holdout; likewise.
    holdout: Option<f64>,
}
