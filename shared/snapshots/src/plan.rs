//! What counts, and how rewards are credited.

use bandit::{RewardType, Space};
use serde::{Deserialize, Serialize};

use crate::guardrails::Guardrails;
use crate::limits::Limits;
use crate::outcomes::{Names, Outcomes};

/// Which of several exposures gets the credit for a reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The latest exposure whose window contains the reward.
    LastTouch,
    /// The earliest exposure whose window contains the reward.
    FirstTouch,
}

/// What happens to exposures whose window is still open at the snapshot's cut-off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Immature {
    /// They count like all others.
    Include,
    /// They are left out, converted or not.
    #[default]
    Exclude,
}

/// What one pass over a snapshot counts.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The design and the context of the model.
    pub space: &'a Space,
    /// The optimization whose rows count.
    pub optimization_id: &'a str,
    /// The name of the reward that counts.
    pub reward_name: &'a str,
    /// Whether a reward is a conversion or an amount.
    pub reward: RewardType,
    /// What several outcomes are worth, where the reward has them: each exposure's reward is then the greatest weight that it was
    /// credited with, and `reward` is numeric.
    pub outcomes: Option<&'a Outcomes>,
    /// The rewards that are counted beside it, where there are any.
    pub guardrails: Option<&'a Guardrails>,
    /// The touch rule.
    pub attribution: Attribution,
    /// Hours after an exposure in which a reward may be credited to it, both ends included.
    pub window_hours: u32,
    /// Whether exposures with an open window count.
    pub immature: Immature,
    /// Whether a run goes on where not one reward can be attributed.
    pub allow_no_rewards: bool,
    /// Threads that decode; at least 1. The result does not depend on it.
    pub threads: usize,
    /// When the run began, in microseconds since 1970: nothing can have happened more than a day later.
    pub now: i64,
    /// How much is read of anything.
    pub limits: Limits,
}

impl Plan<'_> {
    /// The names of rewards that count: the model's own, then those of its guardrails.
    pub(crate) fn reward_names(&self) -> Names<'_> {
        if let Some(guardrails) = self.guardrails {
            return Names::Several(guardrails.names());
        }
        self.outcomes.map_or(Names::One(self.reward_name), |outcomes| Names::Several(outcomes.names()))
    }

    /// The conversion window in microseconds.
    pub(crate) fn window(&self) -> i64 {
        i64::from(self.window_hours) * 3_600_000_000
    }
}
