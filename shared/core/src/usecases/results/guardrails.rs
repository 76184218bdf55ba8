//! Guardrails: what users came to by other rewards, against the holdout, and which of them are violated.

use bandit::evaluation::{Arm, EvaluationError, GuardrailStatus, Lift, guardrail_status};

use crate::domain::{OnViolation, StoredGuardrail, StoredResults};
use crate::error::ApiError;

/// What a guardrail has come to.
pub(super) struct Found<'a> {
    pub(super) guardrail: &'a StoredGuardrail,
    pub(super) lift: Lift,
    pub(super) status: GuardrailStatus,
}

/// What every guardrail has come to, by the users that were first seen on some days. Without users, all are pending.
pub(super) fn guardrails(
    stored: &StoredResults,
    in_span: impl Fn(i64) -> bool,
) -> Result<Vec<Found<'_>>, EvaluationError> {
    let mut users = [0; 2];
    for row in stored.users.iter().flat_map(|users| &users.by_variant).filter(|row| in_span(row.day)) {
        users[usize::from(row.held_out)] += row.arm.users;
    }
    let of = |guardrail: &'_ StoredGuardrail| {
        let mut arms = users.map(|users| Arm { users, ..Arm::default() });
        for row in guardrail.rows.iter().filter(|row| in_span(row.day)) {
            let arm = &mut arms[usize::from(row.held_out)];
            *arm = arm.plus(Arm { users: 0, sum: row.sum, sum_sq: row.sum_sq });
        }
        Lift::of(&arms[0], &arms[1], guardrail.reward_type)
    };
    let found = |guardrail| {
        let lift = of(guardrail)?;
        let status = guardrail_status(lift.lift_ci_anytime, guardrail.worse_when, guardrail.margin_percent);
        Ok(Found { guardrail, lift, status })
    };
    stored.guardrails.iter().map(found).collect()
}

/// The guardrails that are violated by users who were first seen after a day, and for which the baseline is to be served.
pub(in crate::usecases) fn violated(stored: &StoredResults, after: Option<i64>) -> Result<Vec<String>, ApiError> {
    let found = guardrails(stored, |day| after.is_none_or(|after| day > after)).map_err(ApiError::internal)?;
    let serious =
        |of: &Found<'_>| of.status == GuardrailStatus::Violated && of.guardrail.on_violation == OnViolation::Baseline;
    Ok(found.into_iter().filter(serious).map(|of| of.guardrail.name.clone()).collect())
}
