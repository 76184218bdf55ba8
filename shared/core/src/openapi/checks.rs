//! Fields of the results that hold what was logged against what was served, what is believed against what was measured, and policies
//! against the log.

use bandit::{Assignment, LevelValue};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{LogSummary, NoLog, PolicyValue};

/// A sample of exposures of the last seven days of the snapshot, decided again under the versions that were in force.
#[derive(Serialize, JsonSchema)]
pub(super) struct AssignmentCheck {
    /// The first of the days, UTC.
    #[schemars(extend("format" = "date"))]
    from: String,
    /// The last of the days, UTC.
    #[schemars(extend("format" = "date"))]
    to: String,
    /// Exposures that were decided again.
    exposures: u64,
    /// All exposures of these days.
    of: u64,
    /// Share of those decided again that show what a version in force serves, in [0, 1].
    #[serde(rename = "match")]
    matching: f64,
    /// The others, by reason.
    mismatches: AssignmentMismatches,
    /// How long ago the older versions that explain an exposure were in force for the last time: the median, seconds; null where there is none.
    age_seconds: Option<u64>,
    /// The level of a context factor in which mismatches concentrate; null where they are spread.
    concentrates_in: Option<AssignmentConcentration>,
    /// Whether less than 0.99 of at least 100 exposures match.
    suspect: bool,
    /// Sampled exposures at times at which nothing was served, such as before the optimization was made.
    not_served: u64,
    /// Sampled exposures of which it is no longer known what served them.
    not_known: u64,
    /// Since when everything is known: RFC 3339, UTC; null where that is so for all of these days.
    #[schemars(extend("format" = "date-time"))]
    holds_from: Option<String>,
}

/// Exposures that show what no version in force serves.
#[derive(Serialize, JsonSchema)]
struct AssignmentMismatches {
    /// A user of the holdout saw another variant than the baseline.
    holdout_saw_other: u64,
    /// An older version serves it.
    older_version: u64,
    /// The variant is never served.
    excluded_variant: u64,
    /// No version explains it: another id, another context when it was logged, another service.
    other: u64,
}

/// Where mismatches concentrate.
#[derive(Serialize, JsonSchema)]
struct AssignmentConcentration {
    /// The context factor.
    factor: String,
    /// Its level; null is the unknown one.
    level: LevelValue,
    /// Share of the level's exposures that match, in [0, 1].
    #[serde(rename = "match")]
    matching: f64,
    /// Share of all other exposures that match, in [0, 1].
    elsewhere: f64,
}

/// Users of one context under one version: the variants that they saw against its policy.
#[derive(Serialize, JsonSchema)]
pub(super) struct ContextBalanceCheck {
    /// The version.
    posterior_version: u64,
    /// The context; null is an unknown level.
    context: Assignment,
    /// Users, each counted once.
    users: u64,
    /// Pearson's χ².
    chi_squared: f64,
    /// Classes less 1.
    degrees_of_freedom: u64,
    /// P(χ² ≥ that), in [0, 1].
    p_value: f64,
    /// Users who saw a variant that the policy serves to nobody.
    impossible: f64,
}

/// Users of the sample who saw more than one variant although no version in force explains it.
#[derive(Serialize, JsonSchema)]
pub(super) struct UnexplainedVariants {
    /// Users of the sample.
    of_users: u64,
    /// Those who saw more than one variant.
    several_variants: u64,
    /// Those of them with an exposure that no version in force explains.
    users: u64,
    /// Of the users of the sample, in [0, 1]; null without users.
    share: Option<f64>,
}

/// What the model believes of the baseline against what the holdout did in the last seven days of the snapshot.
#[derive(Serialize, JsonSchema)]
pub(super) struct BaselineCheck {
    /// Posterior mean of the baseline's expected reward in the holdout's contexts of these days, reward units.
    modelled: f64,
    /// Mean reward of the holdout in these days, reward units.
    measured: f64,
    /// Modelled less measured.
    difference: f64,
    /// The difference over its standard error.
    z: f64,
    /// Whether z is between -2.5 and 2.5.
    ok: bool,
}

/// Two design factors: what pairs of their levels do beside what each level does alone.
#[derive(Serialize, JsonSchema)]
pub(super) struct PairsOfLevels {
    /// The factors.
    factors: [String; 2],
    /// Their levels, in the order of rows and columns.
    levels: [Vec<LevelValue>; 2],
    /// Levels of the first factor by levels of the second.
    cells: Vec<Vec<PairOfLevels>>,
    /// The likelihood-ratio test of all pairs together; null where nothing can be told apart.
    test: Option<PairsTest>,
}

/// One pair of levels.
#[derive(Serialize, JsonSchema)]
struct PairOfLevels {
    /// Users.
    n: u64,
    /// Observed less additive rate per user: percentage points, or reward units for a numeric reward; null below 1,000 users.
    points: Option<f64>,
    /// The same over its standard error.
    z: Option<f64>,
}

/// The likelihood-ratio test of pairs against levels, with days as a factor.
#[derive(Serialize, JsonSchema)]
struct PairsTest {
    /// 2 ln of the ratio of the likelihoods.
    statistic: f64,
    /// Effects that pairs add to days and levels.
    degrees_of_freedom: u64,
    /// P(χ² ≥ statistic), in [0, 1].
    p_value: f64,
}

/// What other policies would have earned on the exposures that versions are known to have decided.
#[derive(Serialize, JsonSchema)]
pub(super) struct OffPolicyValues {
    /// Why nothing is known; null where it is.
    unavailable: Option<UnavailableOffPolicy>,
    /// What the policies were valued on; null where there is nothing.
    log: Option<LogSummary>,
    /// The newest version's policy, every variant alike, the baseline, and the best variant on average.
    policies: Vec<PolicyValue>,
}

/// Why no policy is valued.
#[derive(Serialize, JsonSchema)]
struct UnavailableOffPolicy {
    /// The stable name of the reason.
    reason: NoLog,
    /// The same for people.
    message: String,
}
