//! What a pass saw, and what it skipped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why a row was skipped, or kept with a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// A level or factor that the design does not have, or a factor missing.
    UnknownVariant,
    /// A context level that is missing or not listed. The row is kept, under the factor's unknown level.
    UnknownContextLevel,
    /// A row of another optimization.
    OtherOptimization,
    /// A reward of another name.
    OtherReward,
    /// No anonymous id.
    NullId,
    /// No timestamp.
    NullTimestamp,
    /// A line, variant or context that is not the JSON it should be.
    BadJson,
    /// A value, id or timestamp that cannot be used: NaN, infinite, negative weight, null where a number is needed, text that is no time.
    BadValue,
    /// A row of a bool reward with value 0 or false: nothing happened.
    ZeroValue,
    /// An exposure whose window was still open, left out on request.
    Immature,
    /// A timestamp before 2000, after 2099, or more than a day after the run began.
    ImplausibleTime,
}

impl SkipReason {
    /// All reasons, in their order.
    pub const ALL: [Self; 11] = [
        Self::UnknownVariant,
        Self::UnknownContextLevel,
        Self::OtherOptimization,
        Self::OtherReward,
        Self::NullId,
        Self::NullTimestamp,
        Self::BadJson,
        Self::BadValue,
        Self::ZeroValue,
        Self::Immature,
        Self::ImplausibleTime,
    ];

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownVariant => "unknown_variant",
            Self::UnknownContextLevel => "unknown_context_level",
            Self::OtherOptimization => "other_optimization",
            Self::OtherReward => "other_reward",
            Self::NullId => "null_id",
            Self::NullTimestamp => "null_timestamp",
            Self::BadJson => "bad_json",
            Self::BadValue => "bad_value",
            Self::ZeroValue => "zero_value",
            Self::Immature => "immature",
            Self::ImplausibleTime => "implausible_time",
        }
    }
}

/// The report of one pass, reported with the training run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observations {
    /// Observations in the cell table: exposures that were neither skipped nor left out.
    pub exposures: u64,
    /// Rewards that count: of this optimization and name, with an id, a time and a usable value. For `observations/` the
    /// rows whose reward is not 0. For `cells/` the conversions of a bool reward, and 0 for a numeric one, which does not say.
    pub rewards: u64,
    /// Rewards credited to an exposure, immature ones included; the remaining `rewards` are unattributed.
    pub attributed_rewards: u64,
    /// Rows by reason; of exposures and rewards together. A row has one reason at most, the first in the order: not JSON, another
    /// optimization, another reward, id, timestamp, variant, context, value, immature. Kept rows appear under `unknown_context_level`.
    pub skipped: BTreeMap<SkipReason, u64>,
}

/// Skips of one kind of row, while counting: rows by the number of the reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skips([u64; SkipReason::ALL.len()]);

impl Skips {
    #[inline]
    pub(crate) fn add(&mut self, reason: SkipReason, rows: u64) {
        self.0[reason as usize] += rows;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, rows) in self.0.iter_mut().zip(other.0) {
            *sum += rows;
        }
    }

    /// Rows that are faults: neither kept nor left out as immature.
    pub(crate) fn faults(&self) -> u64 {
        self.0.iter().sum::<u64>() - self.0[SkipReason::UnknownContextLevel as usize] - self.immature()
    }

    /// Rows left out as immature.
    pub(crate) fn immature(&self) -> u64 {
        self.0[SkipReason::Immature as usize]
    }

    /// The reasons that any row has.
    pub(crate) fn into_map(self) -> BTreeMap<SkipReason, u64> {
        SkipReason::ALL.into_iter().zip(self.0).filter(|(_, rows)| *rows > 0).collect()
    }
}

/// `skipped: 7 null_id, 5 bad_json`, for messages.
pub(crate) fn describe(skipped: &BTreeMap<SkipReason, u64>) -> String {
    if skipped.is_empty() {
        return "nothing was skipped".into();
    }
    let parts: Vec<String> = skipped.iter().map(|(reason, rows)| format!("{rows} {}", reason.name())).collect();
    format!("skipped: {}", parts.join(", "))
}
