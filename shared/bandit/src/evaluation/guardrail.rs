//! Guardrails: rewards that must not get worse by more than a margin.

use serde::{Deserialize, Serialize};

/// In which direction a guardrail's reward gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorseWhen {
    /// More of it is worse: refunds, complaints.
    Up,
    /// Less of it is worse: revenue, sign-ups.
    Down,
}

/// What a guardrail has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GuardrailStatus {
    /// Worse by more than the margin.
    Violated,
    /// Not worse by as much as the margin.
    Ok,
    /// Neither is known yet.
    Pending,
}

/// The status of a guardrail from the anytime interval [lo, hi] of its lift over the holdout ([`super::Lift::lift_ci_anytime`],
/// per cent; `None` is pending):
///
/// ```text
/// worse when up:     violated where lo > margin,     ok where hi < margin
/// worse when down:   violated where hi < −margin,    ok where lo > −margin
/// ```
///
/// The interval holds at every look at once, so that a guardrail that is looked at with every training is called violated or ok
/// without cause in at most 5 % of optimizations, however often it is looked at.
#[must_use]
pub fn guardrail_status(anytime: Option<[f64; 2]>, worse_when: WorseWhen, margin_percent: f64) -> GuardrailStatus {
    let Some([lo, hi]) = anytime else { return GuardrailStatus::Pending };
    // Worsening is upwards from here on.
    let (least, most) = match worse_when {
        WorseWhen::Up => (lo, hi),
        WorseWhen::Down => (-hi, -lo),
    };
    if least > margin_percent {
        GuardrailStatus::Violated
    } else if most < margin_percent {
        GuardrailStatus::Ok
    } else {
        GuardrailStatus::Pending
    }
}
