//! What of a run's results others should hear of: guardrails that are violated, and checks that the data fail.

use bandit::Space;
use bandit::evaluation::GuardrailStatus;
use serde_json::{Value, json};

use super::answer::answer;
use super::guardrails::guardrails;
use super::span::Span;
use crate::domain::StoredResults;
use crate::error::ApiError;

/// What others should hear of.
pub(in crate::usecases) struct Notice {
    /// The guardrails that are violated, by name, each with its figures.
    pub(in crate::usecases) guardrails: Vec<(String, Value)>,
    /// The checks that the data fail, by code, each with what is wrong.
    pub(in crate::usecases) problems: Vec<(String, Value)>,
}

/// What others should hear of a run's results.
pub(in crate::usecases) fn notice(space: &Space, stored: &StoredResults) -> Result<Notice, ApiError> {
    let found = guardrails(stored, |_| true).map_err(ApiError::internal)?;
    let violated = found.into_iter().filter(|found| found.status == GuardrailStatus::Violated).map(|found| {
        let of = found.guardrail;
        let figures = json!({
            "name": of.name, "worse_when": of.worse_when, "margin_percent": of.margin_percent, "on_violation": of.on_violation,
            "lift_percent": found.lift.lift_percent, "lift_ci_anytime": found.lift.lift_ci_anytime,
        });
        (of.name.clone(), figures)
    });
    let answer = answer(space, stored, &Span::default())?;
    let problems = answer["findings"]["problems"].as_array().cloned().unwrap_or_default();
    let problem = |problem: Value| Some((problem["code"].as_str()?.to_owned(), problem));
    Ok(Notice { guardrails: violated.collect(), problems: problems.into_iter().filter_map(problem).collect() })
}
