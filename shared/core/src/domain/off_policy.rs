//! Values of policies on what was logged: what is stored for them, what is asked and what is answered.

use bandit::evaluation::OffPolicy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[cfg(feature = "openapi")]
use super::described;

/// The format of [`StoredLog`] that is written.
pub const LOG_FORMAT: &str = "fulcrum.log.v1";

/// The exposures of the optimized users by the version that decided them. It lies beside the results of the same run, and policies are
/// valued on it without the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredLog {
    /// [`LOG_FORMAT`].
    pub format: String,
    /// Ascending.
    pub versions: Vec<LoggedVersion>,
    /// Exposures that are in none of them.
    pub left_out: LeftOut,
    /// By what every variance is multiplied, at least 1.
    pub design_effect: f64,
    /// Whether versions expect the reward of an exposure; else it is that of a user, and of no use here.
    pub modelled: bool,
}

/// What a version decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedVersion {
    /// The version; 0 before the first training.
    pub posterior_version: u64,
    /// Ascending.
    pub contexts: Vec<LoggedCells>,
}

/// What a version decided in a context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedCells {
    /// The context.
    pub context: u64,
    /// Of each variant that was seen its number, n, z, Σ r and Σ r².
    pub cells: Vec<(usize, u64, u64, f64, f64)>,
}

/// Exposures of the optimized users that policies are not valued on, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// In the first moments of a version, when an older one may have decided.
    pub stale: u64,
    /// At times at which nothing was served, such as before the optimization was made.
    pub not_served: u64,
    /// While nothing was explored: winners or the baseline alone were served, or another model.
    pub not_explored: u64,
    /// Of versions and contexts whose policy is no longer kept, or never was.
    pub not_known: u64,
    /// Of the oldest versions, where there are more cells than are kept.
    pub not_stored: u64,
}

/// Why no policy is valued on a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoLog {
    /// The run was made before such values were.
    NotMeasured,
    /// The snapshot has no ids: who belongs to the holdout is not known.
    NoIds,
    /// There are more users than are kept apart: how far their exposures depend on each other is not known.
    ManyUsers,
}

impl NoLog {
    /// The reason for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotMeasured => {
                "the latest run was made before policies were valued on what was logged; the next training run does it"
            }
            Self::NoIds => {
                "the snapshot has no ids, so that it is not known which exposures the policy decided and which are of the holdout"
            }
            Self::ManyUsers => {
                "the snapshot has more users than a run keeps apart, so that it is not known how far their exposures depend on each other"
            }
        }
    }
}

/// What a run found of policies, beside what else it measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredOffPolicy {
    /// Why there is nothing.
    pub unavailable: Option<NoLog>,
    /// What policies were valued on.
    pub log: Option<LogSummary>,
    /// The policies.
    pub policies: Vec<PolicyValue>,
}

/// What policies are valued on: exposures of the optimized users whose propensities are known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LogSummary {
    /// How many they are.
    pub events: u64,
    /// What they earned, reward units per exposure; null without any.
    pub observed: Option<f64>,
    /// The versions that decided them.
    pub versions: usize,
    /// Exposures of the optimized users that are left out.
    pub left_out: LeftOut,
    /// By what every variance is multiplied, since users bring several exposures: at least 1.
    pub design_effect: f64,
}

/// A policy that every run values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicyName {
    /// That of the version that the run made.
    NewestVersion,
    /// Every allowed variant alike.
    Uniform,
    /// The baseline alone.
    Baseline,
    /// The variant with the greatest expected reward over all contexts, alone.
    BestVariant,
}

/// A policy as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShownPolicy {
    /// That of a version.
    PosteriorVersion(u64),
    /// Every allowed variant alike: true.
    Uniform(bool),
    /// One variant alone, by its levels.
    Variant(Map<String, Value>),
    /// A table of so many rows.
    Table(usize),
}

/// What a policy would have earned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PolicyValue {
    /// Which of those it is that every run values; absent where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PolicyName>,
    /// The policy.
    pub policy: ShownPolicy,
    /// Share of these exposures that the policy was learned from, in [0, 1]: by that its value is optimistic. Null without exposures.
    pub learned_from: Option<f64>,
    /// Exposures that are left out since the policy has no row for their context.
    pub unknown_events: u64,
    /// The values, reward units per exposure.
    #[serde(flatten)]
    pub value: OffPolicy,
}

/// The answer of `POST /api/v2/optimizations/{id}/evaluate`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct EvaluatedView {
    /// The version whose run read the snapshot.
    pub posterior_version: u64,
    /// What the policies were valued on.
    pub log: LogSummary,
    /// The policies, in the order of the request.
    pub policies: Vec<PolicyValue>,
}

/// The body of `POST /api/v2/optimizations/{id}/evaluate`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EvaluatePolicies {
    /// The policies to value: 1 to 10.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 10)))]
    pub policies: Vec<AskedPolicy>,
}

/// A policy: exactly one of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(extend("oneOf" = described::one_policy())))]
#[serde(deny_unknown_fields)]
pub struct AskedPolicy {
    /// That of a version of the model that is still kept; 0 is every allowed variant alike.
    #[cfg_attr(feature = "openapi", schemars(range(max = 9_007_199_254_740_991_u64)))]
    #[serde(default)]
    pub posterior_version: Option<u64>,
    /// Every allowed variant alike: true.
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = [true, null])))]
    #[serde(default)]
    pub uniform: Option<bool>,
    /// One variant alone: a level for each design factor.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<std::collections::BTreeMap<String, described::Level>>"))]
    #[serde(default)]
    pub variant: Option<Map<String, Value>>,
    /// Probabilities by context and variant.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1)))]
    #[serde(default)]
    pub table: Option<Vec<PolicyRow>>,
}

/// The probability of a variant in a context. Those of a context add up to 1.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyRow {
    /// The context, a level for each context factor, null for the unknown one; rows without it hold in all contexts that have no rows of
    /// their own.
    #[cfg_attr(
        feature = "openapi",
        schemars(with = "Option<std::collections::BTreeMap<String, Option<described::Level>>>")
    )]
    #[serde(default)]
    pub context: Option<Map<String, Value>>,
    /// The variant: a level for each design factor.
    #[cfg_attr(feature = "openapi", schemars(with = "std::collections::BTreeMap<String, described::Level>"))]
    pub variant: Map<String, Value>,
    /// Its probability, in [0, 1].
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 1)))]
    pub probability: f64,
}
